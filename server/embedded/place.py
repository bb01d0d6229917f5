"""Where the embedded PostgreSQL lives, and under whose rights. Needs the standard library only.

An ordinary user's lives in the data folder itself. PostgreSQL refuses to run as root; root's runs as `nobody`, who
can't look into a home folder of mode 700. So root's lives in a private folder outside the checkout, named by a hash
of the data folder's path, and no mode of any other folder is touched.
"""

import hashlib
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

from server.embedded import EmbeddedError
from server.embedded.command import User

# In those that everybody can write to, a folder is used only if it is root's own.
BASES = (Path("/var/lib"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108
SOCKET_PATH_LIMIT = 100  # bytes; the system's own limit is 108, on some 104
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"


@dataclass(frozen=True)
class Place:
    folder: Path
    user: User | None  # None: the caller's own

    @property
    def private(self) -> bool:
        """Whether it stands outside the data folder."""
        return self.user is not None


def place_of(data_folder: Path) -> Place:
    """Says where it is (or would be); makes nothing."""
    data_folder = data_folder.resolve()
    if os.geteuid() != 0:
        return Place(data_folder, None)
    name = f"parley-{_hash(data_folder)}"
    bases = [base for base in BASES if open_to_all(base)]
    existing = [base / name for base in bases if (base / name).is_dir() and (base / name).lstat().st_uid == 0]
    writable = [base / name for base in bases if os.access(base, os.W_OK)]
    if not existing and not writable:
        raise EmbeddedError(
            f"none of {', '.join(map(str, BASES))} can hold the database of root; set PARLEY_DATABASE_URL"
        )
    return Place([*existing, *writable][0], unprivileged_user())


def unprivileged_user() -> User:
    try:
        nobody = pwd.getpwnam("nobody")  # initdb looks its user up, so a bare number won't do
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and there is no user `nobody`; set PARLEY_DATABASE_URL"
        ) from None
    return User(nobody.pw_uid, nobody.pw_gid)


def open_to_all(folder: Path) -> bool:
    """Whether every user can pass through it."""
    return folder.is_dir() and all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))


def make_folder(folder: Path, user: User | None) -> None:
    """Makes it with mode 700 for that user, or sees that what stands there is a folder of theirs."""
    try:
        folder.mkdir(mode=0o700)
        if user:
            os.chown(folder, user.uid, user.gid)
    except FileExistsError:
        owner = user.uid if user else os.geteuid()
        found = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or found.st_uid != owner:
            raise EmbeddedError(f"{folder} is not a folder of user {owner}: remove it") from None
        if found.st_mode & 0o077:
            folder.chmod(0o700)


def socket_folder(folder: Path) -> Path:
    """Where sockets go, by rights within the folder; a path that is too long for the system, or holds what a
    connection URL can't say, gets a short folder of its own among the temporary ones."""
    inside = folder / "run"
    short = len(os.fsencode(inside / LONGEST_SOCKET_NAME)) < SOCKET_PATH_LIMIT
    if short and re.fullmatch(r"[A-Za-z0-9._/+@~-]+", str(inside)):
        return inside
    # Always there, and the same for every process whatever its TMPDIR; `make_folder` sees whose it is.
    return Path("/tmp") / f"parley-{os.geteuid()}-{_hash(folder)}"  # noqa: S108


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
