"""Settings: defaults, faults that name their variable, secrets that stay secret, and the page that documents them."""

import os
import re
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.settings import Settings, SettingsError, load, origin_of, read, unknown_variables, variable
from server.worker import make_app

DOCUMENT = Path(__file__).parent.parent / "docs" / "settings.md"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k" * 32,
    "DATABASE_URL": "postgresql://parley:hunter2@db/parley",
    "VALKEY_URL": "rediss://:hunter2@valkey:6379",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PARLEY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def put(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PARLEY_{name}", value)


def test_nothing_has_to_be_set_in_development() -> None:
    settings = load()
    assert settings.public_address == "http://localhost:8000"
    assert settings.origins == ("http://localhost:8000", "http://127.0.0.1:8000")
    assert settings.data_folder == Path.cwd() / ".parley"
    assert "host=" in settings.database_address
    assert settings.valkey_address.startswith("unix:///")
    assert settings.broker_address == settings.valkey_address.replace("unix://", "redis+socket://")
    assert settings.smtp_address == "smtp://127.0.0.1:1025"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PORT="", DATABASE_URL="", ALLOWED_ORIGINS="")
    assert read() == Settings()


def test_the_secret_is_made_once_and_kept_for_its_owner_only() -> None:
    first = load()
    kept = first.data_folder / "secret-key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.data_folder.stat().st_mode) == 0o700
    assert load().secret == first.secret
    assert len(first.secret) >= 32


def test_a_secret_that_others_could_read_is_closed_again() -> None:
    kept = load().data_folder / "secret-key"
    kept.chmod(0o644)
    load()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_the_secret() -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: load().secret, range(32)))
    assert len(secrets) == 1
    assert [path.name for path in (Path.cwd() / ".parley").iterdir()] == ["secret-key"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "VALKEY_URL"])
def test_production_refuses_to_make_things_up(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    put(monkeypatch, **{other: value for other, value in PRODUCTION.items() if other != name})
    with pytest.raises(SettingsError, match=f"^PARLEY_{name} must be set in production$"):
        load()
    assert not (Path.cwd() / ".parley").exists()
    put(monkeypatch, **PRODUCTION)
    assert load().secret == b"k" * 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("PORT", "0"),
        ("PORT", "eight"),
        ("SECRET_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://root:hunter2@db"),
        ("VALKEY_URL", "hunter2"),
        ("BROKER_URL", "http://hunter2"),
        ("SMTP_URL", "hunter2"),
        ("PUBLIC_URL", "localhost:8000"),
        ("PUBLIC_URL", "https://chat.example.com/?a=b"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
        ("ALLOWED_ORIGINS", "https://a.example,*"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("ACCESS_TOKEN_SECONDS", "-1"),
        ("DATABASE_POOL_SIZE", "0"),
        ("PREPARE_STATEMENTS", "perhaps"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_variable_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    put(monkeypatch, **{name: value})
    with pytest.raises(SettingsError) as caught:
        read()
    lines = str(caught.value).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"PARLEY_{name}: ")
    assert "hunter2" not in lines[0]


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PORT="0", MAIL_PAGE_PORT="x", PUBLIC_URL="nowhere")
    with pytest.raises(SettingsError) as caught:
        read()
    assert len(str(caught.value).splitlines()) == 3


def test_two_ports_that_are_the_same_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PORT="1025")
    with pytest.raises(SettingsError, match="PARLEY_PORT and PARLEY_SMTP_CATCHER_PORT must differ"):
        read()


def test_nothing_printed_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **PRODUCTION, SMTP_URL="smtp://parley:hunter2@mail", BROKER_URL="amqp://parley:hunter2@broker")
    shown = f"{load()!r} {load()}"
    assert "hunter2" not in shown
    assert "k" * 32 not in shown


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, ALLOWED_ORIGINS="https://a.example, http://localhost:3000,", TRUSTED_PROXIES="10.0.0.0/8,::1")
    settings = read()
    own = ("http://localhost:8000", "http://127.0.0.1:8000")
    assert settings.origins == (*own, "https://a.example", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


def test_a_child_process_gets_the_very_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PORT="8123", ALLOWED_ORIGINS="https://a.example,https://b.example", PREPARE_STATEMENTS="false")
    parent = load()
    given = parent.variables()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    child = load()
    assert child.variables() == given
    assert (child.port, child.origins, child.prepare_statements) == (8123, parent.origins, False)
    assert child.secret == parent.secret


@pytest.mark.parametrize(
    ("broker", "checks"),
    [
        ("rediss://:secret@broker", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("rediss://broker?ssl_cert_reqs=none", None),
        ("amqps://broker", {"server_hostname": "broker"}),
        ("redis://broker", None),
    ],
)
def test_a_broker_over_tls_must_show_who_it_is(
    monkeypatch: pytest.MonkeyPatch, broker: str, checks: dict[str, object] | None
) -> None:
    put(monkeypatch, BROKER_URL=broker)
    assert make_app(load()).conf.broker_use_ssl == checks


def test_a_misspelt_variable_is_noticed() -> None:
    assert unknown_variables({"PARLEY_DATABSE_URL": "", "PARLEY_PORT": "", "PATH": ""}) == ["PARLEY_DATABSE_URL"]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://A.example:443/x", "https://a.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://a.example:x", ""),
        ("*", ""),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address: str, origin: str) -> None:
    assert origin_of(address) == origin


def test_the_document_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(PARLEY_\w+)` \| (.+?) \| .+ \|$", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    assert len(documented) == len(rows), "a setting is documented twice"
    assert set(documented) == {variable(name) for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if field.default not in (None, "", ()):
            shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            assert documented[variable(name)] == shown


def test_a_child_process_knows_that_mail_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in load().variables().items():
        monkeypatch.setenv(name, value)
    assert read().embedded_mail
    assert read().smtp_address == "smtp://127.0.0.1:1025"
