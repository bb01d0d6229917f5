"""The hot queries keep what they promise, and one that does not is told."""

import io
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

import migrations
from models.message import MessageRow, messages, of_room, of_workspace, shown
from models.statement import Statement, integer, text, uuid
from server import demo, explain
from server.embedded.postgres import EmbeddedPostgres
from server.explain import judged, verdicts
from server.explain.hot import Hot, here
from server.explain.plan import Promise
from server.explain.prepared import numbered
from server.explain.sample import Sample
from server.settings import Settings, SettingsError

MESSAGES = 20_000


@pytest.fixture(scope="session")
def filled(postgres: EmbeddedPostgres) -> Iterator[Settings]:
    """A database with a workspace that is large enough for the planner to mind."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled")
        settings = Settings(database_url=postgres.url_of("filled"), data_dir=Path("/nonexistent"))
        migrations.upgrade(settings.database_address)
        demo.main(settings, MESSAGES, io.StringIO())
        yield settings
        connection.execute("DROP DATABASE filled WITH (FORCE)")


@pytest.fixture
def connection(filled: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(filled.database_address) as opened:
        yield opened


@pytest.fixture
def sample(connection: psycopg.Connection) -> Sample:
    found = Sample.of_largest(connection)
    assert found is not None
    return found


def test_every_hot_query_keeps_what_it_promises(connection: psycopg.Connection, sample: Sample) -> None:
    bad = {
        verdict.hot.name: (verdict.faults, verdict.text) for verdict in verdicts(connection, sample) if verdict.faults
    }
    assert not bad, "\n".join(f"{name}: {faults}\n{plan}" for name, (faults, plan) in bad.items())


def test_nothing_is_left_behind(connection: psycopg.Connection, sample: Sample) -> None:
    count = "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM read_mark)"
    before = connection.execute(count).fetchone()
    list(verdicts(connection, sample))
    assert connection.execute(count).fetchone() == before


page = sa.select(*shown).where(of_room)
BAD = {
    "reads all of message": sa.select(*shown).where(messages.c.body == text("body")),
    "sorts": page.order_by(messages.c.body).limit(integer("limit")),
    "promised": page.where(messages.c.body == text("body")),
    "not from an index alone": page.order_by(messages.c.sequence).limit(integer("limit")),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_query_is_told(fault: str, connection: psycopg.Connection, sample: Sample) -> None:
    parameters = here(sample, room_id=sample.long, body="There is no such text.", limit=51)
    hot = Hot("bad", Statement(BAD[fault], MessageRow), parameters, Promise(51, index_only=("message",)))
    faults = judged(connection, hot).faults
    assert [told for told in faults if fault in told and "generic" not in told]
    assert [told for told in faults if fault in told and "generic" in told]


def test_a_generic_plan_is_judged_by_itself(connection: psycopg.Connection, sample: Sample) -> None:
    """A condition that falls away with its value makes a good plan with the values at hand, and none without."""
    room_or_all = (
        sa.select(*shown)
        .where(of_workspace, sa.or_(uuid("room_id").is_(None), messages.c.room_id == uuid("room_id")))
        .order_by(messages.c.sequence)
        .limit(integer("limit"))
    )
    hot = Hot("bad", Statement(room_or_all, MessageRow), here(sample, room_id=sample.long, limit=51), Promise(51))
    faults = judged(connection, hot).faults
    assert faults
    assert all("generic plan" in fault for fault in faults)


def test_it_prints_the_plans_and_its_status_is_good(filled: Settings) -> None:
    out = io.StringIO()
    assert explain.main(filled, out=out) == 0
    assert "Index Only Scan" in out.getvalue()
    assert "all answered well" in out.getvalue()


def test_without_plans_it_is_a_line_for_each(filled: Settings) -> None:
    out = io.StringIO()
    explain.main(filled, plans=False, out=out)
    assert "Scan" not in out.getvalue()


def test_an_empty_database_says_what_to_do(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="parley demo"):
        explain.main(Settings(database_url=database_url, data_dir=tmp_path))


def test_placeholders_are_numbered_by_their_names() -> None:
    assert numbered("a = %(a)s AND b = %(b)s AND c = %(a)s % %%") == ("a = $1 AND b = $2 AND c = $1 % %", ["a", "b"])
