"""What all sockets of the process have in common."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from server.graphql.execution import Execution
from server.graphql.mutations import Mutations
from server.graphql.streams import Streams


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may take, and one user."""

    init_seconds: float = 10.0
    operations: int = 100
    frames: int = 1_000
    bytes: int = 4 * 1024 * 1024
    asked: int = 2 * 1024 * 1024  # characters of the messages of its operations
    connections_of_user: int = 100


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections share."""

    execution: Execution
    mutations: Mutations
    streams: Streams | None
    bounds: Bounds
    _connections: Counter[Hashable] = field(default_factory=Counter)  # of each user

    def enter(self, user: Hashable) -> bool:
        """Count a connection in. False: the user has too many."""
        if self._connections[user] >= self.bounds.connections_of_user:
            return False
        self._connections[user] += 1
        return True

    def leave(self, user: Hashable) -> None:
        self._connections[user] -= 1
        if not self._connections[user]:
            del self._connections[user]
