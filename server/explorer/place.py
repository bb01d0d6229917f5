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

# What a build is made of. Tests, and what Vite and npm put beside it, are no part of it.
PARTS = ("src", "examples", "index.html", "vite.config.js", "package.json", "package-lock.json", ".npmrc")

# Another number where the same sources would be built in another way.
_WAY = b"1"


def build_of(sources: Path, builds: Path) -> Path:
    """The folder that a build of these sources has, whether or not it is there."""
    hashed = hashlib.sha256(_WAY)
    for path in sorted(path for part in PARTS for path in _files(sources / part)):
        content = path.read_bytes()
        hashed.update(f"\0{path.relative_to(sources).as_posix()}\0{len(content)}\0".encode())
        hashed.update(content)
    return builds / hashed.hexdigest()[:16]


def built(sources: Path = SOURCES, builds: Path = BUILDS) -> Path | None:
    """The build of these sources; None where there is none.

    Where there are no sources, as in an image that was made without them, the one that is there: a build removes those
    before it.
    """
    if not sources.is_dir():
        return next((page.parent for page in builds.glob(f"*/{PAGE}")), None)
    folder = build_of(sources, builds)
    return folder if (folder / PAGE).is_file() else None


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for inner in path.iterdir():
            yield from _files(inner)
    elif path.is_file():
        yield path
