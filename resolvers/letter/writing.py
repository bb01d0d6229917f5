"""A mail's words and its link, put together from what is true at that moment."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from models.mail import MailKind
from resolvers.errors import Refused
from resolvers.letter.message import Written, shown
from resolvers.letter.texts import ENGLISH, Words
from resolvers.url_template import TOKEN, filled, url_template

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=jinja2.select_autoescape(["html"], default=False),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)
_text, _html = _templates.get_template("letter.txt"), _templates.get_template("letter.html")

_PAGES = {MailKind.INVITATION: "invitation", MailKind.SIGN_IN: "sign-in", MailKind.RESET: "reset"}


class NoPlaceToLead(Exception):
    """A workspace's URL template is no web address with a place for the token."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a mail with a link tells, besides the link."""

    kind: MailKind
    name: str
    firm: str
    # "" where nobody by name invites.
    inviter: str
    url: str
    until: datetime
    time_zone: str | None


def url_of(kind: MailKind, template: str | None, public_url: str, token: str) -> str:
    """Where a link leads: by the workspace's template, or to the built-in page.

    Raises:
        NoPlaceToLead
    """
    if template is None:
        # In the fragment, which no server and no log ever sees.
        return f"{public_url}/{_PAGES[kind]}#token={token}"
    try:
        return filled(url_template(template, TOKEN), token)
    except Refused:
        raise NoPlaceToLead from None


def write(link: Link) -> Written:
    """The mail's subject and its two parts."""
    language = ENGLISH
    inviter = shown(link.inviter)
    told = {
        "name": shown(link.name),
        "firm": shown(link.firm),
        "inviter": inviter,
        "until": language.written(link.until.astimezone(_zone(link.time_zone))),
    }
    words = Words(*(each.format_map(told) for each in language.words(link.kind, inviter)))
    values = {"words": words, "url": link.url, "firm": told["firm"], "language": "en"}
    return Written(words.subject, _text.render(values), _html.render(values))


def _zone(name: str | None) -> ZoneInfo | None:
    """UTC where there is no such zone."""
    try:
        return ZoneInfo(name) if name else UTC  # type: ignore[return-value]
    except (KeyError, ValueError, OSError):
        return UTC  # type: ignore[return-value]
