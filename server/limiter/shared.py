"""Buckets that all processes share, in Valkey, and what is done while it does not answer."""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any

from redis import RedisError

from resolvers.limit import Charge, Place, Rule, Taken
from server.broadcast.link import FIRST_SECONDS, LONGEST_SECONDS
from server.fault import record
from server.limiter.buckets import Buckets, cost
from server.limiter.exchange import Exchange, Script
from server.limiter.names import Names
from server.limiter.scripts import GIVE_BACK, TAKE

log = logging.getLogger("parley.limiter")

# How long an attempt waits for Valkey: far longer than it takes, and hardly to be noticed.
ANSWER_SECONDS = 0.2

_TAKE, _GIVE_BACK = Script(TAKE), Script(GIVE_BACK)
_PREFIX = b"parley:limit:"

# By which it is seen whether Valkey answers again: it writes, as every attempt does.
_TRIAL = Charge(Rule("trial", 1_000, 0.001), ())


class Nonsense(RedisError):
    """What answers is not Valkey, or not as it should be."""


class SharedLimiter:
    """One per process.

    What Valkey lets through is counted in this process as well. So when it fails, nobody begins anew here: each process
    goes on with what it has itself seen, by the same rules, and doesn't ask until a trial has shown that it is back.
    """

    def __init__(self, url: str, key: bytes, *, own: Buckets | None = None, seconds: float = ANSWER_SECONDS) -> None:
        """`url` is an address of redis-py's; nothing is connected yet. `key`: names of buckets are made with it; all
        processes have the same.

        Raises ValueError for an address that can't be read.
        """
        self._names = Names(key)
        self._own = Buckets(key) if own is None else own
        self._exchange = Exchange(url)
        self._seconds = seconds
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))
        await self._exchange.close()

    @property
    def shares(self) -> bool:
        """Whether Valkey is asked."""
        return self._looking is None

    async def take(self, charges: Sequence[Charge]) -> Taken:
        answer = await self._ask(_TAKE, *self._taking(charges, 1), length=len(charges) + 1)
        if answer is None:
            return self._own.take_now(charges)
        wait, *counted = answer
        if wait:
            return Taken(wait / 1e6)
        taken = tuple(charge for charge, counts in zip(charges, counted, strict=True) if counts)
        self._own.count(taken)
        for charge, counts in zip(charges, counted, strict=True):
            if not counts and charge.unless is not None:
                self._own.know(charge.unless)
        return Taken(None, taken)

    async def look(self, charges: Sequence[Charge]) -> float | None:
        answer = await self._ask(_TAKE, *self._taking(charges, 0), length=len(charges) + 1)
        if answer is None:
            return self._own.wait_for(charges)
        return answer[0] / 1e6 if answer[0] else None

    async def give_back(self, charged: Sequence[Charge], place: Place | None = None) -> None:
        await self._own.give_back(charged, place)
        keys = [self._key(self._names.bucket(charge)) for charge in charged]
        arguments: list[Any] = [b"", *map(cost, charged)]
        if place is not None:
            keys.append(self._key(self._names.account(place)))
            arguments[0] = self._names.network(place)
        await self._ask(_GIVE_BACK, keys, arguments, length=1)

    def _taking(self, charges: Sequence[Charge], count: int) -> tuple[list[bytes], list[Any]]:
        keys: list[bytes] = []
        arguments: list[Any] = [count]
        for charge in charges:
            bucket = self._key(self._names.bucket(charge))
            place = charge.unless
            keys += bucket, bucket if place is None else self._key(self._names.account(place))
            one = cost(charge)
            arguments += one, (charge.rule.burst - 1) * one, b"" if place is None else self._names.network(place)
        return keys, arguments

    def _key(self, name: bytes) -> bytes:
        return _PREFIX + name.hex().encode()

    async def _ask(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any], length: int) -> Any:
        """None: it can't be asked."""
        if not self.shares:
            return None
        try:
            return await self._answer(script, keys, arguments, length)
        except Exception as error:
            self._lose(error)
            return None

    async def _answer(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any], length: int) -> Any:
        answer = await self._exchange.ask(script, keys, arguments, seconds=self._seconds)
        if not isinstance(answer, list) or len(answer) != length or not all(type(each) is int for each in answer):
            raise Nonsense
        return answer

    def _lose(self, error: Exception) -> None:
        if self.shares:
            # Its class only: its text may hold what the address holds.
            log.warning("Valkey: limits are not shared (%s); each process counts by itself", type(error).__name__)
            if not isinstance(error, OSError | RedisError):
                record(log, error)
            self._looking = asyncio.create_task(self._look_for_it())

    async def _look_for_it(self) -> None:
        pause = FIRST_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # so that not all processes come at once
            pause = min(pause * 2, LONGEST_SECONDS)
            try:
                await self._answer(_TAKE, *self._taking([_TRIAL], 1), length=2)
            except Exception:  # noqa: S112  # it was told when it began
                continue
            log.warning("Valkey: limits are shared again")
            self._looking = None
            return
