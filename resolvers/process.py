"""What resolvers need from the process that they run in. `server/` makes one and hands it down; nothing is global."""

from collections.abc import Callable
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from models.connection import Connection
from resolvers.sealing import Sealer

Pool = AsyncConnectionPool[Connection]
# Queues a task by name, after the commit. A hint: it may fail silently, since a sweep finds what is owed.
Queue = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Process:
    pool: Pool
    queue: Queue
    cursors: Sealer
    token_key: bytes
    access_token_seconds: int
    refresh_token_seconds: int
    lock_timeout_ms: int
    idle_transaction_timeout_ms: int
