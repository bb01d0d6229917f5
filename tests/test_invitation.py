"""Invitations: who gets one, what becomes of an address that has an account, and accepting."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from models import user as users
from models.link import LinkPurpose
from models.user import UserKind
from resolvers import invitation as invitations
from resolvers import link as links
from resolvers.errors import Code, Refused
from resolvers.operation import Transaction
from resolvers.origin import UNKNOWN
from resolvers.process import Process
from resolvers.tokens import link_token
from schema.node_id import NodeKind, node_id
from tests.cast import PASSWORD, Person, link_of, make_portal, user_of
from tests.ledger import Ledger, key
from tests.races import blocked, held, viewer_of

ACCEPTED = "session { accessToken refreshToken } viewer { user { id name email } }"
CHOSEN = "a password of my own"
CLIENTS = """
    query ($id: ID!) { node(id: $id) { ... on User { name kind status email } } }
"""


async def invite(person: Person, email: str, name: str = "New", portal: str | None = None) -> Any:
    named = {"email": email, "name": name}
    if portal is None:
        return (await person.done("inviteTeammate", named, "user { id name kind status email }"))["user"]
    return (await person.done("inviteClient", {**named, "portalId": portal}, "user { id name kind status email }"))[
        "user"
    ]


async def tokens(ledger: Ledger, email: str) -> list[str]:
    """Of the invitations that were sent to an address, oldest first."""
    found = await ledger.sql(
        'SELECT link.workspace_id, link.id FROM link JOIN "user" u ON u.id = link.user_id'
        " WHERE u.email = %s AND purpose = 'INVITATION' ORDER BY link.created_at",
        email,
    )
    return [link_token(ledger.process.link_keys, workspace_id, link_id) for workspace_id, link_id in found]


async def mails(ledger: Ledger) -> list[str]:
    """Whom mails are owed, oldest first."""
    return [
        email
        for (email,) in await ledger.sql(
            'SELECT email FROM mail JOIN "user" u ON u.id = mail.user_id ORDER BY mail.created_at'
        )
    ]


async def clients(ledger: Ledger, portal: str) -> set[str]:
    found = await ledger.sql(
        'SELECT email FROM portal_client c JOIN "user" u ON u.id = c.user_id WHERE portal_id = %s', key(portal)
    )
    return {email for (email,) in found}


class TestInviting:
    async def test_a_teammate_is_owed_a_mail_and_waits_as_invited(self, ada: Person, ledger: Ledger) -> None:
        shown = await invite(ada, "Nora@Firm.test", "Nora")
        assert shown == {**shown, "name": "Nora", "kind": "INTERNAL", "status": "INVITED", "email": "Nora@Firm.test"}
        assert await mails(ledger) == ["Nora@Firm.test"]
        assert [task for task, *_ in ledger.queued] == ["mail.send"]

    async def test_a_client_is_the_portals_from_the_start(self, process: Process, ada: Person, ledger: Ledger) -> None:
        portal = await make_portal(process, ada)
        shown = await invite(ada, "new@client.test", portal=portal)
        assert (shown["kind"], shown["status"]) == ("CLIENT", "INVITED")
        assert await clients(ledger, portal) == {"new@client.test"}

    async def test_inviting_again_sends_a_new_link_and_ends_the_old_one(
        self, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        first = await invite(ada, "new@firm.test", "Nwe")
        second = await invite(ben, " NEW@firm.test ", "New")
        assert second == {**first, "name": "New"}
        old, new = await tokens(ledger, "new@firm.test")
        assert await mails(ledger) == ["new@firm.test"] * 2
        assert await ada.refused("acceptInvitation", {"token": old}) == [("EXPIRED", ["token"])]
        accepted = await ada.done("acceptInvitation", {"token": new}, ACCEPTED)
        assert accepted["viewer"]["user"]["id"] == first["id"]

    async def test_an_active_client_becomes_a_second_portals_client_at_once_and_without_a_mail(
        self, process: Process, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portals = [await make_portal(process, ada, name) for name in ("One", "Two")]
        for portal in [*portals, portals[0]]:
            shown = await invite(ada, cleo.member.email, "Somebody", portal)
            assert (shown["id"], shown["name"], shown["status"]) == (cleo.id, "Cleo", "ACTIVE")
        for portal in portals:
            assert await clients(ledger, portal) == {cleo.member.email}
        assert await mails(ledger) == []

    async def test_an_invited_client_of_two_portals_has_one_account_and_the_latest_link(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        portals = [await make_portal(process, ada, name) for name in ("One", "Two")]
        ids = {(await invite(ada, "new@client.test", portal=portal))["id"] for portal in portals}
        assert len(ids) == 1
        old, new = await tokens(ledger, "new@client.test")
        assert await ada.refused("acceptInvitation", {"token": old}) == [("EXPIRED", ["token"])]
        await ada.done("acceptInvitation", {"token": new}, ACCEPTED)
        for portal in portals:
            assert await clients(ledger, portal) == {"new@client.test"}

    @pytest.mark.parametrize("as_client", [True, False])
    @pytest.mark.parametrize(
        ("who", "code"),
        [("ben", "ALREADY_EXISTS"), ("cleo", "ALREADY_EXISTS"), ("ivy", "ALREADY_EXISTS"), ("max", "NOT_ACTIVE")],
    )
    async def test_an_address_that_has_an_account_is_refused_where_it_can_not_be_meant(
        self,
        who: str,
        code: str,
        as_client: bool,
        process: Process,
        ada: Person,
        people: dict[str, Person],
        ledger: Ledger,
    ) -> None:
        member = people[who].member
        other_kind = (member.kind is UserKind.CLIENT) is not as_client
        if not other_kind and who in ("cleo", "ivy"):
            return  # what may be: a second portal, a second link
        portal = await make_portal(process, ada)
        named: dict[str, Any] = {"email": member.email.upper(), "name": "X"}
        async with ledger.unchanged():
            if as_client:
                found = await ada.refused("inviteClient", {**named, "portalId": portal})
            else:
                found = await ada.refused("inviteTeammate", named)
        assert found == [("ALREADY_EXISTS" if other_kind else code, ["email"])]

    async def test_the_same_address_in_another_firm_is_somebody_else(
        self, ada: Person, zoe: Person, ledger: Ledger
    ) -> None:
        shown = await invite(zoe, ada.member.email, "Ada of the other firm")
        assert shown["id"] != ada.id
        assert (await ada.ask(CLIENTS, id=shown["id"]))["node"] is None

    async def test_a_portal_of_another_firm_is_not_there(
        self, process: Process, ada: Person, zoe: Person, ledger: Ledger
    ) -> None:
        portal = await make_portal(process, zoe)
        async with ledger.unchanged():
            given = {"portalId": portal, "email": "not an address", "name": ""}
            assert await ada.refused("inviteClient", given) == [("NOT_FOUND", ["portalId"])]

    async def test_a_client_learns_nothing_by_inviting(
        self, process: Process, ada: Person, cleo: Person, ledger: Ledger
    ) -> None:
        portal = await make_portal(process, ada)
        async with ledger.unchanged():
            for each in (portal, "nothing"):
                for email in (ada.member.email, "nobody@client.test", ""):
                    given = {"email": email, "name": ""}
                    assert await cleo.refused("inviteClient", {**given, "portalId": each}) == [("FORBIDDEN", None)]
                    assert await cleo.refused("inviteTeammate", given) == [("FORBIDDEN", None)]

    async def test_who_is_deactivated_while_they_invite_has_invited_nobody(
        self, process: Process, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        shown = await invite(ada, "new@firm.test")
        before = await mails(ledger)

        async def changing(transaction: Transaction) -> None:
            await users.lock_user.first(transaction.connection, workspace_id=ada.workspace_id, user_id=key(shown["id"]))

        async with held(process, ada.workspace_id, changing) as change:
            waiting = asyncio.create_task(
                ben.codes('mutation { inviteTeammate(input: {email: "new@firm.test", name: "New"}) { user { id } } }')
            )
            await blocked(process, waiting)
            await ada.done("deactivateUser", {"userId": ben.id})
            await change.commit()
        assert await waiting == ["UNAUTHENTICATED"]
        assert await mails(ledger) == before

    async def test_two_invitations_of_one_address_at_once_make_one_account(
        self, process: Process, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        async def inviting(transaction: Transaction) -> UUID:
            return await invitations.invite(
                transaction, UserKind.INTERNAL, email="new@firm.test", name="New", actor_id=ada.user_id
            )

        async with held(process, ada.workspace_id, inviting) as one:
            waiting = asyncio.create_task(invite(ben, "New@firm.test", "New"))
            await blocked(process, waiting)
            user_id = await one.commit()
        assert key((await waiting)["id"]) == user_id
        assert len(await tokens(ledger, "new@firm.test")) == 2
        open_ones = await ledger.sql("SELECT count(*) FROM link WHERE ended_at IS NULL")
        assert open_ones == [(1,)]

    async def test_of_1000_addresses_at_once_those_within_the_limit_are_invited_and_the_others_told_to_wait(
        self, process: Process, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        viewer = await viewer_of(process, ada)

        async def one(number: int) -> Code | None:
            try:
                await invitations.invite_teammate(
                    process, UNKNOWN, viewer, email=f"new.{number}@firm.test", name=f"New {number}"
                )
            except Refused as refused:
                return refused.code
            return None

        answers = await asyncio.gather(*(one(number) for number in range(1000)))
        invited = [number for number, code in enumerate(answers) if code is None]
        assert {code for code in answers if code is not None} == {Code.RATE_LIMITED}
        assert len(invited) >= 200
        assert sorted(await mails(ledger)) == sorted(f"new.{number}@firm.test" for number in invited)
        assert await invite(ben, "new.1001@firm.test"), "a colleague's invitations are theirs"

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "nobody",
            "a@b",
            "a b@client.test",
            "a@client.test\r\nBcc: x@evil.test",
            "a@client.test, b@client.test",
            '"a\r\n"@client.test',
            "<a@client.test>",
            "A <a@client.test>",
            "a@client.test\0",
            "\u202ea@client.test",
            "a\u200b@client.test",
            f"{'a' * 300}@client.test",
            "a@-client.test",
            "a@cli\nent.test",
        ],
    )
    async def test_what_is_no_address_is_refused(self, email: str, ada: Person, ledger: Ledger) -> None:
        async with ledger.unchanged():
            ((code, field),) = await ada.refused("inviteTeammate", {"email": email, "name": "New"})
        assert (code in ("BLANK", "INVALID", "TOO_LONG"), field) == (True, ["email"])

    @pytest.mark.parametrize(
        "name", ["", " ", "\u200b", "a\r\nBcc: x@evil.test", "ada\u202etxt", "a\u2066b", "x" * 201, "\0", "\ud800"]
    )
    async def test_what_is_no_name_is_refused(self, name: str, ada: Person, ledger: Ledger) -> None:
        async with ledger.unchanged():
            ((code, field),) = await ada.refused("inviteTeammate", {"email": "new@firm.test", "name": name})
        assert (code in ("BLANK", "INVALID", "TOO_LONG"), field) == (True, ["name"])

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("mia@client.test", "MIA@CLIENT.TEST", True),
            ("straße@client.test", "STRASSE@client.test", True),
            ("jos\u00e9@client.test", "jose\u0301@client.test", True),
            ("mia@client.test", "m\u0456a@client.test", False),  # a Cyrillic letter
            ("mia@client.test", "mia@сlient.test", False),
            ("mia+a@client.test", "mia@client.test", False),
            ("m.ia@client.test", "mia@client.test", False),
        ],
    )
    async def test_case_and_composition_make_no_other_address_and_a_look_alike_does(
        self, one: str, other: str, same: bool, ada: Person
    ) -> None:
        first, second = await invite(ada, one), await invite(ada, other)
        assert (first["id"] == second["id"]) is same


class TestAccepting:
    async def test_sets_name_and_password_and_signs_in(self, ada: Person, nobody: Person, ledger: Ledger) -> None:
        shown = await invite(ada, "new@firm.test")
        (token,) = await tokens(ledger, "new@firm.test")
        given = {"token": token, "name": " Nora Neu ", "password": CHOSEN}
        async with ledger.watching(ada) as written:
            accepted = await nobody.done("acceptInvitation", given, ACCEPTED)
        assert accepted["viewer"]["user"] == {"id": shown["id"], "name": "Nora Neu", "email": "new@firm.test"}
        assert {event.kind for event in written} == {"USER_UPDATED"}
        nobody.token = accepted["session"]["accessToken"]
        assert (await nobody.ask("{ viewer { user { status } } }"))["viewer"]["user"] == {"status": "ACTIVE"}
        nobody.token = None
        await nobody.done("signIn", {"email": "new@firm.test", "password": CHOSEN}, ACCEPTED)
        assert await nobody.refused("acceptInvitation", given) == [("EXPIRED", ["token"])]

    async def test_who_has_accepted_can_be_added_to_a_room_and_who_has_not_can_not(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        shown = await invite(ada, "new@client.test", portal=await make_portal(process, ada))
        room = await ada.make_room()
        adding = {"roomId": room, "userIds": [shown["id"]]}
        assert await ada.refused("addParticipants", adding) == [("NOT_ACTIVE", ["userIds", "0"])]
        await ada.done("acceptInvitation", {"token": (await tokens(ledger, "new@client.test"))[0]}, ACCEPTED)
        await ada.done("addParticipants", adding)

    async def test_without_a_name_the_inviters_stays_and_without_a_password_there_is_none(
        self, ada: Person, nobody: Person, ledger: Ledger
    ) -> None:
        await invite(ada, "new@firm.test", "Nora")
        (token,) = await tokens(ledger, "new@firm.test")
        accepted = await nobody.done("acceptInvitation", {"token": token}, ACCEPTED)
        assert accepted["viewer"]["user"]["name"] == "Nora"
        for password in ("", "None", CHOSEN):
            given = {"email": "new@firm.test", "password": password}
            assert await nobody.refused("signIn", given) == [("INVALID_CREDENTIALS", None)]

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            ({"password": ""}, ("BLANK", ["password"])),
            ({"password": "short"}, ("INVALID", ["password"])),
            ({"password": "x" * 201}, ("TOO_LONG", ["password"])),
            ({"password": "\ud800" * 9}, ("INVALID", ["password"])),
            ({"name": " "}, ("BLANK", ["name"])),
            ({"name": "a\u202eb"}, ("INVALID", ["name"])),
        ],
    )
    async def test_a_refusal_spends_nothing(
        self, given: dict[str, str], refused: Any, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        token = await link_of(
            process, ada.workspace_id, await user_of(process, "ivy@client.test"), LinkPurpose.INVITATION
        )
        async with ledger.unchanged():
            assert await ada.refused("acceptInvitation", {"token": token, **given}) == [refused]
        await ada.done("acceptInvitation", {"token": token, "name": "Ivy", "password": CHOSEN}, ACCEPTED)

    async def test_what_is_wrong_with_a_password_is_told_only_to_who_has_a_good_link(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        token = await link_of(
            process, ada.workspace_id, await user_of(process, "ivy@client.test"), LinkPurpose.INVITATION
        )
        await ledger.sql("UPDATE link SET expires_at = now()")
        async with ledger.unchanged():
            assert await ada.refused("acceptInvitation", {"token": token, "password": ""}) == [("EXPIRED", ["token"])]

    async def test_accepted_twice_at_once_it_is_accepted_once(
        self, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        invited = await user_of(process, "ivy@client.test")
        token = await link_of(process, ada.workspace_id, invited, LinkPurpose.INVITATION)
        answers = await asyncio.gather(
            *(ada.do("acceptInvitation", {"token": token, "password": f"{CHOSEN} {number}"}) for number in range(5))
        )
        refusals = [error["code"] for answer in answers for error in answer["userErrors"]]
        assert refusals == ["EXPIRED"] * 4
        assert await ledger.sql("SELECT count(*) FROM session WHERE user_id = %s", invited) == [(1,)]

    async def test_an_account_that_was_deactivated_meanwhile_is_not_taken(
        self, process: Process, ada: Person, ivy: Person, ledger: Ledger
    ) -> None:
        token = await link_of(process, ada.workspace_id, ivy.user_id, LinkPurpose.INVITATION)
        await ledger.set_status(ivy, "DEACTIVATED")
        async with ledger.unchanged():
            assert await ada.refused("acceptInvitation", {"token": token}) == [("EXPIRED", ["token"])]


class TestCancelling:
    async def test_link_and_account_are_gone_and_the_address_is_free(
        self, process: Process, ada: Person, ben: Person, ledger: Ledger
    ) -> None:
        portal = await make_portal(process, ada)
        shown = await invite(ada, "new@client.test", portal=portal)
        (token,) = await tokens(ledger, "new@client.test")
        payload = await ben.done("cancelInvitation", {"userId": shown["id"]}, "cancelledUserId")
        assert payload["cancelledUserId"] == shown["id"]
        assert await ada.refused("acceptInvitation", {"token": token}) == [("INVALID_CREDENTIALS", ["token"])]
        assert (await ada.ask(CLIENTS, id=shown["id"]))["node"] is None
        assert await clients(ledger, portal) == set()
        assert await mails(ledger) == []
        assert (await invite(ada, "new@client.test"))["kind"] == "INTERNAL"

    @pytest.mark.parametrize("who", ["ben", "cleo", "max"])
    async def test_an_account_that_was_used_is_not_cancelled(
        self, who: str, ada: Person, people: dict[str, Person], ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            assert await ada.refused("cancelInvitation", {"userId": people[who].id}) == [("ALREADY_EXISTS", ["userId"])]

    async def test_whoever_accepts_at_that_moment_either_has_the_account_or_has_not(
        self, process: Process, ada: Person, ivy: Person, ledger: Ledger
    ) -> None:
        token = await link_of(process, ada.workspace_id, ivy.user_id, LinkPurpose.INVITATION)
        viewer = await viewer_of(process, ada)

        async def cancelling(transaction: Transaction) -> UUID:
            return await invitations.cancel_invitation(transaction, viewer, ivy.user_id)

        async with held(process, ada.workspace_id, cancelling) as one:
            waiting = asyncio.create_task(ada.refused("acceptInvitation", {"token": token, "password": CHOSEN}))
            await blocked(process, waiting)
            await one.commit()
        assert await waiting == [("INVALID_CREDENTIALS", ["token"])]
        assert await ledger.sql('SELECT count(*) FROM "user" WHERE id = %s', ivy.user_id) == [(0,)]

    async def test_one_that_was_accepted_just_before_stays(self, process: Process, ada: Person, ivy: Person) -> None:
        token = await link_of(process, ada.workspace_id, ivy.user_id, LinkPurpose.INVITATION)
        viewer = await viewer_of(process, ada)

        async def accepting(transaction: Transaction) -> None:
            user = await links.spend(transaction, link_id, LinkPurpose.INVITATION)
            await invitations.become_active(transaction, user.id, None)

        _, link_id = links.read(process, token)
        async with held(process, ada.workspace_id, accepting) as one:
            waiting = asyncio.create_task(ada.refused("cancelInvitation", {"userId": ivy.id}))
            await blocked(process, waiting)
            await one.commit()
        assert await waiting == [("ALREADY_EXISTS", ["userId"])]
        assert viewer.user_id == ada.user_id


async def test_a_mail_that_is_being_written_names_nobody_who_was_not_invited(ada: Person, ledger: Ledger) -> None:
    """The outbox holds ids alone: neither an address, nor a name, nor a token."""
    await invite(ada, "new@firm.test", "Nora Neu")
    (token,) = await tokens(ledger, "new@firm.test")
    kept = str((await ledger.rows())["mail"]) + str((await ledger.rows())["link"]) + str((await ledger.rows())["event"])
    for text in ("new@firm.test", "Nora", token, token[-43:]):
        assert text not in kept
    assert PASSWORD not in kept


async def test_a_node_of_an_invited_person_is_there_for_the_firm_alone(ada: Person, cleo: Person, zoe: Person) -> None:
    shown = await invite(ada, "new@firm.test", "Nora")
    assert (await ada.ask(CLIENTS, id=shown["id"]))["node"]["status"] == "INVITED"
    for person in (cleo, zoe):
        assert (await person.ask(CLIENTS, id=shown["id"]))["node"] is None
        assert (await person.ask(CLIENTS, id=node_id(NodeKind.USER, key(shown["id"]))))["node"] is None
