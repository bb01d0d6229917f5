"""An SMTP server that does what a test says, at each point of the dialogue."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")
_GOOD = {"greeting": "220 ready", "EHLO": "250 mail.test", "DATA": "354 go on"}


class Gone(Exception):
    """What a stage raises to break the connection off."""


class SmtpServer:
    """`at[stage]` is the answer to give there, or a function that gives it; it may wait, or raise Gone."""

    def __init__(self) -> None:
        self.at: dict[str, str | Callable[[], Awaitable[str]]] = {}
        # What it has taken, whether or not anybody was told so.
        self.taken: list[bytes] = []
        self.envelopes: list[tuple[bytes, bytes]] = []
        self.reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.count: Counter[str] = Counter()
        self.port = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, _class=EmailMessage, policy=policy.default) for raw in self.taken]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(Gone, ConnectionError):
            await self._answer("greeting", writer)
            sender = recipient = b""
            while line := await reader.readline():
                verb = line[:4].upper().strip().decode("ascii", "replace")
                if verb == "QUIT":
                    break
                if verb == "MAIL":
                    sender = line.strip()
                if verb == "RCPT":
                    recipient = line.strip()
                answer = await self._answer(verb, writer)
                if verb == "DATA" and answer.startswith("354"):
                    raw = await _content(reader)
                    if raw is None:
                        self.count["broken off"] += 1
                        self.reached["broken off"].set()
                        break
                    self.envelopes.append((sender, recipient))
                    await self._answer("end", writer, raw)
        writer.close()
        self.count["closed"] += 1

    async def _answer(self, stage: str, writer: asyncio.StreamWriter, raw: bytes | None = None) -> str:
        self.count[stage] += 1
        self.reached[stage].set()
        said = self.at.get(stage, _GOOD.get(stage, "250 good"))
        if raw is not None and (not isinstance(said, str) or said.startswith("2")):
            self.taken.append(raw)
        answer = said if isinstance(said, str) else await said()
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return answer


async def _content(reader: asyncio.StreamReader) -> bytes | None:
    """None where it breaks off before its dot."""
    lines = []
    while line := await reader.readline():
        if line == b".\r\n":
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)
    return None


@contextlib.asynccontextmanager
async def smtp_server_that(**at: str | Callable[[], Awaitable[str]]) -> AsyncIterator[SmtpServer]:
    made = SmtpServer()
    made.at = dict(at)
    open_: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        try:
            await made.handle(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            open_.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(open_):
            task.cancel()
        if open_:
            await asyncio.wait(list(open_))


async def silence() -> str:
    """An answer that never comes."""
    await asyncio.Event().wait()
    return ""


async def gone() -> str:
    raise Gone
