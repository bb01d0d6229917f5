"""Removes what Parley keeps in a data folder, and root's private folder with it:

    python3 -m server.embedded.clean [DATA_FOLDER]

Needs the standard library only, so that it works without the virtual environment. It removes nothing that it doesn't
know, whatever the folder is.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from server.embedded import EmbeddedError
from server.embedded.lock import FolderLock
from server.embedded.orphans import end_processes_in
from server.embedded.place import Place, place_of, socket_folder

POSTGRES = ("postgres", "postgres.*", "binaries-*", "run")
OURS = (*POSTGRES, "valkey", "valkey.*", "secret-key", "secret-key.*", "up.lock")


def clean(folder: Path) -> list[Path]:
    """Gives the folders that had something to remove. Raises EmbeddedError where Parley is running there."""
    folder = folder.expanduser().resolve()
    place = place_of(folder)
    cleaned = [each for each in dict.fromkeys((folder, place.folder)) if each.is_dir()]
    if folder.is_dir():
        lock = FolderLock(folder / "up.lock", str(folder))
        lock.take()
        end_processes_in(place.folder / "postgres", "postgres")
        remove(folder, OURS)
        lock.release()
        if not any(folder.iterdir()):
            folder.rmdir()
    remove_place(place, folder)
    return cleaned


def remove_place(place: Place, folder: Path) -> None:
    """Removes the database of a data folder; a private folder as a whole."""
    if place.private and place.folder != folder:
        remove(place.folder, ("*",))
        if place.folder.is_dir():
            place.folder.rmdir()
    else:
        remove(place.folder, POSTGRES)


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Within the folder, and the folder for its sockets if that is elsewhere."""
    entries = [entry for pattern in patterns for entry in folder.glob(pattern)]
    sockets = socket_folder(folder)
    if sockets.parent != folder and sockets.is_dir() and sockets.lstat().st_uid == os.geteuid():
        entries.append(sockets)
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".parley")
    try:
        cleaned = clean(folder)
    except EmbeddedError as error:
        sys.exit(f"{error}: stop it first")
    except OSError as error:
        sys.exit(f"{error.filename or folder}: {error.strerror}")
    for each in cleaned:
        print(f"removed Parley's data in {each}")  # noqa: T201


if __name__ == "__main__":
    main()
