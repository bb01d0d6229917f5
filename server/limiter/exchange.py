"""Asking Valkey to run scripts: what comes while it is being asked goes together in the next trip."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from server.broadcast.link import Command, Link


class Script:
    def __init__(self, text: str) -> None:
        self.text = text
        # What Valkey knows it by.
        self.name = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Question:
    def __init__(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> None:
        self._script = script
        self._rest = (len(keys), *keys, *arguments)
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def command(self, *, in_full: bool) -> Command:
        return ("EVAL", self._script.text, *self._rest) if in_full else ("EVALSHA", self._script.name, *self._rest)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Exchange:
    """One connection, made when it is needed."""

    def __init__(self, url: str) -> None:
        self._link = Link(url)
        self._waiting: list[Question] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any], *, seconds: float) -> Any:
        """Run a script.

        Raises:
            OSError, RedisError: it can't be asked, or says that it can't. TimeoutError among them: not within that
            time, and with it nobody else who waits.
        """
        question = Question(script, keys, arguments)
        self._waiting.append(question)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(seconds):
                return await question.answer
        except TimeoutError:
            await self.cut()
            raise

    async def cut(self) -> None:
        """End what runs; whoever waits has an error."""
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
            if self._task is task:  # it had not begun
                self._end([], ConnectionError("cut"))

    async def close(self) -> None:
        await self.cut()
        await self._link.cut()

    async def _run(self) -> None:
        asked: list[Question] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
        except (Exception, asyncio.CancelledError) as error:
            failure = ConnectionError("cut") if isinstance(error, asyncio.CancelledError) else error
            try:
                await self._link.cut()
            finally:
                self._end(asked, failure)
        else:
            self._task = None

    def _end(self, asked: Sequence[Question], failure: Exception) -> None:
        for question in (*asked, *self._waiting):
            question.fail(failure)
        self._waiting = []
        self._task = None

    async def _answer(self, asked: Sequence[Question]) -> None:
        await self._link.connect()
        unknown = await self._trip(asked, in_full=False)
        if unknown:
            # It has been started anew, or has never seen them.
            await self._trip(unknown, in_full=True)

    async def _trip(self, asked: Sequence[Question], *, in_full: bool) -> list[Question]:
        unknown: list[Question] = []
        await self._link.send(*(question.command(in_full=in_full) for question in asked))
        for question in asked:
            try:
                answer = await self._link.read()
            except NoScriptError:
                unknown.append(question)
            except ResponseError as error:
                question.fail(error)
            else:
                if not question.answer.done():
                    question.answer.set_result(answer)
        return unknown
