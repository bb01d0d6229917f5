"""The page of the mail catcher, and the same as JSON.

What a mail says is never trusted: text is escaped, HTML is shown only within a frame that is sandboxed twice (by the
frame and by its own headers), and nothing runs scripts. Only pages of this machine's own name reach it: the Host is
checked against rebound names, and what empties the box is refused to other sites.
"""

import html
import re
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from server.mail_catcher.mailbox import Mail, Mailbox

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 62rem; margin: 0 auto; padding: 1rem }
header { display: flex; gap: 1rem; align-items: center; justify-content: space-between }
h1 { font-size: 1.2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #8884; vertical-align: top }
td, pre { overflow-wrap: anywhere }
pre { white-space: pre-wrap; border: 1px solid #8884; padding: 1rem }
iframe { width: 100%; height: 40rem; border: 1px solid #8884 }
"""
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Its links open in a tab of their own, which is an ordinary one again.
FRAME = "allow-popups allow-popups-to-escape-sandbox"
FRAME_POLICY = (
    f"sandbox {FRAME}; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: {images}; frame-ancestors 'self'; form-action 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_page(mailbox: Mailbox, images: str = "") -> Starlette:
    """`images` is the origin whose images a mail may show: Parley's own."""

    def index(_: Request) -> Response:
        return _page("Mail", _list(mailbox))

    def show(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        return _page("Mail", _mail(mail)) if mail else _missing()

    def body(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        shown = mail.view()["html"] if mail else None
        if shown is None:
            return _missing()
        policy = FRAME_POLICY.format(images=images)
        return _html(f'<!doctype html><base target="_blank">{shown}', policy)

    def raw(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        if mail is None:
            return _missing()
        attachment = {"Content-Disposition": f'attachment; filename="{mail.id}.eml"'}
        return Response(mail.raw, media_type="message/rfc822", headers={**HEADERS, **attachment})

    def messages(_: Request) -> Response:
        return JSONResponse([mail.view() for mail in mailbox.newest_first()], headers=HEADERS)

    def empty(request: Request) -> Response:
        if not _of_this_site(request):
            return PlainTextResponse("refused to other sites", 403, headers=HEADERS)
        mailbox.empty()
        return Response(status_code=204, headers=HEADERS)

    def empty_by_form(request: Request) -> Response:
        answer = empty(request)
        return RedirectResponse("/", 303, headers=HEADERS) if answer.status_code == 204 else answer

    def style(_: Request) -> Response:
        return Response(STYLE, media_type="text/css", headers=HEADERS)

    def route(path: str, answer: Callable[[Request], Response], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:  # on the loop that the mailbox is filled on
            return answer(request)

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/", index),
            route("/style.css", style),
            route("/mail/{id}", show),
            route("/mail/{id}/html", body),
            route("/empty", empty_by_form, "POST"),
            route("/messages", messages),
            route("/messages", empty, "DELETE"),
            route("/messages/{id}.eml", raw),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"], www_redirect=False)],
    )


def _of_this_site(request: Request) -> bool:
    """A browser tells where a request comes from; who tells nothing is no browser."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"http://{request.headers.get('host')}"


def _list(mailbox: Mailbox) -> str:
    rows = []
    for mail in mailbox.newest_first():
        view = mail.view()
        cells = (f"<td>{_escaped(view[name])}</td>" for name in ("from", "to"))
        subject = _escaped(view["subject"]) or "(no subject)"
        rows.append(f'<tr>{"".join(cells)}<td><a href="/mail/{mail.id}">{subject}</a></td></tr>')
    if not rows:
        return "<header><h1>Mail</h1></header><p>No mail yet. What Parley sends is caught and shown here.</p>"
    return (
        f"<header><h1>Mail ({len(rows)})</h1>"
        f'<form method="post" action="/empty"><button>Empty</button></form></header>'
        f"<table><thead><tr><th>From<th>To<th>Subject</thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _mail(mail: Mail) -> str:
    view = mail.view()
    lines = [f"{name}: {value}" for name, value in view["headers"]]  # type: ignore[attr-defined]
    shown = f'<p><a href="/">All mail</a></p><h1>{_escaped(view["subject"]) or "(no subject)"}</h1>'
    shown += f"<p>Sent to {_escaped(view['to'])} · "
    shown += f'<a href="/messages/{mail.id}.eml">as it came</a></p>'
    if view["html"] is not None:
        shown += f'<iframe sandbox="{FRAME}" src="/mail/{mail.id}/html" title="The mail"></iframe>'
    if view["text"] is not None:
        shown += f"<h2>Text</h2><pre>{_linked(view['text'])}</pre>"
    return f"{shown}<h2>Headers</h2><pre>{_escaped(chr(10).join(lines))}</pre>"


def _linked(text: object) -> str:
    """Escaped, with its web addresses as links."""
    link = r'<a href="\1" target="_blank" rel="noreferrer noopener">\1</a>'
    return re.sub(r"(https?://[^\s<>\"']+?)(?=[.,;:!?)]*(?:\s|&[lg]t;|&quot;|&#x27;|$))", link, _escaped(text))


def _escaped(text: object) -> str:
    return html.escape(str(text))


def _page(title: str, content: str) -> Response:
    return _html(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css">'
        f"<body>{content}</body></html>",
        PAGE_POLICY,
    )


def _html(content: str, policy: str) -> Response:
    return HTMLResponse(content, headers={**HEADERS, "Content-Security-Policy": policy})


def _missing() -> Response:
    return PlainTextResponse("no such mail", 404, headers=HEADERS)
