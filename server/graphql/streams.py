"""The seam between the entries that carry subscriptions and the hub that feeds them."""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from server.graphql.error import Told, told
from server.graphql.execution import Prepared

# How a subscription ends whose client is too far behind; and one that is not to be resumed, as it would meet the same
# result again.
TOO_SLOW = told("This client reads too slowly. Subscribe again behind the last cursor that it has.", "RATE_LIMITED")
TOO_LARGE = told("A result of this subscription is larger than a connection carries.", "QUERY_TOO_COMPLEX")


class Rejected(Exception):
    """The subscription does not begin; what its client is told."""

    def __init__(self, errors: Sequence[Told]) -> None:
        super().__init__()
        self.errors = list(errors)


class Unavailable(Exception):
    """Nothing can begin just now: a client tries again later."""


class Results:
    """Results of one stream that follow each other, given to many alike. What an entry makes of them for its clients it
    makes once, and keeps the latest here."""

    __slots__ = ("made", "payloads", "size")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self.size = sum(map(len, payloads))  # bytes
        self.made: dict[Hashable, bytes] = {}


class Outlet(Protocol):
    """One subscription's way to its client. Nothing here but `room` waits; after an end nothing more is given."""

    @property
    def connection(self) -> Hashable:
        """What carries it: those that share one have one order."""

    def next(self, payload: bytes) -> bool:
        """Give the result of an execution, as JSON that was made once for many.

        False: the client is so far behind that there is no room. The outlet has then ended the subscription itself,
        with an error that tells to resume.
        """

    def next_all(self, results: Results) -> bool:
        """Give several results, where all of them can go at once. False: nothing was given; `next` gives each."""

    def complete(self) -> None:
        """The stream has come to its end."""

    def error(self, errors: Sequence[Told]) -> None:
        """The stream ends with an error."""

    def expel(self, reason: str) -> None:
        """The sign-in has ended: so does the whole connection."""

    @property
    def full(self) -> bool:
        """Whether a replay should pause: the client has half of what it may be behind still to take."""

    async def room(self) -> None:
        """Wait until it is not full, or the connection has ended."""


class Stream(Protocol):
    def close(self) -> None:
        """The client does not want it any more, or is gone. Asked twice, done once."""


class Streams(Protocol):
    async def verify(self, who: Any) -> None:
        """See that a sign-in is alive.

        Raises an exception with the code UNAUTHENTICATED when it is not.
        """

    async def subscribe(self, prepared: Prepared, who: Any | None, outlet: Outlet) -> Stream:
        """Begin to feed an outlet. When it returns the stream has its position: whatever commits from then on is
        given, and what the client asked to resume is on its way. `outlet` may be spoken to before it returns.

        Raises:
            Rejected: the subscription does not begin.
            Unavailable: it can't begin now.
            an exception with the code UNAUTHENTICATED: the sign-in has ended.
        """
