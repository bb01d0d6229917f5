"""Uvicorn, as Parley wants it."""

import contextlib
import ctypes
import logging
from typing import Any

import uvicorn

from server.http.protocol import HttpProtocol
from server.settings import Settings
from server.websocket.protocol import SocketProtocol

APPLICATION = "server.application:create_app"
_M_MMAP_THRESHOLD = -3

GRACE = 10  # seconds for requests that run when the process is asked to end

SOCKETS: dict[str, Any] = {
    "ws": SocketProtocol,
    "ws_max_size": 1024 * 1024,  # bytes of a message, as of a POST; a larger one closes the socket with 1009
    "ws_per_message_deflate": False,  # a third of a delivery, and frames could not be made once for many
}

# How lines about a single socket begin. Some hold the query string, which may hold texts; all are one per client.
_OF_ONE_SOCKET = ('%s - "WebSocket ', "connection open", "connection closed", "connection rejected", "Invalid UTF-8")


def serve(settings: Settings) -> None:
    """Until SIGINT or SIGTERM."""
    say_nothing_of_single_sockets()
    give_memory_back()
    uvicorn.run(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HttpProtocol,
        **SOCKETS,
        access_log=False,  # a query in a GET would put texts into the log
        server_header=False,
        proxy_headers=False,  # `server/http/origin.py` reads them, and needs the peer's own address for it
        timeout_graceful_shutdown=GRACE,
    )


def give_memory_back() -> None:
    """Of large answers. By itself, glibc keeps what it has once mapped and been given back, up to 32 MiB a piece: one
    burst of answers would be there for ever. A bound that is set stays (mallopt(3))."""
    with contextlib.suppress(OSError, AttributeError):  # another system, or another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1024 * 1024)


def say_nothing_of_single_sockets() -> None:
    """Uvicorn has them in its log for errors, at INFO, where `access_log` does not reach."""
    logging.getLogger("uvicorn.error").addFilter(_of_more_than_one_socket)


def _of_more_than_one_socket(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_OF_ONE_SOCKET)
