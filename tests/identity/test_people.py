"""Whom a token makes of its holder: users made, joined, changed and refused at first sight."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from models import identity as identities
from models.user import UserKind
from resolvers import identity
from resolvers.account import activate_user, deactivate_user
from resolvers.issuer_token import ClaimNames
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.user import create_user
from tests.cast import NORTHWIND, PASSWORD, Person
from tests.identity.oidc import Oidc
from tests.ledger import Ledger
from tests.live.hold import Hold
from tests.races import blocked, held

Who = Callable[[str], Awaitable[Any]]
Refused = Callable[[str], Awaitable[str]]


async def audited(ledger: Ledger, person: Person) -> list[tuple[str, str]]:
    found = await ledger.sql(
        "SELECT action, by FROM audit WHERE workspace_id = %s AND by = 'ISSUER' ORDER BY id", person.workspace_id
    )
    return [(action, by) for action, by in found if not action.startswith("ISSUER")]


async def deactivated(process: Process, ledger: Ledger, workspace_id: UUID, email: str) -> None:
    user_id = await _id_of(ledger, email)
    await operate(process, workspace_id, lambda transaction: deactivate_user(transaction, None, user_id))


async def activated(process: Process, ledger: Ledger, workspace_id: UUID, email: str) -> None:
    user_id = await _id_of(ledger, email)
    await operate(process, workspace_id, lambda transaction: activate_user(transaction, None, user_id))


async def _id_of(ledger: Ledger, email: str) -> UUID:
    ((user_id,),) = await ledger.sql('SELECT id FROM "user" WHERE email = %s', email)
    found: UUID = user_id
    return found


class TestFirstSight:
    async def test_somebody_new_is_made(self, firm: Oidc, who: Who, ledger: Ledger, ada: Person) -> None:
        async with ledger.watching(ada) as written:
            user = await who(await firm.mint())
        assert user["name"] == "Cleo of the portal"
        assert [event.kind for event in written] == ["USER_CREATED"]
        assert await audited(ledger, ada) == [("USER_CREATED", "ISSUER"), ("SIGNED_IN", "ISSUER")]

    async def test_the_second_token_finds_them_and_writes_no_event(
        self, firm: Oidc, who: Who, ledger: Ledger, ada: Person
    ) -> None:
        first = await who(await firm.mint())
        async with ledger.watching(ada) as written:
            assert await who(await firm.mint(jti="another")) == first
        assert written == []

    async def test_the_same_token_again_writes_nothing_at_all(self, firm: Oidc, who: Who, ledger: Ledger) -> None:
        token = await firm.mint()
        first = await who(token)
        async with ledger.unchanged():
            assert await who(token) == first

    @pytest.mark.parametrize(
        ("claim", "kind"),
        [
            ("INTERNAL", "INTERNAL"),
            ("CLIENT", "CLIENT"),
            (None, "CLIENT"),
            ("internal", "CLIENT"),
            (True, "CLIENT"),
            (["INTERNAL"], "CLIENT"),
        ],
        ids=str,
    )
    async def test_their_kind_is_the_lesser_one_unless_the_claim_says_it_plainly(
        self, firm: Oidc, who: Who, claim: Any, kind: str
    ) -> None:
        assert (await who(await firm.mint(parley_kind=claim)))["kind"] == kind

    @pytest.mark.parametrize(
        "name", [None, "", "  ", "x" * 201, "Cl\u202eeo", "a\nb", "a\0b", 7, ["Cleo"], "\u200b", "\u2066x"], ids=ascii
    )
    async def test_a_name_that_cannot_be_shown_is_that_of_the_address(self, firm: Oidc, who: Who, name: Any) -> None:
        assert (await who(await firm.mint("cleo.van-dam", name=name)))["name"] == "cleo van dam"

    @pytest.mark.parametrize(
        "picture",
        [
            "http://portal.test/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,xx",
            "https://user:secret@portal.test/a.png",
            "https://portal.test/a b.png",
            "https://portal.test/\u202e.png",
            "https://portal.test/" + "x" * 2000,
            "https://www.gravatar.com/avatar/x",
            "https://gravatar.com./avatar/x",
            "https://portal.test/Cleo@Portal.test.png",
            "https://portal.test/?of=cleo%40portal.test",
            "https://portal.test/?of=https%3A%2F%2Felse.test%2Fcleo%2540portal.test",
            "https://portal.test/3a8d56ed2ffff2d0f3e32f0d4e9f9f3a?e={md5}",
            ["https://portal.test/a.png"],
        ],
        ids=ascii,
    )
    async def test_a_picture_that_must_not_be_shown_is_none(self, firm: Oidc, who: Who, picture: Any) -> None:
        if isinstance(picture, str):
            picture = picture.replace("{md5}", hashlib.md5(b"cleo@portal.test", usedforsecurity=False).hexdigest())
        assert (await who(await firm.mint(picture=picture)))["avatarUrl"] is None


class TestAnAccountThatIsThere:
    async def test_is_joined_where_the_address_is_verified(
        self, firm: Oidc, who: Who, ledger: Ledger, cleo: Person
    ) -> None:
        user = await who(await firm.mint(email="CLEO@Client.test", name="Cleo"))
        assert user["id"] == cleo.id
        assert ("IDENTITY_JOINED", "ISSUER") in await audited(ledger, cleo)
        assert await cleo.ask("{ viewer { id } }"), "she is still signed in as before"

    @pytest.mark.parametrize("verified", [None, False, "true", 1, "false", ["true"]], ids=str)
    async def test_is_not_where_it_is_not(
        self, firm: Oidc, who: Who, refused: Refused, ledger: Ledger, cleo: Person, verified: Any
    ) -> None:
        token = await firm.mint(email=cleo.member.email, email_verified=verified)
        async with ledger.watching(cleo) as written:
            assert "does not say that it is verified" in await refused(token)
            assert "does not say that it is verified" in await refused(token)
        assert written == []
        assert await ledger.sql("SELECT 1 FROM identity") == []
        assert await audited(ledger, cleo) == [("SIGN_IN_REFUSED", "ISSUER")], "once, and not for each request"
        assert (await who(await firm.mint(email=cleo.member.email)))["id"] == cleo.id

    async def test_is_not_where_the_mailbox_is_another_one_that_counts_as_the_same(
        self, firm: Oidc, refused: Refused, ledger: Ledger, cleo: Person
    ) -> None:
        await ledger.sql(
            """UPDATE "user" SET email = 'mia@fass.test', email_key = 'mia@fass.test' WHERE id = %s""", cleo.user_id
        )
        assert "is another mailbox" in await refused(await firm.mint(email="mia@fa\u00df.test"))

    async def test_is_not_where_it_was_made_for_somebody_whose_address_nobody_had_checked(
        self, firm: Oidc, who: Who, refused: Refused
    ) -> None:
        """Whoever names another's address first would be in the account that the other takes for theirs."""
        mallory = await who(await firm.mint("mallory", email="victim@portal.test", email_verified=False))
        assert "did not say that it is verified" in await refused(await firm.mint("victim"))
        assert (await who(await firm.mint("mallory", email="victim@portal.test", email_verified=None))) == mallory
        assert "did not say that it is verified" in await refused(await firm.mint("victim", jti="again"))
        moved = await who(await firm.mint("mallory"))
        assert (moved["id"], moved["email"]) == (mallory["id"], "mallory@portal.test")
        assert (await who(await firm.mint("victim", jti="after that")))["id"] != mallory["id"]

    async def test_is_where_its_address_was_verified_later(self, firm: Oidc, who: Who) -> None:
        before = await who(await firm.mint("dan", email_verified=False))
        assert await who(await firm.mint("dan")) == before
        assert (await who(await firm.mint("dan", sub="dan's other subject")))["id"] == before["id"]

    @pytest.mark.parametrize(("name", "claim"), [("cleo", "INTERNAL"), ("ben", "CLIENT")])
    async def test_keeps_its_kind_whatever_the_claim_says(
        self, firm: Oidc, who: Who, people: dict[str, Person], name: str, claim: str
    ) -> None:
        person = people[name]
        for number in range(2):
            user = await who(await firm.mint(email=person.member.email, parley_kind=claim, jti=str(number)))
            assert (user["id"], user["kind"]) == (person.id, person.member.kind.value)

    async def test_becomes_active_where_it_was_invited(self, firm: Oidc, who: Who, ledger: Ledger, ivy: Person) -> None:
        async with ledger.watching(ivy) as written:
            user = await who(await firm.mint(email=ivy.member.email, name="Ivy"))
        assert user["id"] == ivy.id
        assert [event.kind for event in written] == ["USER_UPDATED"]
        ((status, activated),) = await ledger.sql(
            'SELECT status, activated_at IS NOT NULL FROM "user" WHERE id = %s', ivy.user_id
        )
        assert (status, activated) == ("ACTIVE", True)

    async def test_stays_shut_where_it_was_deactivated(
        self, firm: Oidc, refused: Refused, ledger: Ledger, max_: Person
    ) -> None:
        assert "deactivated" in await refused(await firm.mint(email=max_.member.email))
        assert await ledger.sql("SELECT 1 FROM identity") == []
        assert await ledger.sql("SELECT 1 FROM session WHERE user_id = %s", max_.user_id) == []


class TestWhatATokenChanges:
    async def test_name_picture_and_address_follow_the_claims(
        self, firm: Oidc, who: Who, ledger: Ledger, ada: Person
    ) -> None:
        before = await who(await firm.mint())
        async with ledger.watching(ada) as written:
            after = await who(
                await firm.mint(name="Cleo Marchetti", picture="https://portal.test/c", email="marchetti@portal.test")
            )
        assert after == before | {
            "name": "Cleo Marchetti",
            "avatarUrl": "https://portal.test/c",
            "email": "marchetti@portal.test",
        }
        assert [event.kind for event in written] == ["USER_UPDATED"]

    async def test_with_another_address_the_password_is_none_and_with_another_spelling_it_stays(
        self, firm: Oidc, who: Who, cleo: Person, zoe: Person
    ) -> None:
        """It would sign in by an address that the same person may have at another firm, which has a limit for it."""

        async def signs_in(email: str) -> bool:
            given = {"email": email, "password": PASSWORD, "workspace": NORTHWIND}
            return (await cleo.do("signIn", given, "session { accessToken }"))["session"] is not None

        await who(await firm.mint(email=cleo.member.email))
        await who(await firm.mint(email=cleo.member.email.upper()))
        assert await signs_in(cleo.member.email)
        user = await who(await firm.mint(email=zoe.member.email))
        assert (user["id"], user["email"]) == (cleo.id, zoe.member.email)
        assert not await signs_in(zoe.member.email)

    async def test_an_address_that_is_not_verified_or_taken_stays_as_it_was(
        self, firm: Oidc, who: Who, cleo: Person
    ) -> None:
        before = await who(await firm.mint())
        assert await who(await firm.mint(email="new@portal.test", email_verified=False)) == before
        assert await who(await firm.mint(email=cleo.member.email)) == before

    async def test_what_a_token_leaves_out_or_says_badly_stays_as_it_was(self, firm: Oidc, who: Who) -> None:
        before = await who(await firm.mint(picture="https://portal.test/c"))
        assert await who(await firm.mint(name=None, picture=None)) == before
        assert await who(await firm.mint(name="\u202e", picture="http://portal.test/c")) == before

    async def test_a_kind_never_changes(self, firm: Oidc, who: Who) -> None:
        assert (await who(await firm.mint(parley_kind="INTERNAL")))["kind"] == "INTERNAL"
        assert (await who(await firm.mint(parley_kind="CLIENT")))["kind"] == "INTERNAL"


class TestDeactivation:
    async def test_neither_this_token_nor_another_lets_them_in(
        self, firm: Oidc, who: Who, refused: Refused, process: Process, ledger: Ledger, ada: Person
    ) -> None:
        token, unseen = await firm.mint(), await firm.mint(jti="unseen")
        user = await who(token)
        await deactivated(process, ledger, ada.workspace_id, user["email"])
        await refused(token)
        assert "deactivated" in await refused(unseen)
        assert "deactivated" in await refused(await firm.mint(jti="new"))
        assert await ledger.sql("SELECT 1 FROM session WHERE method = 'ISSUER' AND ended_at IS NULL") == []

    async def test_activated_again_they_need_a_token_from_after_it(
        self, firm: Oidc, who: Who, refused: Refused, process: Process, ledger: Ledger, ada: Person
    ) -> None:
        now = int(time.time())
        token, unseen = await firm.mint(iat=now - 5), await firm.mint(iat=now - 5, jti="unseen")
        user = await who(token)
        await deactivated(process, ledger, ada.workspace_id, user["email"])
        await activated(process, ledger, ada.workspace_id, user["email"])
        assert "sign-in has ended" in await refused(token)
        assert "before the account was activated again" in await refused(unseen)
        assert "before the account was activated again" in await refused(await firm.mint(iat=None, jti="when?"))
        assert (await who(await firm.mint(iat=int(time.time()) + 1)))["id"] == user["id"]

    async def test_under_way_it_wins_over_a_first_sight(
        self, firm: Oidc, who: Who, refused: Refused, process: Process, ledger: Ledger, ada: Person
    ) -> None:
        user = await who(await firm.mint())
        token = await firm.mint(jti="another")

        user_id = await _id_of(ledger, user["email"])

        async def deactivate(transaction: Transaction) -> None:
            await deactivate_user(transaction, None, user_id)

        async with held(process, ada.workspace_id, deactivate) as deactivation:
            asking = asyncio.create_task(refused(token))
            await blocked(process, asking)
            await deactivation.commit()
            assert "deactivated" in await asking


class TestRaces:
    async def test_two_first_requests_at_once_make_one_user(
        self, firm: Oidc, who: Who, process: Process, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first is held when it has made the user; the second has found nobody by then."""
        first, second = await firm.mint(jti="1"), await firm.mint(jti="2")
        hold = Hold(monkeypatch, identity, "_made", behind=True)
        making = asyncio.create_task(who(first))
        await hold.reached.wait()
        waiting = asyncio.create_task(who(second))
        await blocked(process, waiting)
        hold.let_go()
        assert (await making)["id"] == (await waiting)["id"]
        assert len(await ledger.sql("SELECT 1 FROM identity")) == 1
        assert len(await ledger.sql("SELECT 1 FROM \"user\" WHERE email = 'cleo@portal.test'")) == 1

    async def test_two_tokens_of_one_subject_with_two_addresses_make_one_user(
        self, firm: Oidc, who: Who, process: Process, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = await firm.mint(email="a@portal.test"), await firm.mint(email="b@portal.test")
        hold = Hold(monkeypatch, identity, "_follow")
        making = asyncio.create_task(who(first))
        await hold.reached.wait()
        waiting = asyncio.create_task(who(second))
        await blocked(process, waiting)
        hold.let_go()
        assert (await making)["id"] == (await waiting)["id"]
        assert len(await ledger.sql("SELECT 1 FROM \"user\" WHERE email LIKE '%%@portal.test'")) == 1

    async def test_an_account_that_is_being_made_meanwhile_is_joined(
        self, firm: Oidc, who: Who, process: Process, ada: Person
    ) -> None:
        async def invite(transaction: Transaction) -> None:
            await create_user(
                transaction, kind=UserKind.INTERNAL, name="Cleo", email="cleo@portal.test", password_hash=None
            )

        async with held(process, ada.workspace_id, invite) as invitation:
            asking = asyncio.create_task(who(await firm.mint()))
            await blocked(process, asking)
            await invitation.commit()
        assert (await asking)["kind"] == "INTERNAL"

    async def test_two_who_want_one_address_do_not_both_get_it(
        self, firm: Oidc, who: Who, process: Process, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await who(await firm.mint("cleo"))
        await who(await firm.mint("dan"))
        first, second = [await firm.mint(name, email="wanted@portal.test") for name in ("cleo", "dan")]
        held_up = Hold(monkeypatch, identities.update_person, "send", behind=True)
        taking = asyncio.create_task(who(first))
        await held_up.reached.wait()
        waiting = asyncio.create_task(who(second))
        waited = asyncio.create_task(blocked(process, waiting))
        await asyncio.wait([waited, waiting], return_when=asyncio.FIRST_COMPLETED)
        held_up.let_go()
        addresses = [(await taking)["email"], (await waiting)["email"]]
        await asyncio.wait([waited])
        assert sorted(addresses).count("wanted@portal.test") == 1

    async def test_a_crowd_with_one_token_makes_one_sign_in(self, firm: Oidc, who: Who, ledger: Ledger) -> None:
        token = await firm.mint()
        found = await asyncio.gather(*(who(token) for _ in range(20)))
        assert len({user["id"] for user in found}) == 1
        assert len(await ledger.sql("SELECT 1 FROM session WHERE method = 'ISSUER'")) == 1


async def test_claims_can_be_named_otherwise(firm: Oidc, process: Process, ledger: Ledger) -> None:
    names = ClaimNames(
        "oid", "https://portal.test/mail", "ok", "profile.name.full", "https://portal.test/pic", "roles.parley"
    )
    renamed = replace(process, issuers=replace(process.issuers, claims=names))
    claims = {"https://portal.test/mail": "c@portal.test", "roles": {"parley": "INTERNAL"}}
    claims |= {"profile": {"name": {"full": "Cleo by another way"}}}
    token = await firm.mint(sub=None, email=None, name=None, oid="17", ok=True, **claims)
    named = await identity.recognise(renamed, token)
    found = await ledger.sql('SELECT name, email, kind FROM "user" WHERE id = %s', named.user_id)
    assert found == [("Cleo by another way", "c@portal.test", "INTERNAL")]
