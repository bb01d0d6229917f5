"""What mails say, and how they are written down for SMTP.

texts       the words, by language and kind          message    headers and parts, safe whatever the names hold
writing     a mail's words and its link, put together

Everything is rendered at the last moment, from the truth of then; no rendered text is kept anywhere.
"""
