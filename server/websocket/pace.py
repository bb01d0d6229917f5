"""Whoever says very much says it in turns.

What a client sends is taken apart where it arrives, before anybody can ask whether it may be sent, and thousands of
small messages fit into one read. So each socket has a number of messages free, and what comes beyond waits for a turn:
one socket at a time, a piece of what it sent, and then a rest that is as long as others need. All who say so much take
a part of the loop together, however many they are, and nothing is read from them meanwhile.
"""

import asyncio
from collections import deque
from typing import Protocol
from weakref import WeakKeyDictionary

# Messages of one socket that wait for nothing: at once, and given back in a second.
BURST, REFILL = 300, 300

# A message that begins an operation counts for so many: there is a document to look up, and a position to read.
OPERATION = 25

# So long is the rest for each message, in seconds; it takes some ten microseconds to be heard.
REST = 40e-6

# Bytes of a turn.
PIECE = 2_048


class Talker(Protocol):
    def go_on(self) -> int:
        """Take a piece of what waits; how many messages that were."""


class Lane:
    """The turns of all sockets of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Talker] = deque()
        self._free_at = 0.0
        self._turn: asyncio.TimerHandle | None = None

    def enter(self, talker: Talker) -> None:
        """Give it one turn, after those who came before."""
        self._waiting.append(talker)
        self._schedule()

    def rest(self, messages: int) -> None:
        """Leave the loop to others for as long as these are worth."""
        self._free_at = max(self._free_at, self._loop.time()) + messages * REST

    def _schedule(self) -> None:
        if self._turn is None and self._waiting:
            self._turn = self._loop.call_at(self._free_at, self._go_on)

    def _go_on(self) -> None:
        talker = self._waiting.popleft()
        try:
            self.rest(talker.go_on())
        finally:
            self._turn = None
            self._schedule()


_lanes: "WeakKeyDictionary[asyncio.AbstractEventLoop, Lane]" = WeakKeyDictionary()


def lane_of(loop: asyncio.AbstractEventLoop) -> Lane:
    lane = _lanes.get(loop)
    if lane is None:
        lane = _lanes[loop] = Lane(loop)
    return lane
