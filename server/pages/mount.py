"""The pages as what an application mounts. All of it is the same for everybody: a GET reads nothing and spends nothing,
and what a link holds stands in the fragment, which no browser sends."""

import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.http.plain import json_response
from server.pages.files import Files
from server.pages.page import NAMES, POLICY, page
from server.settings import Settings

ASSETS = "pages"  # the folder of the files' addresses
_ASKED_EACH_TIME = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"  # the address holds the content's hash


def pages(settings: Settings) -> list[Route]:
    """The routes."""
    files = Files.read()
    folder = f"{ASSETS}/{files.version}"

    async def file(request: Request) -> Response:
        found = files.by_name.get(request.path_params["name"])
        if found is None:
            return json_response(404, error="Not Found")
        # While nodes are replaced, a page of one asks another for its files: these work too, and are not to be kept.
        own = request.path_params["version"] == files.version
        headers = {
            "cache-control": _FOR_EVER if own else _ASKED_EACH_TIME,
            "content-security-policy": "default-src 'none'",
            "cross-origin-resource-policy": "same-origin",
        }
        return Response(found.content, media_type=found.media_type, headers=headers)

    shown = [Route(f"/{name}", _shown(page(name, folder, settings))) for name in NAMES]
    return [*shown, Route(f"/{ASSETS}/{{version}}/{{name}}", file)]


def _shown(content: bytes) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "cache-control": _ASKED_EACH_TIME,
        "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "content-security-policy": POLICY,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }

    async def show(request: Request) -> Response:
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="text/html", headers=headers)

    return show
