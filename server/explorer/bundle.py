"""A build of the explorer as the process serves it: read once at the start, and only what is in it has an address."""

import gzip
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from server.explorer.place import ASSETS, PAGE

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
    ".png": "image/png",
}
_SQUEEZED = ".gz"


@dataclass(frozen=True)
class Asset:
    """`content` is squeezed by gzip where it says so, as nearly everything is."""

    media_type: str
    content: bytes
    squeezed: bool

    @cached_property
    def plain(self) -> bytes:
        """Kept once somebody has asked for it: hardly anybody does, and whoever does could go on asking."""
        return gzip.decompress(self.content) if self.squeezed else self.content


@dataclass(frozen=True)
class Bundle:
    page: str
    assets: dict[str, Asset]

    @classmethod
    def read(cls, build: Path) -> "Bundle":
        """Raises OSError, or KeyError for a file of a kind that TYPES doesn't know."""
        assets = {}
        for path in (build / ASSETS).iterdir():
            if path.suffix != _SQUEEZED:
                small = path.with_name(path.name + _SQUEEZED)
                squeezed = small.is_file()
                content = (small if squeezed else path).read_bytes()
                assets[path.name] = Asset(TYPES[path.suffix], content, squeezed)
        return cls((build / PAGE).read_text(encoding="utf-8"), assets)
