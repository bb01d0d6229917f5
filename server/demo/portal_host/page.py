"""The portal: three people to continue as, a page with the chat in it, and tokens for whoever has signed in."""

import html
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from server.demo.portal_host.mint import Issuer
from server.demo.portal_host.people import PEOPLE, Person

FOLDER = Path(__file__).parent
COOKIE = "harbor"
MOST_SIGN_INS = 1000
# Not no-referrer: with it, browsers send a form without its Origin.
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": "no-store"}


class Portal:
    def __init__(self, issuer: Issuer, parley: str) -> None:
        """parley: where the API is."""
        self._issuer = issuer
        self._parley = parley
        self._signed_in: dict[str, Person] = {}
        address = urlsplit(parley)
        socket = f"{'wss' if address.scheme == 'https' else 'ws'}://{address.netloc}"
        self._policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' {parley} "
            f"{socket}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self.show),
                Route("/continue", self.sign_in, methods=["POST"]),
                Route("/token", self.token, methods=["POST"]),
                Route("/leave", self.sign_out, methods=["POST"]),
                Route("/chat.js", self.script),
                Route("/style.css", self.style),
                Route("/jwks", self.keys),
                Route("/.well-known/openid-configuration", self.configuration),
            ],
            middleware=[
                Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"], www_redirect=False)
            ],
        )

    async def show(self, request: Request) -> Response:
        person = self._whose(request)
        body = _choice() if person is None else _chat(person, self._parley)
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Harbor Legal</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f'<link rel="stylesheet" href="/style.css"></head>{body}</html>'
        )
        return HTMLResponse(page, headers={**HEADERS, "content-security-policy": self._policy})

    async def sign_in(self, request: Request) -> Response:
        """A real portal asks for more than a click."""
        person = PEOPLE.get((await request.body()).decode("ascii", "replace").removeprefix("person="))
        if person is None or not _of_this_site(request):
            return PlainTextResponse("refused", 403, headers=HEADERS)
        if len(self._signed_in) >= MOST_SIGN_INS:
            self._signed_in.clear()
        secret = secrets.token_urlsafe(32)
        self._signed_in[secret] = person
        answer = RedirectResponse("/", 303, headers=HEADERS)
        answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", path="/")
        return answer

    async def token(self, request: Request) -> Response:
        """A fresh token for whoever has signed in here, and for nobody else."""
        person = self._whose(request)
        if not _of_this_site(request):
            return PlainTextResponse("refused", 403, headers=HEADERS)
        if person is None:
            return JSONResponse({"error": "sign in first"}, 401, headers=HEADERS)
        token = self._issuer.mint(person)
        return JSONResponse({"token": token.text, "expiresAt": token.expires_at}, headers=HEADERS)

    async def sign_out(self, request: Request) -> Response:
        if not _of_this_site(request):
            return PlainTextResponse("refused", 403, headers=HEADERS)
        self._signed_in.pop(request.cookies.get(COOKIE, ""), None)
        answer = RedirectResponse("/", 303, headers=HEADERS)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    async def keys(self, _: Request) -> Response:
        return JSONResponse(self._issuer.keys(), headers=HEADERS)

    async def configuration(self, _: Request) -> Response:
        name = self._issuer.name
        return JSONResponse({"issuer": name, "jwks_uri": f"{name}/jwks"}, headers=HEADERS)

    async def script(self, _: Request) -> Response:
        return Response((FOLDER / "chat.js").read_bytes(), media_type="text/javascript", headers=HEADERS)

    async def style(self, _: Request) -> Response:
        return Response((FOLDER / "style.css").read_bytes(), media_type="text/css", headers=HEADERS)

    def _whose(self, request: Request) -> Person | None:
        return self._signed_in.get(request.cookies.get(COOKIE, ""))


def _of_this_site(request: Request) -> bool:
    """A browser tells where a request comes from."""
    origin = request.headers.get("origin")
    return origin is None or origin == f"http://{request.headers.get('host')}"


def _choice() -> str:
    buttons = "".join(
        f'<p><button name="person" value="{person.id}">{html.escape(person.name)}</button> {html.escape(person.about)}'
        for person in PEOPLE.values()
    )
    return (
        "<body><main><h1>Harbor Legal</h1><p>The firm's own portal, with its own sign-in. Continue as</p>"
        f'<form method="post" action="/continue">{buttons}</form></main></body>'
    )


def _chat(person: Person, parley: str) -> str:
    return (
        f'<body data-parley="{html.escape(parley)}"><main><header><h1>Harbor Legal</h1>'
        f"<p>{html.escape(person.name)}, {html.escape(person.about)}</p>"
        '<form id="leave" method="post" action="/leave"><button>Sign out</button></form></header>'
        '<p id="state" role="status">Connecting …</p><div id="chat"><nav><h2>Rooms</h2><ul id="rooms"></ul></nav>'
        '<section><h2 id="room">Choose a room</h2><ol id="messages" aria-live="polite"></ol>'
        '<form id="send" hidden><label for="body">Message</label><input id="body" autocomplete="off" maxlength="10000">'
        "<button>Send</button></form></section></div></main>"
        '<script src="/chat.js"></script></body>'
    )
