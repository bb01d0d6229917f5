"""What reading the documents of those who have not signed in may take of the process's time.

A document that nobody has sent before costs up to tens of milliseconds, in which nothing else is served, and anybody
can make up as many as they like. So their time is shared out: some is saved up for whoever writes an app, and then it
is a tenth of all there is. What is small goes always, or a flood would keep everybody from signing in; it is charged
too.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graphql import GraphQLError

from server.graphql.document import Invalid

_SMALL = 1_000  # characters
_FEW = 100  # tokens: the worst of so many takes some 3 ms, where the worst of 1,000 characters takes 20
_TOKEN = re.compile(r"\w+|[^\w\s,]")


class Strangers:
    def __init__(
        self, *, seconds: float = 0.5, share: float = 0.1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = self._left = seconds
        self._share = share
        self._clock = clock
        self._at = clock()

    @contextmanager
    def reading(self, text: str) -> Iterator[None]:
        """Within it a document is read, and its time is charged, whatever becomes of it.

        Raises:
            Invalid: no time is left, and the document is not small.
        """
        begun = self._clock()
        self._left = min(self._most, self._left + self._share * (begun - self._at))
        self._at = begun
        if self._left <= 0 and not _is_small(text):
            raise Invalid(
                "RATE_LIMITED",
                GraphQLError("Too many new documents at the moment: sign in, or try again later."),
            )
        try:
            yield
        finally:
            # Small ones go on without end: what they owe is bounded, or larger ones would not go for hours.
            self._left = max(-self._most, self._left - (self._clock() - begun))


def _is_small(text: str) -> bool:
    return len(text) <= _SMALL and len(_TOKEN.findall(text)) <= _FEW
