"""`/`: where to go from here, for who opens Parley's address; and, in development, the documentation of this checkout.

Plain HTML without a script. The documentation is served as the text that it is, Markdown: readable, and the same as in
the repository.
"""

import hashlib
import html
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.demo import PASSWORD
from server.demo.people import PEOPLE
from server.explorer.page import mail_page
from server.http.plain import json_response
from server.settings import Settings

CHECKOUT = Path(__file__).parent.parent
STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif }
body { max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem 3rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { text-align: left; padding: .25rem 1rem .25rem 0 }
pre { overflow-x: auto; border: 1px solid #8886; border-radius: 6px; padding: .8rem }
"""
# The one style is named by its hash; nothing else is loaded, and nothing runs.
_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = "default-src 'none'; frame-ancestors 'none'"


def start_page(settings: Settings, *, checkout: Path = CHECKOUT) -> list[Route]:
    """The routes."""
    # The pages tell whoever develops about the demo's people, their password, and where everything is.
    documents = {} if settings.production else _documents(checkout)
    page = _page(settings, list(documents)).encode()
    contents = _html("Parley: documentation", "<h1>Documentation</h1>" + _links(documents, "")).encode()

    async def index(_: Request) -> Response:
        return _shown(page)

    async def list_documents(_: Request) -> Response:
        return _shown(contents)

    async def document(request: Request) -> Response:
        path = documents.get(request.path_params["path"])
        if path is None:
            return json_response(404, error="Not Found")
        headers = {"content-security-policy": _DOCS_POLICY, "cache-control": "no-cache"}
        return PlainTextResponse(path.read_bytes(), headers=headers)

    listed = [Route("/docs/", list_documents)] if documents else []
    return [Route("/", index), *listed, Route("/docs/{path:path}", document)]


def _shown(page: bytes) -> Response:
    return HTMLResponse(page, headers={"content-security-policy": POLICY, "cache-control": "no-cache"})


def _documents(checkout: Path) -> dict[str, Path]:
    """By their addresses under `/docs/`. What is asked for is looked up here and never in the file system."""
    folder = checkout / "docs"
    found = sorted(folder.rglob("*.md"), key=lambda path: (len(path.parts), path))  # those of folders last
    pages = {path.relative_to(folder).as_posix(): path for path in found}
    readme = checkout / "README.md"
    return {"README.md": readme, **pages} if readme.is_file() else pages


def _page(settings: Settings, documents: list[str]) -> str:
    places = ['<li><a href="graphql">GraphQL</a>: the API for applications']
    if settings.explorer:
        places = ['<li><a href="graphql">The explorer</a>: try queries, mutations and subscriptions in the browser']
    if (mail := mail_page(settings)) is not None:
        places.append(f'<li><a href="{html.escape(mail)}">Mail</a>: what is sent by SMTP is caught on this machine')
    if documents:
        places.append('<li><a href="#docs">Documentation</a>')
    sections = [f"<ul>{''.join(places)}</ul>"]
    if not settings.production:
        sections += [_sign_ins(), _first_query(settings)]
    if documents:
        sections.append(f'<h2 id="docs">Documentation</h2>{_links(documents, "docs/")}')
    return _html("Parley", f"<h1>Parley</h1><p>Messaging for client portals: a GraphQL API.</p>{''.join(sections)}")


def _links(documents: Iterable[str], folder: str) -> str:
    items = "".join(f'<li><a href="{folder}{html.escape(name)}">{html.escape(name)}</a>' for name in documents)
    return f"<ul>{items}</ul>"


def _html(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<link rel="icon" href="data:,">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )


def _sign_ins() -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(person.email)}</code><td>{html.escape(person.about)}" for person in PEOPLE
    )
    return (
        f"<h2>Sign-ins of the demo</h2><p>The password of each is <code>{html.escape(PASSWORD)}</code>. The explorer "
        f"signs in with one click.</p><table><thead><tr><th>Address<th>Who</thead><tbody>{rows}</tbody></table>"
    )


def _first_query(settings: Settings) -> str:
    query = '{"query": "mutation { signIn(input: {email: \\"%s\\", password: \\"%s\\"}) { session { accessToken } } }"}'
    command = (
        f"curl {settings.public_address}/graphql -H 'content-type: application/json' \\\n"
        f"  -d '{query % (PEOPLE[0].email, PASSWORD)}'"
    )
    return f"<h2>From a terminal</h2><pre><code>{html.escape(command)}</code></pre>"
