"""/healthz and /readyz, for whoever restarts the process and whoever sends it requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from server import fault
from server.http.plain import json_response

log = logging.getLogger("parley.http")

# A part that does not answer in this time is as good as down.
_PATIENCE = 5.0

Ready = Callable[[], Awaitable[None]]


class NotReady(Exception):
    """Parts that requests need are not reachable; their names ("database", "valkey"), never addresses."""

    def __init__(self, *parts: str) -> None:
        super().__init__(", ".join(parts))
        self.parts = parts


async def healthz(request: Request) -> Response:
    """The process runs and its event loop turns."""
    return json_response(200, status="alive")


def readyz(ready: Ready) -> Callable[[Request], Awaitable[Response]]:
    """Make the endpoint: 200 when `ready` returns, 503 with the failed parts when it raises NotReady."""

    async def endpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(_PATIENCE):
                await ready()
        except NotReady as error:
            return json_response(503, status="not ready", failed=error.parts)
        except TimeoutError:
            return json_response(503, status="not ready", failed=["timeout"])
        except Exception as error:
            return json_response(503, status="not ready", failed=["unknown"], errorId=fault.record(log, error))
        return json_response(200, status="ready")

    return endpoint
