"""What the entries execute: the schema, with a context for each operation."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

from graphql import GraphQLSchema, OperationType

from models.connection import Connection
from resolvers.errors import Unauthenticated
from resolvers.identity import Claim, claim
from resolvers.origin import Origin
from resolvers.process import Process
from resolvers.session import authenticate, identify
from resolvers.snapshot import Snapshot
from resolvers.tokens import Named
from schema.build import public_mutations, schema, weights
from schema.context import Context
from server.graphql.document import Operation

Result = TypeVar("Result")


class ParleyEngine:
    def __init__(self, process: Process) -> None:
        self._process = process
        # Strawberry has no public name for the schema that it builds for graphql-core.
        self.schema: GraphQLSchema = schema._schema
        self.public_mutations = public_mutations
        self.weights = weights

    def identify(self, token: str) -> Named | Claim:
        try:
            return identify(self._process, token)
        except Unauthenticated:
            # None of ours. A firm's own issuer may have made it.
            claimed = claim(self._process, token)
            if claimed is None:
                raise
            return claimed

    def ends(self, who: Named) -> float | None:
        return who.ends

    def user_of(self, who: Named) -> UUID:
        return who.user_id

    @asynccontextmanager
    async def open(self, who: Named | None, operation: Operation, origin: Origin) -> AsyncIterator[Context]:
        snapshot = Snapshot(self._process)
        context = None
        # The viewer of a query is read in the snapshot that its data come from.
        read = snapshot.read if operation.type is OperationType.QUERY else self._read
        try:
            signed_in = None if who is None else await authenticate(read, who)
            selects_event_cursor = operation.selects("eventCursor")
            context = Context(
                self._process, snapshot, signed_in, origin=origin, selects_event_cursor=selects_event_cursor
            )
            yield context
        finally:
            # A mutation has put another snapshot in the place of the first.
            await (context or snapshot).close()

    async def _read(self, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
        async with self._process.pool.connection() as connection:
            return await ask(connection)
