"""Real workers that are killed, or stopped, in the middle of a mail."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from models.ids import new_id
from resolvers import outbox
from resolvers.process import Process
from server.embedded.valkey import EmbeddedValkey
from server.settings import Settings
from server.task_queue import TaskQueue
from server.worker import make_app
from tests.cast import Person
from tests.mail.owed import Owed, owe
from tests.mail.smtp_server import STAGES, SmtpServer, silence, smtp_server_that
from tests.races import rows
from tests.running import running

PATIENCE = 60


class Held:
    """A stage of the dialogue at which the first connection is held."""

    def __init__(self, answer: str) -> None:
        self._answer = answer
        self._first = True
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self) -> str:
        if self._first:
            self._first = False
            self.reached.set()
            await self.let_go.wait()
        return self._answer


ANSWERS = {"greeting": "220 ready", "EHLO": "250 mail.test", "DATA": "354 go on"}


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with smtp_server_that() as made:
        yield made


@pytest.fixture
def settings(database_url: str, valkey: EmbeddedValkey, tmp_path: Path, server: SmtpServer) -> dict[str, Any]:
    """With a queue of this test's own, and leases of a few seconds."""
    return {
        "database_url": database_url,
        "valkey_url": valkey.url,
        "broker_url": valkey.broker_url,
        "data_dir": tmp_path,
        "secret_key": "a secret of the tests, of 32 characters or more",
        "smtp_url": f"smtp://127.0.0.1:{server.port}",
        "smtp_seconds": 5,
    }


@pytest.fixture
async def tasks(settings: dict[str, Any]) -> AsyncIterator[TaskQueue]:
    app = make_app(Settings(**settings))
    await asyncio.to_thread(_purge, app)
    made = TaskQueue(app)
    yield made
    made.close()
    await asyncio.to_thread(_purge, app)
    app.close()


@pytest.fixture
def queue(tasks: TaskQueue) -> Callable[[Owed], None]:
    return lambda owed: tasks.put("mail.send", str(owed.workspace_id), str(owed.id))


def _purge(app: Any) -> None:
    app.control.purge()


def child_of(parent: int, port: int) -> int:
    """The process of a worker that speaks to the server at this port: another one does other tasks."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    speaking = {f"socket:[{line[9]}]" for line in lines if int(line[2].rpartition(":")[2], 16) == port}
    children = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    (found,) = (child for child in children if speaking & set(map(os.readlink, Path(f"/proc/{child}/fd").iterdir())))
    return found


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("stage", STAGES)
async def test_a_worker_killed_at_any_point_sends_none_twice_but_where_nobody_can_know(
    process: Process, ivy: Person, server: SmtpServer, settings: dict[str, Any], queue: Any, tmp_path: Path, stage: str
) -> None:
    owed = await owe(process, ivy)
    held = Held(ANSWERS.get(stage, "250 good"))
    server.at[stage] = held
    with running("worker", tmp_path, **settings) as worker:
        queue(owed)
        async with asyncio.timeout(PATIENCE):
            await held.reached.wait()
        assert await owed.get("status", "attempts") == ("WAITING", 1)
        os.kill(child_of(worker.pid, server.port), signal.SIGKILL)
        held.let_go.set()
        # It is given back at once, and finds that the lease still goes on.
        await owed.make_due()
        queue(owed)

        async def sent() -> bool:
            return await owed.status() == "SENT"

        await until(sent)
        # Whatever else is queued finds nothing to do.
        queue(owed)
    assert await owed.get("attempts", "unknown_attempts") == (2, 1)
    assert len(server.taken) == (2 if stage == "end" else 1)
    assert {mail["Message-ID"] for mail in server.mails} == {await owed.get("message_id")}


async def test_a_stopped_worker_that_wakes_after_its_lease_sends_nothing(
    process: Process, ivy: Person, server: SmtpServer, settings: dict[str, Any], queue: Any, tmp_path: Path
) -> None:
    owed = await owe(process, ivy)
    held = Held("354 go on")
    server.at["DATA"] = held
    with running("worker", tmp_path, **settings) as stopped:
        queue(owed)
        async with asyncio.timeout(PATIENCE):
            await held.reached.wait()
        child = child_of(stopped.pid, server.port)
        os.kill(child, signal.SIGSTOP)
        try:
            held.let_go.set()

            async def lease_is_over() -> bool:
                return bool(await owed.get("due_at <= clock_timestamp()"))

            await until(lease_is_over)
            assert await owed.get("status", "attempts") == ("WAITING", 1)
            (tmp_path / "other").mkdir()
            with running("worker", tmp_path / "other", **settings):
                queue(owed)

                async def sent() -> bool:
                    return await owed.status() == "SENT"

                await until(sent)
                before = await owed.get("ended_at", "attempts", "failure")
                os.kill(child, signal.SIGCONT)

                async def it_has_hung_up() -> bool:
                    return server.count["closed"] == 2

                await until(it_has_hung_up)
        finally:
            os.kill(child, signal.SIGCONT)
    assert len(server.taken) == 1
    assert await owed.get("ended_at", "attempts", "failure") == before
    assert await owed.get("status", "attempts") == ("SENT", 2)


async def test_two_beats_find_what_a_flushed_broker_has_lost_and_it_is_sent_once(
    process: Process, ivy: Person, ada: Person, server: SmtpServer, settings: dict[str, Any], queue: Any, tmp_path: Path
) -> None:
    owed = [await owe(process, person) for person in (ivy, ivy, ivy)]  # queued nowhere
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with (
        running("worker", tmp_path, **settings),
        running("beat", tmp_path / "one", **settings),
        running("beat", tmp_path / "two", **settings),
    ):

        async def sent() -> bool:
            return {await each.status() for each in owed} == {"SENT"}

        await until(sent)
        for _ in range(3):
            await outbox.sweep_due(process)
            for each in owed:
                queue(each)
    assert len(server.taken) == 3
    assert await rows(process, "SELECT attempts FROM mail") == [(1,), (1,), (1,)]
    assert len({mail["Message-ID"] for mail in server.mails}) == 3


async def _ask_for_link(process: Process, tasks: TaskQueue) -> Callable[[], Awaitable[bool]]:
    """Something else that waits for a worker; whether it was done."""
    request_id = new_id()
    await rows(
        process,
        "INSERT INTO link_request (id, purpose, email_key) VALUES (%s, 'RESET', 'nobody@client.test') RETURNING 1",
        request_id,
    )
    tasks.put("link.answer", str(request_id))

    async def is_done() -> bool:
        return not await rows(process, "SELECT 1 FROM link_request")

    return is_done


async def test_mails_that_a_slow_server_keeps_waiting_stand_in_no_other_tasks_way(
    process: Process,
    ivy: Person,
    server: SmtpServer,
    settings: dict[str, Any],
    tasks: TaskQueue,
    queue: Any,
    tmp_path: Path,
) -> None:
    for _ in range(6):
        queue(await owe(process, ivy))
    is_done = await _ask_for_link(process, tasks)
    server.at["RCPT"] = silence
    settings["smtp_seconds"] = 600
    with running("worker", tmp_path, **settings) as worker:
        await until(is_done)
        # It lets what runs end, and this doesn't.
        worker.kill()
    assert server.taken == []


async def test_a_worker_may_do_mails_alone_or_all_but_mails(
    process: Process,
    ivy: Person,
    server: SmtpServer,
    settings: dict[str, Any],
    tasks: TaskQueue,
    queue: Any,
    tmp_path: Path,
) -> None:
    is_done = await _ask_for_link(process, tasks)
    owed = await owe(process, ivy)
    queue(owed)

    async def is_sent() -> bool:
        return await owed.status() == "SENT"

    with running("worker --only=mails", tmp_path, **settings):
        await until(is_sent)
    assert not await is_done()
    second = await owe(process, ivy)
    queue(second)
    with running("worker --only=tasks", tmp_path, **settings):
        await until(is_done)
    assert await second.status() == "WAITING"


async def test_a_broker_that_restarts_breaks_off_no_mail(
    process: Process, ivy: Person, server: SmtpServer, settings: dict[str, Any], tmp_path: Path
) -> None:
    owed = await owe(process, ivy)
    held = Held("250 good")
    server.at["RCPT"] = held
    with EmbeddedValkey.temporary() as broker:
        settings |= {"broker_url": broker.broker_url, "smtp_seconds": 600}
        tasks = TaskQueue(make_app(Settings(**settings)))
        with running("worker", tmp_path, **settings):
            tasks.put("mail.send", str(owed.workspace_id), str(owed.id))
            async with asyncio.timeout(PATIENCE):
                await held.reached.wait()
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)
            # Once it does something else, the worker is over it.
            await until(await _ask_for_link(process, tasks))
            held.let_go.set()

            async def is_sent() -> bool:
                return await owed.status() == "SENT"

            await until(is_sent)
        tasks.close()
    assert await owed.get("attempts", "unknown_attempts") == (1, 0)
    assert len(server.taken) == 1
