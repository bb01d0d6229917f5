"""What `PARLEY_SMTP_URL` and `PARLEY_MAIL_FROM` say."""

from email.utils import parseaddr
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from resolvers.errors import Refused
from resolvers.letter.message import shown
from resolvers.mailer import Sender
from resolvers.text import ascii_domain, email_address

_PORTS = {"smtp": 25, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class StartTls(StrEnum):
    REQUIRED = "required"
    OFFERED = "offered"  # where the server offers it
    NEVER = "never"


class SmtpAddress(NamedTuple):
    host: str
    port: int
    user: str | None
    password: str
    # From the first byte on.
    tls: bool
    start_tls: StartTls


def smtp_address(url: str) -> SmtpAddress:
    """Raises ValueError, with a message that holds nothing of the URL."""
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    start_tls = options.pop("starttls", None)
    try:
        port = parts.port
    except ValueError:
        raise ValueError("has a port that is none") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise ValueError("must be like smtp://user:password@mail.example.com:587")
    if options or (
        start_tls and (len(start_tls) != 1 or start_tls[0] not in list(StartTls) or parts.scheme == "smtps")
    ):
        raise ValueError(f"knows no option but ?starttls={'|'.join(StartTls)}, with smtp://")
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password or "")
    if any(not each.isprintable() for each in (user or "", password)):
        raise ValueError("has control characters in user or password")
    # A password is never sent in the clear because somebody in between has left out the offer.
    by_default = StartTls.REQUIRED if user and parts.hostname not in _LOOPBACK else StartTls.OFFERED
    return SmtpAddress(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=user,
        password=password,
        tls=parts.scheme == "smtps",
        start_tls=StartTls(start_tls[0]) if start_tls else by_default,
    )


def mail_sender(mail_from: str) -> Sender:
    """Of `Name <address>`, or an address alone. Raises ValueError."""
    name, address = parseaddr(mail_from)
    try:
        # A host without a dot is somebody's own machine.
        own = address.endswith("@localhost") and address.count("@") == 1 and email_address(f"{address}.test")
        found = address if own else ascii_domain(email_address(address))
    except Refused:
        found = ""
    if (
        not mail_from.isprintable()
        or not found.isascii()
        or not found
        or shown(name) != name
        or mail_from.count("@") != 1
    ):
        raise ValueError("must be like Parley <no-reply@example.com>, with an address in ASCII")
    return Sender(name, found)
