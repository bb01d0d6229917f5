"""`parley doctor`: what is misconfigured, and what to do about it. Shows no secret."""

import smtplib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import psycopg
import redis

from server.explorer.place import built
from server.settings import SECRET_FILE, Settings, SettingsError, load, read, unknown_variables, variable

OLDEST_POSTGRES = 15
PATIENCE = 5  # seconds for an answer

Grade = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    grade: Grade
    subject: str
    says: str


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Settings come from the process's environment; `environment` is where misspelt ones are looked for."""
    findings = [
        Finding("warning", name, "no setting of Parley's, ignored; see docs/settings.md")
        for name in unknown_variables(environment)
    ]
    try:
        settings = read()
    except SettingsError as error:
        return findings + [Finding("wrong", "settings", line) for line in str(error).splitlines()]
    findings.append(Finding("ok", "settings", f"{settings.environment}, data in {settings.data_folder}"))
    findings.extend(_secret(settings))
    findings.extend(_public_address(settings))
    findings.extend(_database(settings))
    findings.extend(_valkey(settings))
    findings.extend(_mail(settings))
    findings.append(_explorer(settings))
    return findings


def database_fault(settings: Settings) -> str | None:
    """Why the database can't be used, in one line without the URL, which may hold a password."""
    try:
        with psycopg.connect(settings.database_address, connect_timeout=PATIENCE) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        if settings.embedded_database:
            return f"the embedded database isn't running: start it with `make run`, or set {variable('database_url')}"
        reason = " ".join(str(error).split())
        return f"{variable('database_url')}: the database cannot be reached: {_without_password(reason, settings)}"
    if version < OLDEST_POSTGRES:
        return f"{variable('database_url')}: PostgreSQL {version} is too old, {OLDEST_POSTGRES} or newer is needed"
    return None


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.secret_key is not None:
        yield Finding("ok", variable("secret_key"), "set")
    elif not (settings.data_folder / SECRET_FILE).exists():
        yield Finding("ok", variable("secret_key"), "not set, and made at the first start")
    else:
        try:
            load()
        except SettingsError as error:
            yield Finding("wrong", variable("secret_key"), str(error))
        else:
            yield Finding("ok", variable("secret_key"), f"kept in {settings.data_folder / SECRET_FILE}")


def _public_address(settings: Settings) -> Iterator[Finding]:
    address = settings.public_address
    if settings.production and not address.startswith("https://"):
        yield Finding("warning", variable("public_url"), f"{address} is not https: tokens would travel in the clear")
    elif settings.production and not settings.public_url:
        yield Finding("warning", variable("public_url"), f"not set, so links would point to {address}")
    else:
        yield Finding("ok", variable("public_url"), f"{address}, open to pages of {', '.join(settings.origins)}")


def _database(settings: Settings) -> Iterator[Finding]:
    if fault := database_fault(settings):
        yield Finding("wrong", "database", fault)
        return
    import migrations

    if migrations.pending(settings.database_address):
        yield Finding("wrong", "database", "reachable, but behind the code: run `parley migrate`")
    else:
        yield Finding("ok", "database", "reachable and migrated")


def _valkey(settings: Settings) -> Iterator[Finding]:
    try:
        with redis.Redis.from_url(
            settings.valkey_address, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
        ) as client:
            client.ping()
    except redis.RedisError as error:
        if settings.embedded_valkey:
            says = f"the embedded one isn't running: start it with `make run`, or set {variable('valkey_url')}"
        else:
            says = f"{variable('valkey_url')}: cannot be reached ({type(error).__name__})"
        yield Finding("wrong", "Valkey", says)
    else:
        yield Finding("ok", "Valkey", "reachable")


def _mail(settings: Settings) -> Iterator[Finding]:
    if settings.production and settings.embedded_mail:
        yield Finding("warning", variable("smtp_url"), "not set: mail would go to the catcher, and so to nobody")
        return
    parts = urlsplit(settings.smtp_address)
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    usual = 465 if parts.scheme == "smtps" else 25
    try:
        with kind(parts.hostname or "localhost", parts.port or usual, timeout=PATIENCE) as client:
            client.noop()
    except (OSError, smtplib.SMTPException) as error:
        yield Finding("warning", "mail", f"{variable('smtp_url')}: does not answer ({type(error).__name__})")
    else:
        yield Finding("ok", "mail", "the server answers")


def _explorer(settings: Settings) -> Finding:
    if not settings.explorer:
        return Finding("ok", "explorer", "turned off")
    if built() is None:
        return Finding("warning", "explorer", f"not built: `make explorer`, or {variable('explorer')}=false")
    return Finding("ok", "explorer", "built")


def _without_password(text: str, settings: Settings) -> str:
    password = urlsplit(settings.database_address).password
    return text.replace(password, "***") if password else text
