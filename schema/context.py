"""What one execution knows: who asks, the snapshot that it reads, and the loaders on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import strawberry

from models.connection import Connection
from models.event import Position
from models.user import UserKind, UserRow
from resolvers.errors import Unauthenticated
from resolvers.event import newest
from resolvers.operation import Pending, Transaction, operate
from resolvers.origin import UNKNOWN, Origin
from resolvers.process import Process
from resolvers.session import SignedIn
from resolvers.snapshot import Snapshot
from resolvers.stream import Topic
from resolvers.viewer import Viewer
from schema.loaders import Loaders

Result = TypeVar("Result")
# A viewer and their row, as they were when the execution began.
SignedInUser = tuple[Viewer, UserRow]
# What carries a subscription: begins a stream of a topic, behind the event that a cursor names.
Follow = Callable[[Topic, str | None], Awaitable[AsyncIterator[Any]]]


class Context:
    """The context of one execution. The viewer is looked at through it alone, so that what an answer depends on can
    be told from what was asked here."""

    def __init__(
        self,
        process: Process,
        snapshot: Snapshot,
        signed_in: SignedInUser | None,
        *,
        origin: Origin = UNKNOWN,
        selects_event_cursor: bool = False,
        follow: Follow | None = None,
    ) -> None:
        self.process = process
        self.origin = origin
        self._follow = follow
        self._read_from(snapshot)
        self._authenticated = signed_in
        self._signed_in = signed_in
        self._selects_event_cursor = selects_event_cursor
        self._position: Position | None = None
        self._positioning = asyncio.Lock()

    @property
    def viewer(self) -> Viewer:
        """
        Raises:
            Unauthenticated: nobody is signed in.
        """
        return self._require()[0]

    @property
    def user(self) -> UserRow:
        return self._require()[1]

    @property
    def viewer_kind(self) -> UserKind:
        return self.viewer.kind

    def is_viewer(self, user_key: UUID) -> bool:
        return self.viewer.user_id == user_key

    async def read(self, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Ask the snapshot. It is opened by the first question, and the same for all that follow."""
        return await self._snapshot.read(ask)

    async def perform(self, operation: Callable[[Transaction], Awaitable[Pending[Result] | Result]]) -> Result:
        """Run an operation of the viewer's; what its payload reads comes from a new snapshot, after its commit."""
        await self.begin()
        return await operate(self.process, self.viewer.workspace_id, operation, origin=self.origin)

    async def sign_in(self, signing_in: Callable[[Process, Origin], Awaitable[SignedIn]]) -> SignedIn:
        """Sign in; what the payload reads is read as whoever signed in. The next mutation is the token's again."""
        await self.begin()
        signed_in = await signing_in(self.process, self.origin)
        self._signed_in = signed_in.viewer, signed_in.user
        # What was read for whoever sent the token is of their workspace.
        self._position = None
        return signed_in

    async def begin(self) -> None:
        """Start a mutation: no connection is held beside its own, and nothing remembered from before it."""
        await self._snapshot.close()
        self._read_from(Snapshot(self.process))
        self._signed_in = self._authenticated
        self._position = None
        if self._selects_event_cursor and self._signed_in is not None:
            # Read before the operation's own data, as a stream that continues behind it must find what changes later.
            async with self.process.pool.connection() as connection:
                self._position = await newest(connection, self.viewer.workspace_id)

    async def follow(self, topic: Topic, after: str | None) -> AsyncIterator[Any]:
        """Begin a stream of events; the hub carries it.

        Raises:
            Unauthenticated, Malformed, Missing, CursorExpired: as it is judged.
        """
        if self._follow is None:
            raise Unauthenticated
        return await self._follow(topic, after)

    def cursor(self, at: Position) -> str:
        """A cursor that stands behind an event."""
        return self.process.cursors.seal(self.viewer.workspace_id, at)

    async def event_cursor(self) -> str:
        """Where "now" is: at or before everything that this execution's answer tells. Sealed anew each time."""
        viewer = self.viewer
        async with self._positioning:  # each room of a page may ask: the first asks the database
            if self._position is None:
                self._position = await self.read(lambda connection: newest(connection, viewer.workspace_id))
        return self.cursor(self._position)

    async def close(self) -> None:
        """Give back what the execution holds."""
        await self._snapshot.close()
        self.loaders.forget()

    def renew_user(self, user: UserRow) -> None:
        """The viewer's own row has changed by this mutation."""
        self._signed_in = self.viewer, user

    def _read_from(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.loaders = self._loaders(snapshot)

    def _loaders(self, snapshot: Snapshot) -> Loaders:
        return Loaders(snapshot, lambda: self.viewer)

    def _require(self) -> SignedInUser:
        if self._signed_in is None:
            raise Unauthenticated
        return self._signed_in


Info = strawberry.Info[Context, None]
