"""A firm's own portal with the chat in it: what docs/embedding.md explains, as code. For development only.

people   who can come         mint   the issuer: keys and tokens         page   the portal: sign-in, page, token
chat.js  the chat in the page, without any library         serve  the process
"""
