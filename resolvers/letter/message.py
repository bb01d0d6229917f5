"""A mail as SMTP takes it (RFC 5322): headers, and a part each for those who read text and HTML.

Names come from people. So the headers that hold one are written here, each as encoded words (RFC 2047) unless it is
made of letters and digits alone, and not by `email`, which reads what it is given: it would decode an encoded word that
is in a name, and its older versions lose the quotes around a name that they fold. What can't stand in a header never
gets there.
"""

import re
import unicodedata
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import NamedTuple

from resolvers.errors import Refused
from resolvers.mailer import Letter, Sender
from resolvers.text import BIDI_CONTROLS, NAME_LIMIT, ascii_domain, email_address

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ]{0,58}[A-Za-z0-9])?")
# As RFC 5322 writes a header of ASCII, folded or not; an address may have letters beyond it (RFC 6532).
_HEADER = re.compile(r"[A-Za-z-]+: [!-~\x80-\U0010ffff](?:[ -~\x80-\U0010ffff]|\r\n [!-~])*")
_FOLD = "\r\n "
_LINE = 900  # octets; SMTP takes 998


class Written(NamedTuple):
    subject: str
    text: str
    html: str


class Unmailable(Exception):
    """No mail can go to such an address."""


def shown(name: str) -> str:
    """A name as a mail shows it: one line, in the order that it is written in, and not without end."""
    line = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Zs") else each for each in name)
    line = " ".join("".join(each for each in line if each not in BIDI_CONTROLS).split())
    return line if len(line) <= NAME_LIMIT else f"{line[: NAME_LIMIT - 1]}…"


def compose(written: Written, sender: Sender, name: str, address: str, message_id: str, date: datetime) -> Letter:
    """One mail to one address.

    Raises:
        Unmailable: what is kept as the address is none.
    """
    try:
        recipient = ascii_domain(email_address(address))
    except Refused:
        raise Unmailable from None
    headers = [
        _header("From", _mailbox(sender.name, sender.address)),
        _header("To", _mailbox(shown(name), recipient)),
        _header("Subject", _words("Subject", shown(written.subject))),
        _header("Date", format_datetime(date)),
        _header("Message-ID", message_id),
        # To autoresponders: don't answer (RFC 3834).
        _header("Auto-Submitted", "auto-generated"),
    ]
    content = EmailMessage(policy=SMTP)
    content.set_content(written.text, cte="quoted-printable")
    content.add_alternative(written.html, subtype="html", cte="quoted-printable")
    raw = "".join(f"{header}\r\n" for header in headers).encode() + content.as_bytes()
    return Letter(recipient, raw, needs_utf8=not recipient.isascii())


def _mailbox(name: str, address: str) -> str:
    if not name:
        return address
    return f"{_words('To', name)}{' ' if _PLAIN.fullmatch(name) else _FOLD}<{address}>"


def _words(header: str, text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return Header(text, "utf-8", maxlinelen=74, header_name=header).encode(linesep="\r\n")


def _header(name: str, value: str) -> str:
    """The belt to `_words`' braces."""
    header = f"{name}: {value}"
    if not _HEADER.fullmatch(header) or any(len(line.encode()) > _LINE for line in header.split("\r\n")):
        raise ValueError(f"{name} can't be written")
    return header
