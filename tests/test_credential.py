"""Passwords: changed by who knows the one that is good, and reset by a link."""

import asyncio
from typing import Any

import pytest

from models.link import LinkPurpose
from resolvers.credential import set_password
from resolvers.password import hash_password
from resolvers.process import Process
from tests.cast import PASSWORD, Person, link_of, sign_in_of
from tests.ledger import Ledger
from tests.races import blocked, held

NEW = "an entirely new password"
TOKENS = "session { accessToken refreshToken } viewer { user { email } }"


async def signs_in(person: Person, password: str) -> bool:
    payload = await person.do("signIn", {"email": person.member.email, "password": password}, TOKENS)
    return payload["session"] is not None


async def is_alive(person: Person, token: str) -> bool:
    before, person.token = person.token, token
    response = await person.post("{ viewer { id } }")
    person.token = before
    return response.status_code == 200


def changing(current: str = PASSWORD, new: str = NEW) -> dict[str, str]:
    return {"currentPassword": current, "newPassword": new}


class TestChanging:
    async def test_ends_the_other_sign_ins_and_the_links_that_are_out(
        self, process: Process, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        others = [await sign_in_of(process, ada.workspace_id, ada.user_id) for _ in range(2)]
        token = await link_of(process, ada.workspace_id, ada.user_id, LinkPurpose.SIGN_IN)
        async with ledger.watching(ada) as written:
            payload = await ada.done("changePassword", changing(), "viewer { user { email } }")
        assert payload["viewer"]["user"]["email"] == ada.member.email
        assert sorted(event.kind for event in written) == ["SESSION_ENDED", "SESSION_ENDED", "USER_UPDATED"]
        for other in others:
            assert not await is_alive(ada, other.access_token)
        assert ada.token is not None
        assert cleo.token is not None
        assert await is_alive(ada, ada.token)
        assert await is_alive(cleo, cleo.token)
        assert await ada.refused("signInWithToken", {"token": token}) == [("EXPIRED", ["token"])]
        assert (await signs_in(ada, PASSWORD), await signs_in(ada, NEW)) == (False, True)

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            (changing("wrong"), ("INVALID_CREDENTIALS", ["currentPassword"])),
            (changing(""), ("INVALID_CREDENTIALS", ["currentPassword"])),
            (changing("\ud800"), ("INVALID_CREDENTIALS", ["currentPassword"])),
            (changing("x" * 9999), ("INVALID_CREDENTIALS", ["currentPassword"])),
            (changing(new=""), ("BLANK", ["newPassword"])),
            (changing(new="seven77"), ("INVALID", ["newPassword"])),
            (changing(new="\0" * 10), ("INVALID", ["newPassword"])),
            (changing(new="x" * 201), ("TOO_LONG", ["newPassword"])),
        ],
    )
    async def test_a_refusal_changes_nothing(
        self, given: dict[str, str], refused: Any, ada: Person, ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            assert await ada.refused("changePassword", given) == [refused]
        await ada.done("changePassword", changing(new="x" * 200))

    async def test_who_has_none_sets_the_first_by_a_link_alone(self, ada: Person, ledger: Ledger) -> None:
        """A sign-in that somebody else got hold of could else make itself at home."""
        await ledger.sql('UPDATE "user" SET password_hash = NULL WHERE id = %s', ada.user_id)
        async with ledger.unchanged():
            for current in ("", PASSWORD):
                assert await ada.refused("changePassword", changing(current)) == [
                    ("INVALID_CREDENTIALS", ["currentPassword"])
                ]

    async def test_changed_twice_at_once_from_the_same_one_it_is_changed_once(self, ada: Person) -> None:
        answers = await asyncio.gather(
            *(ada.do("changePassword", changing(new=f"{NEW} {number}"), "viewer { id }") for number in range(4))
        )
        good = [number for number, answer in enumerate(answers) if not answer["userErrors"]]
        assert len(good) == 1
        assert await signs_in(ada, f"{NEW} {good[0]}")

    async def test_a_sign_in_with_the_old_one_that_is_under_way_does_not_slip_past(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        hashed = await hash_password(NEW)
        async with held(process, ada.workspace_id, lambda change: set_password(change, ada.user_id, hashed)) as change:
            late = asyncio.create_task(signs_in(ada, PASSWORD))
            await blocked(process, late)
            await change.commit()
        assert not await late
        assert await ledger.sql("SELECT 1 FROM session WHERE user_id = %s", ada.user_id) == []

    @pytest.mark.parametrize(
        ("typed", "again"), [("caf\u00e9 noir", "cafe\u0301 noir"), ("cafe\u0301 noir", "caf\u00e9 noir")]
    )
    async def test_however_a_keyboard_composes_accents_the_password_is_the_same(
        self, typed: str, again: str, ada: Person
    ) -> None:
        await ada.done("changePassword", changing(new=typed))
        assert await signs_in(ada, again)
        assert not await signs_in(ada, "cafe noir")


class TestResetting:
    @pytest.fixture
    async def token(self, process: Process, cleo: Person) -> str:
        return await link_of(process, cleo.workspace_id, cleo.user_id, LinkPurpose.RESET)

    async def test_sets_the_password_signs_in_and_ends_whatever_was_there(
        self, process: Process, token: str, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        other = await link_of(process, cleo.workspace_id, cleo.user_id, LinkPurpose.RESET)
        assert cleo.token is not None
        payload = await nobody.done("resetPassword", {"token": token, "password": NEW}, TOKENS)
        assert payload["viewer"]["user"]["email"] == cleo.member.email
        assert await is_alive(cleo, payload["session"]["accessToken"])
        assert not await is_alive(cleo, cleo.token)
        assert (await signs_in(cleo, PASSWORD), await signs_in(cleo, NEW)) == (False, True)
        for spent in (token, other):
            given = {"token": spent, "password": NEW}
            assert await nobody.refused("resetPassword", given) == [("EXPIRED", ["token"])]

    async def test_a_refused_password_spends_nothing(self, token: str, nobody: Person, ledger: Ledger) -> None:
        async with ledger.unchanged():
            assert await nobody.refused("resetPassword", {"token": token, "password": "short"}) == [
                ("INVALID", ["password"])
            ]
        await nobody.done("resetPassword", {"token": token, "password": NEW}, TOKENS)

    async def test_of_somebody_deactivated_it_is_worth_nothing(
        self, token: str, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        await ledger.set_status(cleo, "DEACTIVATED")
        async with ledger.unchanged():
            given = {"token": token, "password": NEW}
            assert await nobody.refused("resetPassword", given) == [("EXPIRED", ["token"])]
