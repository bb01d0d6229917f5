"""The files of the pages, as they are sent: under one name for all that they hold, so that a browser may keep them."""

import hashlib
import re
from dataclasses import dataclass

from server.pages.page import FOLDER

TYPES = {".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# Comments that have lines of their own, and indentation: a third of what a phone would have to fetch.
_FOR_READERS = re.compile(r"^[ \t]*(?://[^\n]*\n|/\*\*.*?\*/\n)|^[ \t]+", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class File:
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Files:
    by_name: dict[str, File]
    version: str

    @classmethod
    def read(cls) -> "Files":
        """Those of this package. Raises KeyError for one of a kind that TYPES doesn't know."""
        paths = sorted((FOLDER / "assets").iterdir())
        files = {path.name: File(TYPES[path.suffix], _lean(path.read_text(encoding="utf-8"))) for path in paths}
        hashed = hashlib.sha256()
        for name, file in files.items():
            hashed.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
        return cls(files, hashed.hexdigest()[:16])


def _lean(text: str) -> bytes:
    return _FOR_READERS.sub("", text).encode()
