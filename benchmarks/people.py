"""Whoever listens: people of both kinds who are signed in, in rooms of the firm and in firms of their own."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

import psycopg
from pydantic import SecretStr

from benchmarks.stage import Stage
from models.user import UserKind
from resolvers.operation import operate
from resolvers.session import begin
from schema.node_id import NodeKind, node_id
from server.demo.chronicle import Chronicle
from server.demo.moment import NOW
from server.process import make_pool, make_process
from server.settings import Settings

USERS = 20
ROOMS = 40
FIRMS = 100
USERS_OF_FIRM = 4


@dataclass(frozen=True)
class Audience:
    """`tokens`: of people who are all in each of these rooms; `room`: the one in which everybody is."""

    tokens: list[str]
    room: str
    rooms: list[str]


async def audience(stage: Stage) -> Audience:
    at = stage.sample
    with psycopg.connect(stage.database) as connection:
        rooms = [
            room
            for (room,) in connection.execute(
                "SELECT id FROM room WHERE workspace_id = %s AND archived_at IS NULL ORDER BY id <> %s, id LIMIT %s",
                [at.workspace_id, at.crowded, ROOMS],
            )
        ]
        users = [
            user
            for (user,) in connection.execute(
                "SELECT user_id FROM participant WHERE workspace_id = %s AND room_id = %s LIMIT %s",
                [at.workspace_id, at.crowded, USERS],
            )
        ]
        connection.execute(
            "INSERT INTO participant (workspace_id, room_id, user_id, id, joined_sequence) "
            "SELECT %s, room_id, user_id, gen_random_uuid(), 0 "
            "FROM unnest(%s::uuid[]) room_id, unnest(%s::uuid[]) user_id ON CONFLICT DO NOTHING",
            [at.workspace_id, rooms, [*users, at.internal.id]],
        )
    tokens = await sign_ins(stage, [(at.workspace_id, user) for user in users])
    ids: list[str] = [node_id(NodeKind.ROOM, room) for room in rooms]
    return Audience(tokens, ids[0], ids)


async def firms(stage: Stage) -> list[tuple[str, str]]:
    """A hundred of them: access tokens of their people, each with a room."""
    people: list[tuple[UUID, UUID]] = []
    rooms: list[str] = []
    with psycopg.connect(stage.database) as connection:
        for number in range(FIRMS):
            firm = Chronicle.open(connection, f"Firm {number}", f"bench-firm-{number}", NOW)
            assert firm is not None, "nobody else has made it"
            users = [
                firm.user(f"Person {each}", f"{each}@firm-{number}.test", UserKind.INTERNAL, "")
                for each in range(USERS_OF_FIRM)
            ]
            room = firm.room("Everybody", users[0], users[1:])
            firm.write()
            people += [(firm.workspace_id, user) for user in users]
            rooms += [node_id(NodeKind.ROOM, room.id)] * USERS_OF_FIRM
    return list(zip(await sign_ins(stage, people), rooms, strict=True))


async def sign_ins(stage: Stage, people: list[tuple[UUID, UUID]]) -> list[str]:
    """Access tokens, by workspace and user."""
    settings = settings_of(stage)
    async with make_pool(settings) as pool:
        process = make_process(settings, pool, lambda *_: None, lambda *_: None)
        signed_in = [await operate(process, firm, partial(begin, user_id=user)) for firm, user in people]
    return [each.access_token for each in signed_in]


def settings_of(stage: Stage) -> Settings:
    """With which what is done here is as good as done by the servers."""
    settings = Settings(database_url=SecretStr(stage.database), data_dir=stage.folder)
    return settings.model_copy(update={"secret_key": SecretStr((stage.folder / "secret-key").read_text().strip())})
