"""What all sockets of the process have in common."""

from dataclasses import dataclass

from server.graphql.execution import Execution
from server.graphql.mutations import Mutations
from server.graphql.streams import Streams


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may take."""

    init_seconds: float = 10.0
    operations: int = 100
    frames: int = 1_000
    bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections share."""

    execution: Execution
    mutations: Mutations
    streams: Streams | None
    bounds: Bounds
