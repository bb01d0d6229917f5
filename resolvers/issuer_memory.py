"""What a process keeps of issuers and of their tokens, so that a token costs little the second time."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from models.issuer import IssuerRow
from resolvers.issuer_key import Key
from resolvers.tokens import Named

# How old, in seconds, what is known of issuers may be; and how soon one that is not known is looked for again.
ROWS_SECONDS = 10.0
UNKNOWN_SECONDS = 1.0
# How long, in seconds, a token that was refused for whom it speaks of is refused without asking anew.
REFUSED_SECONDS = 10.0
MOST_TOKENS = 10_000

Load = Callable[[], Awaitable[Sequence[IssuerRow]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A token that was verified: by which key of which issuer, and until when it may be used."""

    named: Named
    issuer: IssuerRow
    key: Key
    last: float


@dataclass(slots=True)
class Memory:
    """Tokens stand in it by their SHA-256."""

    _rows: dict[str, IssuerRow] = field(default_factory=dict)
    _loaded: float | None = None
    _loading: asyncio.Task[None] | None = None
    _seen: OrderedDict[bytes, Seen] = field(default_factory=OrderedDict)
    _refused: OrderedDict[bytes, tuple[float, str]] = field(default_factory=OrderedDict)

    async def issuer(self, name: str, load: Load) -> IssuerRow | None:
        """All are read at once: names that nobody knows can't be used to ask the database again and again. Who comes
        meanwhile has the same answer, also that there is none: while the database is away nobody waits for those before
        them."""
        if not self._is_fresh(name):
            if self._loading is None:
                self._loading = asyncio.create_task(self._load(load))
            # Whoever hangs up takes no answer away from the others.
            await asyncio.shield(self._loading)
        return self._rows.get(name)

    def forget_issuers(self) -> None:
        """They are not what was known."""
        self._loaded = None

    def seen(self, digest: bytes) -> Seen | None:
        seen = self._seen.get(digest)
        if seen is None:
            return None
        if time.time() >= seen.last:
            del self._seen[digest]
            return None
        self._seen.move_to_end(digest)
        return seen

    def see(self, digest: bytes, seen: Seen) -> None:
        self._seen[digest] = seen
        if len(self._seen) > MOST_TOKENS:
            self._seen.popitem(last=False)

    def refused(self, digest: bytes) -> str | None:
        """What was said."""
        until, why = self._refused.get(digest, (0.0, ""))
        return why if time.monotonic() < until else None

    def refuse(self, digest: bytes, why: str) -> None:
        self._refused[digest] = (time.monotonic() + REFUSED_SECONDS, why)
        if len(self._refused) > MOST_TOKENS:
            self._refused.popitem(last=False)

    async def _load(self, load: Load) -> None:
        try:
            self._rows = {row.issuer: row for row in await load()}
            self._loaded = time.monotonic()
        finally:
            self._loading = None

    def _is_fresh(self, name: str) -> bool:
        if self._loaded is None:
            return False
        return time.monotonic() - self._loaded < (ROWS_SECONDS if name in self._rows else UNKNOWN_SECONDS)
