"""`parley sharing`: whether and how a document is shared, as the hub would share it."""

import io
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

import migrations
from schema.build import schema
from server import demo, sharing
from server.cli import app
from server.embedded.postgres import EmbeddedPostgres
from server.graphql.asked import Asked
from server.settings import Settings, SettingsError
from tests.live.test_sharing import DOCUMENTS, OF_EACH, every_event, subscription


@pytest.fixture(scope="module")
def settings(postgres: EmbeddedPostgres) -> Iterator[Settings]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shared")
        settings = Settings(
            database_url=postgres.url_of("shared"), data_dir=Path("/nonexistent"), secret_key=SecretStr("x" * 32)
        )
        migrations.upgrade(settings.database_address)
        demo.main(settings, None, io.StringIO())
        yield settings
        connection.execute("DROP DATABASE shared WITH (FORCE)")


def judge(settings: Settings, query: str, **variables: object) -> tuple[int, str]:
    out = io.StringIO()
    status = sharing.main(settings, Asked(query, None, variables, {}), out)
    return status, out.getvalue()


def test_what_all_see_alike_is_executed_once(settings: Settings) -> None:
    status, said = judge(settings, subscription(DOCUMENTS["the message"][1]))
    assert status == 0
    assert "MessageAdded: 1 execution for 4 viewers" in said
    assert "looks at" not in said
    assert said.endswith("shared\n")
    assert "NOT SHARED" not in said


def test_classes_are_told_by_what_they_differ_in(settings: Settings) -> None:
    _, said = judge(settings, subscription("message { viewerCanEdit author { email } } room { unreadCount }"))
    assert f"looks at {sharing.LOOKED_AT['kind']}" in said
    assert f"looks at {sharing.LOOKED_AT['is']}" in said
    assert f"looks at {sharing.LOOKED_AT['unread']}" in said
    assert f"looks at {sharing.LOOKED_AT['muted']}" not in said


@pytest.mark.parametrize("stream", ["viewerEvents", "roomEvents(roomId: $room)"])
def test_whatever_an_event_has_is_shared_but_for_lists_of_each_viewers_own(settings: Settings, stream: str) -> None:
    room = "$room: ID!, " if "$room" in stream else ""
    status, said = judge(
        settings, f"subscription ({room}$first: Int) {{ {stream} {{ {every_event(OF_EACH)} }} }}", first=2
    )
    assert status == 0
    for told in ("MessageAdded", "MessageUpdated", "MessageDeleted", "RoomUpdated", "RoomRead", "ReadReceiptUpdated"):
        assert f"{told}: " in said
    assert ("RoomJoined: 1 execution for 1 viewers" in said) == (stream == "viewerEvents")
    assert "RoomLeft: 1 execution for 1 viewers" in said
    # Everything that is looked at is told in words.
    lines = {line.removeprefix("  looks at ") for line in said.splitlines() if line.startswith("  looks at ")}
    assert lines <= set(sharing.LOOKED_AT.values())


def test_what_is_executed_for_each_alone_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No field of today's schema does that: this one is made to."""
    told = schema._schema.type_map["User"].fields["avatarUrl"]  # type: ignore[union-attr]
    monkeypatch.setattr(told, "resolve", lambda _, info: str(info.context.viewer.user_id))
    status, said = judge(settings, subscription("message { author { avatarUrl } }"))
    assert status == 1
    assert "MessageAdded: 4 executions for 4 viewers\n  looks at who the viewer is: nobody shares it\n" in said
    assert said.endswith("NOT SHARED: somebody's results are theirs alone\n")


def test_what_does_not_subscribe_or_is_invalid_is_said(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="does not subscribe"):
        judge(settings, "{ viewer { id } }")
    with pytest.raises(SettingsError, match="nope"):
        judge(settings, "subscription { viewerEvents { nope } }")


def test_without_anybody_to_try_it_with_that_is_said(postgres: EmbeddedPostgres, template: str) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE nobody")
        settings = Settings(database_url=postgres.url_of("nobody"), data_dir=Path("/nonexistent"))
        migrations.upgrade(settings.database_address)
        with pytest.raises(SettingsError, match="parley demo"):
            judge(settings, subscription("message { id }"))
        connection.execute("DROP DATABASE nobody WITH (FORCE)")


def test_the_command_reads_a_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "live.graphql"
    document.write_text(subscription("message { id } room { unreadCount }"))
    monkeypatch.setenv("PARLEY_DATABASE_URL", settings.database_address)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(app, ["sharing", str(document)])
    assert done.exit_code == 0, done.output
    assert "MessageAdded: " in done.output
    bad = CliRunner().invoke(app, ["sharing", str(document), "--variables", "[1"])
    assert isinstance(bad.exception, SettingsError)
