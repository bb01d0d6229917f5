"""Deleting what was over long ago, a batch at a time."""

from typing import Any

from models.statement import Statement
from resolvers.process import Process

BATCH = 500


async def delete_all(process: Process, statement: Statement[Any], **parameters: Any) -> int:
    """Delete until a batch is not full; how many rows. `statement`: deletes `limit` rows at most and returns them, in a
    transaction of its own each time."""
    deleted = 0
    while True:
        async with process.pool.connection() as connection:
            gone = len(await statement.all(connection, limit=BATCH, **parameters))
        deleted += gone
        if gone < BATCH:
            return deleted
