"""The supervisor, with small parts that are real processes; and `parley up` with all that it starts."""

import contextlib
import json
import os
import pty
import resource
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

TELLS = "signal.signal(signal.SIGTERM, lambda *_: (say('ending'), sys.exit(0))); say('up'); signal.pause()"

# A part tells its process id and then does as its name says.
PARTS = {
    "stays": "signal.pause()",
    "awaited": TELLS,
    "hasty": "signal.pause()",
    "hangs": "signal.pause()",
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('deaf'); [signal.pause() for _ in iter(int, 1)]",
    "dies": "say('last words'); sys.exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "steps": "say('done')",
    "fails": "say('cannot'); sys.exit(4)",
    "parent": "child = subprocess.Popen([sys.executable, '-c', STUBBORN]); say(f'child {child.pid}'); signal.pause()",
    "tells": TELLS,
    "lingers": """
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
signal.signal(signal.SIGTERM, lambda *_: say("not yet"))
say("up")
while True: signal.pause()
""",
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
import asyncio, json, pathlib, sys
from server.embedded import supervisor
from server.embedded.command import Command
from server.embedded.make import Make, supervise
from server.embedded.supervisor import Output, Part, Supervisor
stages, marks, constants = json.loads(sys.argv[1])
vars(supervisor).update(constants)
stages = [
    [Part(
        name,
        Command([sys.executable, "-c", program]),
        ready=pathlib.Path(marks, name).exists if name in ("awaited", "hasty") else None,
        step=name in ("steps", "fails", "hangs"),
        start_seconds=0.3 if name == "hasty" else 60,
        stop_seconds=60 if name == "lingers" else 0.3,
    ) for name, program in stage]
    for stage in stages
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
    """Starts a supervisor of stages of parts, by their names. "awaited" and "hasty" (whose time is short) are ready
    when a file of that name is in `tmp_path`. `constants` are those of the supervisor's module."""
    runs: list[Run] = []

    def start(
        *stages: list[str], under_make: bool = False, constants: Mapping[str, float] | None = None, **options: object
    ) -> Run:
        named = [[(name, PRELUDE + PARTS[name.rstrip("0123456789")]) for name in stage] for stage in stages]
        given = json.dumps([named, str(tmp_path), constants or {}])
        command = [sys.executable, "-c", DRIVER, given]
        if under_make:
            makefile = tmp_path / "Makefile"
            makefile.write_text(f"run:\n\t@{sys.executable} driver.py stages --under-make\n")
            (tmp_path / "driver.py").write_text(DRIVER.replace("sys.argv[1]", repr(given)))
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


def process_of(run: Run, name: str) -> int:
    """The newest of a part that has told it."""
    return int([line for line in run.said("| pid ") if line.startswith(f"{name} ")][-1].rpartition(" ")[2])


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stages_start_in_order_and_end_in_the_opposite_one(supervise: Callable[..., Run], tmp_path: Path) -> None:
    run = supervise(["awaited"], ["steps"], ["tells1", "tells2"])
    run.until("| up")
    (tmp_path / "awaited").touch()
    run.until("all ready")
    run.until("| up", times=3)
    starts = [line.split()[0] for line in run.said("| pid")]
    assert starts[:2] == ["awaited", "steps"]
    run.process.terminate()
    assert run.end() == 0
    endings = [line.split()[0] for line in run.said("ending")]
    assert endings[-1] == "awaited"
    assert sorted(endings[:2]) == ["tells1", "tells2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_order(supervise: Callable[..., Run], number: signal.Signals) -> None:
    run = supervise(["stays1", "parent"], ["stays2"])
    run.until("| pid", times=3)
    run.until("| child")
    run.until("all ready")
    assert all(map(alive, run.processes()))
    run.process.send_signal(number)
    assert run.end() == 0
    assert not any(map(alive, run.processes()))
    [child] = run.processes("child ")
    wait_until(lambda: not alive(child))  # killed, but nobody here can wait for its last breath


def test_a_part_that_dies_at_the_first_start_ends_the_whole_with_its_last_lines(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays"], ["dies"], ["hangs"])
    assert run.end() == 1
    [told] = run.said("dies ended with exit status 3. Its last lines:")
    assert "    last words" in run.lines[run.lines.index(told) :]
    assert not run.said("started again")
    assert not any(map(alive, run.processes()))


def test_a_part_that_is_killed_at_the_first_start_is_told_so(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays", "killed"], ["hangs"])
    assert run.end() == 1
    assert run.said("killed was killed by SIGKILL. ")
    assert not any(map(alive, run.processes()))


def test_children_of_a_part_that_is_killed_go_with_it(supervise: Callable[..., Run]) -> None:
    run = supervise(["parent"])
    run.until("all ready")
    run.until("| child")
    os.kill(run.processes()[0], signal.SIGKILL)
    run.until("| child", times=2)
    first, second = run.processes("child ")
    wait_until(lambda: not alive(first))
    assert alive(second)
    run.process.terminate()
    assert run.end() == 0
    wait_until(lambda: not alive(second))


def test_a_part_that_dies_is_started_again_and_the_others_go_on(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays1"], ["tells"], ["stays2"])
    run.until("all ready")
    run.until("| pid", times=3)
    run.until("| up")
    os.kill(process_of(run, "tells"), signal.SIGKILL)
    run.until("| up", times=2)
    [told] = run.said("tells was killed by SIGKILL and is started again. Its last lines:")
    assert run.lines[run.lines.index(told) + 2] == "    up"
    assert run.said("tells is running again")
    assert len(run.processes()) == 4
    assert [alive(process) for process in run.processes()].count(False) == 1
    run.process.terminate()
    assert run.end() == 0
    assert run.lines[-1] == "tells  | ending"
    assert not any(map(alive, run.processes()))


def test_parts_that_die_at_once_are_all_started_again(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays1", "stays2", "stays3"])
    run.until("all ready")
    run.until("| pid", times=3)
    for process in run.processes():
        os.kill(process, signal.SIGKILL)
    run.until("| pid", times=6)
    assert [alive(process) for process in run.processes()].count(True) == 3
    run.process.terminate()
    assert run.end() == 0
    assert not any(map(alive, run.processes()))


def test_a_part_is_told_to_be_ready_again_when_it_is(supervise: Callable[..., Run], tmp_path: Path) -> None:
    """It may die once more before that."""
    mark = tmp_path / "awaited"
    mark.touch()
    run = supervise(["awaited"], constants={"BACK_OFF": 0.01})
    run.until("all ready")
    run.until("| pid")
    mark.unlink()
    for again in (1, 2):
        os.kill(run.processes()[-1], signal.SIGKILL)
        run.until("| pid", times=again + 1)
    assert not run.said("ready again")
    mark.touch()
    run.until("awaited is ready again")
    assert len(run.said("and is started again")) == 2
    run.process.terminate()
    assert run.end() == 0


def test_a_part_that_does_not_become_ready_again_in_its_time_ends_the_whole(
    supervise: Callable[..., Run], tmp_path: Path
) -> None:
    mark = tmp_path / "hasty"
    mark.touch()
    run = supervise(["stays"], ["hasty"])
    run.until("all ready")
    run.until("| pid", times=2)
    mark.unlink()
    os.kill(process_of(run, "hasty"), signal.SIGKILL)
    assert run.end() == 1
    assert run.said("hasty was not ready within 0 seconds")
    assert not any(map(alive, run.processes()))


def test_a_part_that_cannot_be_started_again_ends_the_whole(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays1", "stays2"])
    run.until("all ready")
    run.until("| pid", times=2)
    resource.prlimit(run.process.pid, resource.RLIMIT_NOFILE, (3, 3))
    os.kill(process_of(run, "stays1"), signal.SIGKILL)
    assert run.end() == 1
    assert run.said("stays1 cannot be started: Too many open files")
    assert not any(map(alive, run.processes()))


def test_a_part_that_keeps_dying_is_waited_for_ever_longer_and_ends_the_whole(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays"], ["dies"], constants={"BACK_OFF": 0.01})
    assert run.end() == 1
    assert run.said("and is started again") == [
        f"dies ended with exit status 3 and is started again{pause}. Its last lines:"
        for pause in ("", " in 0.01 s", " in 0.02 s", " in 0.03 s")
    ]
    [told] = run.said("dies ended with exit status 3, which is its death number 5 within 60 seconds. Its last lines:")
    assert "    last words" in run.lines[run.lines.index(told) :]
    assert not any(map(alive, run.processes()))


def test_deaths_of_long_ago_do_not_count(supervise: Callable[..., Run]) -> None:
    run = supervise(["dies"], constants={"LATELY": 0.0})
    run.until("is started again. ", times=10)
    run.process.terminate()
    assert run.end() == 0


def test_a_signal_ends_everything_while_a_part_waits_to_be_started_again(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays"], ["killed"], constants={"BACK_OFF": 3600.0})
    run.until("killed was killed by SIGKILL and is started again in 3600 s")
    run.process.terminate()
    assert run.end() == 0
    assert len(run.said("killed |")) == 2
    assert not any(map(alive, run.processes()))


def test_a_signal_ends_everything_while_a_part_is_not_ready_again(
    supervise: Callable[..., Run], tmp_path: Path
) -> None:
    mark = tmp_path / "awaited"
    mark.touch()
    run = supervise(["stays"], ["awaited"])
    run.until("all ready")
    run.until("| pid", times=2)
    mark.unlink()
    os.kill(process_of(run, "awaited"), signal.SIGKILL)
    run.until("| pid", times=3)
    run.process.terminate()
    assert run.end() == 0
    assert not run.said("ready again")
    assert not any(map(alive, run.processes()))


def test_a_part_that_dies_while_the_whole_is_stopping_stays_dead(supervise: Callable[..., Run]) -> None:
    run = supervise(["stays"], ["lingers"])
    run.until("all ready")
    run.until("| pid", times=2)
    run.until("| up")
    run.process.terminate()
    run.until("not yet")
    os.kill(process_of(run, "stays"), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{process_of(run, 'stays')}").exists())  # buried: the supervisor knows
    os.kill(process_of(run, "lingers"), signal.SIGUSR1)
    assert run.end() == 0
    assert not run.said("started again")
    assert len(run.processes()) == 2
    assert not any(map(alive, run.processes()))


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
    os.kill(process_of(run, "stays1"), signal.SIGKILL)
    run.until("| pid", times=4)  # what was started again is no exception
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


def parts_of(run: Run) -> dict[str, int]:
    """The processes that the supervisor has started, by what only their command lines have in them."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(run.process.pid):
                line = (entry / "cmdline").read_text()
                found |= {word: int(entry.name) for word in COMMAND_WORDS if word in line}
    return found


COMMAND_WORDS = {
    "bin/postgres": "postgres",
    "valkey-server": "valkey",
    "mail-catcher": "mail",
    "serve\0": "api",
    "worker\0": "worker",
    "beat\0": "beat",
}


def ready(environment: dict[str, str]) -> bool:
    try:
        return b"ready" in get(environment["PARLEY_PORT"], "/readyz")
    except OSError:
        return False


def test_whatever_is_killed_comes_back_and_nothing_is_left_at_the_end(folder: Path) -> None:
    environment = environment_of(folder)
    with up(environment) as run:
        run.until("Parley is ready.")
        run.until("celery@")
        with psycopg.connect(EmbeddedPostgres(folder).url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
            connection.execute("CREATE FUNCTION spin() RETURNS void LANGUAGE plpgsql AS 'BEGIN LOOP END LOOP; END'")

        first = parts_of(run)
        assert sorted(first) == sorted(COMMAND_WORDS)
        os.kill(first["valkey-server"], signal.SIGKILL)
        run.until("valkey was killed by SIGKILL and is started again")
        run.until("valkey is ready again")
        wait_until(lambda: ready(environment))

        with contextlib.closing(psycopg.connect(EmbeddedPostgres(folder).url, autocommit=True)) as busy:
            busy.pgconn.send_query(b"SELECT spin()")  # does not see that the postmaster is gone
            os.kill(first["bin/postgres"], signal.SIGKILL)
            run.until("postgres was killed by SIGKILL and is started again")
            run.until("postgres is ready again")
        wait_until(lambda: ready(environment))

        second = parts_of(run)
        assert {word for word in COMMAND_WORDS if second[word] != first[word]} == {"valkey-server", "bin/postgres"}
        for process in second.values():
            os.kill(process, signal.SIGKILL)
        for name in COMMAND_WORDS.values():
            run.until(f"{name} is {'running' if name in ('worker', 'beat') else 'ready'} again")
        run.until("valkey is ready again", times=2)
        run.until("postgres is ready again", times=2)
        run.until("celery@", times=2)
        wait_until(lambda: ready(environment))
        with psycopg.connect(EmbeddedPostgres(folder).url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)

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
