"""The demo's data: what the rules would have left behind, made once."""

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import psycopg
import pytest

import migrations
from models.user import UserKind
from resolvers.process import Pool
from server import demo
from server.demo import large, northwind
from server.demo.chronicle import TABLES
from server.embedded.postgres import EmbeddedPostgres
from server.settings import Settings, SettingsError
from tests.cast import Member, Person
from tests.conftest import make_pool

PEOPLE = ["ada@firm.test", "ben@firm.test", "cleo@client.test", "dan@client.test"]


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database with its tables and nobody in it."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE demo")
        migrations.upgrade(postgres.url_of("demo"))
        yield postgres.url_of("demo")
        connection.execute("DROP DATABASE demo WITH (FORCE)")


@pytest.fixture
def settings(empty_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=empty_url, data_dir=tmp_path)


@pytest.fixture
async def pool(empty_url: str) -> AsyncIterator[Pool]:
    async with make_pool(empty_url) as opened:
        yield opened


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database_address) as connection:
        return connection.execute(query.encode()).fetchall()


def everything(settings: Settings) -> list[tuple[Any, ...]]:
    tables = TABLES
    return rows(settings, " UNION ALL ".join(f"SELECT '{each}', t::text FROM \"{each}\" t" for each in tables))


def test_a_second_time_changes_nothing_and_is_quick(settings: Settings) -> None:
    demo.main(settings)
    first = everything(settings)
    began = monotonic()
    demo.main(settings)
    assert monotonic() - began < 1
    assert sorted(everything(settings)) == sorted(first)


CLIENTS = """
SELECT portal.name, email FROM portal JOIN portal_client c ON c.portal_id = portal.id JOIN "user" u ON u.id = c.user_id
"""
LINKED = "SELECT portal.name, room.name FROM portal JOIN room ON portal_id = portal.id"


def test_each_of_its_clients_has_a_portal_with_rooms(settings: Settings) -> None:
    demo.main(settings)
    assert sorted(rows(settings, CLIENTS)) == [
        ("Harbor Bakery", "dan@client.test"),
        ("Marchetti Family", "cleo@client.test"),
    ]
    assert sorted(rows(settings, LINKED)) == [
        ("Harbor Bakery", "Shop front"),
        ("Marchetti Family", "Garden house"),
        ("Marchetti Family", "Survey of the plot"),
    ]


def test_a_firm_that_was_told_before_there_were_portals_is_given_them_once(settings: Settings) -> None:
    demo.main(settings)
    told = sorted(rows(settings, CLIENTS)), sorted(rows(settings, LINKED))
    with psycopg.connect(settings.database_address) as connection:
        connection.execute("UPDATE room SET portal_id = NULL")
        connection.execute("DELETE FROM portal_client")
        connection.execute("DELETE FROM portal")
    before = rows(settings, "SELECT max(position) FROM event GROUP BY workspace_id ORDER BY 1")
    demo.main(settings)
    assert (sorted(rows(settings, CLIENTS)), sorted(rows(settings, LINKED))) == told
    # Whoever looks on learns of it.
    after = rows(settings, "SELECT max(position) FROM event GROUP BY workspace_id ORDER BY 1")
    assert [now - then for (now,), (then,) in zip(after, before, strict=True)] == [0, 3]
    assert {law: rows(settings, broken) for law, broken in LAWS.items()} == {law: [] for law in LAWS}
    first = everything(settings)
    demo.main(settings)
    assert sorted(everything(settings)) == sorted(first)


def test_a_crash_half_way_leaves_no_half_workspace(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("server.demo.other_office.tell", crash)
        with pytest.raises(KeyboardInterrupt):
            demo.main(settings)
    assert rows(settings, "SELECT slug FROM workspace") == [(demo.NORTHWIND,)]
    demo.main(settings)
    assert len(rows(settings, "SELECT 1 FROM workspace")) == 2


def test_it_is_refused_in_production(empty_url: str) -> None:
    settings = Settings(
        environment="production", database_url=empty_url, valkey_url="redis://localhost", secret_key="x" * 32
    )
    with pytest.raises(SettingsError):
        demo.main(settings)


# What holds of every workspace, whoever filled it.
LAWS = {
    "sequences have no gaps": "SELECT room_id FROM message GROUP BY room_id HAVING max(sequence) <> count(*)",
    "time does not contradict sequence": (
        "SELECT 1 FROM (SELECT created_at, lag(created_at) OVER (PARTITION BY room_id ORDER BY sequence) AS before "
        "FROM message) m WHERE created_at < before"
    ),
    "positions have no gaps": "SELECT workspace_id FROM event GROUP BY 1 HAVING max(position) <> count(*)",
    "the line is in the order of time": (
        "SELECT 1 FROM (SELECT occurred_at, lag(occurred_at) OVER (PARTITION BY workspace_id ORDER BY position) AS "
        "before FROM event) e WHERE occurred_at < before"
    ),
    "nothing lies in the future": "SELECT 1 FROM event WHERE occurred_at > clock_timestamp()",
    "a workspace's making is its first event": (
        "SELECT 1 FROM event WHERE (position = 1) <> (kind = 'WORKSPACE_CREATED')"
    ),
    "each message has its event, at its time": (
        "SELECT 1 FROM message m FULL JOIN (SELECT * FROM event WHERE kind = 'MESSAGE_ADDED') e ON e.workspace_id = "
        "m.workspace_id AND e.room_id = m.room_id AND e.sequence = m.sequence WHERE e.occurred_at IS DISTINCT FROM "
        "m.created_at OR e.user_id IS DISTINCT FROM m.author_id"
    ),
    "so has each change": (
        "SELECT count(edited_at), count(deleted_at) FROM message EXCEPT SELECT count(*) FILTER (WHERE kind = "
        "'MESSAGE_UPDATED'), count(*) FILTER (WHERE kind = 'MESSAGE_DELETED') FROM event"
    ),
    "and each room, participant and user": (
        'SELECT (SELECT count(*) FROM room), (SELECT count(*) FROM participant), (SELECT count(*) FROM "user") EXCEPT '
        "SELECT count(*) FILTER (WHERE kind = 'ROOM_CREATED'), count(*) FILTER (WHERE kind = 'PARTICIPANT_ADDED'), "
        "count(*) FILTER (WHERE kind = 'USER_CREATED') FROM event"
    ),
    "the creator is in the room, by nobody": (
        "SELECT 1 FROM room r LEFT JOIN participant p ON p.room_id = r.id AND p.user_id = r.created_by "
        "WHERE p.id IS NULL OR p.added_by IS NOT NULL"
    ),
    "authors are in the room": (
        "SELECT 1 FROM message m WHERE NOT EXISTS (SELECT FROM participant p WHERE p.room_id = m.room_id AND "
        "p.user_id = m.author_id AND p.added_at <= m.created_at)"
    ),
    "marks move forward, and stand at a message": (
        "SELECT 1 FROM (SELECT *, lag(read_at) OVER (PARTITION BY room_id, user_id ORDER BY sequence) AS before FROM "
        "read_mark) r LEFT JOIN message m USING (room_id, sequence) WHERE read_at < before OR m.id IS NULL OR "
        "m.created_at > read_at"
    ),
    "an archived room took no messages since": (
        "SELECT 1 FROM room r JOIN message m ON m.room_id = r.id WHERE m.created_at > r.archived_at"
    ),
    "a deleted message is wiped": "SELECT 1 FROM message WHERE deleted_at IS NOT NULL AND body IS NOT NULL",
    "each workspace has its line": "SELECT id FROM workspace EXCEPT SELECT workspace_id FROM line",
}


def test_the_laws_hold(settings: Settings) -> None:
    demo.main(settings, messages=2000, out=io.StringIO())
    assert {law: rows(settings, broken) for law, broken in LAWS.items()} == {law: [] for law in LAWS}


def test_every_part_of_the_product_has_something_to_show(settings: Settings) -> None:
    demo.main(settings)
    ((replies, edited, deleted),) = rows(
        settings, "SELECT count(in_reply_to), count(edited_at), count(deleted_at) FROM message"
    )
    assert replies > 5
    assert edited == deleted == 1
    assert rows(settings, "SELECT count(*) FROM room WHERE archived_at IS NOT NULL") == [(1,)]


@pytest.fixture
def told(settings: Settings) -> None:
    demo.main(settings)


@pytest.mark.usefixtures("told")
async def test_each_of_its_people_signs_in_and_has_something_unread(client: httpx.AsyncClient) -> None:
    for email in PEOPLE:
        person = await signed_in(client, email)
        seen = await person.ask("{ viewer { unreadMessageCount } rooms { nodes { name unreadCount } } }")
        assert seen["viewer"]["unreadMessageCount"] > 0, email
        assert len(seen["rooms"]["nodes"]) >= 2
    zoe = await signed_in(client, "zoe@other.test")
    assert (await zoe.ask("{ rooms { nodes { name } } }"))["rooms"]["nodes"] == [{"name": "Front desk"}]


async def signed_in(client: httpx.AsyncClient, email: str) -> Person:
    nobody: Any = None
    person = Person(Member(email, northwind.NAME, UserKind.INTERNAL), nobody, nobody, client)
    payload = await person.done("signIn", {"email": email, "password": demo.PASSWORD}, "session { accessToken }")
    person.token = payload["session"]["accessToken"]
    return person


@pytest.mark.usefixtures("told")
async def test_somebody_goes_on_where_the_story_ends(client: httpx.AsyncClient) -> None:
    ada = await signed_in(client, "ada@firm.test")
    room = (await ada.ask("{ rooms { nodes { id lastMessage { sequence } } } }"))["rooms"]["nodes"][0]
    sent = await ada.send(room["id"])
    assert sent["sequence"] == room["lastMessage"]["sequence"] + 1


def test_a_large_one_says_how_far_it_is_and_who_signs_in(settings: Settings) -> None:
    out = io.StringIO()
    demo.main(settings, messages=1000, out=out)
    assert "1,000 messages in " in out.getvalue()
    assert large.INTERNAL in out.getvalue()
    assert large.CLIENT in out.getvalue()
    ((messages,), *_) = rows(
        settings, "SELECT count(*) FROM message m JOIN workspace w ON w.id = m.workspace_id WHERE slug = 'large'"
    )
    assert messages == 1000


def test_a_large_one_that_is_there_stays_as_it_is(settings: Settings) -> None:
    demo.main(settings, messages=1000, out=io.StringIO())
    first = rows(settings, "SELECT count(*) FROM message")
    out = io.StringIO()
    demo.main(settings, messages=5000, out=out)
    assert "is there already" in out.getvalue()
    assert rows(settings, "SELECT count(*) FROM message") == first


def test_a_million_messages_have_the_people_and_rooms_that_were_asked_for() -> None:
    assert large.Size.of(1_000_000) == large.Size(messages=1_000_000, users=2000, rooms=1000)
