"""The pages, each put together once from its parts, and what they may do."""

import re
from collections.abc import Mapping
from pathlib import Path

from server.settings import Settings

FOLDER = Path(__file__).parent
NAMES = ("invitation", "sign-in", "reset")
# Nothing but the page's own files, and POSTs to its own host; and text is never taken for markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_PLACE = re.compile(r"\{\{([a-z-]+)\}\}")
_HEADING = re.compile(r"<h1[^>]*>([^<]+)")


def page(name: str, files: str, settings: Settings) -> bytes:
    """`files` is the folder of their scripts and styles, as the page says it."""
    parts = _part(name)
    heading = _HEADING.search(parts)
    assert heading is not None
    # In production the explorer is nothing for who was mailed a link.
    explorer = settings.explorer and not settings.production
    given = {
        "title": heading[1],
        "files": files,
        "parts": parts,
        "onward": '<p><a href="graphql">Open the explorer</a></p>' if explorer else "",
    }
    return _filled(_part("around"), given).encode()


def _filled(text: str, given: Mapping[str, str]) -> str:
    """With each `{{name}}` replaced by what is given, or else by the part of that name."""

    def told(place: re.Match[str]) -> str:
        name = place[1]
        return _filled(given[name] if name in given else _part(name), given)

    return _PLACE.sub(told, text)


def _part(name: str) -> str:
    return (FOLDER / "parts" / f"{name}.html").read_text(encoding="utf-8").strip()
