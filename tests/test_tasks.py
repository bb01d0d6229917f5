"""Tasks: what they do, and a real worker and beat that do it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from models.event import EventKind
from models.ids import new_id
from models.work import WorkKind, insert_work
from resolvers import session, work
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from schema.node_id import NodeKind, key_of
from server.embedded.valkey import EmbeddedValkey
from server.settings import Settings
from server.worker import Beat, make_app
from tests.cast import Person
from tests.races import held, rows
from tests.running import running


async def owe(process: Process, person: Person, room: str) -> Any:
    work_id = new_id()

    async def insert(transaction: Transaction) -> None:
        await insert_work.send(
            transaction.connection,
            workspace_id=person.workspace_id,
            id=work_id,
            kind=WorkKind.TELL_MANAGER_CHANGED.value,
            room_id=key_of(NodeKind.ROOM, room),
        )

    await operate(process, person.workspace_id, insert)
    return work_id


async def expire(process: Process, person: Person) -> None:
    await rows(
        process,
        "UPDATE session SET expires_at = clock_timestamp() - interval '1 second' WHERE user_id = %s RETURNING 1",
        person.user_id,
    )


async def kinds(process: Process, kind: EventKind) -> list[Any]:
    return [user for (user,) in await rows(process, "SELECT user_id FROM event WHERE kind = %s", kind.value)]


class TestExpiredSignIns:
    async def test_are_swept_with_an_event_each_and_the_others_stay(
        self, process: Process, ada: Person, cleo: Person, zoe: Person
    ) -> None:
        await expire(process, cleo)
        await expire(process, zoe)
        assert await session.sweep_expired(process) == 2
        assert set(await kinds(process, EventKind.SESSION_ENDED)) == {cleo.user_id, zoe.user_id}
        assert await session.sweep_expired(process) == 0
        assert (await cleo.post("{ viewer { id } }")).status_code == 401
        assert await ada.ask("{ viewer { id } }")

    async def test_one_that_has_expired_is_worth_nothing_before_the_sweep(self, process: Process, cleo: Person) -> None:
        await expire(process, cleo)
        assert (await cleo.post("{ viewer { id } }")).status_code == 401

    async def test_two_sweeps_at_once_end_each_once(self, process: Process, ada: Person, cleo: Person) -> None:
        await expire(process, ada)
        await expire(process, cleo)
        ended = await asyncio.gather(session.sweep_expired(process), session.sweep_expired(process))
        assert sum(ended) == 2
        assert len(await kinds(process, EventKind.SESSION_ENDED)) == 2


class TestWork:
    async def test_is_done_once_however_often_it_is_asked_for(self, process: Process, ada: Person) -> None:
        work_id = await owe(process, ada, await ada.make_room())
        done = [await work.do(process, ada.workspace_id, work_id) for _ in range(3)]
        assert done == [True, False, False]
        assert len(await kinds(process, EventKind.ROOM_MANAGER_CHANGED)) == 1

    async def test_twice_at_once_is_once(self, process: Process, ada: Person) -> None:
        work_id = await owe(process, ada, await ada.make_room())
        async with held(process, ada.workspace_id, lambda transaction: work._do(transaction, work_id)) as first:
            assert await work.do(process, ada.workspace_id, work_id) is False
            assert await first.commit() is True
        assert len(await kinds(process, EventKind.ROOM_MANAGER_CHANGED)) == 1

    async def test_that_is_due_is_queued_by_the_sweep_and_leased(
        self, process: Process, ada: Person, queued: list[Any]
    ) -> None:
        work_id = await owe(process, ada, await ada.make_room())
        assert await work.sweep_due(process) == 1
        assert queued == [("work.do", str(ada.workspace_id), str(work_id))]
        assert await work.sweep_due(process) == 0

    async def test_that_keeps_failing_is_tried_again_less_and_less_often(self, process: Process, ada: Person) -> None:
        await owe(process, ada, await ada.make_room())
        waits = []
        for _ in range(10):
            await work.sweep_due(process)
            waits += await rows(process, "SELECT round(extract(epoch FROM due_at - clock_timestamp())) FROM work")
            await rows(process, "UPDATE work SET due_at = clock_timestamp() RETURNING 1")
        assert [int(wait) for (wait,) in waits] == [30, 60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]

    async def test_of_a_room_of_another_workspace_finds_nothing(
        self, process: Process, ada: Person, zoe: Person
    ) -> None:
        work_id = await owe(process, ada, await ada.make_room())
        assert await work.do(process, zoe.workspace_id, work_id) is False
        assert await rows(process, "SELECT count(*) FROM work") == [(1,)]


@pytest.fixture
def settings(database_url: str, valkey: EmbeddedValkey, tmp_path: Path) -> dict[str, object]:
    valkey_url, broker_url = valkey.url, valkey.broker_url
    return {
        "database_url": database_url,
        "valkey_url": valkey_url,
        "broker_url": broker_url,
        "data_dir": tmp_path,
    }


async def test_a_real_worker_and_beat_do_what_is_owed_though_nobody_queued_it(
    process: Process, ada: Person, settings: dict[str, object], tmp_path: Path
) -> None:
    await owe(process, ada, await ada.make_room())
    with running("worker", tmp_path, **settings), running("beat", tmp_path, **settings):
        async with asyncio.timeout(60):
            while await rows(process, "SELECT 1 FROM work"):
                await asyncio.sleep(0.05)
    assert len(await kinds(process, EventKind.ROOM_MANAGER_CHANGED)) == 1


def test_a_beat_that_meets_no_broker_says_so_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(Settings(broker_url=f"redis+socket://{tmp_path}/nobody", data_dir=tmp_path))
    entry = Beat.Entry(name="sweep", task="work.sweep_due", schedule=1.0, app=app)
    Beat(app=app, lazy=True).apply_entry(entry)
    (record,) = caplog.records
    assert record.getMessage().startswith("could not queue work.sweep_due (")
    assert record.exc_info is None
