"""Whether sign-ins are alive, asked of the database for all who come at once: after a restart, everybody does."""

import asyncio
from uuid import UUID

from resolvers import stream
from resolvers.errors import SignInEnded
from resolvers.process import Process
from resolvers.snapshot import ANSWER_SECONDS
from resolvers.stream import Lost, Seat
from resolvers.tokens import Named


class _Question:
    def __init__(self) -> None:
        self.seats: dict[Seat, None] = {}
        self.answer: asyncio.Task[Lost] | None = None


class SignedIn:
    """Whoever comes while a question is on its way goes with the next one: no answer is older than who asked."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._next: dict[UUID, _Question] = {}
        self._asked: set[asyncio.Task[Lost]] = set()

    async def see(self, who: Named) -> None:
        """
        Raises:
            Unauthenticated: the sign-in has ended, or its user is not ACTIVE.
            one of UNREACHABLE: the database could not be asked.
        """
        question = self._next.get(who.workspace_id)
        if question is None:
            question = self._next[who.workspace_id] = _Question()
            question.answer = asyncio.create_task(self._ask(who.workspace_id, question))
            self._asked.add(question.answer)
            question.answer.add_done_callback(self._forget)
        assert question.answer is not None, "it is being asked"
        seat = Seat(None, who.user_id, who.session_id)
        question.seats[seat] = None
        # Whoever hangs up takes no answer away from the others.
        lost = await asyncio.shield(question.answer)
        if seat in lost.signed_out:
            raise SignInEnded

    async def close(self) -> None:
        self._next.clear()
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    async def _ask(self, workspace_id: UUID, question: _Question) -> Lost:
        try:
            async with self._process.pool.connection() as connection:
                self._close_to_others(workspace_id, question)
                with connection.limited(ANSWER_SECONDS):
                    return await stream.lost_seats(connection, workspace_id, list(question.seats))
        finally:
            self._close_to_others(workspace_id, question)

    def _close_to_others(self, workspace_id: UUID, question: _Question) -> None:
        if self._next.get(workspace_id) is question:
            del self._next[workspace_id]

    def _forget(self, task: asyncio.Task[Lost]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # who asked may all have left
