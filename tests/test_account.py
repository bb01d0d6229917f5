"""Deactivating and activating: what ends with an account, what stays, and who manages then."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from models import account as accounts
from models import user as users
from models.ids import new_id
from models.statement import Statement, scalar, uuid
from models.user import UserKind, UserStatus
from resolvers import account, message, participant, room, session, work
from resolvers.errors import Code, Refused, SignInEnded
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.user import create_user
from schema.node_id import NodeKind, key_of, node_id
from server.engine import ParleyEngine
from server.graphql.execution import Execution
from server.http.app import build_app
from tests.cast import PASSWORD, Person, sign_in_of
from tests.ledger import Ledger, Written, key
from tests.races import Held, blocked, held, rows, viewer_of

STATUS = "user { id status }"
MANAGER = "query ($room: ID!) { room(id: $room) { managedBy { id } viewerCanManage } }"


def deactivation(person: Person) -> Any:
    """As the command line asks for it."""
    return lambda transaction: account.deactivate_user(transaction, None, person.user_id)


def activation(person: Person) -> Any:
    return lambda transaction: account.activate_user(transaction, None, person.user_id)


async def invited(process: Process, ada: Person, name: str = "nora", kind: UserKind = UserKind.INTERNAL) -> UUID:
    """Somebody who has never accepted."""
    return await operate(
        process,
        ada.workspace_id,
        lambda transaction: create_user(
            transaction,
            kind=kind,
            name=name.title(),
            email=f"{name}@firm.test",
            password_hash=None,
            status=UserStatus.INVITED,
        ),
    )


async def status_of(process: Process, user_id: UUID) -> str:
    ((status,),) = await rows(process, 'SELECT status FROM "user" WHERE id = %s', user_id)
    return str(status)


async def audited(ledger: Ledger) -> list[tuple[Any, ...]]:
    return await ledger.sql(
        "SELECT action, by, actor_id, user_id, details FROM audit"
        " WHERE action IN ('USER_DEACTIVATED', 'USER_ACTIVATED', 'SIGN_IN_ENDED') ORDER BY id"
    )


async def do_work(process: Process) -> int:
    """All that is owed, as the sweep and the workers do it."""
    owed = await rows(process, "SELECT workspace_id, id FROM work")
    return sum([await work.do(process, *each) for each in owed])


async def test_who_is_gone_before_the_answer_is_written_is_nobody(
    process: Process, database_url: str, ada: Person
) -> None:
    """Whose invitation is cancelled between the commit and the payload's own snapshot."""
    nora = await invited(process, ada)
    await operate(process, ada.workspace_id, lambda transaction: account.deactivate_user(transaction, None, nora))

    def cancel(*_: Any) -> None:
        with psycopg.connect(database_url) as connection:
            connection.execute("DELETE FROM \"user\" WHERE id = %s AND status = 'INVITED'", [nora])

    app = build_app(
        Execution(ParleyEngine(replace(process, publish=cancel))), allowed_origins=[], ready=lambda: asyncio.sleep(0)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://parley.test") as client:
        ada.client = client
        payload = await ada.done("activateUser", {"userId": node_id(NodeKind.USER, nora)}, STATUS)
    assert payload["user"] is None


class TestDeactivating:
    async def test_ends_all_sign_ins_and_links_and_is_recorded(
        self, process: Process, ledger: Ledger, ada: Person, cleo: Person, dan: Person
    ) -> None:
        await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        ended = await ledger.sql("SELECT id FROM session WHERE user_id = %s", cleo.user_id)
        for person in (cleo, dan):
            await ledger.sql(
                "INSERT INTO link (workspace_id, id, user_id, purpose, expires_at)"
                " VALUES (%s, %s, %s, 'SIGN_IN', now() + interval '1 hour')",
                *(person.workspace_id, new_id(), person.user_id),
            )
        async with ledger.watching(ada) as written:
            payload = await ada.done("deactivateUser", {"userId": cleo.id}, STATUS)
        assert payload["user"] == {"id": cleo.id, "status": "DEACTIVATED"}
        assert written[0] == Written("USER_UPDATED", user_id=cleo.user_id)
        assert set(written[1:]) == {
            Written("SESSION_ENDED", user_id=cleo.user_id, session_id=session_id) for (session_id,) in ended
        }
        assert len(written) == 3
        assert await ledger.sql("SELECT 1 FROM session WHERE user_id = %s", cleo.user_id) == []
        open_links = await ledger.sql("SELECT user_id FROM link WHERE ended_at IS NULL")
        assert open_links == [(dan.user_id,)]
        changed = {"before": "ACTIVE", "after": "DEACTIVATED"}
        assert await audited(ledger) == [
            ("USER_DEACTIVATED", "USER", ada.user_id, cleo.user_id, changed),
            ("SIGN_IN_ENDED", "USER", ada.user_id, cleo.user_id, {"count": 2}),
        ]

    async def test_makes_every_token_worthless(self, process: Process, ada: Person, cleo: Person) -> None:
        signed_in = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        assert (await cleo.ask("{ viewer { id } }"))["viewer"]
        await ada.done("deactivateUser", {"userId": cleo.id})
        for token in (cleo.token, signed_in.access_token):
            cleo.token = token
            assert (await cleo.post("{ viewer { id } }")).status_code == 401
        cleo.token = None
        refused = await cleo.refused("refreshSession", {"refreshToken": signed_in.refresh_token})
        assert refused == [("INVALID_CREDENTIALS", ["refreshToken"])]
        credentials = {"email": cleo.member.email, "password": PASSWORD}
        assert await cleo.refused("signIn", credentials) == [("INVALID_CREDENTIALS", None)]

    async def test_keeps_the_row_that_bars_an_issuers_token(
        self, process: Process, ledger: Ledger, ada: Person, cleo: Person
    ) -> None:
        await ledger.sql("UPDATE session SET method = 'ISSUER', refresh_hash = NULL WHERE user_id = %s", cleo.user_id)
        async with ledger.watching(ada) as written:
            await ada.done("deactivateUser", {"userId": cleo.id})
        assert [event.kind for event in written] == ["USER_UPDATED", "SESSION_ENDED"]
        kept = await ledger.sql("SELECT ended_at IS NOT NULL FROM session WHERE user_id = %s", cleo.user_id)
        assert kept == [(True,)]
        # It has ended once, and bars the token also when the account is in use again.
        await ada.done("activateUser", {"userId": cleo.id})
        assert (await cleo.post("{ viewer { id } }")).status_code == 401
        async with ledger.watching(ada) as written:
            await ada.done("deactivateUser", {"userId": cleo.id})
        assert [event.kind for event in written] == ["USER_UPDATED"]

    async def test_twice_is_once(self, ledger: Ledger, ada: Person, cleo: Person) -> None:
        await ada.done("deactivateUser", {"userId": cleo.id})
        recorded = await audited(ledger)
        async with ledger.unchanged():
            payload = await ada.done("deactivateUser", {"userId": cleo.id}, STATUS)
        assert payload["user"]["status"] == "DEACTIVATED"
        assert await audited(ledger) == recorded

    async def test_nobody_of_another_firm_is_touched(self, ledger: Ledger, ada: Person, zoe: Person) -> None:
        async with ledger.unchanged():
            assert await ada.refused("deactivateUser", {"userId": zoe.id}) == [("NOT_FOUND", ["userId"])]
            assert await ada.refused("activateUser", {"userId": zoe.id}) == [("NOT_FOUND", ["userId"])]
        assert await audited(ledger) == []

    async def test_what_they_wrote_stays_and_names_them(
        self, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        chat = await ada.make_room(ben, cleo, dan)
        for person in (ben, cleo):
            await person.send(chat, f"From {person.member.name}")
        query = "query ($room: ID!) { room(id: $room) { messages { nodes { body author { id name } } } } }"
        node = "query ($id: ID!) { node(id: $id) { ... on User { name status } } }"
        before = [await person.ask(query, room=chat) for person in (ada, dan)]
        for person in (ben, cleo):
            await ada.done("deactivateUser", {"userId": person.id})
        assert [await person.ask(query, room=chat) for person in (ada, dan)] == before
        for person in (ben, cleo):
            name = person.member.name.title()
            assert (await dan.ask(node, id=person.id))["node"] == {"name": name, "status": None}
            assert (await ada.ask(node, id=person.id))["node"] == {"name": name, "status": "DEACTIVATED"}

    async def test_nobody_adds_them(self, ada: Person, cleo: Person) -> None:
        chat = await ada.make_room()
        await ada.done("deactivateUser", {"userId": cleo.id})
        added = {"roomId": chat, "userIds": [cleo.id]}
        assert await ada.refused("addParticipants", added) == [("NOT_ACTIVE", ["userIds", "0"])]
        made = {"name": "Lake", "participantIds": [cleo.id]}
        assert await ada.refused("createRoom", made) == [("NOT_ACTIVE", ["participantIds", "0"])]
        await ada.done("activateUser", {"userId": cleo.id})
        await ada.done("addParticipants", added)

    async def test_one_may_do_it_to_oneself(self, ada: Person, ben: Person) -> None:
        payload = await ada.done("deactivateUser", {"userId": ada.id}, STATUS)
        assert payload["user"] == {"id": ada.id, "status": "DEACTIVATED"}
        assert (await ada.post("{ viewer { id } }")).status_code == 401
        assert (await ben.done("activateUser", {"userId": ada.id}, STATUS))["user"]["status"] == "ACTIVE"

    async def test_what_follows_in_the_same_document_is_refused(self, ada: Person, ben: Person, cleo: Person) -> None:
        found = await ada.answer(
            "mutation ($self: ID!, $other: ID!) {"
            " one: deactivateUser(input: {userId: $self}) { userErrors { code } }"
            " two: deactivateUser(input: {userId: $other}) { userErrors { code } } }",
            self=ada.id,
            other=cleo.id,
        )
        assert found["data"] == {"one": {"userErrors": []}, "two": None}
        assert [error["extensions"]["code"] for error in found["errors"]] == ["UNAUTHENTICATED"]

    async def test_the_firms_last_active_person_stays(
        self, process: Process, ledger: Ledger, ada: Person, ben: Person, cleo: Person
    ) -> None:
        """Max is deactivated, nora only invited, cleo a client, zoe of another firm: none of them counts."""
        await invited(process, ada)
        await ada.done("deactivateUser", {"userId": ben.id})
        async with ledger.unchanged():
            assert await ada.refused("deactivateUser", {"userId": ada.id}) == [("FORBIDDEN", ["userId"])]
            with pytest.raises(Refused) as refused:
                await operate(process, ada.workspace_id, deactivation(ada))
        assert refused.value.code == Code.FORBIDDEN
        await ada.done("activateUser", {"userId": ben.id})
        await ada.done("deactivateUser", {"userId": ada.id})

    async def test_the_last_client_and_who_never_came_may_go(
        self, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        nora = await invited(process, ada)
        await ada.done("deactivateUser", {"userId": ben.id})
        for user_id in (cleo.id, dan.id, node_id(NodeKind.USER, nora)):
            await ada.done("deactivateUser", {"userId": user_id})

    async def test_the_command_line_is_recorded_as_the_operator(
        self, process: Process, ledger: Ledger, cleo: Person
    ) -> None:
        await operate(process, cleo.workspace_id, deactivation(cleo))
        assert [(by, actor) for _, by, actor, _, _ in await audited(ledger)] == [("OPERATOR", None)] * 2


class TestActivating:
    async def test_signs_nobody_in(self, process: Process, ledger: Ledger, ada: Person, cleo: Person) -> None:
        signed_in = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        await ada.done("deactivateUser", {"userId": cleo.id})
        async with ledger.watching(ada) as written:
            payload = await ada.done("activateUser", {"userId": cleo.id}, STATUS)
        assert payload["user"] == {"id": cleo.id, "status": "ACTIVE"}
        assert written == [Written("USER_UPDATED", user_id=cleo.user_id)]
        for token in (cleo.token, signed_in.access_token):
            cleo.token = token
            assert (await cleo.post("{ viewer { id } }")).status_code == 401
        refused = await cleo.refused("refreshSession", {"refreshToken": signed_in.refresh_token})
        assert refused == [("INVALID_CREDENTIALS", ["refreshToken"])]
        await cleo.done("signIn", {"email": cleo.member.email, "password": PASSWORD})
        changed = {"before": "DEACTIVATED", "after": "ACTIVE"}
        assert ("USER_ACTIVATED", "USER", ada.user_id, cleo.user_id, changed) in await audited(ledger)

    async def test_mail_begins_with_it(self, ledger: Ledger, ada: Person, cleo: Person) -> None:
        query = 'SELECT activated_at, clock_timestamp() FROM "user" WHERE id = %s'
        ((first, _),) = await ledger.sql(query, cleo.user_id)
        await ada.done("deactivateUser", {"userId": cleo.id})
        ((unchanged, between),) = await ledger.sql(query, cleo.user_id)
        assert unchanged == first
        await ada.done("activateUser", {"userId": cleo.id})
        ((again, _),) = await ledger.sql(query, cleo.user_id)
        assert again > between > first

    async def test_twice_is_once(self, ledger: Ledger, ada: Person, max_: Person) -> None:
        await ada.done("activateUser", {"userId": max_.id})
        recorded = await audited(ledger)
        async with ledger.unchanged():
            payload = await ada.done("activateUser", {"userId": max_.id}, STATUS)
        assert payload["user"]["status"] == "ACTIVE"
        assert await audited(ledger) == recorded

    async def test_who_has_not_accepted_is_not_made_active_by_others(
        self, process: Process, ledger: Ledger, ada: Person
    ) -> None:
        nora = await invited(process, ada)
        named = {"userId": node_id(NodeKind.USER, nora)}
        async with ledger.unchanged():
            assert await ada.refused("activateUser", named) == [("NOT_ACTIVE", ["userId"])]
        await ada.done("deactivateUser", named)
        # By way of a deactivation neither.
        payload = await ada.done("activateUser", named, STATUS)
        assert payload["user"]["status"] == "INVITED"
        assert await ledger.sql('SELECT activated_at FROM "user" WHERE id = %s', nora) == [(None,)]

    async def test_who_came_by_the_firms_issuer_has_accepted(
        self, process: Process, ledger: Ledger, ada: Person
    ) -> None:
        nora = await invited(process, ada)
        issuer = new_id()
        await ledger.sql(
            "INSERT INTO issuer (workspace_id, id, issuer, audience, jwks_url) VALUES (%s, %s, 'i', 'a', 'u')",
            *(ada.workspace_id, issuer),
        )
        await ledger.sql(
            "INSERT INTO identity (workspace_id, issuer_id, subject, user_id, verified) VALUES (%s, %s, 's', %s, true)",
            *(ada.workspace_id, issuer, nora),
        )
        named = {"userId": node_id(NodeKind.USER, nora)}
        await ada.done("deactivateUser", named)
        assert (await ada.done("activateUser", named, STATUS))["user"]["status"] == "ACTIVE"


class TestWhoManages:
    async def test_the_longest_there_stands_in_and_the_creator_comes_back(
        self, process: Process, ledger: Ledger, ada: Person, ben: Person, cleo: Person, max_: Person
    ) -> None:
        await ada.done("activateUser", {"userId": max_.id})
        max_.token = (await sign_in_of(process, max_.workspace_id, max_.user_id)).access_token
        chat = await ada.make_room(cleo)
        for person in (ben, max_):
            await ada.done("addParticipants", {"roomId": chat, "userIds": [person.id]})
        changed = Written("ROOM_MANAGER_CHANGED", room_id=key(chat))

        async def manages(person: Person, *watching: Person) -> None:
            for viewer in watching:
                found = (await viewer.ask(MANAGER, room=chat))["room"]
                assert found == {"managedBy": {"id": person.id}, "viewerCanManage": viewer is person}

        await ben.done("deactivateUser", {"userId": ada.id})
        await manages(ben, ben, max_)
        assert await do_work(process) == 1
        assert (await ledger.events(ada))[-1] == changed
        await ben.done("renameRoom", {"roomId": chat, "name": "Stood in"})
        # The stand-in as well.
        await max_.done("deactivateUser", {"userId": ben.id})
        await manages(max_, max_)
        assert await do_work(process) == 1
        await max_.done("activateUser", {"userId": ben.id})
        ben.token = (await sign_in_of(process, ben.workspace_id, ben.user_id)).access_token
        await manages(ben, ben, max_)
        assert await do_work(process) == 1
        await max_.done("activateUser", {"userId": ada.id})
        ada.token = (await sign_in_of(process, ada.workspace_id, ada.user_id)).access_token
        await manages(ada, ada, ben, max_)
        assert await do_work(process) == 1
        assert (await ledger.events(ada))[-1] == changed
        assert await cleo.ask(MANAGER, room=chat) == {"room": {"managedBy": None, "viewerCanManage": False}}

    async def test_only_rooms_that_they_managed_are_told_and_only_once(
        self, process: Process, ledger: Ledger, queued: list[Any], ada: Person, ben: Person, cleo: Person
    ) -> None:
        mine = [await ada.make_room(), await ada.make_room(ben), await ada.make_room(cleo)]
        await ben.make_room(ada, cleo)
        for mutation in ("deactivateUser", "activateUser"):
            await ben.done(mutation, {"userId": ada.id})
            owed = await rows(process, "SELECT room_id, kind FROM work")
            assert sorted(owed) == sorted((key(each), "TELL_MANAGER_CHANGED") for each in mine)
            assert {id for _, _, id in queued} == {str(id) for (id,) in await rows(process, "SELECT id FROM work")}
            queued.clear()
            assert await do_work(process) == len(mine)
        await ben.done("deactivateUser", {"userId": cleo.id})
        assert await rows(process, "SELECT 1 FROM work") == []

    async def test_of_many_rooms_a_few_are_queued_at_once_and_all_are_owed(
        self, process: Process, queued: list[Any], ada: Person, ben: Person
    ) -> None:
        for _ in range(account.HINTS + 5):
            await ada.make_room()
        await ben.done("deactivateUser", {"userId": ada.id})
        assert len(queued) == account.HINTS
        assert await rows(process, "SELECT count(*) FROM work") == [(account.HINTS + 5,)]
        # A worker finds the rest.
        queued.clear()
        assert await work.sweep_due(process) == account.HINTS + 5
        for _, workspace_id, work_id in queued:
            await work.do(process, UUID(workspace_id), UUID(work_id))
        assert await rows(process, "SELECT 1 FROM work") == []


class TestRaces:
    async def test_who_is_being_added_is_deactivated_after_it(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        chat = key_of(NodeKind.ROOM, await ada.make_room())
        viewer = await viewer_of(process, ada)
        async with held(
            process,
            ada.workspace_id,
            lambda transaction: participant.add_participants(transaction, viewer, chat, [cleo.user_id]),
        ) as adding:
            await waits_for(process, adding, operate(process, cleo.workspace_id, deactivation(cleo)))
        kinds = await rows(process, "SELECT kind FROM event ORDER BY position DESC LIMIT 3")
        assert kinds == [("SESSION_ENDED",), ("USER_UPDATED",), ("PARTICIPANT_ADDED",)]

    async def test_who_is_being_deactivated_is_not_added(self, process: Process, ada: Person, cleo: Person) -> None:
        chat = await ada.make_room()
        async with held(process, cleo.workspace_id, deactivation(cleo)) as deactivating:
            adding = ada.refused("addParticipants", {"roomId": chat, "userIds": [cleo.id]})
            assert await waits_for(process, deactivating, adding) == [("NOT_ACTIVE", ["userIds", "0"])]
        assert await rows(process, "SELECT 1 FROM participant WHERE user_id = %s", cleo.user_id) == []

    async def test_a_room_that_is_being_made_with_them_comes_first(
        self, process: Process, ada: Person, ben: Person
    ) -> None:
        """And its creator's deactivation tells that room too."""
        viewer = await viewer_of(process, ada)
        async with held(
            process,
            ada.workspace_id,
            lambda transaction: room.create_room(
                transaction, viewer, name="Lake", participant_ids=[ben.user_id], portal_id=None, idempotency_key=None
            ),
        ) as making:
            await waits_for(process, making, operate(process, ada.workspace_id, deactivation(ada)))
        assert await rows(process, "SELECT room_id FROM work") == await rows(process, "SELECT id FROM room")

    async def test_no_room_is_made_with_who_is_being_deactivated_or_by_them(
        self, process: Process, ada: Person, ben: Person, cleo: Person
    ) -> None:
        async with held(process, cleo.workspace_id, deactivation(cleo)) as deactivating:
            making = ada.refused("createRoom", {"name": "Lake", "participantIds": [cleo.id]})
            assert await waits_for(process, deactivating, making) == [("NOT_ACTIVE", ["participantIds", "0"])]
        async with held(process, ada.workspace_id, deactivation(ada)) as deactivating:
            codes = ada.codes('mutation { createRoom(input: {name: "Lake"}) { userErrors { code } } }')
            assert await waits_for(process, deactivating, codes) == ["UNAUTHENTICATED"]
        assert await rows(process, "SELECT 1 FROM room") == []

    async def test_a_sign_in_that_is_under_way_ends_with_the_others(self, process: Process, cleo: Person) -> None:
        async with held(
            process, cleo.workspace_id, lambda transaction: session.begin(transaction, cleo.user_id)
        ) as beginning:
            await waits_for(process, beginning, operate(process, cleo.workspace_id, deactivation(cleo)))
        assert await rows(process, "SELECT 1 FROM session WHERE user_id = %s", cleo.user_id) == []

    @pytest.mark.parametrize("mutation", ["signIn", "refreshSession"])
    async def test_nobody_signs_in_or_refreshes_past_a_deactivation(
        self, process: Process, cleo: Person, mutation: str
    ) -> None:
        signed_in = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        given = {
            "signIn": {"email": cleo.member.email, "password": PASSWORD},
            "refreshSession": {"refreshToken": signed_in.refresh_token},
        }
        cleo.token = None
        async with held(process, cleo.workspace_id, deactivation(cleo)) as deactivating:
            ((code, _),) = await waits_for(process, deactivating, cleo.refused(mutation, given[mutation]))
        assert code == "INVALID_CREDENTIALS"
        assert await rows(process, "SELECT 1 FROM session WHERE user_id = %s", cleo.user_id) == []

    async def test_a_refresh_that_is_under_way_ends_with_the_others(self, process: Process, cleo: Person) -> None:
        signed_in = await sign_in_of(process, cleo.workspace_id, cleo.user_id)
        token = session.read_refresh_token(signed_in.refresh_token)
        assert token is not None
        async with held(process, cleo.workspace_id, lambda transaction: session._renew(transaction, token)) as renewing:
            await waits_for(process, renewing, operate(process, cleo.workspace_id, deactivation(cleo)))
        assert await rows(process, "SELECT 1 FROM session WHERE user_id = %s", cleo.user_id) == []

    async def test_of_the_last_two_who_end_each_other_one_stays(
        self, process: Process, ada: Person, ben: Person
    ) -> None:
        viewers = [await viewer_of(process, person) for person in (ada, ben)]
        async with held(
            process,
            ada.workspace_id,
            lambda transaction: account.deactivate_user(transaction, viewers[0], ben.user_id),
        ) as first:
            second = operate(
                process,
                ben.workspace_id,
                lambda transaction: account.deactivate_user(transaction, viewers[1], ada.user_id),
            )
            with pytest.raises(SignInEnded):
                await waits_for(process, first, second)
        assert [await status_of(process, person.user_id) for person in (ada, ben)] == ["ACTIVE", "DEACTIVATED"]

    async def test_of_the_last_two_who_end_themselves_one_stays(
        self, process: Process, ada: Person, ben: Person
    ) -> None:
        viewers = [await viewer_of(process, person) for person in (ada, ben)]

        def ending_oneself(number: int) -> Any:
            viewer = viewers[number]
            return lambda transaction: account.deactivate_user(transaction, viewer, viewer.user_id)

        async with held(process, ada.workspace_id, ending_oneself(0)) as first:
            with pytest.raises(Refused) as refused:
                await waits_for(process, first, operate(process, ben.workspace_id, ending_oneself(1)))
        assert refused.value.code == Code.FORBIDDEN
        assert await status_of(process, ben.user_id) == "ACTIVE"

    async def test_without_the_workspaces_lock_nobody_would(
        self, process: Process, ada: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(accounts, "lock_workspace_of_internal", accounts.account)
        async with held(process, ada.workspace_id, deactivation(ada)) as first:
            await operate(process, ben.workspace_id, deactivation(ben))
            await first.commit()
        assert {await status_of(process, person.user_id) for person in (ada, ben)} == {"DEACTIVATED"}

    async def test_many_who_end_each_other_at_once_leave_one_and_wait_for_nobody_in_a_circle(
        self, process: Process, ada: Person, ben: Person, max_: Person
    ) -> None:
        for _ in range(5):
            found = await asyncio.gather(
                *(operate(process, ada.workspace_id, deactivation(person)) for person in (ada, ben, max_) * 2),
                return_exceptions=True,
            )
            assert {type(each) for each in found} <= {UUID, Refused}
            statuses = [await status_of(process, person.user_id) for person in (ada, ben, max_)]
            assert statuses.count("ACTIVE") == 1
            for person in (ada, ben, max_):
                await operate(process, ada.workspace_id, activation(person))

    @pytest.mark.parametrize("first", ["deactivation", "activation"])
    async def test_an_activation_and_a_deactivation_come_one_behind_the_other(
        self, process: Process, cleo: Person, first: str
    ) -> None:
        operations = {"deactivation": deactivation(cleo), "activation": activation(cleo)}
        if first == "activation":
            await operate(process, cleo.workspace_id, deactivation(cleo))
        (second,) = operations.keys() - {first}
        async with held(process, cleo.workspace_id, operations[first]) as one:
            await waits_for(process, one, operate(process, cleo.workspace_id, operations[second]))
        assert await status_of(process, cleo.user_id) == {"activation": "ACTIVE", "deactivation": "DEACTIVATED"}[second]

    async def test_an_invitation_that_is_being_accepted_does_not_slip_past(self, process: Process, ada: Person) -> None:
        """Nora accepts, so that she is ACTIVE and signed in, while she is deactivated."""
        nora = await invited(process, ada)

        async def accept(transaction: Transaction) -> None:
            await transaction.connection.execute(
                "UPDATE \"user\" SET status = 'ACTIVE', activated_at = clock_timestamp() WHERE id = %s", [nora]
            )
            await session.begin(transaction, nora)

        async with held(process, ada.workspace_id, accept) as accepting:
            deactivate = operate(
                process, ada.workspace_id, lambda transaction: account.deactivate_user(transaction, None, nora)
            )
            await waits_for(process, accepting, deactivate)
        assert await status_of(process, nora) == "DEACTIVATED"
        assert await rows(process, "SELECT 1 FROM session WHERE user_id = %s", nora) == []

    async def test_a_send_waits_for_no_deactivation_and_lands_only_if_its_right_was_read_before(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        chat = key_of(NodeKind.ROOM, await ada.make_room(cleo))
        viewer = await viewer_of(process, cleo)

        def send(body: str) -> Any:
            return lambda transaction: message.send_message(transaction, viewer, chat, body=body)

        async with held(process, cleo.workspace_id, send("In the window")) as sending:
            late = asyncio.create_task(operate(process, cleo.workspace_id, send("Behind it")))
            await blocked(process, late)
            await operate(process, cleo.workspace_id, deactivation(cleo))
            await sending.commit()
            with pytest.raises(SignInEnded):
                await late
        assert await rows(process, "SELECT body FROM message") == [("In the window",)]

    async def test_without_the_users_lock_a_sign_in_would_outlive_it(
        self, process: Process, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unlocked = Statement(
            sa.select(users.users.c.id).where(
                users.users.c.workspace_id == uuid("workspace_id"), users.users.c.id == uuid("user_id")
            ),
            scalar,
        )
        monkeypatch.setattr(users, "lock_user", unlocked)
        monkeypatch.setattr(accounts, "set_status", unlocked)
        async with held(
            process, cleo.workspace_id, lambda transaction: session.begin(transaction, cleo.user_id)
        ) as beginning:
            await operate(process, cleo.workspace_id, deactivation(cleo))
            await beginning.commit()
        assert len(await rows(process, "SELECT 1 FROM session WHERE user_id = %s", cleo.user_id)) == 1


async def waits_for(process: Process, first: Held, second: Any) -> Any:
    """The second one waits until the first has committed; what it gives."""
    waiting = asyncio.ensure_future(second)
    await blocked(process, waiting)
    await first.commit()
    return await waiting
