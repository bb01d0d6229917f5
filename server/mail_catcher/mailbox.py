"""The mails that were caught."""

import email
import email.policy
from collections import OrderedDict
from dataclasses import dataclass
from email.message import EmailMessage
from itertools import count

MOST_MAILS = 500
MOST_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True)
class Mail:
    id: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    def view(self) -> dict[str, object]:
        """What `/messages` gives. `to` holds the addresses that the mail was really sent to, which its headers needn't
        name, with ", " between them; `from` is the header of that name, or else the envelope's sender."""
        message = email.message_from_bytes(self.raw, _class=EmailMessage, policy=email.policy.default)
        headers = _headers(message)
        named = {name.lower(): value for name, value in reversed(headers)}
        return {
            "id": self.id,
            "from": named.get("from") or self.sender,
            "to": ", ".join(self.recipients),
            "subject": named.get("subject", ""),
            "headers": headers,
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
        }


class Mailbox:
    """Keeps the newest; the oldest go when there are too many or they take too much memory."""

    def __init__(self, most_mails: int = MOST_MAILS, most_bytes: int = MOST_BYTES) -> None:
        self._mails: OrderedDict[str, Mail] = OrderedDict()
        self._most_mails = most_mails
        self._most_bytes = most_bytes
        self._bytes = 0
        self._numbers = count(1)

    def catch(self, sender: str, recipients: tuple[str, ...], raw: bytes) -> Mail:
        mail = Mail(str(next(self._numbers)), sender, recipients, raw)
        self._mails[mail.id] = mail
        self._bytes += len(raw)
        while len(self._mails) > self._most_mails or (self._bytes > self._most_bytes and len(self._mails) > 1):
            _, oldest = self._mails.popitem(last=False)
            self._bytes -= len(oldest.raw)
        return mail

    def newest_first(self) -> list[Mail]:
        return list(reversed(self._mails.values()))

    def get(self, mail_id: str) -> Mail | None:
        return self._mails.get(mail_id)

    def empty(self) -> None:
        self._mails.clear()
        self._bytes = 0


def _headers(message: EmailMessage) -> list[tuple[str, str]]:
    """Decoded where they can be."""
    found = []
    for name, raw in message.raw_items():
        try:
            value = str(message.policy.header_fetch_parse(name, raw))
        except Exception:  # the standard library stumbles over some malformed ones, in more than one way
            value = str(raw)
        found.append((_clean(name), _clean(value)))
    return found


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        content = part.get_content()
    except (LookupError, ValueError):  # an unknown charset, a broken encoding
        payload = part.get_payload(decode=True)
        content = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return _clean(content).replace("\r\n", "\n") if isinstance(content, str) else None


def _clean(text: str) -> str:
    """Without lone surrogates, which bytes that aren't UTF-8 turn into and JSON can't hold."""
    return text.encode("utf-8", "replace").decode()
