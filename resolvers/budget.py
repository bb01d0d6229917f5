"""How much text one execution may read. What an answer can hold is bounded before; but a page of messages is read with
their texts whether they are selected or not, and each page of other bounds is another one."""

from collections.abc import Iterable

from models.message import MessageRow
from resolvers.errors import TooMuch

# In bytes of UTF-8: all screens of real front ends need a fraction.
MOST = 16 * 1024 * 1024


class Budget:
    def __init__(self, most: int = MOST) -> None:
        self.left = most
        self.spent = 0

    def charge(self, rows: Iterable[MessageRow]) -> None:
        """Count what was read, asked for with `most_bytes=left`.

        Raises:
            TooMuch: some of it was not read: there was too much.
        """
        whole = True
        for row in rows:
            if row.body is not None:
                self.spent += _size(row.body)
                self.left -= _size(row.body)
            elif row.deleted_at is None:
                whole = False
        if not whole:
            self.left = 0
            raise TooMuch


def _size(text: str) -> int:
    return len(text) if text.isascii() else 3 * len(text)
