"""What is broken, and when: each kind once in a while, in an order that the seed says."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import NamedTuple

import psycopg

from server.embedded.service import EmbeddedService
from tests.stress.firm import Firm
from tests.stress.writers import Room, Writers, key_of_text

SLOT = 6.0  # seconds from one fault to the next; some last longer
STALL_SECONDS = 10.0


class Spell(NamedTuple):
    """How long something was broken."""

    kind: str
    began: float
    ended: float


class Faults:
    def __init__(self, firm: Firm, rooms: Sequence[Room], writers: Writers, chance: Random) -> None:
        self.spells: list[Spell] = []
        self.made: Counter[str] = Counter()
        self._firm = firm
        self._rooms = rooms
        self._writers = writers
        self._chance = chance
        # One death at a time: who dies while being started again would end the stress.
        self._busy: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._kinds: dict[str, Callable[[], Awaitable[object]]] = {
            "Valkey killed": self._kill_valkey,
            "Valkey down for seconds": self._keep_valkey_down,
            "Valkey silent for seconds": self._silence_valkey,
            "PostgreSQL killed": self._kill_postgres,
            "API process killed": self._kill_api,
            "API process stopped": self._stop_api,
            "line held for 10 s": self._hold_line,
            "sender killed before its hint": self._kill_sender,
        }

    async def happen(self, seconds: float) -> None:
        """All of them once, and again and again, for so long; all is whole again when this returns."""
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            while True:
                kinds = list(self._kinds)
                self._chance.shuffle(kinds)
                for kind in kinds:
                    early = self._chance.uniform(0, SLOT / 2)
                    if time.monotonic() + SLOT > end:
                        return
                    await asyncio.sleep(early)
                    group.create_task(self._make(kind))
                    await asyncio.sleep(SLOT - early)

    async def _make(self, kind: str) -> None:
        began = time.time()
        await self._kinds[kind]()
        self.made[kind] += 1
        self.spells.append(Spell(kind, began, time.time()))

    async def _kill(self, service: EmbeddedService, seconds: float = 0) -> None:
        async with self._busy[service]:
            assert service.pid is not None, "it was started again"
            os.kill(service.pid, signal.SIGKILL)
            await asyncio.sleep(seconds)
            await self._firm.restart(service)

    async def _kill_valkey(self) -> None:
        await self._kill(self._firm.valkey)

    async def _keep_valkey_down(self) -> None:
        await self._kill(self._firm.valkey, self._chance.uniform(3, 5))

    async def _silence_valkey(self) -> None:
        stopped = self._firm.valkey.pid
        if stopped is not None:
            os.kill(stopped, signal.SIGSTOP)
            await asyncio.sleep(self._chance.uniform(2, 4))
            if self._firm.valkey.pid == stopped:
                os.kill(stopped, signal.SIGCONT)

    async def _kill_postgres(self) -> None:
        await self._kill(self._firm.postgres)

    async def _kill_api(self) -> None:
        api = self._chance.choice(self._firm.servers)
        async with self._busy[api]:
            await self._firm.by_hand(api.kill)
            await asyncio.sleep(self._chance.uniform(0, 1))
            await self._firm.by_hand(api.start)

    async def _stop_api(self) -> None:
        api = self._chance.choice(self._firm.servers)
        async with self._busy[api]:
            await self._firm.by_hand(api.stop)
            await self._firm.by_hand(api.start)

    async def _hold_line(self) -> None:
        """A transaction that has its position, and takes its time with the commit, or does not commit at all.
        Everybody else who writes in the busy workspace waits, and is refused for the time being."""
        room = self._chance.choice([room for room in self._rooms if room.regulars])
        workspace = room.creator.workspace_id
        commits = self._chance.random() < 0.5
        try:
            async with await psycopg.AsyncConnection.connect(self._firm.postgres.url) as connection:
                await connection.execute("SELECT FROM line WHERE workspace_id = %s FOR NO KEY UPDATE", [workspace])
                await connection.execute(
                    "INSERT INTO event (workspace_id, position, stamp, kind, room_id) SELECT %s, max(position) + 1, %s,"
                    " 'ROOM_UPDATED', %s FROM event WHERE workspace_id = %s",
                    [workspace, self._chance.getrandbits(63), room.room_id, workspace],
                )
                await asyncio.sleep(STALL_SECONDS)
                await (connection.commit() if commits else connection.rollback())
        except psycopg.OperationalError:
            return  # the database was killed meanwhile

    async def _kill_sender(self) -> None:
        """The message is there and nobody is told; then its sender sends it again, as after any lost answer."""
        room = self._chance.choice(self._rooms)
        person = room.creator
        text = self._writers.ledger.text(room)
        ids = (person.workspace_id, person.user_id, person.session_id, room.room_id)
        environment = {f"PARLEY_{name.upper()}": str(value) for name, value in self._firm.settings.items()}
        sender = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.stress.doomed",
            *map(str, ids),
            key_of_text(text),
            env={**os.environ, **environment},
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await sender.wait() == -signal.SIGKILL:
            self.made["of these, with a commit"] += 1
        await asyncio.sleep(self._chance.uniform(0.5, 2))
        await self._writers.send(person, room, text)
