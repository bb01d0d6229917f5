"""One subscription, from its beginning to its end."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from graphql import GraphQLError

from models.event import Position
from resolvers.errors import CursorExpired, ParleyError, SignInEnded
from resolvers.stream import End, Seat, Topic
from resolvers.tokens import Named
from resolvers.viewer import Viewer
from server.graphql import error
from server.graphql.streams import Outlet, Results

_numbers = itertools.count()


class Outcome(NamedTuple):
    """What an event is to a subscriber: the result of an execution, or the end, or the one and then the other."""

    payload: bytes | None
    end: End | None = None


Given = tuple[Position, Outcome]


class Run:
    """What several events that follow each other are to many subscribers alike."""

    __slots__ = ("given", "is_plain", "results")

    def __init__(self, given: Sequence[Given]) -> None:
        self.given = given
        self.results = Results([outcome.payload for _, outcome in given if outcome.payload is not None])
        # Several results and nothing else: no end comes with them.
        self.is_plain = len(given) > 1 and all(payload is not None and end is None for _, (payload, end) in given)


class Key(NamedTuple):
    """What makes subscriptions one group: the stream, the document, and the variables that the selection uses."""

    topic: Topic
    document: str
    operation: str | None
    variables: str
    values: int
    """How many its result can hold: as the others say."""


class Listener:
    """Somebody by one of their sign-ins, with all that they listen to by it in one workspace. There is one object for
    each, and it is compared as such: so much is asked about each for every event that comparing ids would cost more
    than the rest."""

    __slots__ = ("__weakref__", "session_id", "user_id")

    def __init__(self, named: Named) -> None:
        self.user_id = named.user_id
        self.session_id = named.session_id


class Subscriber(AsyncIterator[Any]):
    """A subscription that is being let in, replayed, or live.

    number      in the order in which all of the process came
    connection  what carries it, and perhaps others
    at          the event up to which everything has been given, or was there before
    since       the newest event when it was let in; a departure after it ends the stream
    viewer      None until it is judged
    waiting     what happens while it is being let in; None: what happens is left to the log
    paused      its client has too much to take; the replay goes on later
    """

    __slots__ = (
        "_ended",
        "_on_end",
        "after",
        "at",
        "connection",
        "judged",
        "key",
        "listener",
        "live",
        "number",
        "outlet",
        "paused",
        "seat",
        "since",
        "viewer",
        "waiting",
    )

    def __init__(self, key: Key, listener: Listener, after: Position | None, outlet: Outlet) -> None:
        self.number = next(_numbers)
        self.key = key
        self.listener = listener
        self.seat = Seat(key.topic.room_id, listener.user_id, listener.session_id)
        self.after = after
        self.outlet = outlet
        self.connection = outlet.connection
        self.viewer: Viewer | None = None
        self.at = after or Position(0, 0)
        self.since = Position(0, 0)
        self.live = False
        self.paused = False
        self.waiting: list[Given] | None = None
        self.judged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False
        self._on_end: list[Callable[[Subscriber], None]] = []

    async def __anext__(self) -> Any:
        raise NotImplementedError("the hub executes a stream for many at once; nobody iterates over it")

    @property
    def room_id(self) -> UUID | None:
        """None: it listens to all rooms of its user."""
        return self.key.topic.room_id

    @property
    def ended(self) -> bool:
        return self._ended

    def is_owed(self, position: int) -> bool:
        """Whether an event of its stream is still to be given."""
        return not (self._ended or self.paused) and position > self.at.position

    def is_owed_live(self, position: int) -> bool:
        """The same of an event that the reader has found. What is not behind the snapshot in which it was let in comes
        from the log; and the reader's snapshot may be older than that one, and say of its rights what is not true any
        more."""
        return (
            position > self.since.position
            and position > self.at.position
            and (self.live or self.waiting is not None)
            and self.viewer is not None
            and not (self._ended or self.paused)
        )

    def on_end(self, forget: Callable[["Subscriber"], None]) -> None:
        if self._ended:
            forget(self)
        else:
            self._on_end.append(forget)

    def give(self, at: Position, outcome: Outcome) -> bool:
        """Hand over an event, or the end that comes with it; one that was given before is dropped. Whether it was given
        a result."""
        if self._ended or at.position <= self.at.position:
            return False
        if outcome.payload is not None and not self.outlet.next(outcome.payload):
            self.close()
            return False
        self.at = at
        if outcome.end is not None:
            self.end(outcome.end)
        return outcome.payload is not None

    def give_all(self, run: Run) -> bool:
        """Hand over several events, where its client can be given all of them at once. False: nothing was given."""
        if not run.is_plain or self._ended or run.given[0][0].position <= self.at.position:
            return False
        if not self.outlet.next_all(run.results):
            return False
        self.at = run.given[-1][0]
        return True

    def go_live(self, at: Position) -> None:
        """Everything up to this event has been given; what has happened since comes now, and then the rest as it
        happens."""
        self.at = at
        self.live = True
        waiting, self.waiting = self.waiting, None
        for position, outcome in waiting or ():
            self.give(position, outcome)

    def leave_live(self, before: Position) -> None:
        """What comes behind that event is left to the log; everything up to it has been given."""
        self.live = False
        if before.position > self.at.position:
            self.at = before

    def end(self, how: End) -> None:
        if not self._ended:
            self.close()
            if how is End.SIGNED_OUT:
                self.outlet.expel(SignInEnded().public_message)
            else:
                self.outlet.complete()

    def expire(self) -> None:
        """Its place on the line is not there any more."""
        self.fail(CursorExpired())

    def fail(self, failure: ParleyError) -> None:
        if not self._ended:
            self.close()
            self.outlet.error([error.of_execution([GraphQLError("", original_error=failure)])[0]])

    def close(self) -> None:
        """Nothing is given from now on. Asked twice, done once."""
        if not self._ended:
            self._ended = True
            self.live = False
            self.waiting = None
            for forget in self._on_end:
                forget(self)
            self.judged.cancel()
