"""What the HTTP entry executes: the schema, with a context for each operation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from graphql import GraphQLSchema

from resolvers.process import Process
from resolvers.session import authenticate
from resolvers.snapshot import Snapshot
from schema.build import public_mutations, schema
from schema.context import Context
from server.http.document import Operation


class ParleyEngine:
    def __init__(self, process: Process) -> None:
        self._process = process
        # Strawberry has no public name for the schema that it builds for graphql-core.
        self.schema: GraphQLSchema = schema._schema
        self.public_mutations = public_mutations

    @asynccontextmanager
    async def open(self, token: str | None, operation: Operation) -> AsyncIterator[Context]:
        snapshot = Snapshot(self._process)
        try:
            # The viewer is read in the snapshot that the document's data will come from.
            signed_in = None if token is None else await authenticate(self._process, snapshot.read, token)
            yield Context(self._process, snapshot, signed_in, selects_event_cursor=operation.selects("eventCursor"))
        finally:
            await snapshot.close()
