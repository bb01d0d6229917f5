"""The embedded PostgreSQL and Valkey, for real: safe against kill -9, private, one at a time, nothing left behind."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from celery import Celery

from server.embedded import EmbeddedError
from server.embedded.clean import clean
from server.embedded.orphans import processes_in
from server.embedded.place import Place, place_of, unprivileged_user
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root only")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder, shut off as within a home folder of mode 700."""
    with tempfile.TemporaryDirectory(prefix="parley-test-") as name:
        data = Path(name) / ".parley"
        try:
            yield data
        finally:
            clean(data)


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    with server_in(folder) as server:
        yield server


def server_in(folder: Path) -> EmbeddedPostgres:
    """Not durable: that is for the day when the power fails, and slow."""
    return EmbeddedPostgres(folder, durable=False)


def write(url: str, number: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def read(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM kept ORDER BY number")]


def test_it_speaks_unicode_and_listens_on_no_port(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT lower('ÄÖ'), 'ä' ILIKE 'Ä'").fetchone() == ("äö", True)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        sockets = Path(str(connection.info.host))
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(postgres.data.stat().st_mode) == 0o700
    assert len(os.fsencode(sockets / ".s.PGSQL.5432.lock")) < 100
    assert "listening on IPv" not in postgres.log.read_text()


def test_what_people_write_is_not_in_its_log(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE said (text text UNIQUE, number int CHECK (number > 0))")
        connection.execute("INSERT INTO said VALUES ('a secret word')")
        for statement in (
            "INSERT INTO said VALUES ('a secret word')",
            "SELECT 'a secret word'::int",
            "SELECT a_secret_word",
            "DO $$ BEGIN RAISE WARNING 'a secret word'; END $$",
        ):
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement)
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT %s::int", ["a secret word"])
    assert "ready to accept connections" in postgres.log.read_text()
    assert "secret" not in postgres.log.read_text()


def test_it_is_durable_unless_told_otherwise(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        settings = connection.execute("SELECT name FROM pg_settings WHERE setting = 'off'").fetchall()
    assert not {"fsync", "full_page_writes", "synchronous_commit"} & {name for (name,) in settings}


def test_committed_rows_survive_the_death_of_all_its_processes(folder: Path) -> None:
    server = server_in(folder)
    server.start()
    write(server.url, 1)
    for process in processes_in(server.data, "postgres"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    server.stop()
    with server:
        assert read(server.url) == [1]


def test_it_ends_when_its_parent_is_killed_and_starts_again(folder: Path) -> None:
    program = (
        "import sys, pathlib; from server.embedded.postgres import EmbeddedPostgres;"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1])).start(); print('started', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        server = server_in(folder)
        write(server.url, 1)
        with pytest.raises(EmbeddedError, match=f"in use already, by process {parent.pid}$"):
            server.start()
        parent.kill()
    with server:  # at once, while the old one may still be ending
        assert read(server.url) == [1]


def test_orphans_that_still_work_are_ended_at_the_next_start(folder: Path) -> None:
    server = server_in(folder)
    server.prepare()
    first = server.command().start(subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not server.ready():
        assert time.monotonic() < deadline
    write(server.url, 1)
    with contextlib.closing(psycopg.connect(server.url, autocommit=True)) as busy:
        busy.execute("CREATE FUNCTION spin() RETURNS void LANGUAGE plpgsql AS 'BEGIN LOOP END LOOP; END'")
        busy.pgconn.send_query(b"SELECT spin()")
        first.kill()  # the postmaster alone
        first.wait()
        server._lock.release()  # as the system does when the parent dies
        assert processes_in(server.data, "postgres")
        with server_in(folder) as second:
            assert read(second.url) == [1]


def command_line(process: int) -> bytes:
    """Nothing of one that has ended: the server begins and ends processes of its own at any time."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def test_orphans_never_write_that_all_is_well(folder: Path) -> None:
    """A checkpointer that is asked to end does, in the midst of its work, though nobody has stopped the others."""
    server = server_in(folder)
    server.start()
    write(server.url, 1)
    [checkpointer] = [
        process for process in processes_in(server.data, "postgres") if b"checkpointer" in command_line(process)
    ]
    with contextlib.closing(psycopg.connect(server.url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE large AS SELECT repeat('x', 500) FROM generate_series(1, 20000)")
        connection.pgconn.send_query(b"CHECKPOINT")
        # Held where it looks for signals before it looks for its postmaster.
        os.kill(checkpointer, signal.SIGSTOP)
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        continued = threading.Timer(0.5, os.kill, (checkpointer, signal.SIGCONT))
        continued.start()
        server.stop()
        continued.join()
    with server:
        assert read(server.url) == [1]
        assert "was not properly shut down" in server.log.read_text()


def test_a_server_that_died_is_tidied_up_after_within_its_lock(folder: Path) -> None:
    for server, other in ((server_in(folder), server_in(folder)), (EmbeddedValkey(folder), EmbeddedValkey(folder))):
        server.start()
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        server.tidy()
        with pytest.raises(EmbeddedError, match="in use already"):
            other.start()
        again = server.command().start(subprocess.DEVNULL)
        server._wait_until_ready(again)
        again.send_signal(server.command().stop)
        again.wait()
        server.stop()
        with other:
            pass


def test_a_lock_file_of_before_the_power_failed_does_no_harm(folder: Path) -> None:
    with server_in(folder) as server:
        write(server.url, 1)
        kept = (server.data / "postmaster.pid").read_text()
    # The number belongs to somebody else now.
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getppid()), *kept.split("\n")[1:]]))
    with server:
        assert read(server.url) == [1]


def test_a_database_that_was_half_made_is_made_anew(folder: Path) -> None:
    server = server_in(folder)
    server.prepare()
    server.release()
    half = server.data.with_name("postgres.new")
    server.data.rename(half)
    (half / "global" / "pg_control").unlink()
    with server:
        write(server.url, 1)
    assert not half.exists()


def test_data_of_another_version_are_refused_in_words(folder: Path) -> None:
    server = server_in(folder)
    server.prepare()
    server.release()
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 12, and this is \d+: .*PARLEY_DATABASE_URL"):
        server.start()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False, settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedError, match=r"ended at its start: .*shared_buffers"):
        server.start()
    with server_in(folder):
        pass  # and holds nothing up


def test_the_callers_own_settings_of_postgres_mean_nothing_to_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "PGDATABASE": "other"}.items():
        monkeypatch.setenv(name, value)
    with server_in(folder) as server:
        write(server.url, 1)
        assert read(server.url_of("parley")) == [1]


@pytest.mark.parametrize("name", ["a b, c'd%20é", "long" * 40])
def test_a_folder_of_any_name_will_do(name: str, folder: Path) -> None:
    data = folder / name
    with server_in(data) as server, EmbeddedValkey(data) as valkey:
        write(server.url, 1)
        assert redis.Redis.from_url(valkey.url).ping()
    clean(data)
    assert not data.exists()


def test_a_temporary_one_leaves_nothing() -> None:
    with EmbeddedPostgres.temporary() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE other")
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        psycopg.connect(server.url_of("other")).close()
        place = server.data.parent
    assert not place.exists()
    assert not processes_in(server.data, "postgres")


@as_root
def test_root_runs_it_as_nobody_in_a_private_folder_and_opens_no_other(
    postgres: EmbeddedPostgres, folder: Path
) -> None:
    home = folder.parent
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    place = postgres.data.parent
    assert not place.is_relative_to(home)
    assert place == place_of(folder).folder
    assert place != place_of(home / "other").folder
    for process in processes_in(postgres.data, "postgres"):
        status = Path(f"/proc/{process}/status").read_text()
        nobody = unprivileged_user()
        assert f"Uid:\t{nobody.uid}\t{nobody.uid}" in status
        assert f"Gid:\t{nobody.gid}\t{nobody.gid}" in status
        assert "Groups:\t \n" in status
    # Nobody else passes through, and the unprivileged user can't swap what root will trust.
    assert stat.S_IMODE(place.stat().st_mode) == 0o710
    assert place.stat().st_uid == 0
    postgres.stop()
    assert clean(folder) == [folder, place]
    assert not place.exists()
    assert not folder.exists()


@as_root
def test_a_checkout_in_the_place_of_a_removed_one_does_not_get_its_database(folder: Path) -> None:
    with server_in(folder) as server:
        write(server.url, 1)
    shutil.rmtree(folder)
    with server:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
        assert (server.data.with_name("postgres.old") / "PG_VERSION").exists()


def test_an_ordinary_user_keeps_it_in_the_data_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert place_of(folder) == Place(folder, None)


def test_clean_refuses_while_it_is_running_and_removes_only_its_own(folder: Path) -> None:
    from server.embedded.lock import FolderLock

    folder.mkdir()
    (folder / "somebody's").write_text("own")
    server_in(folder).prepare()
    lock = FolderLock(folder / "up.lock", str(folder))
    lock.take()
    with pytest.raises(EmbeddedError, match="in use already"):
        clean(folder)
    lock.release()
    clean(folder)
    assert [entry.name for entry in folder.iterdir()] == ["somebody's"]


def test_valkey_serves_hints_and_tasks_over_its_socket(folder: Path) -> None:
    with EmbeddedValkey(folder) as valkey:
        socket = Path(valkey.url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        with redis.Redis.from_url(valkey.url) as client:
            with client.pubsub() as channel:
                channel.subscribe("line")
                assert channel.get_message(timeout=5)
                client.publish("line", "7")
                heard = channel.get_message(timeout=5)
                assert heard
                assert heard["data"] == b"7"
            app = Celery(broker=valkey.broker_url, set_as_current=False)
            app.send_task("sweep", queue="parley")
            app.close()
            assert client.llen("parley") == 1
            assert client.config_get("port")["port"] == "0"
        with pytest.raises(EmbeddedError, match="in use already"):
            EmbeddedValkey(folder).start()


def test_valkey_starts_again_after_kill_9(folder: Path) -> None:
    server = EmbeddedValkey(folder)
    server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with server:
        assert redis.Redis.from_url(server.url).ping()


def test_it_starts_though_who_held_its_lock_is_dead_and_not_reaped(folder: Path) -> None:
    """In a container whose first process reaps nobody, a killed postmaster stays a zombie, which looks alive."""
    with server_in(folder) as server:
        write(server.url, 1)
        files = [server.data / "postmaster.pid", *server._sockets.glob(".s.PGSQL.*.lock")]
        assert len(files) == 2
        owner = server.data.stat()
        kept = {path: path.read_text() for path in files}
    # Popen reaps its child only when it is asked.
    dead = subprocess.Popen(["true"], user=owner.st_uid if os.geteuid() == 0 else None)
    while Path(f"/proc/{dead.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    try:
        for path, text in kept.items():
            path.write_text("\n".join([str(dead.pid), *text.split("\n")[1:]]))
            os.chown(path, owner.st_uid, owner.st_gid)
        with server_in(folder) as server:
            assert read(server.url) == [1]
    finally:
        dead.wait()
