"""Install the JavaScript clients that tests speak to the server with."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent


def installed(folder: Path = FOLDER) -> Path:
    """Install what the folder's package-lock.json names, unless it is there; give the folder.

    Once per lock file, whichever of the parallel test processes comes first; the others wait for it.
    """
    lock_file = folder / "package-lock.json"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with lock_file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != wanted:
            npm = shutil.which("npm")
            assert npm, "npm (Node.js 20 or later) is needed for the tests with JavaScript clients"
            done = subprocess.run([npm, "ci"], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            stamp.write_text(wanted)
    return folder
