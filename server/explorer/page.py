"""The explorer's page: what it is told, and what it may do."""

import html
import json
from collections.abc import Mapping

from server.demo import PASSWORD
from server.demo.people import PEOPLE
from server.settings import Settings

# Monaco writes its colours, its lines' places and its widgets' sizes as styles of its own: without 'unsafe-inline' for
# styles it can't be read. Scripts and workers are the build's files only. 'self' is also this host's WebSocket. The
# fonts and pictures of GraphiQL's style sheet are data: addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLACE = "<!--config-->"


def filled_page(page: str, settings: Settings) -> bytes:
    """The built page, with what it is told as data."""
    # Within a script element only "<" could end it.
    told = json.dumps(told_by(settings)).replace("<", "\\u003c")
    return page.replace(_PLACE, f'<script type="application/json" id="config">{told}</script>').encode()


def told_by(settings: Settings) -> Mapping[str, object]:
    """In production nothing but whether there is a schema to ask for."""
    people = [] if settings.production else [{**person._asdict(), "password": PASSWORD} for person in PEOPLE]
    return {"introspection": settings.introspection, "people": people, "mailPage": mail_page(settings)}


def mail_page(settings: Settings) -> str | None:
    """Where the caught mail is shown; None where none is caught."""
    if settings.production or not settings.embedded_mail:
        return None
    return f"http://localhost:{settings.mail_page_port}"


def missing_page() -> bytes:
    """Instead of the explorer, where it has not been built."""
    says = "The API is running, but the explorer, which browsers get here, has not been built."
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Parley explorer</title>'
        '<link rel="icon" href="data:,">'
        f"<h1>No explorer yet</h1><p>{html.escape(says)}</p>"
        "<p>In Parley's folder, with a network: <code>make explorer</code>. Then start Parley again.</p>"
        "<p>Applications need nothing of this: they send GraphQL to this address.</p></html>"
    ).encode()
