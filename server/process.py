"""What resolvers need from the process, made from its settings."""

import select
from functools import partial
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from models.connection import Connection
from resolvers.issuer_token import ClaimNames
from resolvers.limit import Limiter
from resolvers.process import Issuers, MarksMoved, Pool, Process, Publish, Queue
from resolvers.sealing import Sealer, derived
from server.identity.fetch import fetch
from server.identity.keyring import FetchedKeys
from server.limiter import Buckets, SharedLimiter
from server.settings import Settings


def make_pool(settings: Settings, *, size: int | None = None, least: int = 1) -> Pool:
    """A pool of connections, not opened yet, which keeps the `least` number. What runs in them begins and ends its
    transactions itself."""
    options: dict[str, Any] = {
        "autocommit": True,
        # A host that has fallen silent is found out in seconds, not in the system's hours. Over a Unix socket it can't.
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,  # milliseconds
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "prepare_threshold": 5 if settings.prepare_statements else None,
    }
    return AsyncConnectionPool(
        settings.database_address,
        connection_class=Connection,
        min_size=least,
        max_size=size or settings.database_pool_size,
        kwargs=options,
        open=False,
        check=_check,
    )


async def _check(connection: Connection) -> None:
    """Find what a restart of the database broke, before it is handed out, without asking a good one anything.

    The server speaks to an idle connection only to say that it ends.
    """
    heard = select.poll()
    heard.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if heard.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def _nobody_tells(_: UUID) -> None:
    """A worker moves no marks."""


def make_limiter(settings: Settings) -> SharedLimiter:
    """For processes that people reach."""
    return SharedLimiter(settings.valkey_address, derived(settings.secret, "limits"))


def make_process(
    settings: Settings,
    pool: Pool,
    queue: Queue,
    publish: Publish,
    marks_moved: MarksMoved = _nobody_tells,
    limiter: Limiter | None = None,
) -> Process:
    """`limiter`: for who serves requests; nobody guesses elsewhere."""
    secret = settings.secret
    return Process(
        pool=pool,
        queue=queue,
        publish=publish,
        marks_moved=marks_moved,
        limiter=limiter or Buckets(),
        cursors=Sealer([secret, *settings.former_secrets]),
        token_key=derived(secret, "access token"),
        access_token_seconds=settings.access_token_seconds,
        refresh_token_seconds=settings.refresh_token_seconds,
        lock_timeout_ms=settings.lock_timeout_ms,
        idle_transaction_timeout_ms=settings.idle_transaction_timeout_ms,
        event_retention_days=settings.event_retention_days,
        link_keys=tuple(derived(each, "link token") for each in (secret, *settings.former_secrets)),
        public_url=settings.public_address,
        invitation_seconds=settings.invitation_seconds,
        link_seconds=settings.link_seconds,
        issuers=_make_issuers(settings),
    )


def _make_issuers(settings: Settings) -> Issuers:
    return Issuers(
        keys=FetchedKeys(partial(fetch, insecure=not settings.production)),
        claims=ClaimNames(
            subject=settings.claim_subject,
            email=settings.claim_email,
            email_verified=settings.claim_email_verified,
            name=settings.claim_name,
            picture=settings.claim_picture,
            kind=settings.claim_kind,
        ),
        clock_skew_seconds=settings.clock_skew_seconds,
    )
