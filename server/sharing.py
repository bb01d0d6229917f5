"""Whether and how a document that subscribes is shared: found as the hub finds it, by executing.

Each kind of event is made up about a room that is there, and executed for the people in it until everyone has a result.
What an execution asked about its viewer is all that keeps others from having the same.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TextIO
from uuid import UUID

import psycopg
from graphql import (
    ExecutionResult,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    type_from_ast,
)
from graphql.execution import Executor

from models.event import MEMBERSHIP, EventKind, EventRow
from models.user import UserKind
from resolvers import stream
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from resolvers.stream import TOLD, RoomTopic, Standing, Topic
from resolvers.viewer import Viewer
from schema.context import Context
from schema.event import Subjects
from schema.event_context import Audience, EventContext
from schema.node_id import NodeKind, node_id
from schema.sharing import Looks, Shared
from server.engine import ParleyEngine
from server.graphql.asked import Asked
from server.graphql.document import Invalid
from server.graphql.execution import Execution, Prepared, source_of
from server.hub.counts import Counts
from server.hub.delivery import Batch, Delivery
from server.hub.roster import Group
from server.hub.subscriber import Key
from server.process import make_pool, make_process
from server.settings import Settings, SettingsError

# So many people of the room are tried.
PEOPLE = 200

# Questions about a viewer by which results are told apart, and what they are.
LOOKED_AT = {
    "kind": "the kind of the viewer",
    "is": "whether the viewer is somebody whom the event is about: an author, a manager, a participant",
    "among": "whether the viewer is among those whose marks have moved",
    "unread": "the viewer's unread count",
    "first unread": "the viewer's first unread message",
    "muted": "whether the viewer has muted the room",
}
# Those to which everybody answers otherwise.
ALONE = {"who": "who the viewer is", "which sign-in": "by which sign-in they are here"}


class Somewhere(NamedTuple):
    """A room with messages, and people of both kinds in it."""

    workspace_id: UUID
    room_id: UUID
    name: str
    sequence: int
    people: list[Viewer]


@dataclass
class Finding:
    """What an event of one type costs: of several kinds that are told alike, the one that costs most."""

    told: str
    executions: int = 0
    viewers: int = 0
    looks: set[str] = field(default_factory=set)

    @property
    def alone(self) -> list[str]:
        return [what for name, what in ALONE.items() if name in self.looks]

    def see(self, executions: Sequence[Looks], viewers: int) -> None:
        self.executions, self.viewers = max((self.executions, self.viewers), (len(executions), viewers))
        self.looks |= {name if isinstance(name, str) else str(name[0]) for looks in executions for name in looks.asked}  # type: ignore[index]


def main(settings: Settings, asked: Asked, out: TextIO | None = None) -> int:
    """The exit status: 1 where each viewer has an execution of their own.

    Raises:
        SettingsError: there is nobody to try it with, or the document does not subscribe.
    """
    out = out or sys.stdout
    with psycopg.connect(settings.database_address) as connection:
        where = somewhere(connection)
    if where is None:
        raise SettingsError("no room has messages and people of both kinds yet: `parley demo` makes some")
    findings = asyncio.run(_tried(settings, where, asked))
    kinds = Counter(viewer.kind.value.lower() for viewer in where.people)
    out.write(f"Tried with {kinds['internal']} internal viewers and {kinds['client']} clients in {where.name!r}.\n\n")
    for finding in findings:
        out.write(_shown(finding))
    alone = any(finding.alone for finding in findings)
    out.write("\nNOT SHARED: somebody's results are theirs alone\n" if alone else "\nshared\n")
    return int(alone)


def somewhere(connection: psycopg.Connection) -> Somewhere | None:
    """The room with the most people among those that have everything."""
    found = connection.execute(
        b"SELECT r.workspace_id, r.id, r.name, (SELECT max(sequence) FROM message m WHERE "
        b"(m.workspace_id, m.room_id) = (r.workspace_id, r.id)) AS newest FROM room r "
        b'JOIN participant p ON (p.workspace_id, p.room_id) = (r.workspace_id, r.id) JOIN "user" u '
        b"ON (u.workspace_id, u.id) = (p.workspace_id, p.user_id) WHERE EXISTS (SELECT FROM message m WHERE "
        b"(m.workspace_id, m.room_id) = (r.workspace_id, r.id)) GROUP BY 1, 2, 3 "
        b"HAVING count(DISTINCT u.kind) = 2 ORDER BY count(*) DESC LIMIT 1"
    ).fetchone()
    if found is None:
        return None
    workspace_id, room_id, name, sequence = found
    people = connection.execute(
        b'SELECT u.id, u.kind FROM participant p JOIN "user" u ON (u.workspace_id, u.id) = (p.workspace_id, p.user_id) '
        b"WHERE p.workspace_id = %s AND p.room_id = %s ORDER BY row_number() OVER (PARTITION BY u.kind ORDER BY u.id) "
        b"LIMIT %s",
        [workspace_id, room_id, PEOPLE],
    ).fetchall()
    # Each by a sign-in of their own, which nothing looks up here.
    viewers = [Viewer(workspace_id, user_id, user_id, UserKind(kind)) for user_id, kind in people]
    return Somewhere(workspace_id, room_id, name, sequence, viewers)


async def _tried(settings: Settings, where: Somewhere, asked: Asked) -> list[Finding]:
    async with make_pool(settings, size=1) as pool:
        process = make_process(settings, pool, lambda *_: None, lambda *_: None)
        execution = Execution(ParleyEngine(process))
        try:
            prepared = execution.prepare(_with_room(execution, asked, where.room_id))
        except Invalid as invalid:
            raise SettingsError("\n".join(each.message for each in invalid.errors)) from None
        topic, executor = await _topic(process, execution, prepared)
        snapshot = Snapshot(process)
        try:
            return await _find(process, snapshot, where, prepared, topic, executor)
        finally:
            await snapshot.close()


def _with_room(execution: Execution, asked: Asked, room_id: UUID) -> Asked:
    """Ids that a document needs and was not given are the room's."""
    try:
        operation = execution.prepare(asked).operation
    except Invalid:
        return asked
    variables = dict(asked.variables)
    for variable in operation.node.variable_definitions or ():
        type_: Any = type_from_ast(execution.engine.schema, variable.type)
        needed = isinstance(type_, GraphQLNonNull) and not isinstance(type_.of_type, GraphQLList)
        if needed and get_named_type(type_).name == "ID":
            variables.setdefault(variable.variable.name.value, node_id(NodeKind.ROOM, room_id))
    return asked._replace(variables=variables)


async def _topic(process: Process, execution: Execution, prepared: Prepared) -> tuple[Topic, Executor[Any]]:
    """What the document subscribes to, as its field says."""
    topics: list[Topic] = []

    async def nothing() -> AsyncIterator[Any]:
        return
        yield

    async def follow(topic: Topic, _: str | None) -> AsyncIterator[Any]:
        topics.append(topic)
        return nothing()

    executor = execution.executor(prepared, Context(process, Snapshot(process), None, follow=follow))
    if isinstance(executor, list):
        raise SettingsError("\n".join(each.message for each in executor))
    if isinstance(await source_of(executor), ExecutionResult) or not topics:
        raise SettingsError("this document does not subscribe to anything")
    return topics[0], executor


async def _find(
    process: Process,
    snapshot: Snapshot,
    where: Somewhere,
    prepared: Prepared,
    topic: Topic,
    executor: Executor[Any],
) -> list[Finding]:
    events = list(_made_up(where, topic))
    here = where.workspace_id
    rooms = await snapshot.read(lambda connection: stream.rooms_of_events(connection, here, [where.room_id]))
    subjects = Subjects(
        await snapshot.read(lambda connection: stream.messages_of_events(connection, here, events)),
        await snapshot.read(lambda connection: stream.participants_of_events(connection, here, events)),
    )
    audience = Audience(snapshot, here, rooms, [viewer.user_id for viewer in where.people])
    batch = Batch(snapshot, Standing((), {}), subjects, {where.room_id: audience})
    group = Group(Key(topic, prepared.asked.query, prepared.operation.name, "", prepared.values), executor)
    delivery = Delivery(process, here, Counts())
    findings: dict[str, Finding] = {}
    for event in events:
        shared: Shared[Looks] = Shared()
        executions: dict[str, list[Looks]] = {}
        viewers: Counter[str] = Counter()
        for viewer in where.people:
            telling = stream.telling(event, topic, EventContext(process, snapshot, viewer, audience))
            if telling is None:
                continue
            viewers[telling.value] += 1
            if shared.of(viewer) is None:
                looks, _ = await delivery.execute(batch, event, group, viewer)
                shared.add(looks, looks)
                executions.setdefault(telling.value, []).append(looks)
        for told, made in executions.items():
            findings.setdefault(told, Finding(told)).see(made, viewers[told])
    return list(findings.values())


def _made_up(where: Somewhere, topic: Topic) -> Iterator[EventRow]:
    """An event of each kind that the topic has."""
    kinds = topic.kinds if isinstance(topic, RoomTopic) and topic.kinds is not None else TOLD
    now = datetime.now(UTC)
    about = _one_of_each_kind(where.people)
    for kind in EventKind:
        if kind in kinds:
            users = about if kind in MEMBERSHIP or kind is EventKind.ROOM_MUTED else about[:1]
            for user in users:
                marked = [user] if kind in (EventKind.ROOM_READ, EventKind.RECEIPTS_UPDATED) else None
                yield EventRow(1, 1, kind, now, where.room_id, where.sequence, user, None, marked)


def _one_of_each_kind(people: Sequence[Viewer]) -> list[UUID]:
    return list({viewer.kind: viewer.user_id for viewer in people}.values())


def _shown(finding: Finding) -> str:
    executions = "1 execution" if finding.executions == 1 else f"{finding.executions} executions"
    lines = [f"{finding.told}: {executions} for {finding.viewers} viewers"]
    lines += [f"  looks at {what}" for name, what in LOOKED_AT.items() if name in finding.looks]
    lines += [f"  looks at {what}: nobody shares it" for what in finding.alone]
    return "\n".join(lines) + "\n"
