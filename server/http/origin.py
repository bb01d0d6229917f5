"""From where a request comes: the peer of the connection or, behind proxies that are trusted, whom they name.

Each proxy appends to X-Forwarded-For the peer that it saw, so the list is believed from its end on, and only as far as
it was written by proxies that are trusted: what stands before is what some client says of itself.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import Scope

from resolvers.origin import UNKNOWN, Origin

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

USER_AGENT_LIMIT = 400  # characters

_KEY = "parley.origin"
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_HOPS = 64  # proxies in a row, at the most
_LONGEST = 64  # characters of an address, with its port

# Proxies write one with its port, and one of IPv6 in brackets.
_WITH_PORT = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


class Origins:
    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """`trusted_proxies`: addresses or networks."""
        self._trusted = [_network(word) for word in trusted_proxies]

    def note(self, scope: Scope) -> None:
        """Keep with a request, or the handshake of a socket, where it comes from."""
        scope[_KEY] = self.of(scope)

    def of(self, scope: Scope) -> Origin:
        """Whatever the headers hold, it is no error."""
        forwarded: list[bytes] = []
        user_agent = None
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded.append(value)
            elif name == b"user-agent" and user_agent is None:
                user_agent = _user_agent(value[: 4 * USER_AGENT_LIMIT])
        client = scope.get("client")
        address = None if client is None else _address(client[0])
        if forwarded and address is not None and self._trusts(address):
            address = self._named(b",".join(forwarded), address)
        return Origin(None if address is None else str(address), user_agent)

    def _named(self, forwarded: bytes, proxy: Address) -> Address:
        """The last that is no trusted proxy. Behind what is no address nothing is known but the proxy that sent it."""
        hops = forwarded.rsplit(b",", _HOPS)[-_HOPS:]
        for hop in reversed(hops):
            if not (text := hop.decode("latin-1").strip()):
                continue
            address = _address(text)
            if address is None:
                break
            proxy = address
            if not self._trusts(address):
                break
        return proxy

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def origin_of(scope: Scope) -> Origin:
    """What `Origins` has noted of a request."""
    noted: Origin = scope.get(_KEY, UNKNOWN)
    return noted


def _address(text: str) -> Address | None:
    """None for what is none. One of IPv4 within IPv6 is that of IPv4, and a zone is not a part of it."""
    if len(text) > _LONGEST:
        return None
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port[1] or with_port[2] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(word: str) -> Network:
    network = ipaddress.ip_network(word)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        # As the addresses are that it is compared with.
        return ipaddress.IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


# Sockets keep theirs: of many alike, one text.
@lru_cache(maxsize=512)
def _user_agent(given: bytes) -> str | None:
    text = given.decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text)[:USER_AGENT_LIMIT].strip() or None
