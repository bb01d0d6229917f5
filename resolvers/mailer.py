"""How a mail leaves the process: through somebody who speaks SMTP, of which nothing more is known here."""

import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

# A clock that also runs while the process, or the whole machine, stands still.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Seconds since some moment. Deadlines of mails are counted in it."""
    return time.clock_gettime(_CLOCK)


class Sender(NamedTuple):
    """What a mail says that it is from. `address` is in ASCII."""

    name: str
    address: str


class Letter(NamedTuple):
    """A mail as it goes over the wire, to one address."""

    recipient: str
    raw: bytes
    # The address has letters that only a server with SMTPUTF8 (RFC 6531) takes.
    needs_utf8: bool


class Outcome(Enum):
    SENT = auto()
    AWAY = auto()  # the server can't be spoken to: it is nothing about this mail, and no mail leaves now
    PUT_OFF = auto()  # not taken, and to be tried again
    REFUSED = auto()  # never to be taken
    UNKNOWN = auto()  # it may have been taken, or be taken yet


@dataclass(frozen=True, slots=True)
class Delivery:
    outcome: Outcome
    # A reply code and our own words, never the server's text.
    failure: str | None = None
    # The server fell silent in the middle: then others had better not try either.
    silent: bool = False
    # Its time was over before the server was spoken to: that tells nothing of the server.
    untried: bool = False


class Mailer(Protocol):
    @property
    def sender(self) -> Sender: ...

    @property
    def seconds(self) -> int:
        """How long an attempt may take, from its beginning."""
        ...

    async def deliver(self, letter: Letter, deadline: float) -> Delivery:
        """Hand a letter to the server, unless it is past the deadline (by `elapsed`) before its last dot can leave.
        Raises nothing that has to do with the server."""
        ...
