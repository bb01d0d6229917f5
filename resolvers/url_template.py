"""Where links in mails lead: a firm's own portal, as an address with a placeholder in it.

A token stands in the fragment (`https://portal.example/accept#token={token}`), which browsers send to nobody, or, for
a portal that can't read it there, in the query. A room's id is no secret and may stand in the path as well.
"""

import re
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from resolvers.errors import Code, Refused

TOKEN = "{token}"  # noqa: S105  a placeholder
ROOM = "{room}"
LIMIT = 2_000

# RFC 3986, without what makes a mail's link look like another one: a user before the host, escapes or other scripts
# within it.
_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PATH = "[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2}"
_ADDRESS = re.compile(
    rf"(?P<site>https?://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[0-9]+)?)"
    rf"(?P<path>(?:/(?:{_PATH})*)?)(?:\?(?:{_PATH}|\?)*)?(?:#(?:{_PATH}|\?)*)?",
    re.IGNORECASE | re.ASCII,
)


def url_template(given: str, placeholder: str) -> str:
    """A template as it is kept: just as it came.

    Raises:
        Refused: INVALID, with what is wrong in words.
    """
    if len(given) > LIMIT:
        raise Refused(Code.INVALID, f"An address has at most {LIMIT:,} characters.")
    if given.count(placeholder) != 1:
        raise Refused(Code.INVALID, f"The address needs {placeholder} in it, once.")
    # What is filled in is letters and digits; "x" is one that completes no escape.
    found = _ADDRESS.fullmatch(given.replace(placeholder, "x"))
    host = _host(found["site"]) if found else None
    if found is None or host is None:
        raise Refused(Code.INVALID, "This is no address like https://portal.example/accept#token={token}.")
    if not found["site"].lower().startswith("https:") and not _is_this_machine(host):
        raise Refused(Code.INVALID, "The address must begin with https://, unless it is on localhost.")
    place = given.index(placeholder)
    if placeholder == TOKEN and place < found.end("path"):
        raise Refused(Code.INVALID, "{token} belongs behind a # (best: no server is sent it) or a ?.")
    if place < found.end("site"):
        raise Refused(Code.INVALID, f"{placeholder} belongs behind the host.")
    return given


def filled(template: str, value: str, placeholder: str = TOKEN) -> str:
    """The address of one link."""
    return template.replace(placeholder, quote(value, safe=""))


def _host(site: str) -> str | None:
    """None where it, or its port, can't be one."""
    try:
        parts = urlsplit(site)
        if parts.port == 0 or parts.hostname is None:
            return None
        if site.partition("://")[2].startswith("["):
            ip_address(parts.hostname)
    except ValueError:
        return None
    return parts.hostname


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
