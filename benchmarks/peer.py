"""The peer on Node.js: its packages by the lock file, and how it is started."""

import hashlib
from pathlib import Path

from server.explorer import node

FOLDER = Path(__file__).parent / "node"


def command() -> list[str]:
    """Installs what is not there yet."""
    found = node.find()
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        node.run([*found.npm, "ci"], "npm ci", FOLDER, found.environment())
        stamp.write_text(wanted)
    return [found.node, str(FOLDER / "server.mjs")]
