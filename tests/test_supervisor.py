"""The supervisor, with small parts that are real processes; and `parley up` with all that it starts."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from server.embedded.clean import clean
from server.embedded.orphans import processes_in
from server.embedded.place import place_of
from server.embedded.postgres import EmbeddedPostgres

PATIENCE = 30.0

# A part tells its process id and then does as its name says.
PARTS = {
    "stays": "signal.pause()",
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('deaf'); [signal.pause() for _ in iter(int, 1)]",
    "dies": "say('last words'); sys.exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "steps": "say('done')",
    "fails": "say('cannot'); sys.exit(4)",
    "parent": "child = subprocess.Popen([sys.executable, '-c', STUBBORN]); say(f'child {child.pid}'); signal.pause()",
    "tells": "signal.signal(signal.SIGTERM, lambda *_: (say('ending'), sys.exit(0))); say('up'); signal.pause()",
    "talks": r"sys.stdout.buffer.write(b'\xff bytes\r\n' + b'x' * 20000 + b'\nunfinished'); sys.stdout.flush(); stay()",
}
PRELUDE = """
import os, signal, subprocess, sys
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
def say(text): print(text, flush=True)
def stay(): signal.pause()
say(f"pid {os.getpid()}")
"""
DRIVER = """
import asyncio, json, sys
from server.embedded.command import Command
from server.embedded.make import Make, supervise
from server.embedded.supervisor import Output, Part, Supervisor
stages = [
    [Part(name, Command([sys.executable, "-c", program]), step=name in ("steps", "fails"), stop_seconds=0.3)
     for name, program in stage]
    for stage in json.loads(sys.argv[1])
]
output = Output(sys.stdout, [part.name for stage in stages for part in stage])
make = Make() if "--under-make" in sys.argv else None
sys.exit(asyncio.run(supervise(Supervisor(stages, output), lambda: "all ready", make)))
"""


class Run:
    """A supervisor in a process of its own, and what it has said so far."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str] | None = None, **options: object) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            **options,
        )

    def until(self, words: str, times: int = 1) -> None:
        """Reads on until so many lines have these words in them."""
        while len(self.said(words)) < times and (line := self.process.stdout.readline()):
            self.lines.append(line.rstrip("\n"))
        if len(self.said(words)) >= times:
            return
        raise AssertionError(f"{words!r} was never said:\n" + "\n".join(self.lines))

    def end(self) -> int:
        """Reads the rest; gives the exit status."""
        self.lines += self.process.stdout.read().splitlines()
        return int(self.process.wait(PATIENCE))

    def said(self, words: str) -> list[str]:
        return [line for line in self.lines if words in line]

    def processes(self, words: str = "pid ") -> list[int]:
        return [int(line.rpartition(" ")[2]) for line in self.said(f"| {words}")]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts a supervisor of stages of parts, by their names."""
    runs: list[Run] = []

    def start(*stages: list[str], under_make: bool = False, **options: object) -> Run:
        named = [[(name, PRELUDE + PARTS[name.rstrip("0123456789")]) for name in stage] for stage in stages]
        command = [sys.executable, "-c", DRIVER, json.dumps(named)]
        if under_make:
            makefile = tmp_path / "Makefile"
            makefile.write_text(f"run:\n\t@{sys.executable} driver.py stages --under-make\n")
            (tmp_path / "driver.py").write_text(DRIVER.replace("sys.argv[1]", repr(json.dumps(named))))
            command = ["make", "--file", str(makefile), "--directory", str(tmp_path), "--no-print-directory"]
        runs.append(Run(command, **options))  # type: ignore[arg-type]
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()
        run.process.stdout.close()


def alive(process: int) -> bool:
    """A zombie is not: nobody may be there to bury it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stages_start_in_order_and_end_in_the_opposite_one(supervise: Callable[..., Run]) -> None:
    run = supervise(["tells1"], ["steps"], ["tells2", "tells3"])
    run.until("all ready")
    run.until("| up", times=3)
    assert run.lines.index("steps  | done") > run.lines.index("tells1 | up")
    run.process.terminate()
    assert run.end() == 0
    endings = [line.split()[0] for line in run.said("ending")]
    assert endings[-1] == "tells1"
    assert sorted(endings[:2]) == ["tells2", "tells3"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_order(supervise: Callable[..., Run], number: signal.Signals) -> None:
    run = supervise(["stays1", "parent"], ["stays2"])
    run.until("| pid", times=3)
    run.until("| child")
    run.until("all ready")
    assert all(map(alive, run.processes()))
    run.process.send_signal(number)
    assert run.end() == 0
    assert len(run.processes("child ")) == 1
    assert not any(map(alive, [*run.processes(), *run.processes("child ")]))


def test_a_part_that_dies_ends_the_whole_with_its_last_lines(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays"], ["dies"])
    assert run.end() == 1
    [told] = run.said("dies ended with exit status 3. Its last lines:")
    assert "    last words" in run.lines[run.lines.index(told) :]
    assert not any(map(alive, run.processes()))


def test_a_part_that_is_killed_is_told_so(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays", "killed"])
    assert run.end() == 1
    assert run.said("killed was killed by SIGKILL")
    assert not any(map(alive, run.processes()))


def test_children_of_a_part_that_is_killed_go_with_it(supervise: Callable[..., Run]) -> None:
    run = supervise(["parent"])
    run.until("| child")
    os.kill(run.processes()[0], signal.SIGKILL)
    assert run.end() == 1
    assert not any(map(alive, run.processes("child ")))


def test_a_step_that_fails_ends_the_whole_and_what_comes_after_never_starts(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays"], ["fails"], ["stays2"])
    assert run.end() == 1
    assert run.said("fails ended with exit status 4")
    assert not run.said("stays2 |")
    assert not run.said("all ready")
    assert not any(map(alive, run.processes()))


def test_who_does_not_end_in_time_is_killed(supervise: Callable[..., Run]) -> None:
    run = supervise(["stubborn"])
    run.until("deaf")
    run.process.terminate()
    assert run.end() == 0
    assert run.said("stubborn | does not end: killed")
    assert not any(map(alive, run.processes()))


def test_nothing_outlives_a_supervisor_that_is_killed(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays1", "stubborn"], ["stays2"])
    run.until("deaf")
    run.until("all ready")
    run.until("| pid", times=3)
    run.process.kill()
    run.end()
    wait_until(lambda: not any(map(alive, run.processes())))


def test_lines_of_any_length_and_bytes_are_shown_with_their_parts_name(supervise: Callable[..., Run]) -> None:
    run = supervise(["talks"])
    run.until("\N{REPLACEMENT CHARACTER} bytes")
    run.until("| xxx")
    run.process.terminate()
    assert run.end() == 0
    lengths = [line.count("x") for line in run.lines]
    assert sum(lengths) == 20000
    assert max(lengths) < 10000
    assert run.said("talks | unfinished")


def test_the_death_of_the_terminal_ends_everything(supervise: Callable[..., Run]) -> None:
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    run = supervise(["stays"], preexec_fn=take_terminal, pass_fds=[theirs])
    os.close(theirs)
    run.until("all ready")
    os.close(ours)
    assert run.end() == 0
    assert not any(map(alive, run.processes()))


def test_nohup_is_heeded(supervise: Callable[..., Run]) -> None:
    run = supervise(["tells"], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    run.until("| up")
    run.process.send_signal(signal.SIGHUP)
    assert alive(run.processes()[0])
    run.process.terminate()
    assert run.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_make_that_is_told_to_end_takes_it_along(supervise: Callable[..., Run], number: signal.Signals) -> None:
    """Make passes on SIGTERM only: of its own SIGINT, SIGHUP or SIGKILL its child hears nothing."""
    run = supervise(["stays"], under_make=True, start_new_session=True)
    run.until("| pid")
    run.until("all ready")
    run.process.send_signal(number)
    run.end()
    wait_until(lambda: not any(map(alive, run.processes())))
    assert run.said("stopping")


# The whole of it


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="parley-test-") as name:
        data = Path(name) / ".parley"
        try:
            yield data
        finally:
            clean(data)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in opened]


def environment_of(folder: Path) -> dict[str, str]:
    port, smtp, page = free_ports(3)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return kept | {
        "PARLEY_DATA_DIR": str(folder),
        "PARLEY_PORT": str(port),
        "PARLEY_SMTP_CATCHER_PORT": str(smtp),
        "PARLEY_MAIL_PAGE_PORT": str(page),
    }


@contextlib.contextmanager
def up(environment: dict[str, str], *arguments: str, **options: object) -> Iterator[Run]:
    run = Run([sys.executable, "-P", "-m", "server.cli", "up", *arguments], environment, **options)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()
        run.process.stdout.close()


def processes_with(folder: Path) -> list[int]:
    """All that were started with this data folder in their environment, or work in it."""
    wanted = f"PARLEY_DATA_DIR={folder}\0".encode()
    found = processes_in(place_of(folder).folder / "postgres", "postgres")
    found += processes_in(folder / "valkey", "valkey-server")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes() and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def get(port: str, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return bytes(answer.read())


def test_parley_comes_up_from_nothing_and_again_and_leaves_nothing(folder: Path) -> None:
    environment = environment_of(folder)
    with up(environment) as run:
        run.until("Parley is ready.")
        run.until("ada@firm.test")
        assert b"data" in get(environment["PARLEY_PORT"], "/graphql?query=%7B__typename%7D")
        assert get(environment["PARLEY_MAIL_PAGE_PORT"], "/messages") == b"[]"
        with psycopg.connect(EmbeddedPostgres(folder).url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")

        with up(environment) as second:
            assert second.end() == 1
        assert second.lines == [f"parley: PARLEY_DATA_DIR {folder} is in use already, by process {run.process.pid}"]

        other = environment_of(folder.with_name("other")) | {"PARLEY_MAIL_PAGE_PORT": environment["PARLEY_PORT"]}
        with up(other) as third:
            assert third.end() == 1
        taken = environment["PARLEY_PORT"]
        assert third.lines == [f"parley: port {taken} is taken: set PARLEY_MAIL_PAGE_PORT to a free one"]

        run.until("worker")
        run.process.kill()
    wait_until(lambda: not processes_with(folder))

    started = time.monotonic()
    with up(environment) as run:
        run.until("Parley is ready.")
        assert time.monotonic() - started < 15  # by itself it takes two; the machine may be busy
        with psycopg.connect(EmbeddedPostgres(folder).url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
        run.until("celery@")
        assert processes_with(folder)
        run.process.send_signal(signal.SIGINT)
        assert run.end() == 0
    assert not processes_with(folder)


def test_servers_that_are_set_are_not_started(folder: Path) -> None:
    environment = environment_of(folder) | {"PARLEY_SMTP_URL": "smtp://127.0.0.1:9"}
    with EmbeddedPostgres.temporary() as postgres, up(environment | {"PARLEY_DATABASE_URL": postgres.url}) as run:
        run.until("Parley is ready.")
        run.process.terminate()
        assert run.end() == 0
    assert not run.said("postgres |")
    assert not run.said("mail     |")
    assert not (folder / "postgres").exists()
