"""Break whatever can break for a while, and see what the phones have: make stress ARGS="--seconds 600 --seed 1"."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from random import Random
from uuid import UUID

import psycopg

from schema.node_id import NodeKind, key_of
from tests.stress import history, report
from tests.stress.faults import Faults
from tests.stress.firm import Firm, Person, firm
from tests.stress.judge import Judge, Stream, Verdict
from tests.stress.phone import Phone
from tests.stress.writers import Ledger, Room, Writers

PATIENCE = 60.0  # seconds in which nobody gets anything: then they are not waited for


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long things break (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="of what breaks when, and who does what (default: 1)")
    parser.add_argument("--phones", type=int, default=18, help="how many subscribers (default: 18)")
    parser.add_argument("--rate", type=float, default=15, help="changes that are made in a second (default: 15)")
    return asyncio.run(stress(parser.parse_args()))


async def stress(asked: argparse.Namespace) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    chance = Random(asked.seed)
    began = time.monotonic()
    async with firm() as parts:
        rooms = await make_rooms(parts, chance)
        phones = list(islice(cycle_of_phones(parts, rooms, chance), asked.phones))
        await asyncio.gather(*(phone.start() for phone in phones))
        riding = [asyncio.create_task(phone.ride()) for phone in phones]
        writers = Writers(parts, rooms, chance, asked.rate)
        faults = Faults(parts, rooms, writers, chance)
        writing = asyncio.create_task(writers.work())
        print(f"breaking things for {asked.seconds:g} seconds, seed {asked.seed}", flush=True)
        await faults.happen(asked.seconds)
        writers.stopping.set()
        await writing
        stopped = time.monotonic()
        told = await end_of_line(parts, rooms, writers, phones, chance)
        caught_up = time.monotonic()
        for ride in riding:
            ride.cancel()
        outcomes = await asyncio.gather(*riding, return_exceptions=True)
    complaints = [repr(each) for each in outcomes if not isinstance(each, asyncio.CancelledError)]
    complaints += parts.complaints + [words for phone in phones for words in phone.complaints]
    found = report.latencies((phone.account, told[phone.person.workspace_id].sent_at) for phone in phones)
    without_valkey = report.during(found, faults.spells)
    print(report.table(phones, writers.ledger.done, faults.made, parts.unanswered, found, without_valkey))
    print(*report.slowest(found, faults.spells), sep="\n")
    print(f"all had theirs {caught_up - stopped:.1f} s after the end; {caught_up - began:.0f} s in all\n")
    verdict = judged(parts, phones, writers.ledger, told)
    print(report.faults_found(verdict, complaints))
    return 0 if verdict.clean and not complaints else 1


def judged(parts: Firm, phones: Sequence[Phone], ledger: Ledger, told: Mapping[UUID, history.History]) -> Verdict:
    verdict = Verdict()
    for workspace, each in told.items():
        users = {person.user_id for person in parts.people.values() if person.workspace_id == workspace}
        answered = {send: place for send, place in ledger.answered.items() if send[0] in users}
        history.examine(each, answered, verdict)
        judge = Judge(each.line, ledger.texts)
        for phone in phones:
            if phone.person.workspace_id == workspace:
                judge.judge(phone.account, verdict)
    return verdict


async def make_rooms(parts: Firm, chance: Random) -> list[Room]:
    people = parts.people
    ada, ben, cleo, dan, zoe = (people[name] for name in ("ada", "ben", "cleo", "dan", "zoe"))

    async def make(creator: Person, regulars: Sequence[Person], guests: Sequence[Person]) -> Room:
        given = {"name": "Stress", "participantIds": [person.id for person in (*regulars, *guests)]}
        query = "mutation ($input: CreateRoomInput!) { createRoom(input: $input) { room { id } } }"
        data = await parts.ask(creator, chance, query, input=given)
        room_id = key_of(NodeKind.ROOM, data["createRoom"]["room"]["id"])
        assert isinstance(room_id, UUID)
        return Room(room_id, creator, regulars, guests)

    return [
        await make(ada, [cleo], [ben, dan]),
        await make(ada, [cleo, dan], []),
        await make(ada, [ben], [dan]),
        await make(zoe, [], []),
    ]


def cycle_of_phones(parts: Firm, rooms: Sequence[Room], chance: Random) -> Iterator[Phone]:
    everybody, quiet, closed, _ = (room.room_id for room in rooms)
    ada, ben, cleo, dan, zoe = (parts.people[name] for name in ("ada", "ben", "cleo", "dan", "zoe"))
    strangers: list[tuple[Person, Stream, UUID | None]] = [(cleo, Stream.ROOM, closed), (zoe, Stream.ROOM, everybody)]
    kinds = [
        *((person, Stream.VIEWER, None) for person in (ada, ben, cleo, dan)),
        *((person, Stream.ROOM, everybody) for person in (ada, ben, cleo, dan)),
        *((person, Stream.MESSAGES, everybody) for person in (ada, ben, cleo, dan)),
        (dan, Stream.ROOM, closed),
        (ben, Stream.MESSAGES, closed),
        (dan, Stream.MESSAGES, quiet),
        (zoe, Stream.VIEWER, None),
        *strangers,
    ]
    for number, kind in enumerate(cycle(kinds)):
        yield Phone(parts, *kind, Random(chance.random()), counts=number % 3 == 0, invited=kind not in strangers)


async def end_of_line(
    parts: Firm, rooms: Sequence[Room], writers: Writers, phones: Sequence[Phone], chance: Random
) -> dict[UUID, history.History]:
    """Everything is whole again: who is out stays out or comes back, the line ends with a message in each room, and
    the phones come to it."""
    for phone in phones:
        phone.settle()
    for room in rooms:
        for guest in room.guests:
            await (writers.take_out if chance.random() < 0.3 else writers.let_in)(room, guest)
    async with await parts.connect() as connection:
        while True:
            # This mark's turn tells as well what processes have left untold that were killed.
            for room in rooms:
                await writers.send(room.creator, room)
                await writers.mark(room.creator, room)
            while await history.untold(connection):
                await asyncio.sleep(0.2)
            for room in rooms:
                await writers.send(room.creator, room)
            told = await written(parts, connection)
            await until_all_have_theirs(phones, told)
            if told == await written(parts, connection):
                return told


async def written(parts: Firm, connection: psycopg.AsyncConnection) -> dict[UUID, history.History]:
    workspaces = dict.fromkeys(person.workspace_id for person in parts.people.values())
    return {workspace: await history.read(connection, workspace) for workspace in workspaces}


async def until_all_have_theirs(phones: Sequence[Phone], told: Mapping[UUID, history.History]) -> None:
    """Or until nobody gets anything any more."""
    judges = {workspace: Judge(each.line, {}) for workspace, each in told.items()}
    last = {
        phone: max((event.position for event in judges[phone.person.workspace_id].owed(phone.account)), default=0)
        for phone in phones
    }
    so_far, since = -1, time.monotonic()
    while time.monotonic() - since < PATIENCE:
        if all(phone.has(position) for phone, position in last.items()):
            return
        if (now := sum(len(phone.account.got) for phone in phones)) != so_far:
            so_far, since = now, time.monotonic()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
