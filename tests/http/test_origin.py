"""From where a request comes: from its peer, or whom trusted proxies name; never from where a client says."""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolvers.operation import Transaction
from resolvers.origin import Origin
from resolvers.process import Process
from resolvers.session import SignedIn
from resolvers.snapshot import Snapshot
from schema.context import Context
from server.graphql.execution import Execution
from server.http.app import build_app
from server.http.origin import Origins
from tests.cast import Person, sign_in_of
from tests.http.toy import ToyEngine
from tests.websocket.conftest import Server, serving

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1", "::ffff:198.51.100.0/120"]
PROXY = "10.0.0.1"
CLIENT = "203.0.113.7"

origins = Origins(PROXIES)


def scope_of(peer: str | None, *forwarded: bytes | str, agents: tuple[bytes, ...] = ()) -> dict[str, Any]:
    values = [each.encode("latin-1") if isinstance(each, str) else each for each in forwarded]
    headers = [(b"x-forwarded-for", value) for value in values] + [(b"user-agent", value) for value in agents]
    return {"type": "http", "client": None if peer is None else (peer, 40_000), "headers": headers}


def address_of(peer: str | None, *forwarded: bytes | str) -> str | None:
    return origins.of(scope_of(peer, *forwarded)).address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (CLIENT, CLIENT),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", CLIENT),
        ("fe80::1%eth0", "fe80::1"),
        (None, None),
        ("", None),
        ("/run/parley.sock", None),
    ],
)
def test_without_a_proxy_it_is_the_peer(peer: str | None, address: str | None) -> None:
    assert address_of(peer) == address


@pytest.mark.parametrize("peer", [CLIENT, "2001:db8::1", "11.0.0.1", "192.0.2.2", None])
@pytest.mark.parametrize("claim", ["198.51.100.9", f"198.51.100.9, {PROXY}", PROXY, "::1", "garbage"])
def test_whom_a_peer_names_that_is_no_trusted_proxy_counts_for_nothing(peer: str | None, claim: str) -> None:
    assert address_of(peer, claim) == peer


@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.9.9.9", "192.0.2.1", "2001:db8:ffff:1::1", "198.51.100.3"])
def test_each_way_to_name_a_proxy_trusts_it(peer: str) -> None:
    assert address_of(peer, CLIENT) == CLIENT


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([CLIENT], CLIENT),
        ([f"198.51.101.9, {CLIENT}"], CLIENT),
        ([f"198.51.101.9, {CLIENT}, 10.1.1.1, 192.0.2.1"], CLIENT),
        (["198.51.101.9", CLIENT], CLIENT),
        ([CLIENT, "10.1.1.1"], CLIENT),
        ([f"{CLIENT}:51234"], CLIENT),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["2001:db8::7%eth0"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], CLIENT),
        (["[::ffff:203.0.113.7]:80, ::ffff:10.1.1.1"], CLIENT),
        ([f"\t {CLIENT} ,, "], CLIENT),
        # All of them are proxies: it began at the first.
        (["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        # What is no address hides what stands before it.
        (["unknown"], PROXY),
        ([f"{CLIENT}, unknown"], PROXY),
        ([f"{CLIENT}, unknown, 10.1.1.1"], "10.1.1.1"),
        ([f"{CLIENT}, _hidden, 198.51.101.9"], "198.51.101.9"),
        ([f"[{CLIENT}"], PROXY),
        ([f"[{CLIENT}]x"], PROXY),
        (["203.0.113.7:"], PROXY),
        (["203.0.113.7:99999999"], PROXY),
        (["203.0.113.07"], PROXY),
        (["203.0.113"], PROXY),
        (["3405803783"], PROXY),
        (["\u00b203.0.113.7"], PROXY),
        (["203.0.113.7\x00"], PROXY),
        (["fe80::1%" + "x" * 60_000], PROXY),
        (["1" * 60_000], PROXY),
        ([""], PROXY),
        (["," * 60_000 + CLIENT], CLIENT),
        ([f"{CLIENT}," + "10.1.1.1," * 5_000], "10.1.1.1"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_behind_proxies_it_is_the_last_that_is_none_of_them(forwarded: list[str], address: str) -> None:
    assert address_of(PROXY, *forwarded) == address


@given(peer=st.text(), forwarded=st.lists(st.binary()), agents=st.lists(st.binary(), max_size=2))
@example(peer=PROXY, forwarded=[b"\xff"], agents=[b"\xff"])
def test_nothing_that_is_sent_is_an_error(peer: str, forwarded: list[bytes], agents: list[bytes]) -> None:
    for sender in (peer, PROXY):
        origin = origins.of(scope_of(sender, *forwarded, agents=tuple(agents)))
        if origin.address is not None:
            assert str(ipaddress.ip_address(origin.address)) == origin.address
        if origin.user_agent is not None:
            assert len(origin.user_agent) <= 400
            assert origin.user_agent.isprintable()
            origin.user_agent.encode()


@given(forged=st.lists(st.one_of(st.binary(), st.ip_addresses().map(lambda address: str(address).encode()))))
def test_whatever_a_client_claims_the_proxy_appends_who_it_is(forged: list[bytes]) -> None:
    in_one = b",".join([*forged, CLIENT.encode()])
    assert address_of(PROXY, in_one) == address_of(PROXY, *forged, CLIENT) == CLIENT


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
        (b"x" * 60_000, "x" * 400),
        ("ü".encode() * 500, "ü" * 400),
        ("\U0001f600".encode() * 500, "\U0001f600" * 400),
        (b"M\xfcnchen", "M\ufffdnchen"),
        (b"a\x00b\r\nc\x1b[31m", "a b  c [31m"),
        ("a\u202eb\u2028c".encode(), "a b c"),
        (b"  ", None),
        (b"", None),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_of_what_a_client_says_it_is_only_text_is_kept(given: bytes, kept: str | None) -> None:
    assert origins.of(scope_of(CLIENT, agents=(given,))) == Origin(CLIENT, kept)


HEADERS = {"x-forwarded-for": f"198.51.100.9, {CLIENT}", "user-agent": "a browser"}


class TestAtTheEntries:
    """A real server, whose only client is 127.0.0.1."""

    @pytest.fixture(params=[["127.0.0.1"], []], ids=["trusted", "not trusted"])
    def proxies(self, request: pytest.FixtureRequest) -> list[str]:
        found: list[str] = request.param
        return found

    @pytest.fixture
    def origin(self, proxies: list[str]) -> Origin:
        return Origin(CLIENT if proxies else "127.0.0.1", "a browser")

    @pytest.fixture
    async def server(self, engine: ToyEngine, proxies: list[str]) -> AsyncIterator[Server]:
        async def ready() -> None: ...

        app = build_app(Execution(engine), allowed_origins=[], ready=ready, trusted_proxies=proxies)
        async with serving(app, proxy_headers=False) as up:
            yield up

    @pytest.mark.parametrize("path", ["graphql", "graphql/stream"])
    @pytest.mark.parametrize("query", ["{ hello }", "mutation { send }"])
    async def test_of_requests(self, server: Server, engine: ToyEngine, origin: Origin, path: str, query: str) -> None:
        url = f"http://{server.address}/{path}"
        async with httpx.AsyncClient(headers={**HEADERS, "accept": "*/*"}) as client:
            answer = await client.post(url, json={"query": query})
            assert answer.status_code == 200
            assert engine.origins == [origin]
            if query == "{ hello }":
                await client.get(url, params={"query": query})
                assert engine.origins == [origin, origin]

    async def test_of_sockets(self, server: Server, engine: ToyEngine, origin: Origin) -> None:
        more = {"x-forwarded-for": HEADERS["x-forwarded-for"]}
        async with server.dial(additional_headers=more, user_agent_header="a browser") as client:
            await client.init()
            await client.ask("{ hello }")
            await client.ask("mutation { send }")
        assert engine.origins == [origin, origin]


async def test_operations_of_a_request_know_it(process: Process, ada: Person) -> None:
    origin = Origin(CLIENT, "a browser")
    signed_in = await sign_in_of(process, ada.workspace_id, ada.user_id)
    context = Context(process, Snapshot(process), (signed_in.viewer, signed_in.user), origin=origin)

    async def told(transaction: Transaction) -> Origin:
        return transaction.origin

    async def sign_in(_: Process, given: Origin) -> SignedIn:
        assert given is origin
        return signed_in

    assert await context.perform(told) is origin
    assert await context.sign_in(sign_in) is signed_in
