"""Uvicorn, as Parley wants it."""

import logging
from typing import Any

import uvicorn

from server.http.protocol import HttpProtocol
from server.settings import Settings
from server.websocket.protocol import SocketProtocol

APPLICATION = "server.application:create_app"
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
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACE,
    )


def say_nothing_of_single_sockets() -> None:
    """Uvicorn has them in its log for errors, at INFO, where `access_log` does not reach."""
    logging.getLogger("uvicorn.error").addFilter(_of_more_than_one_socket)


def _of_more_than_one_socket(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_OF_ONE_SOCKET)
