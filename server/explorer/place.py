"""Where the explorer's sources are, and where a build of just these sources lies.

A build belongs to the checkout and not to the data: it is the same for every server that runs from there.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent.parent
SOURCES = CHECKOUT / "web"
BUILDS = CHECKOUT / "build" / "explorer"
PAGE = "index.html"
ASSETS = "explorer"  # the folder of a build, and of the addresses

# Another number where the same sources would be built in another way.
_WAY = b"1"
_NO_SOURCES = {"node_modules", "test"}


def build_of(sources: Path, builds: Path) -> Path:
    """The folder that a build of these sources has, whether or not it is there."""
    hashed = hashlib.sha256(_WAY)
    for path in sorted(_files(sources)):
        content = path.read_bytes()
        hashed.update(f"\0{path.relative_to(sources).as_posix()}\0{len(content)}\0".encode())
        hashed.update(content)
    return builds / hashed.hexdigest()[:16]


def built(sources: Path = SOURCES, builds: Path = BUILDS) -> Path | None:
    """The build of these sources; None where there is none."""
    folder = build_of(sources, builds)
    return folder if (folder / PAGE).is_file() else None


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name in _NO_SOURCES:
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path
