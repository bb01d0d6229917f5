"""The hub of this process: what carries every subscription."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol
from uuid import UUID

from graphql import ExecutionResult, GraphQLError

from models.connection import UNREACHABLE
from models.event import Position
from resolvers import stream
from resolvers.errors import Unauthenticated
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from resolvers.stream import Topic
from resolvers.tokens import Named
from schema.context import Context
from server import fault
from server.graphql import error
from server.graphql.execution import Execution, Prepared, source_of
from server.graphql.streams import Outlet, Rejected, Unavailable
from server.hub.counts import Counts
from server.hub.kept import Kept
from server.hub.signed_in import SignedIn
from server.hub.subscriber import Key, Subscriber
from server.hub.turns import Turns
from server.hub.watch import Watch

log = logging.getLogger("parley.hub")

# How often, in seconds, one statement looks where the lines of all watched workspaces are.
SWEEP = 1.0

# A look that has no answer after so long, in seconds, is given up with its connection.
LOOK_SECONDS = 5.0

# Pages of the log that are read at once in the process, so that a storm leaves connections to others.
REPLAYS = 3


class Ear(Protocol):
    """Hears the hints of a workspace, as `server.broadcast` does."""

    def heard(self, workspace_id: UUID, tell: Callable[[int | None], None]) -> AbstractAsyncContextManager[None]: ...


class Hub:
    def __init__(self, process: Process, execution: Execution, ear: Ear) -> None:
        self.counts = Counts()
        self._process = process
        self._execution = execution
        self._ear = ear
        self._watches: dict[UUID, tuple[Watch, AsyncExitStack]] = {}
        self._entering = asyncio.Lock()
        self._turns = Turns(REPLAYS)
        self._kept = Kept()
        self._signed_in = SignedIn(process)
        self._sweeping: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._sweeping = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        async with self._entering:
            for workspace_id in list(self._watches):
                self._unwatch(workspace_id)
        await asyncio.gather(*self._ending)
        await self._signed_in.close()

    async def verify(self, who: Named) -> None:
        """
        Raises:
            Unauthenticated: the sign-in has ended.
        """
        await self._signed_in.see(who)

    async def subscribe(self, prepared: Prepared, who: Named | None, outlet: Outlet) -> Subscriber:
        """Begin to feed an outlet. When this returns the subscriber has its position.

        Raises:
            Rejected: it does not begin.
            Unavailable: the database can't be asked.
            Unauthenticated: the sign-in has ended.
        """
        variables = json.dumps(prepared.kept_variables, sort_keys=True)
        if who is None:
            return await self._begin(prepared, variables, who, outlet)
        kept = self._kept.keep(who.user_id, prepared.asked.query, prepared.document.node, variables)
        try:
            subscriber = await self._begin(prepared, variables, who, outlet)
        except BaseException:
            kept.let_go()
            raise
        subscriber.on_end(lambda _: kept.let_go())
        return subscriber

    async def _begin(self, prepared: Prepared, variables: str, who: Named | None, outlet: Outlet) -> Subscriber:
        async def follow(topic: Topic, after: str | None) -> AsyncIterator[Any]:
            if who is None:
                raise Unauthenticated
            position = stream.resumed(self._process, who.workspace_id, after)
            key = Key(topic, prepared.asked.query, prepared.operation.name, variables, prepared.values)
            watch = await self._watch(who.workspace_id)
            subscriber = Subscriber(key, watch.listener(who), position, outlet)
            await watch.join(subscriber, executor)
            return subscriber

        context = Context(self._process, Snapshot(self._process), None, follow=follow)
        made = self._execution.executor(prepared, context)
        if isinstance(made, list):
            raise Rejected(error.of_request(made, "BAD_USER_INPUT"))
        executor = made
        source = await source_of(executor)
        # The group keeps the executor, which shall not keep this subscriber.
        executor.context_value = None
        if isinstance(source, ExecutionResult):
            raise _refusal(source.errors or [], who)
        assert isinstance(source, Subscriber)
        return source

    async def _watch(self, workspace_id: UUID) -> Watch:
        async with self._entering:
            if workspace_id not in self._watches:
                watch = Watch(self._process, workspace_id, self.counts, self._turns)
                ears = AsyncExitStack()
                await ears.enter_async_context(self._ear.heard(workspace_id, watch.hear))
                watch.start()
                self._watches[workspace_id] = watch, ears
            return self._watches[workspace_id][0]

    def _unwatch(self, workspace_id: UUID) -> None:
        """In a task of its own: nobody else shall wait for what a silent database keeps from ending."""

        async def end(watch: Watch, ears: AsyncExitStack) -> None:
            await ears.aclose()
            await watch.stop()

        task = asyncio.create_task(end(*self._watches.pop(workspace_id)))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _sweep(self) -> None:
        """Find what no hint told; and let go of workspaces that nobody watches."""
        resting: set[UUID] = set()
        while True:
            await asyncio.sleep(SWEEP)
            try:
                async with self._entering:
                    idle = {key for key, (watch, _) in self._watches.items() if watch.idle}
                    for workspace_id in idle & resting:
                        self._unwatch(workspace_id)
                    resting = idle
                await self._look()
            except UNREACHABLE:
                # The readers say so.
                continue
            except Exception as failure:
                fault.record(log, failure, "in the sweep of watched workspaces")

    async def _look(self) -> None:
        watched = {key: watch for key, (watch, _) in self._watches.items() if not watch.idle}
        if not watched:
            return
        async with self._process.pool.connection() as connection:
            with connection.limited(LOOK_SECONDS):
                newest = await stream.newest_of_all(connection, list(watched))
        for row in newest:
            watched[row.workspace_id].found(Position(row.position, row.stamp))


def _refusal(failures: list[GraphQLError], who: Named | None) -> Exception:
    """Why a subscription does not begin, as the entry is told it."""
    causes = [failure.original_error for failure in failures]
    if any(isinstance(cause, UNREACHABLE) for cause in causes):
        return Unavailable()
    ended = next((cause for cause in causes if isinstance(cause, Unauthenticated)), None)
    return Rejected(error.of_execution(failures)) if ended is None or who is None else ended
