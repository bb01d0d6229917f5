"""Hints through a real Valkey, which is killed, frozen and started again."""

import asyncio
import datetime
import ipaddress
import logging
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis
import redis.asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.broadcast import Hints, listener, sender
from server.broadcast.link import Link
from server.embedded.valkey import EmbeddedValkey

PATIENCE = 30.0


class Ear:
    """What was told, in its order."""

    def __init__(self) -> None:
        self.told: list[int | None] = []
        self._news = asyncio.Event()

    def __call__(self, position: int | None) -> None:
        self.told.append(position)
        self._news.set()

    async def until(self, condition: Callable[[list[int | None]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition(self.told):
                self._news.clear()
                await self._news.wait()

    async def hears(self, position: int | None) -> None:
        await self.until(lambda told: position in told)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Hints]:
    hints = Hints(url)
    await hints.open()
    try:
        yield hints
    finally:
        async with asyncio.timeout(5):
            await hints.close()


async def listening(stack: AsyncExitStack, hints: Hints, workspace_id: UUID) -> Ear:
    """Subscribed for certain."""
    ear = Ear()
    await stack.enter_async_context(hints.heard(workspace_id, ear))
    await ear.hears(None)
    return ear


async def subscribers(url: str, workspace_id: UUID) -> int:
    async with redis.asyncio.Redis.from_url(url) as client:
        [(_, count)] = await client.pubsub_numsub(f"parley:events:{workspace_id}")
        return int(count)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def restart(server: EmbeddedValkey) -> None:
    """On the same socket. Whoever waits for it, waits in the same event loop, so it may block."""
    server.stop()
    server.start()


def kill(server: EmbeddedValkey) -> None:
    signal_to(server, signal.SIGKILL)
    server.stop()


def signal_to(server: EmbeddedValkey, number: signal.Signals) -> None:
    assert server.pid is not None
    os.kill(server.pid, number)


@pytest.fixture
def own_valkey() -> Iterator[EmbeddedValkey]:
    """A server that a test may do anything to."""
    with EmbeddedValkey.temporary() as server:
        yield server
        if server.pid is not None:
            signal_to(server, signal.SIGCONT)


@pytest.fixture
async def hints(valkey: EmbeddedValkey) -> AsyncIterator[Hints]:
    async with opened(valkey.url) as made:
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what comes through: a busy machine drops nothing."""
    monkeypatch.setattr(sender, "FRESH_SECONDS", 2 * PATIENCE)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Link]:
    """All that were made to connect."""
    made = []
    connect = Link.connect

    async def counted(link: Link) -> None:
        made.append(link)
        await connect(link)

    monkeypatch.setattr(Link, "connect", counted)
    return made


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of a peer that says nothing."""
    monkeypatch.setattr(listener, "PING_SECONDS", 0.2)
    monkeypatch.setattr(listener, "SILENCE_SECONDS", 0.6)


async def test_a_hint_reaches_every_process_that_listens(valkey: EmbeddedValkey, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    ours, theirs = [await stack.enter_async_context(opened(valkey.url)) for _ in range(2)]
    ears = [await listening(stack, hints, workspace_id) for hints in (ours, theirs)]
    ours.publish(workspace_id, 7)
    for ear in ears:
        await ear.hears(7)
        assert ear.told == [None, 7]


async def test_only_hints_of_the_own_workspace_and_installation_are_heard(
    valkey: EmbeddedValkey, hints: Hints, stack: AsyncExitStack
) -> None:
    one, other = uuid4(), uuid4()
    of_one, of_other = await listening(stack, hints, one), await listening(stack, hints, other)
    staging = Hints(valkey.url, namespace="staging")
    await staging.open()
    staging.publish(one, 1)
    await staging.flush(PATIENCE)
    await staging.close()
    hints.publish(other, 2)
    await of_other.hears(2)
    hints.publish(one, 3)
    await of_one.hears(3)
    assert of_one.told == [None, 3]
    assert of_other.told == [None, 2]


async def test_of_many_hints_some_are_told_and_the_last_one_always(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    for position in range(1, 10_001):
        hints.publish(workspace_id, position)
    assert hints.waiting == 1
    await ear.hears(10_000)
    assert ear.told == [None, 10_000]


async def test_hints_that_come_faster_than_they_are_taken_become_one(
    valkey: EmbeddedValkey, hints: Hints, stack: AsyncExitStack
) -> None:
    """From a process that doesn't coalesce; what is not taken yet must not pile up here."""
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    async with redis.asyncio.Redis.from_url(valkey.url) as client, client.pipeline(transaction=False) as pipeline:
        for position in [*range(1, 10_001), 5]:
            pipeline.publish(f"parley:events:{workspace_id}", position)
        await pipeline.execute()
    await ear.hears(10_000)
    assert len(ear.told) < 2_000


async def test_a_lower_position_that_waits_does_not_hide_a_higher_one(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    hints.publish(workspace_id, 9)
    hints.publish(workspace_id, 8)
    await ear.hears(9)


async def test_a_hundred_first_subscribers_of_a_workspace_all_hear(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    ears = [Ear() for _ in range(100)]
    await asyncio.gather(*(stack.enter_async_context(hints.heard(workspace_id, ear)) for ear in ears))
    for ear in ears:
        await ear.hears(None)
    hints.publish(workspace_id, 1)
    for ear in ears:
        await ear.hears(1)


async def test_who_joins_others_is_told_to_look_and_others_are_not(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    first = await listening(stack, hints, workspace_id)
    second = await listening(stack, hints, workspace_id)
    hints.publish(workspace_id, 1)
    await first.hears(1)
    await second.hears(1)
    assert first.told == second.told == [None, 1]


async def test_after_the_end_nothing_is_told(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    staying = await listening(stack, hints, workspace_id)
    leaving = Ear()
    async with hints.heard(workspace_id, leaving):
        await leaving.hears(None)
    hints.publish(workspace_id, 1)
    await staying.hears(1)
    assert leaving.told == [None]


async def test_a_storm_of_comers_and_goers_leaves_those_who_stay_hearing_and_no_other_subscription(
    valkey: EmbeddedValkey, hints: Hints, stack: AsyncExitStack
) -> None:
    workspaces = [uuid4() for _ in range(5)]

    async def come_and_go(workspace_id: UUID, turns: int) -> None:
        for turn in range(turns):
            ear = Ear()
            async with hints.heard(workspace_id, ear):
                if turn % 3 == 0:
                    await ear.hears(None)
                elif turn % 3 == 1:
                    await asyncio.sleep(0)

    async with asyncio.TaskGroup() as storm:
        for workspace_id in workspaces:
            for turns in range(40, 60):
                storm.create_task(come_and_go(workspace_id, turns))
    stayed = workspaces[0]
    ear = await listening(stack, hints, stayed)
    hints.publish(stayed, 1)
    await ear.hears(1)
    async with asyncio.timeout(PATIENCE):
        while [await subscribers(valkey.url, each) for each in workspaces] != [1, 0, 0, 0, 0]:
            await asyncio.sleep(0.01)


async def test_who_comes_back_while_the_subscription_is_being_ended_hears(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    for position in range(1, 200):
        ear = Ear()
        async with hints.heard(workspace_id, ear):
            await ear.hears(None)
            hints.publish(workspace_id, position)
            await ear.hears(position)


async def test_who_comes_while_the_last_one_leaves_hears(hints: Hints) -> None:
    workspace_id = uuid4()
    staying: list[AsyncExitStack] = []
    for position in range(1, 100):
        coming = AsyncExitStack()
        ear = Ear()
        leaving = [asyncio.create_task(each.aclose()) for each in staying]
        await asyncio.gather(*leaving, coming.enter_async_context(hints.heard(workspace_id, ear)))
        staying = [coming]
        await ear.hears(None)
        hints.publish(workspace_id, position)
        await ear.hears(position)
    await staying[0].aclose()


async def test_comers_and_goers_ask_a_slow_valkey_once(own_valkey: EmbeddedValkey, stack: AsyncExitStack) -> None:
    hints = await stack.enter_async_context(opened(own_valkey.url))
    await listening(stack, hints, uuid4())
    signal_to(own_valkey, signal.SIGSTOP)
    workspace_id = uuid4()
    for _ in range(100):
        async with hints.heard(workspace_id, Ear()):
            await asyncio.sleep(0)
    ear = Ear()
    await stack.enter_async_context(hints.heard(workspace_id, ear))
    signal_to(own_valkey, signal.SIGCONT)
    await ear.hears(None)
    async with redis.asyncio.Redis.from_url(own_valkey.url) as client:
        commands = await client.info("commandstats")
    assert commands["cmdstat_subscribe"]["calls"] == 2


async def test_who_leaves_and_comes_while_valkey_is_down_leaves_nothing_behind(own_valkey: EmbeddedValkey) -> None:
    kill(own_valkey)
    async with opened(own_valkey.url) as hints:
        for _ in range(1_000):
            async with hints.heard(uuid4(), Ear()):
                pass
        assert (hints._listener._wanted, hints._listener._changed, hints._broadcast._subscribers) == (set(), set(), {})


@pytest.mark.parametrize(
    "payload", [b"", b"%d" % 2**63, b"-1", b"1.5", b"\xff\xfe", b"9" * 5_000, b"x" * 2_000_000, b"nine", b" 1"]
)
async def test_garbage_on_the_channel_means_look_for_yourself(
    valkey: EmbeddedValkey, hints: Hints, stack: AsyncExitStack, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.publish(f"parley:events:{workspace_id}", payload)
    await ear.until(lambda told: told == [None, None])
    hints.publish(workspace_id, 1)
    await ear.hears(1)
    assert caplog.records == []  # the connection was not lost over it


async def test_who_fails_when_told_harms_nobody(
    hints: Hints, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    workspace_id = uuid4()
    heard: list[int | None] = []

    def fail(position: int | None) -> None:
        heard.append(position)
        raise ValueError("a fault of the one who is told")

    await stack.enter_async_context(hints.heard(workspace_id, fail))
    ear = await listening(stack, hints, workspace_id)
    for position in (1, 2):
        hints.publish(workspace_id, position)
        await ear.hears(position)
    assert heard == [None, 1, 2]
    assert caplog.text.count("builtins.ValueError: a fault of the one who is told") == 3


@pytest.mark.usefixtures("patient")
async def test_after_a_crash_of_valkey_everybody_looks_and_hears_again(
    own_valkey: EmbeddedValkey, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    hints = await stack.enter_async_context(opened(own_valkey.url))
    workspaces = [uuid4() for _ in range(20)]
    ears = [await listening(stack, hints, each) for each in workspaces]
    for position in (1, 2):
        signal_to(own_valkey, signal.SIGKILL)
        restart(own_valkey)
        for workspace_id, ear in zip(workspaces, ears, strict=True):
            await ear.until(lambda told, times=position + 1: told.count(None) == times)
            hints.publish(workspace_id, position)
            await ear.hears(position)
    lines = [record.getMessage() for record in caplog.records if "from other processes" in record.getMessage()]
    assert [line.partition(" (")[0] for line in lines] == [
        "Valkey: hints from other processes do not work",
        "Valkey: hints from other processes work again",
    ] * 2


@pytest.mark.usefixtures("patient")
async def test_valkey_may_come_later(
    own_valkey: EmbeddedValkey, stack: AsyncExitStack, attempts: list[Link], caplog: pytest.LogCaptureFixture
) -> None:
    kill(own_valkey)
    workspace_id, ear = uuid4(), Ear()
    began = time.monotonic()
    hints = await stack.enter_async_context(opened(own_valkey.url))
    await stack.enter_async_context(hints.heard(workspace_id, ear))
    hints.publish(workspace_id, 1)
    assert time.monotonic() - began < 1
    await until(lambda: len(attempts) >= 8)
    assert len(caplog.records) == 2  # one for each direction
    assert ear.told == []
    own_valkey.start()
    await ear.hears(None)
    hints.publish(workspace_id, 2)
    await ear.hears(2)


async def test_what_waited_too_long_is_dropped_rather_than_sent(
    own_valkey: EmbeddedValkey, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FRESH_SECONDS", 0.3)
    kill(own_valkey)
    hints = await stack.enter_async_context(opened(own_valkey.url))
    hints.publish(uuid4(), 1)
    assert hints.waiting == 1
    await until(lambda: hints.waiting == 0)
    began = time.monotonic()
    await hints.flush(PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2


@pytest.mark.usefixtures("patient")
async def test_publishing_to_a_frozen_valkey_takes_no_time_and_little_memory(
    own_valkey: EmbeddedValkey, stack: AsyncExitStack
) -> None:
    hints = await stack.enter_async_context(opened(own_valkey.url))
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    hints.publish(workspace_id, 1)
    await ear.hears(1)
    signal_to(own_valkey, signal.SIGSTOP)
    slowest = 0.0
    for position in range(2, 10_002):
        began = time.thread_time()
        hints.publish(workspace_id, position)
        hints.publish(uuid4(), position)
        slowest = max(slowest, time.thread_time() - began)
        if position % 1_000 == 0:
            await asyncio.sleep(0.01)  # the sender tries, and gives back what it took
    assert slowest < 0.05
    assert hints.waiting <= sender.MOST
    signal_to(own_valkey, signal.SIGCONT)
    await ear.hears(10_001)
    await hints.flush(PATIENCE)
    assert hints.waiting == 0


@pytest.mark.usefixtures("patient", "watchful")
async def test_a_frozen_valkey_is_noticed_and_looked_past_when_it_goes_on(
    own_valkey: EmbeddedValkey, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    hints = await stack.enter_async_context(opened(own_valkey.url))
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    signal_to(own_valkey, signal.SIGSTOP)
    await until(lambda: "from other processes do not work" in caplog.text)
    signal_to(own_valkey, signal.SIGCONT)
    await ear.until(lambda told: told == [None, None])
    hints.publish(workspace_id, 1)
    await ear.hears(1)


@pytest.mark.usefixtures("patient", "watchful")
@pytest.mark.parametrize("greets", [True, False])
async def test_who_accepts_connections_and_answers_nothing_is_connected_to_anew(
    tmp_path: Path, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch, greets: bool
) -> None:
    """As a host that has vanished; a frozen one answers in the end what it was asked before."""
    monkeypatch.setattr(listener, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(sender, "ANSWER_SECONDS", 0.1)
    publishing, subscribing, others = [0], [0], [0]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted = others
        while line := await reader.readline():
            if line == b"SETINFO\r\n" and greets:
                writer.write(b"+OK\r\n")
            if line in (b"PUBLISH\r\n", b"SUBSCRIBE\r\n"):
                counted = publishing if line == b"PUBLISH\r\n" else subscribing
        counted[0] += 1
        writer.close()

    await stack.enter_async_context(await asyncio.start_unix_server(answer, tmp_path / "socket"))
    hints = await stack.enter_async_context(opened(f"unix://{tmp_path}/socket"))
    await stack.enter_async_context(hints.heard(uuid4(), Ear()))
    if greets:
        hints.publish(uuid4(), 1)
    await until(lambda: min(publishing[0], subscribing[0]) >= 2 if greets else others[0] >= 2)


@pytest.mark.usefixtures("watchful")
async def test_a_quiet_connection_is_kept(hints: Hints, stack: AsyncExitStack) -> None:
    workspace_id = uuid4()
    ear = await listening(stack, hints, workspace_id)
    await asyncio.sleep(3 * listener.SILENCE_SECONDS)
    hints.publish(workspace_id, 1)
    await ear.hears(1)
    assert ear.told == [None, 1]


async def test_a_valkey_that_refuses_the_channel_is_said_once_and_without_secrets(
    own_valkey: EmbeddedValkey, stack: AsyncExitStack, attempts: list[Link], caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(own_valkey.url) as admin:
        admin.execute_command("ACL", "SETUSER", "parley", "on", ">hush", "+@all", "resetchannels")
    address = own_valkey.url.replace("unix://", "unix://parley@") + "?password=hush"
    hints = await stack.enter_async_context(opened(address))
    workspace_id, ear = uuid4(), Ear()
    await stack.enter_async_context(hints.heard(workspace_id, ear))
    hints.publish(workspace_id, 1)
    await until(lambda: len(attempts) >= 8)
    lines = sorted(record.getMessage() for record in caplog.records)
    assert lines == [
        f"Valkey: hints {way} other processes do not work (NoPermissionError); sweeps find what is missed"
        for way in ("from", "to")
    ]
    with redis.Redis.from_url(own_valkey.url) as admin:
        admin.execute_command("ACL", "SETUSER", "parley", "allchannels")
    await ear.hears(None)


async def test_flush_waits_until_all_is_sent(valkey: EmbeddedValkey) -> None:
    workspace_id = uuid4()
    async with redis.asyncio.Redis.from_url(valkey.url) as client, client.pubsub() as heard:
        await heard.subscribe(f"parley:events:{workspace_id}")
        await heard.get_message(timeout=PATIENCE)
        async with opened(valkey.url) as hints:
            hints.publish(workspace_id, 1)
            await hints.flush(PATIENCE)
        message = await heard.get_message(timeout=PATIENCE)
        assert message is not None
        assert message["data"] == b"1"


def test_in_a_loop_that_pauses_flush_is_enough(own_valkey: EmbeddedValkey) -> None:
    """As in a Celery worker."""
    workspace_id = uuid4()
    with redis.Redis.from_url(own_valkey.url) as client, client.pubsub() as heard, asyncio.Runner() as runner:
        heard.subscribe(f"parley:events:{workspace_id}")
        heard.get_message(timeout=PATIENCE)
        hints = Hints(own_valkey.url)
        runner.run(hints.open())

        async def task(position: int) -> None:
            hints.publish(workspace_id, position)
            await hints.flush(PATIENCE)

        for position in (1, 2, 3):
            runner.run(task(position))
            message = heard.get_message(timeout=PATIENCE)
            assert message is not None
            assert message["data"] == b"%d" % position
        # Two of them are this test's. Who hears nothing keeps no connection for it.
        assert len(client.client_list()) == 3
        runner.run(hints.close())


async def test_flush_of_what_cannot_be_sent_ends_in_time(own_valkey: EmbeddedValkey, stack: AsyncExitStack) -> None:
    signal_to(own_valkey, signal.SIGSTOP)
    hints = await stack.enter_async_context(opened(own_valkey.url))
    hints.publish(uuid4(), 1)
    began = time.monotonic()
    await hints.flush(0.1)
    assert 0.09 < time.monotonic() - began < 1


async def test_it_closes_at_once_whatever_valkey_does(own_valkey: EmbeddedValkey) -> None:
    async def closed_after(break_it: Callable[[], None]) -> float:
        hints, ear = Hints(own_valkey.url), Ear()
        await hints.open()
        async with hints.heard(uuid4(), ear):
            await ear.hears(None)
            break_it()
            hints.publish(uuid4(), 1)
            await hints.flush(0.1)
            began = time.monotonic()
            await hints.close()
            return time.monotonic() - began

    assert await closed_after(lambda: None) < 0.5
    assert await closed_after(lambda: signal_to(own_valkey, signal.SIGSTOP)) < 0.5
    signal_to(own_valkey, signal.SIGCONT)
    assert await closed_after(lambda: kill(own_valkey)) < 0.5


async def test_before_opening_and_after_closing_nothing_fails(valkey: EmbeddedValkey) -> None:
    hints = Hints(valkey.url)
    hints.publish(uuid4(), 1)
    await hints.close()
    await hints.open()
    await hints.close()
    await hints.close()
    hints.publish(uuid4(), 1)
    async with hints.heard(uuid4(), Ear()):
        pass


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("broken", ["CONT", "STOP", "KILL"])
def test_a_process_ends_without_a_word(own_valkey: EmbeddedValkey, loop: str, broken: str) -> None:
    """No task that was destroyed, no connection that was not closed: asyncio says such things at the exit only."""
    program = f"""
import asyncio, os, signal, uuid, {loop}
from server.broadcast import Hints

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # of which it would speak, too
    hints, told, workspace_id = Hints({own_valkey.url!r}), asyncio.Event(), uuid.uuid4()
    await hints.open()
    async with hints.heard(workspace_id, lambda position: position == 1 and told.set()):
        while not told.is_set():
            hints.publish(workspace_id, 1)
            await asyncio.sleep(0.01)
        os.kill({own_valkey.pid}, signal.SIG{broken})
        for number in range(20_000):  # more than a socket takes
            hints.publish(uuid.uuid4(), number)
        await hints.flush(0.5)
        await hints.close()

with asyncio.Runner(loop_factory={loop}.new_event_loop) as runner:
    runner.run(main())
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Valkey: hints")]
    assert (ended.returncode, said) == (0, [])


async def test_tls_does_not_trust_just_anybody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")
    certificate, other_name = (
        make_certificate(tmp_path, "one", "127.0.0.1"),
        make_certificate(tmp_path, "two", "127.0.0.9"),
    )

    async def connect(shown: Path, address: str) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(shown)
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        async with server:
            link = Link(address.format(port=server.sockets[0].getsockname()[1]))
            try:
                async with asyncio.timeout(PATIENCE):
                    await link.connect()
            finally:
                await link.cut()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(b"+OK\r\n")
        writer.close()

    await connect(certificate, f"rediss://127.0.0.1:{{port}}?ssl_ca_certs={certificate}")
    for shown, address in [
        (certificate, "rediss://127.0.0.1:{port}"),
        (other_name, f"rediss://127.0.0.1:{{port}}?ssl_ca_certs={other_name}"),
    ]:
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await connect(shown, address)


def make_certificate(folder: Path, name: str, address: str) -> Path:
    """Self-signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / f"{name}.pem"
    path.write_bytes(
        certificate.public_bytes(encoding) + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
    )
    return path


def test_an_address_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="scheme"):
        Hints("http://127.0.0.1")
