"""What all connections of the process have in common, sockets and streams of events."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from server.graphql.execution import Execution
from server.graphql.mutations import Mutations
from server.graphql.streams import Streams


class Waiting(Protocol):
    """What waits to be sent on a connection."""

    @property
    def waiting_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may take, one user, and all together."""

    init_seconds: float = 10.0
    operations: int = 100
    frames: int = 1_000
    bytes: int = 4 * 1024 * 1024
    asked: int = 2 * 1024 * 1024  # characters of the messages of its operations
    connections_of_user: int = 100
    bytes_of_user: int = 64 * 1024 * 1024  # that wait for all their connections; then nothing more is asked for them
    bytes_together: int = 64 * 1024 * 1024  # that wait in the process, before connections have less room each
    connections: int = 20_000
    seconds: float = 86_400.0  # how long one may live: an access token's end is not its own


class Backlog:
    """What waits for all connections of the process together. Each has a bound of its own, but many slow ones would
    still eat the memory: past this one, whoever is far behind has to go."""

    # Bytes that may wait for any connection, however many are behind: who is only taking a burst is not slow.
    ALWAYS = 256 * 1024

    def __init__(self, most: int) -> None:
        self.bytes = 0
        self._most = most

    def is_full_for(self, waiting: int) -> bool:
        """Whether nothing more may wait for a connection for which so many bytes do."""
        return waiting > self.ALWAYS and self.bytes > self._most

    def is_half_full_for(self, waiting: int) -> bool:
        return waiting * 2 > self.ALWAYS and self.bytes * 2 > self._most


class Load:
    """What waits to be sent on one connection: bounded in frames and bytes, and by what waits for all together."""

    __slots__ = ("_backlog", "_most_bytes", "_most_frames", "_waiting", "bytes")

    def __init__(self, most_frames: int, most_bytes: int, backlog: Backlog) -> None:
        self.bytes = 0
        self._most_frames = most_frames
        self._most_bytes = most_bytes
        self._backlog = backlog
        self._waiting: list[asyncio.Future[None]] = []

    def takes(self, frames: int, size: int) -> bool:
        """Whether, beside so many frames, one of that size in bytes may wait."""
        return (
            frames < self._most_frames
            and self.bytes + size <= self._most_bytes
            and not self._backlog.is_full_for(self.bytes)
        )

    def is_full(self, frames: int) -> bool:
        """At its own bound."""
        return frames >= self._most_frames or self.bytes >= self._most_bytes

    def is_half_full(self, frames: int) -> bool:
        return (
            frames * 2 > self._most_frames
            or self.bytes * 2 > self._most_bytes
            or self._backlog.is_half_full_for(self.bytes)
        )

    def count(self, more: int) -> None:
        """So many more bytes wait, or fewer."""
        self.bytes += more
        self._backlog.bytes += more

    @property
    def is_waited_for(self) -> bool:
        return bool(self._waiting)

    async def released(self) -> None:
        """Wait until `release`. Who came first goes on first."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


@dataclass(slots=True)
class Service:
    """What all connections share."""

    execution: Execution
    mutations: Mutations
    streams: Streams | None
    bounds: Bounds
    backlog: Backlog = field(init=False)
    _open: int = 0
    _connections: dict[Hashable, set[Waiting]] = field(default_factory=dict)  # of each user

    def __post_init__(self) -> None:
        self.backlog = Backlog(self.bounds.bytes_together)

    def open(self) -> bool:
        """Count a connection in. False: there are too many."""
        if self._open >= self.bounds.connections:
            return False
        self._open += 1
        return True

    def close(self) -> None:
        self._open -= 1

    def enter(self, user: Hashable, connection: Waiting) -> bool:
        """Count a connection as a user's. False: they have too many."""
        theirs = self._connections.setdefault(user, set())
        if len(theirs) >= self.bounds.connections_of_user:
            return False
        theirs.add(connection)
        return True

    def leave(self, user: Hashable, connection: Waiting) -> None:
        theirs = self._connections[user]
        theirs.discard(connection)
        if not theirs:
            del self._connections[user]

    def is_behind(self, user: Hashable) -> bool:
        """Whether so much waits for a user that they shall take it first."""
        return sum(each.waiting_bytes for each in self._connections.get(user, ())) > self.bounds.bytes_of_user
