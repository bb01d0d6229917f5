"""How sign-ins by an issuer's token end, and their streams."""

import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: F401

from resolvers.issuer import Given, put_issuer, remove_issuer
from resolvers.process import Process
from resolvers.session import sweep_expired
from tests.cast import Person
from tests.identity.conftest import WHO, Holder
from tests.identity.oidc import AUDIENCE, Oidc
from tests.ledger import Ledger

Who = Callable[[str], Awaitable[Any]]
Refused = Callable[[str], Awaitable[str]]

# The order of P-256: of an ECDSA signature (r, s), (r, -s) is one too.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ENDED = "This sign-in has ended."


def twin(token: str) -> str:
    """The same token with the other signature that fits, which anybody can make."""
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    s = int.from_bytes(raw[32:], "big")
    other = raw[:32] + (ORDER - s).to_bytes(32, "big")
    return f"{signed}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"


def respelt(token: str) -> str:
    """The same bytes in other Base64: the last character of 64 bytes has four bits that say nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) + 1]


class TestSignOut:
    async def test_bars_the_token(self, firm: Oidc, holder: Holder, refused: Refused, who: Who) -> None:
        person = holder(await firm.mint())
        await person.ask(WHO)
        await person.do("signOut")
        assert await refused(str(person.token)) == ENDED
        await who(await firm.mint(jti="another"))

    async def test_bars_the_token_with_the_other_signature_that_fits(
        self, firm: Oidc, holder: Holder, refused: Refused, who: Who
    ) -> None:
        token = await firm.mint()
        await who(twin(token))  # it is a good token
        await holder(token).ask("mutation { signOut { userErrors { code } } }")
        assert await refused(twin(token)) == ENDED
        assert await refused(token) == ENDED

    async def test_is_not_got_round_by_spelling_the_token_otherwise(self, firm: Oidc, refused: Refused) -> None:
        token = await firm.mint()
        for other in (respelt(token), f"{token}=", f"{token}=="):
            await refused(other)

    async def test_is_told_once_and_the_row_goes_when_the_token_is_over(
        self, firm: Oidc, holder: Holder, ledger: Ledger, process: Process, ada: Person, refused: Refused
    ) -> None:
        person = holder(await firm.mint(exp=int(time.time()) - 20))
        async with ledger.watching(ada) as written:
            for _ in range(2):
                await person.answer("mutation { signOut { userErrors { code } } }")
            await ledger.sql("UPDATE session SET expires_at = now() WHERE method = 'ISSUER' RETURNING 1")
            await sweep_expired(process)
        assert [event.kind for event in written] == ["USER_CREATED", "SESSION_ENDED"]
        assert await ledger.sql("SELECT 1 FROM session WHERE method = 'ISSUER'") == []

    async def test_one_that_runs_out_by_itself_is_told_by_the_sweep(
        self, firm: Oidc, who: Who, ledger: Ledger, process: Process, ada: Person
    ) -> None:
        await who(await firm.mint())
        async with ledger.watching(ada) as written:
            await ledger.sql("UPDATE session SET expires_at = now() WHERE method = 'ISSUER' RETURNING 1")
            await sweep_expired(process)
        assert [event.kind for event in written] == ["SESSION_ENDED"]


async def test_an_issuer_that_is_removed_lets_nobody_in_and_has_let_nobody_in(
    firm: Oidc, who: Who, refused: Refused, process: Process, ada: Person, ledger: Ledger
) -> None:
    seen, unseen = await firm.mint(), await firm.mint("dan")
    user = await who(seen)
    async with ledger.watching(ada) as written:
        await remove_issuer(process, ada.workspace_id, firm.address)
    assert [event.kind for event in written] == ["SESSION_ENDED"]
    assert await refused(seen) == ENDED
    # This process still knows the issuer, for some seconds; the database says no.
    assert "not valid" in await refused(unseen)
    assert await ledger.sql('SELECT status FROM "user" WHERE email = %s', user["email"]) == [("ACTIVE",)]


async def test_what_had_ended_stays_so_where_it_is_added_again(
    firm: Oidc, holder: Holder, who: Who, refused: Refused, process: Process, ada: Person
) -> None:
    signed_out, left_alone = await firm.mint(), await firm.mint(jti="another")
    await who(left_alone)
    await holder(signed_out).do("signOut")
    await remove_issuer(process, ada.workspace_id, firm.address)
    await put_issuer(process, ada.workspace_id, Given(firm.address, AUDIENCE, firm.jwks_url))
    process.issuers.memory.forget_issuers()
    for token in (signed_out, left_alone):
        assert await refused(token) == ENDED
    await who(await firm.mint(jti="new"))


async def test_an_issuer_that_is_changed_is_what_it_is_now(
    firm: Oidc, who: Who, refused: Refused, process: Process, ada: Person
) -> None:
    await who(await firm.mint())
    assert await put_issuer(process, ada.workspace_id, Given(firm.address, "another", firm.jwks_url))
    assert "not valid" in await refused(await firm.mint(jti="2"))
    await who(await firm.mint(jti="3", aud="another"))
