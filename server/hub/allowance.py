"""How much of the reader's time each user's own results may take.

The reader executes for everyone in a workspace, one event after another. What many share is everyone's; but what is
executed for few is charged to them, and who has spent their allowance is left to the log, where each reads for
themselves: it comes a little later, and nobody else waits for it.

What is charged is told from the result and from the questions to the database, not from a clock: under load a clock
would charge everybody for everybody.
"""

import time
from collections.abc import Callable, Collection
from uuid import UUID

# What a question to the database counts for, in bytes of a result: both take about as long.
READ = 2_000

# After so much work, in the same bytes, others may run.
STRETCH = 20_000

# A result that more users share than this is nobody's own.
FEW = 10

# What a value of a result counts for, where the result does not tell.
VALUE = 20

# How long that takes, in seconds: a value of twenty bytes some five microseconds.
SECONDS = 0.25e-6

# In the same bytes: what may be spent at once, and what is given back in a second; some 100 and 50 ms.
BURST, REFILL = 400_000, 200_000

# Whoever has not spent anything is forgotten at this number of users.
_MANY = 1_000


class Stretch:
    """What was done since others could run."""

    def __init__(self) -> None:
        self._work = 0

    def add(self, work: int) -> int:
        """All of it once that is enough, and then it begins anew; until then nothing."""
        self._work += work
        if self._work <= STRETCH:
            return 0
        done, self._work = self._work, 0
        return done


class Allowance:
    """A token bucket for each user of a workspace."""

    def __init__(self, burst: float = BURST, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._clock = clock
        # What is left, and when that was so.
        self._left: dict[UUID, tuple[float, float]] = {}

    def charge(self, users: Collection[UUID], work: int) -> None:
        """Share the cost of a result among those for whom it was made."""
        now = self._clock()
        for user in users:
            self._left[user] = self._now(user, now) - work / len(users), now
        if len(self._left) > _MANY:
            self._left = {user: kept for user, kept in self._left.items() if self._now(user, now) < self._burst}

    def spent(self, user: UUID) -> bool:
        return user in self._left and self._now(user, self._clock()) <= 0

    def _now(self, user: UUID, now: float) -> float:
        left, when = self._left.get(user, (self._burst, now))
        return min(self._burst, left + (now - when) * REFILL)
