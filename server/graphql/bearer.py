"""The token of a request: `Authorization: Bearer …` (RFC 6750 §2.1)."""

import re

from server.graphql.engine import Unauthenticated

# token68 of RFC 9110 §11.2; the scheme is case-insensitive.
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)


def token(authorization: list[str]) -> str | None:
    """Give the token of the Authorization headers, or None when there is none.

    Raises Unauthenticated for another scheme, an empty or malformed token, or more than one header: whoever
    sends a credential wants it to count, and is not served as a stranger.
    """
    if not authorization:
        return None
    match = _BEARER.fullmatch(authorization[0])
    if match is None or len(authorization) > 1:
        raise Unauthenticated
    return match[1]
