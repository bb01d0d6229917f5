"""How much text one execution may read. What an answer can hold is bounded before; but a page of messages is read with
their texts whether they are selected or not, and each page of other bounds is another one."""

from typing import Any

from models.connection import Connection
from models.message import MOST_BYTES, MessageRow
from models.statement import Statement
from resolvers.errors import TooMuch


class Budget:
    def __init__(self, most: int = MOST_BYTES) -> None:
        """`most`: bytes of UTF-8. All screens of real front ends need a fraction of what is usual."""
        self.left = most
        self.spent = 0

    async def read(
        self, statement: Statement[MessageRow], connection: Connection, **parameters: Any
    ) -> list[MessageRow]:
        """
        Raises:
            TooMuch: some of the texts were not read: there was not so much left.
        """
        rows = await statement.all(connection, **parameters, most_bytes=self.left)
        size = sum(_size(row.body) for row in rows if row.body is not None)
        self.spent += size
        self.left -= size
        if any(row.body is None and row.deleted_at is None for row in rows):
            self.left = 0
            raise TooMuch
        return rows


def _size(text: str) -> int:
    return len(text) if text.isascii() else 3 * len(text)
