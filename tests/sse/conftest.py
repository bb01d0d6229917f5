"""The same server as for sockets."""

from tests.websocket.conftest import (
    app,
    bounds,
    clients,
    engine,
    pytest_asyncio_loop_factories,
    server,
    streams,
)

__all__ = ["app", "bounds", "clients", "engine", "pytest_asyncio_loop_factories", "server", "streams"]
