"""Buckets in the memory of one process."""

import heapq
import secrets
import time
from collections.abc import Callable, Iterable, Sequence

from resolvers.limit import KNOWN_SECONDS, Charge, Place, Taken
from server.limiter.names import Names


def cost(charge: Charge) -> int:
    """What one takes, in microseconds."""
    return round(charge.rule.seconds * 1e6)


class Buckets:
    """Of buckets, the `most` that take longest to be full again are kept: whoever comes from a million addresses to
    have another forgotten drains them as far first. Of places, the latest."""

    def __init__(
        self, key: bytes | None = None, *, most: int = 50_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = Names(secrets.token_bytes(32) if key is None else key)
        self._most = most
        self._clock = clock
        # Times are whole microseconds: sums of them are exact.
        self._full_at: dict[bytes, int] = {}
        # The same by time. What was put here stays when a bucket's time changes, until it comes up.
        self._soonest: list[tuple[int, bytes]] = []
        self._known_until: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._full_at) + len(self._known_until)

    async def take(self, charges: Sequence[Charge]) -> Taken:
        return self.take_now(charges)

    async def look(self, charges: Sequence[Charge]) -> float | None:
        return self.wait_for(charges)

    async def give_back(self, charged: Sequence[Charge], place: Place | None = None) -> None:
        self.give_back_now(charged)
        if place is not None:
            self.know(place)

    def take_now(self, charges: Sequence[Charge]) -> Taken:
        wait = self.wait_for(charges)
        if wait is not None:
            return Taken(wait)
        counted = tuple(self._counted(charges))
        self.count(counted)
        return Taken(None, counted)

    def wait_for(self, charges: Sequence[Charge]) -> float | None:
        now = self._now()
        waits = [
            self._at(self._names.bucket(charge), now) - now - (charge.rule.burst - 1) * cost(charge)
            for charge in self._counted(charges)
        ]
        longest = max(waits, default=0)
        return longest / 1e6 if longest > 0 else None

    def count(self, charges: Sequence[Charge]) -> None:
        """Whether there is room or not."""
        now = self._now()
        for charge in charges:
            name, one = self._names.bucket(charge), cost(charge)
            self._set(name, min(self._at(name, now) + one, now + charge.rule.burst * one), now)

    def give_back_now(self, charged: Sequence[Charge]) -> None:
        now = self._now()
        for charge in charged:
            name = self._names.bucket(charge)
            self._set(name, self._at(name, now) - cost(charge), now)

    def know(self, place: Place) -> None:
        name = self._names.network(place)
        self._known_until.pop(name, None)  # the latest stand at the end
        self._known_until[name] = self._now() + KNOWN_SECONDS * 1_000_000
        if len(self._known_until) > self._most:
            del self._known_until[next(iter(self._known_until))]

    def knows(self, place: Place) -> bool:
        return self._known_until.get(self._names.network(place), 0) > self._now()

    def _counted(self, charges: Sequence[Charge]) -> Iterable[Charge]:
        return (charge for charge in charges if charge.unless is None or not self.knows(charge.unless))

    def _now(self) -> int:
        return round(self._clock() * 1e6)

    def _at(self, name: bytes, now: int) -> int:
        return max(self._full_at.get(name, now), now)

    def _set(self, name: bytes, at: int, now: int) -> None:
        if at <= now:
            self._full_at.pop(name, None)
        else:
            self._full_at[name] = at
            heapq.heappush(self._soonest, (at, name))
        self._tidy(now)

    def _tidy(self, now: int) -> None:
        while self._soonest and (self._soonest[0][0] <= now or len(self._full_at) > self._most):
            at, name = heapq.heappop(self._soonest)
            if self._full_at.get(name) == at:
                del self._full_at[name]
        if len(self._soonest) > 2 * self._most:
            self._soonest = [(at, name) for name, at in self._full_at.items()]
            heapq.heapify(self._soonest)
