"""The explorer as what an application mounts: the page, and the routes of its files."""

import hashlib
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.explorer.bundle import Bundle
from server.explorer.page import POLICY, filled_page, missing_page
from server.explorer.place import ASSETS, built
from server.http.accept import takes_gzip
from server.http.plain import json_response
from server.settings import Settings

_FOR_EVER = "public, max-age=31536000, immutable"  # a file's name holds its content's hash


@dataclass(frozen=True)
class Explorer:
    """The page is the explorer, or one that tells how to build it."""

    bundle: Bundle
    page: bytes

    def show(self, request: Request) -> Response:
        """The page: kept by a browser, and asked about each time."""
        tag = f'"{hashlib.sha256(self.page).hexdigest()[:32]}"'
        headers = {"cache-control": "no-cache", "etag": tag, "vary": "Accept", "content-security-policy": POLICY}
        if tag in (request.headers.get("if-none-match") or ""):
            return Response(status_code=304, headers=headers)
        return Response(self.page, media_type="text/html", headers=headers)

    async def file(self, request: Request) -> Response:
        asset = self.bundle.assets.get(request.path_params["name"])
        if asset is None:
            return json_response(404, error="Not Found")
        # A worker has the policy of its own file, not of the page.
        headers = {"cache-control": _FOR_EVER, "vary": "Accept-Encoding", "content-security-policy": POLICY}
        if asset.squeezed and takes_gzip(",".join(request.headers.getlist("accept-encoding"))):
            headers["content-encoding"] = "gzip"
            return Response(asset.content, media_type=asset.media_type, headers=headers)
        return Response(asset.plain, media_type=asset.media_type, headers=headers)

    @property
    def routes(self) -> list[Route]:
        return [Route(f"/{ASSETS}/{{name}}", self.file)]


def explorer(settings: Settings) -> Explorer | None:
    """None where it is turned off. One that is not built never keeps the API from starting."""
    if not settings.explorer:
        return None
    build = built()
    if build is None:
        return Explorer(Bundle("", {}), missing_page())
    bundle = Bundle.read(build)
    return Explorer(bundle, filled_page(bundle.page, settings))
