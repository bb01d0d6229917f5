"""Which media type a response has (GraphQL over HTTP, "Accept"; RFC 9110 §12.5.1), and whether it is squeezed."""

import re
from functools import lru_cache

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"

_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")

# The header repeats from request to request; a longer one is not worth its place in the cache.
_CACHEABLE = 512


def media_type(accept: str | None) -> str | None:
    """Give the media type to answer in, or None when the client takes neither (406).

    The greater weight wins, then the one that is listed first. JSON is what a client gets that does not say
    what it takes, or says so with a wildcard: it may be of a time before GraphQL's own type.
    """
    if accept is None or not accept.strip():
        return JSON
    return _cached(accept) if len(accept) <= _CACHEABLE else _preferred(accept)


def prefers_html(accept: str | None) -> bool:
    """Whether HTML is named, and before what GraphQL is answered in. Wildcards name nothing."""
    if accept is None or HTML not in accept.lower():
        return False
    named = {name: (weight, -place) for place, (name, weight) in reversed(list(enumerate(_ranges(accept))))}
    html = named.get(HTML, (0.0, 0))
    return html[0] > 0 and all(html > named[media] for media in (JSON, GRAPHQL) if media in named)


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is taken, and no less gladly than the plain form (RFC 9110 §12.5.3).

    Without the header anything may be sent, and the plain form is what everybody reads. It is sent also to who takes
    neither, which is better than nothing.
    """
    weights = dict(_ranges(accept_encoding or ""))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _preferred(accept: str) -> str | None:
    ranges = _ranges(accept)
    best: tuple[float, int, str] | None = None
    for media in (JSON, GRAPHQL):
        # The most specific range that matches decides (RFC 9110); places of wildcards don't count.
        for pattern in (media, "application/*", "*/*"):
            matching = [(weight, -place) for place, (name, weight) in enumerate(ranges) if name == pattern]
            if matching:
                weight, place = max(matching)
                if pattern != media:
                    place = -len(ranges)
                if weight > 0 and (best is None or (weight, place) > best[:2]):
                    best = (weight, place, media)
                break
    return best[2] if best else None


_cached = lru_cache(maxsize=256)(_preferred)


def _ranges(accept: str) -> list[tuple[str, float]]:
    return [_range(item) for item in accept.split(",")]


def _range(item: str) -> tuple[str, float]:
    """Split `type/subtype;q=0.5` into name and weight; weight 0 is "not acceptable"."""
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        value = value.strip().strip('"')
        if key.strip() == "q":
            weight = float(value) if _WEIGHT.fullmatch(value) else 0.0
        elif key.strip() == "charset" and value not in ("utf-8", "utf8"):
            weight = 0.0  # answers are UTF-8 only
    return name, weight
