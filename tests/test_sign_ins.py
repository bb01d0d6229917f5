"""Where somebody is signed in: seen by themselves, and ended one by one; and what they set of themselves."""

import pytest

from resolvers.process import Process
from schema.node_id import NodeKind, node_id
from tests.cast import Person, sign_in_of
from tests.ledger import Ledger

LISTED = "{ viewer { signIns { id method createdAt lastUsedAt expiresAt address userAgent current } } }"
PROFILE = "viewer { timeZone user { name } }"


class TestSignIns:
    async def test_are_those_of_the_viewer_latest_used_first(self, process: Process, ada: Person, ben: Person) -> None:
        newer = await sign_in_of(process, ada.workspace_id, ada.user_id)
        listed = (await ada.ask(LISTED))["viewer"]["signIns"]
        assert [each["current"] for each in listed] == [False, True]
        assert listed[0]["id"] == node_id(NodeKind.SIGN_IN, newer.viewer.session_id)
        assert {each["method"] for each in listed} == {"PASSWORD"}
        assert len((await ben.ask(LISTED))["viewer"]["signIns"]) == 1

    async def test_one_that_was_renewed_was_used_last(self, process: Process, ada: Person) -> None:
        first, _ = [await sign_in_of(process, ada.workspace_id, ada.user_id) for _ in range(2)]
        await ada.done("refreshSession", {"refreshToken": first.refresh_token})
        listed = (await ada.ask(LISTED))["viewer"]["signIns"]
        assert listed[0]["id"] == node_id(NodeKind.SIGN_IN, first.viewer.session_id)
        assert listed[0]["lastUsedAt"] > listed[0]["createdAt"]

    async def test_one_that_has_ended_or_expired_is_not_there(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        gone = [await sign_in_of(process, ada.workspace_id, ada.user_id) for _ in range(2)]
        await ledger.sql("UPDATE session SET expires_at = now() WHERE id = %s", gone[0].viewer.session_id)
        await ledger.sql("UPDATE session SET ended_at = now() WHERE id = %s", gone[1].viewer.session_id)
        assert [each["current"] for each in (await ada.ask(LISTED))["viewer"]["signIns"]] == [True]

    async def test_ending_one_ends_it_alone(self, process: Process, ada: Person, ledger: Ledger) -> None:
        other = await sign_in_of(process, ada.workspace_id, ada.user_id)
        id = node_id(NodeKind.SIGN_IN, other.viewer.session_id)
        async with ledger.watching(ada) as written:
            assert (await ada.done("endSignIn", {"signInId": id}, "endedSignInId"))["endedSignInId"] == id
        assert [(event.kind, event.session_id) for event in written] == [("SESSION_ENDED", other.viewer.session_id)]
        assert [each["current"] for each in (await ada.ask(LISTED))["viewer"]["signIns"]] == [True]
        assert await ada.refused("refreshSession", {"refreshToken": other.refresh_token}) == [
            ("INVALID_CREDENTIALS", ["refreshToken"])
        ]

    @pytest.mark.parametrize("who", ["ben", "cleo", "zoe"])
    async def test_somebody_elses_is_not_there(
        self, who: str, process: Process, ada: Person, people: dict[str, Person], ledger: Ledger
    ) -> None:
        theirs = await sign_in_of(process, people[who].workspace_id, people[who].user_id)
        async with ledger.unchanged():
            given = {"signInId": node_id(NodeKind.SIGN_IN, theirs.viewer.session_id)}
            assert await ada.refused("endSignIn", given) == [("NOT_FOUND", ["signInId"])]


class TestProfile:
    async def test_name_and_time_zone_are_set_each_by_itself(self, cleo: Person, ledger: Ledger) -> None:
        async with ledger.watching(cleo) as written:
            named = await cleo.done("updateProfile", {"name": " Cléo "}, PROFILE)
            zoned = await cleo.done("updateProfile", {"timeZone": "Asia/Kolkata"}, PROFILE)
        assert named["viewer"] == {"timeZone": None, "user": {"name": "Cléo"}}
        assert zoned["viewer"] == {"timeZone": "Asia/Kolkata", "user": {"name": "Cléo"}}
        assert [event.kind for event in written] == ["USER_UPDATED", "USER_UPDATED"]
        assert (await cleo.ask(f"{{ {PROFILE} }}"))["viewer"] == zoned["viewer"]

    async def test_what_is_as_it_was_is_nothing_to_tell(self, cleo: Person, ledger: Ledger) -> None:
        await cleo.done("updateProfile", {"timeZone": "Asia/Kolkata"})
        async with ledger.unchanged():
            for given in ({}, {"name": "Cleo"}, {"name": None}, {"timeZone": "Asia/Kolkata"}):
                await cleo.done("updateProfile", given)

    async def test_a_null_time_zone_is_none(self, cleo: Person) -> None:
        await cleo.done("updateProfile", {"timeZone": "Asia/Kolkata"})
        assert (await cleo.done("updateProfile", {"timeZone": None}, PROFILE))["viewer"]["timeZone"] is None

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            ({"name": ""}, ("BLANK", ["name"])),
            ({"name": "a\nb"}, ("INVALID", ["name"])),
            ({"name": "a\u202eb"}, ("INVALID", ["name"])),
            ({"name": "x" * 201}, ("TOO_LONG", ["name"])),
            ({"timeZone": ""}, ("INVALID", ["timeZone"])),
            ({"timeZone": "asia/kolkata"}, ("INVALID", ["timeZone"])),
            ({"timeZone": "../../etc/passwd"}, ("INVALID", ["timeZone"])),
            ({"timeZone": "Mars/Olympus"}, ("INVALID", ["timeZone"])),
        ],
    )
    async def test_what_is_wrong_changes_nothing(
        self, given: dict[str, str], refused: tuple[str, list[str]], cleo: Person, ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            assert await cleo.refused("updateProfile", {"name": "Another", "timeZone": "Asia/Kolkata", **given}) == [
                refused
            ]

    async def test_others_see_the_new_name_with_their_next_query(self, ada: Person, cleo: Person) -> None:
        await cleo.done("updateProfile", {"name": "Cléo"})
        users = (await ada.ask('{ users(query: "cléo") { nodes { id name } } }'))["users"]["nodes"]
        assert users == [{"id": cleo.id, "name": "Cléo"}]
