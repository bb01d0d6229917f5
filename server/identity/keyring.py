"""The keys of issuers as this process knows them.

A new key is taken at the first token that names it. A key that its issuer has withdrawn is refused once the keys have
been asked for anew, which is every few minutes. While an issuer can't be reached, what it said last is good for a day.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from models.issuer import IssuerRow
from resolvers.issuer_key import BadKeys, Key, KeysUnavailable, read_jwks, read_pem
from server.identity.fetch import Unfetched

log = logging.getLogger("parley.identity")

# In seconds. Past the first they are asked for while the old ones serve; past the second whoever comes waits for them;
# past the third nobody is let in by them.
EARLY = 300.0
OLD = 600.0
DEAD = 86_400.0
# An issuer is asked so often at the most, however many tokens name keys that it doesn't have.
PAUSE = 10.0
MOST = 10_000

Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(slots=True, eq=False)
class _Known:
    keys: tuple[Key, ...] | None = None
    # When it was said, and when it was last asked for.
    since: float = 0.0
    asked: float | None = None
    asking: asyncio.Task[None] | None = None


class FetchedKeys:
    """A `Keyring`."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._static: dict[str, tuple[Key, ...]] = {}

    async def keys(self, issuer: IssuerRow, suit: Callable[[Sequence[Key]], bool]) -> Sequence[Key]:
        if issuer.jwks_url is None:
            return self._static_keys(issuer.public_key or "")
        known = self._known.get(issuer.jwks_url)
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[issuer.jwks_url] = _Known()
        return await self._fresh(issuer.jwks_url, known, suit)

    async def close(self) -> None:
        tasks = [known.asking for known in self._known.values() if known.asking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fresh(self, url: str, known: _Known, suit: Callable[[Sequence[Key]], bool]) -> Sequence[Key]:
        age = self._clock() - known.since
        if known.keys is None or age > OLD or not suit(known.keys):
            asking = self._ask(url, known)
            if asking is not None:
                # Whoever hangs up takes no answer away from the others.
                await asyncio.shield(asking)
        elif age > EARLY:
            self._ask(url, known)
        if known.keys is None or self._clock() - known.since > DEAD:
            raise KeysUnavailable("the issuer's keys can't be had")
        return known.keys

    def _ask(self, url: str, known: _Known) -> asyncio.Task[None] | None:
        """One question at a time; None where it is too soon for another."""
        if known.asking is None:
            now = self._clock()
            if known.asked is not None and now - known.asked < PAUSE:
                return None
            known.asked = now
            known.asking = asyncio.create_task(self._answered(url, known))
        return known.asking

    async def _answered(self, url: str, known: _Known) -> None:
        try:
            keys = read_jwks(await self._fetch(url))
        except (Unfetched, BadKeys) as why:
            log.warning("the keys at %s can't be had: %s", url, why)
        else:
            known.keys, known.since = keys, self._clock()
        finally:
            known.asking = None

    def _static_keys(self, pem: str) -> tuple[Key, ...]:
        keys = self._static.get(pem)
        if keys is None:
            try:
                keys = (read_pem(pem),)
            except BadKeys:
                keys = ()
            if len(self._static) >= MOST:
                self._static.clear()
            self._static[pem] = keys
        return keys
