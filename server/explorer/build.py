"""Builds the explorer, unless a build of these sources is there:

    python -m server.explorer.build

npm packages come from the registry, by the lock file and its hashes; no script of theirs is run to install them. What
comes out is files, which need neither npm nor the internet any more.
"""

import contextlib
import fcntl
import gzip
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.explorer.bundle import Bundle
from server.explorer.node import BuildError, Node, find, run
from server.explorer.place import BUILDS, SOURCES, build_of, built
from server.settings import SettingsError, read

SQUEEZED = {".js", ".css", ".svg", ".ttf"}
_UNFINISHED = "unfinished-"


def build(sources: Path = SOURCES, builds: Path = BUILDS) -> Path:
    """Gives the build's folder. Raises BuildError; whatever fails, a build is there whole or not at all."""
    if (there := built(sources, builds)) is not None:
        return there
    if not (sources / "package-lock.json").is_file():
        raise BuildError(f"its sources are not in {sources}")
    try:
        builds.mkdir(parents=True, exist_ok=True)
        with alone(builds):
            # Another start may have built it meanwhile.
            return built(sources, builds) or _build(sources, builds)
    except OSError as error:
        raise BuildError(f"{error.filename or builds}: {error.strerror}") from None


def _build(sources: Path, builds: Path) -> Path:
    wanted = build_of(sources, builds)
    node = find()
    install(sources, node)
    with tempfile.TemporaryDirectory(dir=builds, prefix=_UNFINISHED) as unfinished:
        out = Path(unfinished) / wanted.name
        vite = str(sources / "node_modules" / "vite" / "bin" / "vite.js")
        command = [node.node, vite, "build", "--outDir", str(out), "--logLevel", "error"]
        run(command, "vite build", sources, {**node.environment(), "NODE_ENV": "production"})
        for path in [path for path in out.rglob("*") if path.suffix in SQUEEZED]:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        _try(out)
        out.rename(wanted)
    _remove_others(wanted)
    return wanted


def _try(out: Path) -> None:
    """What no server could read at its start is no build."""
    try:
        Bundle.read(out)
    except KeyError as unknown:
        raise BuildError(
            f"TYPES in server/explorer/bundle.py has no {unknown}, and Vite has made such a file"
        ) from None


def install(sources: Path, node: Node) -> None:
    """What the lock file names, into `node_modules`, unless it is there already."""
    lock_file = (sources / "package-lock.json").read_bytes()
    wanted = f"{hashlib.sha256(lock_file).hexdigest()} {sys.platform} {platform.machine()}"
    stamp = sources / "node_modules" / ".installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    options = ["--ignore-scripts", "--include=dev", "--prefer-offline", "--loglevel=error"]
    # `make run` waits for this: a registry that can't be reached is to be said soon.
    soon = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
    run([*node.npm, "ci", *options, *soon], "npm ci", sources, node.environment())
    stamp.write_text(wanted)


def _remove_others(build: Path) -> None:
    """Builds of other sources, and what a killed one left. Servers that run hold theirs in memory."""
    for path in build.parent.iterdir():
        if path != build:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One at a time. The lock is the folder's own, so that no file of one user's keeps out another."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    if built() is not None:
        return
    with contextlib.suppress(SettingsError):  # which whoever starts next says better
        if not read().explorer:
            return
    print("building the explorer (half a minute; later starts have it)", flush=True)  # noqa: T201
    try:
        build()
    except BuildError as error:
        print(f"the explorer isn't built: {error}\nTry again: make explorer", file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
