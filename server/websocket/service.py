"""What all sockets of the process have in common."""

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
    """What one connection may take, and one user."""

    init_seconds: float = 10.0
    operations: int = 100
    frames: int = 1_000
    bytes: int = 4 * 1024 * 1024
    asked: int = 2 * 1024 * 1024  # characters of the messages of its operations
    connections_of_user: int = 100
    bytes_of_user: int = 64 * 1024 * 1024  # that wait for all their connections; then nothing more is asked for them


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections share."""

    execution: Execution
    mutations: Mutations
    streams: Streams | None
    bounds: Bounds
    _connections: dict[Hashable, set[Waiting]] = field(default_factory=dict)  # of each user

    def enter(self, user: Hashable, connection: Waiting) -> bool:
        """Count a connection in. False: the user has too many."""
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
