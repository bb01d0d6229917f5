"""A connection to Valkey, and what to do when it fails.

Of redis-py only the connection is used: its commands and its pub/sub reconnect by themselves, even when told not to
(with no retries a failed read connects once more before it raises).
"""

import logging
import math
import random
from asyncio import StreamWriter
from typing import Any

from redis import RedisError
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection, parse_url

from server.fault import record

log = logging.getLogger("parley.broadcast")

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 1.0

Command = tuple[str | bytes | int, ...]


class Link:
    """One connection, which can be made again and again. Its methods raise OSError and RedisError."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises ValueError for an address that can't be read.

        TLS verifies the server's certificate and name, unless the address says otherwise.
        """
        # Time limits are the callers': theirs are for a whole exchange.
        ours = {"protocol": 2, "decode_responses": False, "socket_timeout": None, "socket_connect_timeout": None}
        options: dict[str, Any] = {**parse_url(url), **ours}
        # One object for all times: each would read all certificate authorities anew.
        self._connection: AbstractConnection = ConnectionPool(**options).make_connection()  # type: ignore[no-untyped-call]
        self._writer: StreamWriter | None = None

    async def connect(self) -> None:
        """Does nothing where it is connected."""
        if not self._connection.is_connected:
            await self._connection.connect()  # type: ignore[no-untyped-call]
            self._writer = self._connection._writer

    async def send(self, *commands: Command) -> None:
        packed = self._connection.pack_commands(commands)
        await self._connection.send_packed_command(packed, check_health=False)

    async def read(self, seconds: float = math.inf) -> Any:
        """The next answer. None when there is none for so long."""
        return await self._connection.read_response(timeout=seconds, disconnect_on_error=False)

    async def cut(self) -> None:
        """Disconnect without waiting, least of all until a peer has read everything: it may never read again."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        await self._connection.disconnect(nowait=True)


class Outage:
    """Tells the log once that something doesn't work, and once that it does again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pause = FIRST_SECONDS
        self._lasts = False

    def begin(self, error: Exception) -> float:
        """After each failure. Gives the seconds after which to try again."""
        if not self._lasts:
            cause = _first(error)
            # Its class only: its text may hold what the address holds.
            log.warning("Valkey: %s do not work (%s); sweeps find what is missed", self._what, type(cause).__name__)
            if not isinstance(cause, OSError | RedisError):
                record(log, error)
        self._lasts = True
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_SECONDS)
        return pause * random.uniform(0.5, 1)  # noqa: S311  # so that not all processes come at once

    def end(self) -> None:
        """After each success."""
        if self._lasts:
            log.warning("Valkey: %s work again", self._what)
        self._lasts = False
        self._pause = FIRST_SECONDS


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
