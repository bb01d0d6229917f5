"""What resolvers need from the process that they run in. `server/` makes one and hands it down; nothing is global."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from models.connection import Connection
from resolvers.issuer_key import Keyring
from resolvers.issuer_memory import Memory
from resolvers.issuer_token import ClaimNames
from resolvers.limit import InFlight, Limiter
from resolvers.sealing import Sealer

Pool = AsyncConnectionPool[Connection]
# Queues a task by name, after the commit. A hint: it may fail silently, since a sweep finds what is owed.
Queue = Callable[..., None]
# Says that a workspace's line has come to a position, after the commit. A hint as well: it returns at once.
Publish = Callable[[UUID, int], None]
# Says that read marks of a workspace have moved and wait to be told. A hint too: a sweep finds what nobody told.
MarksMoved = Callable[[UUID], None]


@dataclass(frozen=True, slots=True)
class Issuers:
    """How tokens of firms' own issuers are read."""

    keys: Keyring
    claims: ClaimNames = field(default_factory=ClaimNames)
    clock_skew_seconds: int = 30
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Process:
    pool: Pool
    queue: Queue
    publish: Publish
    marks_moved: MarksMoved
    limiter: Limiter
    cursors: Sealer
    token_key: bytes
    access_token_seconds: int
    refresh_token_seconds: int
    lock_timeout_ms: int
    idle_transaction_timeout_ms: int
    event_retention_days: int
    # The first makes the tokens of links; all of them open.
    link_keys: tuple[bytes, ...]
    # Where people reach the built-in pages, without a slash at the end.
    public_url: str
    invitation_seconds: int
    link_seconds: int
    issuers: Issuers
    in_flight: InFlight = field(default_factory=InFlight)
