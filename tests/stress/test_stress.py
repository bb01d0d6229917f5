"""The short form of `make stress`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 600.0


def test_whatever_breaks_each_phone_gets_what_it_is_owed_once_and_in_order() -> None:
    """In a process of its own, which ends its servers whatever happens to it."""
    stress = subprocess.Popen(
        [sys.executable, "-m", "tests.stress", "--seconds", "30", "--seed", "1", "--phones", "18", "--rate", "15"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = stress.communicate(timeout=PATIENCE)
    except BaseException:
        stress.send_signal(signal.SIGTERM)
        said, _ = stress.communicate()
        print(said)
        raise
    print(said)
    assert stress.returncode == 0
    assert "0 lost, 0 repeated, 0 out of order, 0 leaked" in said
