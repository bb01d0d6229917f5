"""Parley's own processes, run as an operator would, against a test's servers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PATIENCE = 30.0


def free_port() -> int:
    """A port for a server that can't choose its own.

    On Linux nobody else is given it before that server listens: a socket of ours stays bound to it until this process
    ends. A server may listen there all the same, since all that we start set SO_REUSEADDR.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = int(held.getsockname()[1])
    if sys.platform == "linux":
        held.detach()
    else:
        held.close()
    return port


@contextmanager
def running(command: str, folder: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """`parley COMMAND` with these settings, until the block ends; what it says is in `folder`/COMMAND.log."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PARLEY_")}
    environment |= {f"PARLEY_{name.upper()}": str(value) for name, value in settings.items()}
    with (folder / f"{command}.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *command.split()], env=environment, stdout=log, stderr=log
        )
        try:
            yield started
        finally:
            if started.poll() is None:
                started.terminate()
            try:
                started.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server has ended"
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the server is not ready")
