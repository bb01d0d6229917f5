"""The mail catcher: an SMTP server that delivers to nobody, and a page that shows what it got. For development.

Both listen on 127.0.0.1 only. Mails are kept in memory, the newest few hundred of them.
"""
