"""The audit log: nobody rewrites it, it holds no secret, and it is read page by page."""

import asyncio
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import psycopg
import pytest

from models.audit import Action, Actor
from models.ids import new_id
from models.link import LinkPurpose
from resolvers import audit, link
from resolvers.account import activate_user, deactivate_user
from resolvers.audit import Wanted
from resolvers.errors import Unauthenticated
from resolvers.identity import recognise
from resolvers.issuer import Given, put_issuer, remove_issuer
from resolvers.operation import Transaction, operate
from resolvers.origin import Origin
from resolvers.process import Process
from resolvers.workspace import create_workspace, set_urls
from schema.node_id import NodeKind, node_id
from server.commands.audit import Asked, main, shown
from server.embedded.postgres import EmbeddedPostgres
from server.engine import ParleyEngine
from server.explain import judged
from server.explain.hot import audit_log
from server.graphql.execution import Execution
from server.http.app import build_app
from server.settings import Settings, SettingsError
from tests.cast import NORTHWIND, PASSWORD, Person, link_of
from tests.conftest import ORIGIN, make_pool, make_process
from tests.identity.oidc import AUDIENCE, new_key, pem_of
from tests.ledger import key
from tests.races import viewer_of

RESOLVERS = Path(__file__).parent.parent / "resolvers"
PAGE = (Path(__file__).parent.parent / "docs" / "audit.md").read_text()
BROWSER = Origin("203.0.113.9", "A browser")
DRIVES = "\x1b[2J\u202egnp.exe\u2066\x07\r\n\x9b31m\\"


@pytest.fixture
async def people(people: dict[str, Person], database_url: str) -> dict[str, Person]:
    """The cast, whose signing in stands in the log no more: the owner of the table takes the triggers off."""
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM audit")
        for trigger in ("audit_refuses_changes", "audit_refuses_truncation"):
            connection.execute(f"ALTER TABLE audit ENABLE ALWAYS TRIGGER {trigger}".encode())
    return people


async def note(
    process: Process,
    person: Person,
    action: Action = Action.ROOM_CREATED,
    *,
    origin: Origin = BROWSER,
    **about: Any,
) -> None:
    """An entry of somebody's."""

    async def write(transaction: Transaction) -> None:
        transaction.audit(action, actor_id=person.user_id, **about)

    await operate(process, person.workspace_id, write, origin)
    # Ids of one millisecond are in no order, unless one transaction made them.
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        await asyncio.sleep(0)


async def read(process: Process, person: Person, *, limit: int = 1000, **wanted: Any) -> list[Any]:
    async with process.pool.connection() as connection:
        found = audit.entries(connection, person.workspace_id, Wanted(**wanted), limit=limit)
        return [entry async for entry in found]


class TestNobodyRewritesIt:
    @pytest.mark.parametrize("role", ["origin", "replica"])
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit SET actor_id = NULL",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "TRUNCATE workspace CASCADE",
            "INSERT INTO audit SELECT * FROM audit ON CONFLICT (workspace_id, id) DO UPDATE SET action = 'NOTHING'",
        ],
    )
    async def test_not_even_as_a_superuser_who_switches_triggers_off(
        self, process: Process, database_url: str, ada: Person, role: str, statement: str
    ) -> None:
        await note(process, ada)
        before = await read(process, ada)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"SET session_replication_role = {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only added to"):
                connection.execute(statement.encode())
        assert await read(process, ada) == before
        assert len(before) == 1


def recipe() -> list[str]:
    """The documented statements, in their order."""
    return re.findall(r"^```sql\n(.*?)^```", PAGE, re.S | re.M)


@pytest.fixture
def apart(postgres: EmbeddedPostgres, database_url: str) -> Iterator[str]:
    """The database's address for the application's own role, which the documentation makes."""
    make, grant = recipe()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(make.encode())
        connection.execute(grant.encode())
        yield psycopg.conninfo.make_conninfo(database_url, user="parley_app")
        connection.execute("DROP OWNED BY parley_app")
        connection.execute("DROP ROLE parley_app")


@asynccontextmanager
async def api(url: str) -> AsyncIterator[tuple[Process, httpx.AsyncClient]]:
    async def ready() -> None: ...

    async with make_pool(url) as pool:
        process = make_process(pool)
        app = build_app(Execution(ParleyEngine(process)), allowed_origins=[ORIGIN], ready=ready)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
            yield process, client


class TestUnderARoleOfItsOwn:
    async def test_the_application_does_all_that_it_does(
        self, apart: str, process: Process, ada: Person, ben: Person, cleo: Person
    ) -> None:
        async with api(apart) as (own, client):
            for person in (ada, ben, cleo):
                person.client = client
            await use(own, ada, ben, cleo)
        found = {entry.action for entry in await read(process, ada)}
        assert {"USER_DEACTIVATED", "USER_ACTIVATED", "SIGN_IN_ENDED"} <= found

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit SET action = 'NOTHING'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "DROP TABLE audit",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "ALTER TABLE audit OWNER TO parley_app",
            "DROP TRIGGER audit_refuses_changes ON audit",
            "CREATE OR REPLACE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "SET session_replication_role = replica",
            "DELETE FROM alembic_version",
        ],
    )
    async def test_it_can_do_nothing_about_the_log(
        self, apart: str, process: Process, ada: Person, statement: str
    ) -> None:
        await note(process, ada)
        before = await read(process, ada)
        with psycopg.connect(apart, autocommit=True) as connection:
            connection.execute("SELECT count(*) FROM audit")
            # Not by the triggers, which are only the second wall here.
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"permission denied|must be owner"):
                connection.execute(statement.encode())
        assert await read(process, ada) == before

    async def test_it_gives_itself_no_right(self, apart: str) -> None:
        with psycopg.connect(apart, autocommit=True) as connection:
            # PostgreSQL warns, and grants nothing.
            connection.execute("GRANT DELETE ON audit TO parley_app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                connection.execute("DELETE FROM audit")


SECRETS = ["parley-test", "Lake house", "Lake villa", "Secret words", "Other words", "Lake portal", "Hill portal"]
SECRETS += ["Ada", "Ben", "Benjamin", "Cleo", "Nora", "Otto", "Pia", "firm.test", "client.test"]


async def use(process: Process, ada: Person, ben: Person, cleo: Person) -> list[str]:
    """Everything that can be done, with words that the log must not have; and the tokens that came of it."""
    return [
        *await come_and_go(process, ada, ben, cleo),
        *await follow_links(process, ada, ben),
        *await administer(process, ada, ben, cleo),
        *await come_by_an_issuer(process, ada),
        *await make_a_firm(process),
    ]


async def make_a_firm(process: Process) -> list[str]:
    lake = await create_workspace(process, "Lake villa", "lake-villa")
    changed: dict[str, str | None] = {"invitation_url": "https://lake.test/invitation#{token}"}
    await operate(process, lake, lambda transaction: set_urls(transaction, changed))
    return []


async def come_by_an_issuer(process: Process, ada: Person) -> list[str]:
    """By tokens of an issuer: who joins an account, who is new, and who may not join."""
    signing, name = new_key("ES256"), "https://issuer.test"
    for audience in ("another", AUDIENCE):
        await put_issuer(process, ada.workspace_id, Given(name, audience, public_key=pem_of(signing)))
    claims = {"iss": name, "aud": AUDIENCE, "exp": int(time.time()) + 300, "name": "Secret words"}
    joins = {"sub": "subject one", "email": ada.member.email, "email_verified": True}
    taken = {"email": ada.member.email}
    tokens = [
        jwt.encode({**claims, **whom}, signing, algorithm="ES256")
        for whom in (joins, {"sub": "subject new", "email": "Ada@new.test"}, {"sub": "subject two", **taken})
    ]
    for token in tokens[:2]:
        await recognise(process, token)
    with pytest.raises(Unauthenticated):
        await recognise(process, tokens[2])
    await remove_issuer(process, ada.workspace_id, name)
    return [*tokens, "subject one", "subject new", "subject two"]


async def follow_links(process: Process, ada: Person, ben: Person) -> list[str]:
    """Invitations, links, passwords and profiles."""
    portal = (await ada.done("createPortal", {"name": "Lake portal"}, "portal { id }"))["portal"]["id"]
    await ada.done("renamePortal", {"portalId": portal, "name": "Hill portal"})
    clients = {}
    for name in ("Nora", "Otto"):
        invited = {"portalId": portal, "email": f"{name}@client.test", "name": name}
        clients[name] = (await ada.done("inviteClient", invited, "user { id }"))["user"]["id"]
    await ada.done("inviteTeammate", {"email": "pia@firm.test", "name": "Pia"})
    await ada.done("cancelInvitation", {"userId": clients["Otto"]})
    tokens = [
        await link_of(process, ada.workspace_id, user_id, purpose)
        for user_id, purpose in (
            (key(clients["Nora"]), LinkPurpose.INVITATION),
            (ben.user_id, LinkPurpose.SIGN_IN),
            (ben.user_id, LinkPurpose.RESET),
        )
    ]
    select = "session { accessToken refreshToken }"
    given = {"acceptInvitation": {"password": "Secret words 1"}, "resetPassword": {"password": "Secret words 2"}}
    for mutation, token in zip(("acceptInvitation", "signInWithToken", "resetPassword"), tuple(tokens), strict=True):
        done = await ben.done(mutation, {"token": token, **given.get(mutation, {})}, select)
        tokens += done["session"].values()
    ben.token = tokens[-2]
    await ben.done("changePassword", {"currentPassword": "Secret words 2", "newPassword": "Secret words 3"})
    await ben.done("updateProfile", {"name": "Benjamin"})
    await ada.done("removeClientFromPortal", {"portalId": portal, "userId": clients["Nora"]})
    room = await ada.make_room(name="Lake house")
    await ada.done("linkRoomToPortal", {"roomId": room, "portalId": portal})
    for mutation in ("requestSignInLink", "requestPasswordReset"):
        await ben.done(mutation, {"email": ada.member.email})
    async with process.pool.connection() as connection:
        cursor = await connection.execute("SELECT id FROM link_request")
        requests = [request_id for (request_id,) in await cursor.fetchall()]
    for request_id in requests:
        await link.answer_request(process, request_id)
    return tokens


async def administer(process: Process, ada: Person, ben: Person, cleo: Person) -> list[str]:
    """Rooms and accounts."""
    room = await ada.make_room(ben, cleo, name="Lake house", idempotencyKey="Secret words")
    await ada.done("renameRoom", {"roomId": room, "name": "Lake villa"})
    sent = await cleo.send(room, "Secret words")
    await cleo.done("editMessage", {"messageId": sent["id"], "body": "Other words"})
    await ada.done("markRoomRead", {"roomId": room, "upToMessageId": sent["id"]})
    await cleo.done("deleteMessage", {"messageId": sent["id"]})
    await cleo.done("setRoomMuted", {"roomId": room, "muted": True})
    await cleo.done("setEmailNotifications", {"enabled": False})
    await ada.done("removeParticipant", {"roomId": room, "userId": cleo.id})
    await ada.done("addParticipants", {"roomId": room, "userIds": [cleo.id]})
    await cleo.done("leaveRoom", {"roomId": room})
    await ada.done("archiveRoom", {"roomId": room})
    await ada.done("unarchiveRoom", {"roomId": room})
    await ada.done("deactivateUser", {"userId": cleo.id})
    await ada.done("activateUser", {"userId": cleo.id})
    await ben.do("signOut")
    return []


async def come_and_go(process: Process, ada: Person, ben: Person, cleo: Person) -> list[str]:
    """Sign-ins, with one whose refresh token is replayed."""
    tokens = []
    select = "session { accessToken refreshToken }"
    for person in (ada, ben, cleo):
        person.token = None
        credentials = {"email": person.member.email, "password": PASSWORD}
        await person.refused("signIn", {**credentials, "password": "Secret words"})
        given = (await person.done("signIn", credentials, select))["session"]
        tokens += given.values()
        given = (await person.done("refreshSession", {"refreshToken": given["refreshToken"]}, select))["session"]
        tokens += given.values()
        person.token = given["accessToken"]
    select_sign_in = "session { refreshToken } viewer { id }"
    credentials = {"email": ada.member.email, "password": PASSWORD}
    first = (await ada.done("signIn", credentials, select_sign_in))["session"]["refreshToken"]
    tokens.append(first)
    for _ in range(2):
        await ada.do("refreshSession", {"refreshToken": first})
        async with process.pool.connection() as connection:
            await connection.execute("UPDATE session SET refreshed_at = refreshed_at - interval '1 minute'")
    return tokens


async def test_no_entry_holds_a_secret_a_name_or_a_text(
    process: Process, ada: Person, ben: Person, cleo: Person
) -> None:
    tokens = await use(process, ada, ben, cleo)
    async with process.pool.connection() as connection:
        cursor = await connection.execute("SELECT row_to_json(audit)::text FROM audit")
        written = [str(entry) for (entry,) in await cursor.fetchall()]
        cursor = await connection.execute(
            "SELECT password_hash FROM \"user\" UNION SELECT encode(refresh_hash, 'hex') FROM session"
        )
        hashes = [value for (value,) in await cursor.fetchall() if value]
    # Whoever records something new does it above, too.
    named = {action for path in RESOLVERS.glob("*.py") for action in re.findall(r"Action\.([A-Z_]+)", path.read_text())}
    assert {json.loads(entry)["action"] for entry in written} == named
    kept = "\n".join(written)
    # Whole words: ids are hexadecimal, and so hold "ada" now and then.
    found = [word for word in [*SECRETS, *tokens, *hashes] if re.search(rf"\b{re.escape(word)}\b", kept, re.I)]
    assert found == []
    # The parts of tokens, too: signatures and random ends.
    parts = {part for token in tokens for part in re.split(r"[._]", token) if len(part) > 12}
    assert [part for part in parts if part in kept] == []


class TestReading:
    async def test_newest_first_page_by_page(
        self, process: Process, ada: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit, "PAGE", 3)

        async def write(transaction: Transaction) -> None:
            for number in range(10):
                transaction.audit(Action.ROOM_CREATED, actor_id=ada.user_id, number=number)

        # All within one transaction, and perhaps within a millisecond.
        await operate(process, ada.workspace_id, write)
        found = await read(process, ada)
        assert [entry.details["number"] for entry in found] == list(reversed(range(10)))
        assert [entry.id for entry in await read(process, ada, limit=4)] == [entry.id for entry in found[:4]]
        behind = await read(process, ada, before=found[4].id, limit=2)
        assert behind == found[5:7]

    async def test_by_time_action_person_and_room(
        self, process: Process, ada: Person, ben: Person, cleo: Person, zoe: Person
    ) -> None:
        rooms = new_id(), new_id()
        await note(process, ada, Action.ROOM_CREATED, room_id=rooms[0])
        await note(process, ben, Action.ROOM_CREATED, room_id=rooms[1])
        await note(process, ben, Action.PARTICIPANT_ADDED, room_id=rooms[1], user_id=cleo.user_id)
        await note(process, cleo, Action.PARTICIPANT_LEFT, room_id=rooms[1], user_id=cleo.user_id)
        await note(process, zoe, Action.ROOM_CREATED, room_id=rooms[0])
        newest = [entry.action for entry in await read(process, ada)]
        assert newest == ["PARTICIPANT_LEFT", "PARTICIPANT_ADDED", "ROOM_CREATED", "ROOM_CREATED"]
        assert len(await read(process, ada, action="ROOM_CREATED")) == 2
        assert len(await read(process, ada, user_id=cleo.user_id)) == 2
        assert len(await read(process, ada, user_id=ben.user_id)) == 2
        assert len(await read(process, ada, room_id=rooms[0])) == 1
        entries = await read(process, ada)
        second = entries[2].occurred_at
        assert await read(process, ada, since=second) == entries[:3]
        assert await read(process, ada, until=second) == entries[3:]
        assert await read(process, ada, since=second, until=second) == []
        far = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
        assert await read(process, ada, since=far[0], until=far[1]) == entries
        assert await read(process, ada, until=far[0]) == []
        assert await read(process, ada, since=far[1]) == []

    async def test_clocks_that_differ_a_little_hide_nothing(self, process: Process, ada: Person) -> None:
        """The id is of a process whose clock is hours behind the database's."""
        moment = datetime.now(UTC)
        early = UUID(int=int((moment - timedelta(hours=20)).timestamp() * 1000) << 80)
        async with process.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO audit (workspace_id, id, occurred_at, action, by, details)"
                " VALUES (%s, %s, %s, 'ROOM_CREATED', 'SYSTEM', '{}')",
                [ada.workspace_id, early, moment],
            )
        assert len(await read(process, ada, since=moment)) == 1

    async def test_tells_whom_it_names_by_their_addresses(self, process: Process, ada: Person, cleo: Person) -> None:
        await note(process, ada, Action.USER_UPDATED, user_id=cleo.user_id)
        (entry,) = await read(process, ada)
        assert (entry.actor_email, entry.user_email) == (ada.member.email, cleo.member.email)
        assert (entry.address, entry.user_agent) == ("203.0.113.9", "A browser")

    def test_a_page_comes_from_the_primary_key_however_large_the_log_is(self, database_url: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            row = connection.execute("SELECT workspace_id, id FROM \"user\" WHERE email = 'ada@firm.test'").fetchone()
            assert row is not None
            workspace_id, user_id = row
            connection.execute(
                "INSERT INTO audit (workspace_id, id, action, actor_id, by, user_id, details)"
                " SELECT %s, gen_random_uuid(), 'ROOM_CREATED', %s, 'USER', %s, '{}' FROM generate_series(1, 30000)",
                [workspace_id, user_id, user_id],
            )
            connection.execute("VACUUM ANALYZE audit")
            middle = UUID(int=2**127)
            for hot in audit_log(workspace_id, middle):
                verdict = judged(connection, hot)
                assert verdict.faults == [], verdict.text
                assert "audit_pkey" in verdict.text


class TestTheCommand:
    @pytest.fixture
    def settings(self, database_url: str, tmp_path: Path) -> Settings:
        return Settings(database_url=database_url, data_dir=tmp_path)

    async def lines(self, settings: Settings, asked: Asked, *, as_json: bool = False) -> list[str]:
        out = io.StringIO()
        await asyncio.to_thread(main, settings, asked, as_json=as_json, out=out)
        return out.getvalue().splitlines()

    async def test_shows_a_table(self, settings: Settings, process: Process, ada: Person, cleo: Person) -> None:
        await note(process, ada, Action.USER_DEACTIVATED, user_id=cleo.user_id, after="DEACTIVATED")
        heading, line = await self.lines(settings, Asked(NORTHWIND))
        assert heading.split() == ["WHEN", "(UTC)", "ACTION", "WHO", "ABOUT", "FROM", "DETAILS"]
        assert re.sub(r"\s{2,}", "|", line).split("|")[1:] == [
            "USER_DEACTIVATED",
            "ada@firm.test",
            "cleo@client.test",
            "203.0.113.9 A browser",
            "after=DEACTIVATED",
        ]

    async def test_gives_json_a_line_for_each(self, settings: Settings, process: Process, ada: Person) -> None:
        for number in range(3):
            await note(process, ada, number=number)
        found = [json.loads(line) for line in await self.lines(settings, Asked(NORTHWIND, limit=2), as_json=True)]
        assert [entry["details"] for entry in found] == [{"number": 2}, {"number": 1}]
        assert found[0]["actor_id"] == str(ada.user_id)
        assert datetime.fromisoformat(found[0]["occurred_at"]).tzinfo is not None
        behind = await self.lines(settings, Asked(NORTHWIND, before=found[1]["id"]), as_json=True)
        assert [json.loads(line)["details"] for line in behind] == [{"number": 0}]

    async def test_takes_ids_and_addresses_however_they_are_written(
        self, settings: Settings, process: Process, ada: Person, ben: Person
    ) -> None:
        room_id = new_id()
        room = node_id(NodeKind.ROOM, room_id)
        await note(process, ada, room_id=room_id)
        await note(process, ben)
        for user in (ada.id, str(ada.user_id), "ada@firm.test", "ADA@firm.test"):
            assert len(await self.lines(settings, Asked(NORTHWIND, user=user), as_json=True)) == 1
        for given in (room, str(room_id)):
            assert len(await self.lines(settings, Asked(NORTHWIND, room=given), as_json=True)) == 1
        assert len(await self.lines(settings, Asked(NORTHWIND, action="room_created"), as_json=True)) == 2
        assert await self.lines(settings, Asked(NORTHWIND, since="2999-01-01"), as_json=True) == []
        assert await self.lines(settings, Asked(NORTHWIND, until="2000-01-01T09:30+02:00"), as_json=True) == []

    @pytest.mark.parametrize("as_json", [True, False])
    async def test_shows_nothing_that_drives_a_terminal(
        self, settings: Settings, process: Process, ada: Person, as_json: bool
    ) -> None:
        await note(process, ada, origin=Origin("203.0.113.9", DRIVES), told=DRIVES)
        lines = await self.lines(settings, Asked(NORTHWIND), as_json=as_json)
        assert len(lines) == (1 if as_json else 2)
        assert all(character.isprintable() for line in lines for character in line)
        if as_json:
            assert json.loads(lines[0])["user_agent"] == DRIVES
        else:
            assert r"\u{001b}[2J\u{202e}gnp.exe\u{2066}\u{0007}\u{000d}\u{000a}\u{009b}31m\\" in lines[1]

    def test_what_is_simply_shown_stays(self) -> None:
        assert shown("Zoë Ångström, 山田 – é") == "Zoë Ångström, 山田 – é"

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            (Asked("nowhere"), "there is no workspace nowhere"),
            (Asked("a\x1b[2J"), r"there is no workspace a\\u{001b}\[2J"),
            (Asked(NORTHWIND, since="yesterday"), "--since: yesterday is no date or time"),
            (Asked(NORTHWIND, until="2026-13-01"), "--until: 2026-13-01 is no date or time"),
            (Asked(NORTHWIND, action="USER_EATEN"), "--action: USER_EATEN is none; there are .*USER_DEACTIVATED"),
            (Asked(NORTHWIND, user="zoe@firm.test"), "--user: nobody in northwind has the address zoe@firm.test"),
            (Asked(NORTHWIND, user="ada"), "--user: ada is no id"),
            (Asked(NORTHWIND, room=node_id(NodeKind.USER, UUID(int=1))), "--room: .* is no id"),
            (Asked(NORTHWIND, before="x"), "--before: x is no id"),
        ],
    )
    def test_says_what_can_not_be_read(self, settings: Settings, asked: Asked, says: str) -> None:
        with pytest.raises(SettingsError, match=says):
            main(settings, asked, as_json=True, out=io.StringIO())

    async def test_runs_as_typed(self, database_url: str, process: Process, ada: Person) -> None:
        await note(process, ada)
        given = [sys.executable, "-m", "server.cli", "audit"]
        environment = {"PARLEY_DATABASE_URL": database_url}

        def typed(*more: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([*given, *more], env=environment, capture_output=True, text=True, timeout=60)

        done = await asyncio.to_thread(typed, "--workspace", NORTHWIND, "--json", "--limit", "1")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["action"] == "ROOM_CREATED"
        done = await asyncio.to_thread(typed, "--workspace", "nowhere")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "parley: there is no workspace nowhere\n"


async def test_an_entry_says_from_where(process: Process, ada: Person, cleo: Person) -> None:
    viewer = await viewer_of(process, ada)
    here = Origin("2001:db8::1", "An app")
    for operation in (deactivate_user, activate_user):
        await operate(
            process,
            ada.workspace_id,
            lambda transaction, operation=operation: operation(transaction, viewer, cleo.user_id),  # type: ignore[misc]
            here,
        )
    entries = await read(process, ada)
    assert [entry.action for entry in entries] == ["USER_ACTIVATED", "SIGN_IN_ENDED", "USER_DEACTIVATED"]
    assert {(entry.address, entry.user_agent, entry.by) for entry in entries} == {("2001:db8::1", "An app", Actor.USER)}


def test_every_action_is_documented() -> None:
    assert {action.value for action in Action if f"`{action}`" not in PAGE} == set()
    assert {actor.value for actor in Actor if f"`{actor}`" not in PAGE} == set()
