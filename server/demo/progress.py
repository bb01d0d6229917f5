"""How far something long is: one line that is written over in a terminal, a plain line now and then elsewhere."""

from time import monotonic
from typing import TextIO

TERMINAL_SECONDS = 0.2
PLAIN_SECONDS = 10.0


class Progress:
    def __init__(self, out: TextIO, total: int, unit: str) -> None:
        self._out = out
        self._total = total
        self._unit = unit
        self._began = monotonic()
        self._terminal = out.isatty()
        self._next = self._began + self._pause

    def reached(self, done: int) -> None:
        """Say so, unless something was said only just now."""
        now = monotonic()
        if now >= self._next:
            self._next = now + self._pause
            left = (now - self._began) / done * (self._total - done)
            self._say(f"{done:,} of {self._total:,} {self._unit} ({done / self._total:.0%}), {left:.0f} s to go")

    def finished(self) -> None:
        self._say(f"{self._total:,} {self._unit} in {monotonic() - self._began:.0f} s", last=True)

    def _say(self, line: str, *, last: bool = False) -> None:
        start, end = ("\r\x1b[K", "\n" if last else "") if self._terminal else ("", "\n")
        self._out.write(f"{start}{line}{end}")
        self._out.flush()

    @property
    def _pause(self) -> float:
        return TERMINAL_SECONDS if self._terminal else PLAIN_SECONDS
