"""Each race and deadlock that the design names, with its transactions held at the critical point."""

import asyncio
import dataclasses
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from models import room as rooms
from models import user as users
from models.statement import Statement, scalar, uuid
from resolvers import message, participant, read_mark
from resolvers import room as room_operations
from resolvers.errors import NotFound, Refused, Unauthenticated
from resolvers.operation import operate
from resolvers.process import Process
from schema.node_id import NodeKind, key_of
from tests.cast import Person
from tests.races import blocked, held, rows, viewer_of

# What a lock statement is replaced by, to see the race that it prevents.
no_lock = Statement(sa.select(rooms.rooms.c.id).where(rooms.rooms.c.id == uuid("room_id")), scalar)


async def removal(process: Process, ada: Person, room: str, cleo: Person) -> Any:
    viewer = await viewer_of(process, ada)
    return lambda transaction: participant.remove_participant(
        transaction, viewer, key_of(NodeKind.ROOM, room), cleo.user_id
    )


async def sending(process: Process, person: Person, room: str, body: str = "Late") -> Any:
    viewer = await viewer_of(process, person)
    return operate(
        process,
        person.workspace_id,
        lambda transaction: message.send_message(transaction, viewer, key_of(NodeKind.ROOM, room), body=body),
    )


class TestNoMessageLandsBehindItsAuthorsRemoval:
    async def test_a_send_waits_for_the_removal_and_is_refused(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        async with held(process, ada.workspace_id, await removal(process, ada, room, cleo)) as removing:
            send = asyncio.create_task(await sending(process, cleo, room))
            await blocked(process, send)
            await removing.commit()
            with pytest.raises(NotFound):
                await send
        assert await rows(process, "SELECT 1 FROM message") == []
        kinds = await rows(process, "SELECT kind FROM event ORDER BY position DESC LIMIT 1")
        assert kinds == [("PARTICIPANT_REMOVED",)]

    async def test_without_the_lock_it_would(
        self, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = await ada.make_room(cleo)
        async with held(process, ada.workspace_id, await removal(process, ada, room, cleo)) as removing:
            monkeypatch.setattr(rooms, "lock_room", no_lock)
            # It reads its right from before the removal, and then waits for nothing but the line.
            async with held(
                process,
                cleo.workspace_id,
                await held_send(process, cleo, room),
            ) as send:
                await removing.commit()
                await send.commit()
        kinds = await rows(process, "SELECT kind FROM event ORDER BY position DESC LIMIT 2")
        assert kinds == [("MESSAGE_ADDED",), ("PARTICIPANT_REMOVED",)]

    async def test_a_removal_waits_for_a_send_that_was_first(self, process: Process, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        async with held(process, cleo.workspace_id, await held_send(process, cleo, room)) as send:
            remove = asyncio.create_task(operate(process, ada.workspace_id, await removal(process, ada, room, cleo)))
            await blocked(process, remove)
            await send.commit()
            await remove
        kinds = await rows(process, "SELECT kind FROM event ORDER BY position DESC LIMIT 2")
        assert kinds == [("PARTICIPANT_REMOVED",), ("MESSAGE_ADDED",)]


class TestNobodyGoesOnWithoutTheRoomsLock:
    """Who is added just after the lock found them outside would be a participant to every later question."""

    @pytest.mark.parametrize("operation", ["send", "leave", "edit"])
    async def test_who_is_added_behind_the_lock_is_outside(
        self, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch, operation: str
    ) -> None:
        room = await ada.make_room(cleo)
        sent = await cleo.send(room, "Mine")
        await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
        viewer, key = await viewer_of(process, cleo), key_of(NodeKind.ROOM, room)
        for statement in (rooms.lock_room, rooms.lock_room_of_message):
            send = statement.send

            async def lock_then_wait(connection: Any, send: Any = send, **parameters: Any) -> Any:
                found = await send(connection, **parameters)
                if parameters["viewer_id"] == cleo.user_id:
                    await connection.arrival(found)
                    # Here, between the lock and all that is read under it, somebody else adds them.
                    await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
                return found

            monkeypatch.setattr(statement, "send", lock_then_wait)
        operations = {
            "send": lambda transaction: message.send_message(transaction, viewer, key, body="Unlocked"),
            "leave": lambda transaction: participant.leave_room(transaction, viewer, key),
            "edit": lambda transaction: message.edit_message(
                transaction, viewer, key_of(NodeKind.MESSAGE, sent["id"]), "Unlocked"
            ),
        }
        with pytest.raises(NotFound):
            await operate(process, cleo.workspace_id, operations[operation])
        assert await rows(process, "SELECT body FROM message") == [("Mine",)]


async def held_send(process: Process, person: Person, room: str) -> Any:
    viewer = await viewer_of(process, person)
    return lambda transaction: message.send_message(transaction, viewer, key_of(NodeKind.ROOM, room), body="In time")


async def test_no_edit_lands_behind_its_authors_removal(process: Process, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    sent = await cleo.send(room, "First")
    async with held(process, ada.workspace_id, await removal(process, ada, room, cleo)) as removing:
        edit = asyncio.create_task(cleo.refused("editMessage", {"messageId": sent["id"], "body": "Second"}))
        await blocked(process, edit)
        await removing.commit()
        assert await edit == [("NOT_FOUND", ["messageId"])]
    assert await rows(process, "SELECT body FROM message") == [("First",)]


async def test_no_message_lands_behind_its_authors_sign_out(process: Process, ada: Person, cleo: Person) -> None:
    room = await ada.make_room(cleo)
    async with held(process, ada.workspace_id, await held_send(process, ada, room)) as first:
        send = asyncio.create_task(await sending(process, cleo, room))
        await blocked(process, send)
        await cleo.do("signOut")
        await first.commit()
        with pytest.raises(Unauthenticated):
            await send
    assert await rows(process, "SELECT body FROM message") == [("In time",)]


class TestNobodyIsDeactivatedWhileBeingAdded:
    @staticmethod
    async def deactivation(process: Process, person: Person) -> None:
        await rows(process, "UPDATE \"user\" SET status = 'DEACTIVATED' WHERE id = %s RETURNING 1", person.user_id)

    async def test_a_deactivation_waits_for_the_adding(self, process: Process, ada: Person, cleo: Person) -> None:
        room = key_of(NodeKind.ROOM, await ada.make_room())
        viewer = await viewer_of(process, ada)
        async with held(
            process,
            ada.workspace_id,
            lambda transaction: participant.add_participants(transaction, viewer, room, [cleo.user_id]),
        ) as adding:
            deactivate = asyncio.create_task(self.deactivation(process, cleo))
            await blocked(process, deactivate)
            await adding.commit()
            await deactivate

    async def test_an_adding_waits_for_the_deactivation_and_is_refused(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room()
        async with process.pool.connection() as connection, connection.transaction():
            await connection.execute("UPDATE \"user\" SET status = 'DEACTIVATED' WHERE id = %s", [cleo.user_id])
            add = asyncio.create_task(ada.refused("addParticipants", {"roomId": room, "userIds": [cleo.id]}))
            await blocked(process, add)
        assert await add == [("NOT_ACTIVE", ["userIds", "0"])]
        assert await rows(process, "SELECT 1 FROM participant WHERE user_id = %s", cleo.user_id) == []

    async def test_without_the_lock_somebody_deactivated_would_come_in(
        self, process: Process, ada: Person, cleo: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(users, "lock_users_being_added", users.users_by_id)
        room = key_of(NodeKind.ROOM, await ada.make_room())
        viewer = await viewer_of(process, ada)
        async with held(
            process,
            ada.workspace_id,
            lambda transaction: participant.add_participants(transaction, viewer, room, [cleo.user_id]),
        ) as adding:
            # Nothing that it wrote locks more of the user than their key.
            await asyncio.wait_for(self.deactivation(process, cleo), 5)
            await adding.commit()
        assert await rows(process, "SELECT 1 FROM participant WHERE user_id = %s", cleo.user_id) == [(1,)]


class TestReadMarksTakeNoLockThatASenderWaitsFor:
    @staticmethod
    async def marking(process: Process, person: Person, room: str, message_id: str) -> Any:
        viewer = await viewer_of(process, person)
        return lambda transaction: read_mark.mark_room_read(
            transaction, viewer, key_of(NodeKind.ROOM, room), key_of(NodeKind.MESSAGE, message_id)
        )

    async def test_a_send_passes_a_mark_that_is_held_open(self, process: Process, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        sent = await ada.send(room)
        async with held(process, cleo.workspace_id, await self.marking(process, cleo, room, sent["id"])):
            await asyncio.wait_for(cleo.send(room), 5)

    async def test_a_mark_passes_a_send_that_is_held_open(self, process: Process, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        sent = await ada.send(room)
        async with (
            held(process, ada.workspace_id, await held_send(process, ada, room)),
            process.pool.connection() as connection,
            connection.transaction(),
        ):
            await connection.execute("SELECT 1 FROM line FOR NO KEY UPDATE")
            await asyncio.wait_for(cleo.done("markRoomRead", {"roomId": room, "upToMessageId": sent["id"]}), 5)

    async def test_the_lower_of_two_marks_at_once_does_not_win(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        sent = [await ada.send(room) for _ in range(3)]
        async with held(process, cleo.workspace_id, await self.marking(process, cleo, room, sent[1]["id"])) as lower:
            payload = await cleo.done(
                "markRoomRead", {"roomId": room, "upToMessageId": sent[2]["id"]}, "room { unreadCount }"
            )
            assert payload["room"]["unreadCount"] == 0
            await lower.commit()
        assert (await cleo.ask("query ($id: ID!) { room(id: $id) { unreadCount } }", id=room))["room"] == {
            "unreadCount": 0
        }

    async def test_a_mark_takes_no_position_and_waits_for_no_disk(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        sent = await ada.send(room)
        mark = await self.marking(process, cleo, room, sent["id"])
        before = await rows(process, "SELECT count(*) FROM event")

        async def seen(transaction: Any) -> str:
            await mark(transaction)
            cursor = await transaction.connection.execute("SHOW synchronous_commit")
            await transaction.connection.arrival(cursor)
            return str((await cursor.fetchone())[0])

        assert await operate(process, cleo.workspace_id, seen) == "off"
        assert await rows(process, "SELECT count(*) FROM event") == before


class TestTheSameRequestTwiceAtOnce:
    async def test_a_repeated_send_waits_for_the_first_and_gives_it_back(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        viewer = await viewer_of(process, cleo)

        def send(body: str) -> Any:
            return lambda transaction: message.send_message(
                transaction, viewer, key_of(NodeKind.ROOM, room), body=body, idempotency_key="once"
            )

        async with held(process, cleo.workspace_id, send("First")) as first:
            again = asyncio.create_task(operate(process, cleo.workspace_id, send("Second")))
            await blocked(process, again)
            made = await first.commit()
            assert (await again) == made
        assert await rows(process, "SELECT body, sequence FROM message") == [("First", 1)]

    async def test_many_at_once_make_one(self, process: Process, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        sent = await asyncio.gather(*(cleo.send(room, f"Try {number}", idempotencyKey="once") for number in range(12)))
        assert len({message["id"] for message in sent}) == 1
        assert (await cleo.send(room, "Next"))["sequence"] == 2

    async def test_the_second_maker_of_a_room_waits_for_the_first(self, process: Process, ada: Person) -> None:
        viewer = await viewer_of(process, ada)

        def make(name: str) -> Any:
            return lambda transaction: room_operations.create_room(
                transaction, viewer, name=name, participant_ids=[], portal_id=None, idempotency_key="once"
            )

        async with held(process, ada.workspace_id, make("First")) as first:
            again = asyncio.create_task(operate(process, ada.workspace_id, make("Second")))
            await blocked(process, again)
            assert await first.commit() == await again
        assert await rows(process, "SELECT name FROM room") == [("First",)]

    async def test_a_room_made_many_times_at_once_is_made_once(self, process: Process, ada: Person) -> None:
        made = await asyncio.gather(*(ada.make_room(idempotencyKey="once") for _ in range(8)))
        assert len(set(made)) == 1
        assert await rows(process, "SELECT count(*) FROM room") == [(1,)]
        assert await rows(process, "SELECT count(*) FROM event WHERE kind = 'ROOM_CREATED'") == [(1,)]


class TestSequences:
    async def test_are_gapless_and_in_the_order_of_time_whoever_writes_at_once(
        self, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(ben, cleo, dan)
        writers = [ada, ben, cleo, dan]
        await asyncio.gather(*(writers[number % 4].send(room, f"{number}") for number in range(80)))
        kept = await rows(process, "SELECT sequence, created_at FROM message ORDER BY sequence")
        assert [sequence for sequence, _ in kept] == list(range(1, 81))
        assert [created for _, created in kept] == sorted(created for _, created in kept)

    async def test_times_do_not_step_back_when_the_clock_does(self, process: Process, ada: Person) -> None:
        room = await ada.make_room()
        await ada.send(room)
        await rows(process, "UPDATE message SET created_at = created_at + interval '1 hour' RETURNING 1")
        await ada.send(room)
        assert await rows(process, "SELECT count(DISTINCT created_at) FROM message") == [(1,)]

    async def test_a_refused_send_burns_no_number(self, ada: Person) -> None:
        room = await ada.make_room()
        assert await ada.refused("sendMessage", {"roomId": room, "body": " "}) == [("BLANK", ["body"])]
        assert (await ada.send(room))["sequence"] == 1


class TestDeadlocks:
    async def test_everything_at_once_in_one_room_ends(
        self, process: Process, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        room = await ada.make_room(ben, cleo, dan)
        others = [ben, cleo, dan]
        first = await ada.send(room)

        async def one_round(number: int) -> None:
            person = others[number % 3]
            await asyncio.gather(
                ada.do("addParticipants", {"roomId": room, "userIds": [other.id for other in reversed(others)]}),
                ada.do("removeParticipant", {"roomId": room, "userId": person.id}),
                person.do("sendMessage", {"roomId": room, "body": "Hello"}),
                person.do("leaveRoom", {"roomId": room}),
                person.do("markRoomRead", {"roomId": room, "upToMessageId": first["id"]}),
                person.do("setRoomMuted", {"roomId": room, "muted": number % 2 == 0}),
                ada.do("addParticipants", {"roomId": room, "userIds": [other.id for other in others]}),
                ada.do("renameRoom", {"roomId": room, "name": f"Round {number}"}),
            )

        for number in range(10):
            await one_round(number)
        kept = await rows(process, "SELECT position FROM event WHERE workspace_id = %s ORDER BY 1", ada.workspace_id)
        assert [position for (position,) in kept] == list(range(1, len(kept) + 1))

    async def test_two_rooms_that_add_the_same_people_in_opposite_orders(
        self, ada: Person, ben: Person, cleo: Person, dan: Person
    ) -> None:
        mine, theirs = await ada.make_room(), await ben.make_room()
        for _ in range(5):
            await asyncio.gather(
                ada.done("addParticipants", {"roomId": mine, "userIds": [cleo.id, dan.id]}),
                ben.done("addParticipants", {"roomId": theirs, "userIds": [dan.id, cleo.id]}),
            )
            await asyncio.gather(
                *(ada.done("removeParticipant", {"roomId": mine, "userId": each.id}) for each in (cleo, dan)),
                *(ben.done("removeParticipant", {"roomId": theirs, "userId": each.id}) for each in (dan, cleo)),
            )

    async def test_a_participant_locked_before_its_room_would_deadlock(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        """Why the room's lock comes first: the other order, tried by hand against an operation."""
        room = await ada.make_room(cleo)
        async with process.pool.connection() as connection, connection.transaction(force_rollback=True):
            await connection.execute("DELETE FROM participant WHERE user_id = %s", [cleo.user_id])
            remove = asyncio.create_task(operate(process, ada.workspace_id, await removal(process, ada, room, cleo)))
            await blocked(process, remove)
            await connection.execute("SET LOCAL deadlock_timeout = '50ms'")
            crossing = asyncio.create_task(connection.execute("SELECT 1 FROM room FOR NO KEY UPDATE"))
            await asyncio.wait([crossing, remove], return_when=asyncio.FIRST_EXCEPTION)
            failed = [task.exception() for task in (crossing, remove) if task.done() and task.exception()]
            assert [type(error) for error in failed] == [psycopg.errors.DeadlockDetected]
            await asyncio.wait([crossing])
        await asyncio.wait([remove])


class TestAStoppedProcessFreezesNobody:
    async def test_a_lock_is_not_waited_for_without_end(self, process: Process, ada: Person, cleo: Person) -> None:
        room = await ada.make_room(cleo)
        hasty = dataclasses.replace(process, lock_timeout_ms=50)
        async with held(process, ada.workspace_id, await held_send(process, ada, room)) as first:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await (await sending(hasty, cleo, room))
            await first.commit()
        assert await rows(process, "SELECT body FROM message") == [("In time",)]

    async def test_the_database_ends_a_transaction_whose_process_has_stopped(
        self, process: Process, ada: Person, cleo: Person
    ) -> None:
        room = await ada.make_room(cleo)
        stopping = dataclasses.replace(process, idle_transaction_timeout_ms=50)
        async with held(stopping, ada.workspace_id, await held_send(process, ada, room)) as stopped:
            await asyncio.wait_for(cleo.send(room, "Not frozen"), 5)
            with pytest.raises(psycopg.OperationalError):
                await stopped.commit()
        assert await rows(process, "SELECT body FROM message") == [("Not frozen",)]


async def test_failure_discards_everything(process: Process, ada: Person, queued: list[Any]) -> None:
    room = key_of(NodeKind.ROOM, await ada.make_room())
    viewer = await viewer_of(process, ada)
    before = await rows(process, "SELECT count(*) FROM event")

    async def fails(transaction: Any) -> None:
        await message.send_message(transaction, viewer, room, body="Never")
        transaction.queue("work.do", "nothing")
        raise Refused.__new__(Refused)

    with pytest.raises(Refused):
        await operate(process, ada.workspace_id, fails)
    assert await rows(process, "SELECT count(*) FROM event") == before
    assert await rows(process, "SELECT count(*) FROM message") == [(0,)]
    assert queued == []
