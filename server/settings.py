"""What can be set from outside, by environment variables only. Each is documented in docs/settings.md.

`Settings()` checks what the environment says; `load()` is what a process starts with: the same, with the secret made
where there is none yet. Addresses that are unset stand for the embedded servers of the data folder.
"""

import contextlib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from resolvers.mailer import Sender
from server.smtp_address import mail_sender, smtp_address

PREFIX = "PARLEY_"
SECRET_LENGTH = 32  # characters, at least
SECRET_FILE = "secret-key"  # noqa: S105  a file's name

Port = Annotated[int, Field(ge=1, le=65535)]
Words = Annotated[tuple[str, ...], NoDecode]  # written with commas between them


class SettingsError(Exception):
    """One line for each setting that is wrong, which names its variable and never shows a secret."""


class Settings(BaseSettings):
    """Checked, but with nothing read or written besides the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: Port = 8000
    public_url: str = ""
    allowed_origins: Words = ()
    trusted_proxies: Words = ()
    connection_init_seconds: Annotated[int, Field(ge=1, le=600)] = 10
    connection_seconds: Annotated[int, Field(ge=60, le=2_592_000)] = 86_400
    connections: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    connections_of_user: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    introspection: bool = True
    explorer: bool = True

    data_dir: Path = Path(".parley")
    secret_key: SecretStr | None = None
    former_secret_keys: SecretStr | None = None

    database_url: SecretStr | None = None
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    prepare_statements: bool = True
    lock_timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 5_000
    idle_transaction_timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 10_000

    valkey_url: SecretStr | None = None
    broker_url: SecretStr | None = None

    smtp_url: SecretStr | None = None
    smtp_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    mail_from: str = ""
    smtp_catcher_port: Port = 1025
    mail_page_port: Port = 8025
    portal_port: Port = 8100

    issuer: str = ""
    issuer_audience: str = ""
    issuer_workspace: str = ""
    jwks_url: str = ""
    issuer_public_key: str = ""
    claim_subject: str = "sub"
    claim_email: str = "email"
    claim_email_verified: str = "email_verified"
    claim_name: str = "name"
    claim_picture: str = "picture"
    claim_kind: str = "parley_kind"
    clock_skew_seconds: Annotated[int, Field(ge=0, le=300)] = 30

    access_token_seconds: Annotated[int, Field(ge=10, le=86_400)] = 900
    refresh_token_seconds: Annotated[int, Field(ge=60, le=31_536_000)] = 2_592_000
    event_retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    invitation_seconds: Annotated[int, Field(ge=60, le=31_536_000)] = 604_800
    link_seconds: Annotated[int, Field(ge=60, le=86_400)] = 900

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return _words(value) if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("must be like https://chat.example.com")
        return value.rstrip("/")

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if origin_of(word) != word:
                raise ValueError("must be origins, like https://app.example.com, without a path, with commas between")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            try:
                ipaddress.ip_network(word)
            except ValueError:
                raise ValueError("must be addresses or networks, like 10.0.0.0/8, with commas between") from None
        return value

    @field_validator("secret_key")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SECRET_LENGTH:
            raise ValueError(f"must have {SECRET_LENGTH} characters or more")
        return value

    @field_validator("former_secret_keys")
    @classmethod
    def _are_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and any(len(each) < SECRET_LENGTH for each in _words(value.get_secret_value())):
            raise ValueError(f"must have {SECRET_LENGTH} characters or more each, with commas between")
        return value

    @field_validator("database_url", "valkey_url", "broker_url", "smtp_url")
    @classmethod
    def _has_scheme(cls, value: SecretStr | None, info: Any) -> SecretStr | None:
        allowed = SCHEMES[info.field_name]
        if value is not None and urlsplit(value.get_secret_value()).scheme not in allowed:
            raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in allowed)}")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            smtp_address(value.get_secret_value())
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, value: str) -> str:
        if value:
            mail_sender(value)
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.environment == "production":
            missing = [name for name in ("secret_key", "database_url", "valkey_url") if getattr(self, name) is None]
            if missing:
                raise ValueError(f"{', '.join(map(variable, missing))} must be set in production")
        self._check_issuer()
        ports: dict[int, str] = {}
        for name in ("port", "smtp_catcher_port", "mail_page_port"):
            if other := ports.setdefault(getattr(self, name), name) != name and ports[getattr(self, name)]:
                raise ValueError(f"{variable(other)} and {variable(name)} must differ")
        return self

    def _check_issuer(self) -> None:
        more = ("issuer_audience", "issuer_workspace", "jwks_url", "issuer_public_key")
        alone = [name for name in more if getattr(self, name)]
        if alone and not self.issuer:
            raise ValueError(f"{variable('issuer')} must be set with {', '.join(map(variable, alone))}")
        if self.issuer and not self.issuer_audience:
            raise ValueError(f"{variable('issuer_audience')} must be set with {variable('issuer')}")
        if self.issuer and bool(self.jwks_url) == bool(self.issuer_public_key):
            names = f"{variable('jwks_url')} or {variable('issuer_public_key')}"
            raise ValueError(f"{names} must be set with {variable('issuer')}: one of them")

    @property
    def issuer_key(self) -> str | None:
        """The issuer's key in PEM, where it has one that never changes. Raises SettingsError for a file that can't be
        read."""
        given = self.issuer_public_key
        if not given:
            return None
        if given.lstrip().startswith("-----BEGIN"):
            return given.replace("\\n", "\n")
        try:
            return Path(given).expanduser().read_text()
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"{variable('issuer_public_key')}: neither PEM nor a file that can be read") from None

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def data_folder(self) -> Path:
        """Absolute."""
        return self.data_dir.expanduser().resolve()

    @property
    def public_address(self) -> str:
        """Where people reach the API, without a slash at the end."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """Whose pages a browser lets in: our own always, or the explorer and our other pages would have no sockets."""
        own = origin_of(self.public_address)
        # On one's own machine the same page is opened by either name.
        by_number = () if self.production or self.public_url else (f"http://127.0.0.1:{self.port}",)
        return tuple(dict.fromkeys((own, *by_number, *self.allowed_origins)))

    @property
    def secret(self) -> bytes:
        """What tokens are signed with. Raises SettingsError where these settings don't come from `load`."""
        if self.secret_key is None:
            raise SettingsError(f"{variable('secret_key')} is not set")
        return self.secret_key.get_secret_value().encode()

    @property
    def former_secrets(self) -> tuple[bytes, ...]:
        """Secrets of before: cursors that were sealed with them are still good."""
        former = self.former_secret_keys
        return () if former is None else tuple(each.encode() for each in _words(former.get_secret_value()))

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    @property
    def embedded_valkey(self) -> bool:
        return self.valkey_url is None

    @property
    def embedded_mail(self) -> bool:
        return self.smtp_url is None

    @property
    def database_address(self) -> str:
        """A URL for psycopg: the one that is set, or the embedded server's. It may hold a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        from server.embedded.postgres import EmbeddedPostgres  # not needed in production

        return EmbeddedPostgres(self.data_folder).url

    @property
    def valkey_address(self) -> str:
        """A URL for redis-py. It may hold a password."""
        if self.valkey_url is not None:
            return self.valkey_url.get_secret_value()
        from server.embedded.valkey import EmbeddedValkey

        return EmbeddedValkey(self.data_folder).url

    @property
    def broker_address(self) -> str:
        """A URL for Celery. It may hold a password."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        scheme, rest = self.valkey_address.split("://", 1)
        return f"{'redis+socket' if scheme == 'unix' else scheme}://{rest}"

    @property
    def smtp_address(self) -> str:
        """Where mail goes out. It may hold a password."""
        return self.smtp_url.get_secret_value() if self.smtp_url else f"smtp://127.0.0.1:{self.smtp_catcher_port}"

    @property
    def mail_sender(self) -> Sender:
        """Whom mails are from."""
        if self.mail_from:
            return mail_sender(self.mail_from)
        try:
            return mail_sender(f"Parley <no-reply@{urlsplit(self.public_address).hostname}>")
        except ValueError:  # a number, or a machine's own name
            return Sender("Parley", "no-reply@localhost")

    def variables(self) -> dict[str, str]:
        """These settings as environment variables, whole, for a child process. Holds the secrets.

        Mail's address is left out where it is not set: what is embedded has a page, and a child shall know of it.
        """
        resolved = {
            **{name: getattr(self, name) for name in type(self).model_fields},
            "data_dir": self.data_folder,
            "public_url": self.public_address,
            "allowed_origins": self.origins,
            "database_url": self.database_address,
            "valkey_url": self.valkey_address,
            "broker_url": self.broker_address,
        }
        return {variable(name): _written(value) for name, value in resolved.items() if value is not None}


SCHEMES = {
    "database_url": ("postgresql", "postgres"),
    "valkey_url": ("redis", "rediss", "unix"),
    "broker_url": ("redis", "rediss", "redis+socket", "amqp", "amqps"),
    "smtp_url": ("smtp", "smtps"),
}


def load() -> Settings:
    """The settings of this process. Raises SettingsError."""
    settings = read()
    if settings.secret_key is not None:
        return settings
    return settings.model_copy(update={"secret_key": SecretStr(_kept_secret(settings.data_folder))})


def read() -> Settings:
    """What the environment says, with no secret made. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(detail) for detail in error.errors())) from None


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"{PREFIX}{name.upper()}"


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like Parley's and that nothing reads: most likely misspelt."""
    known = {variable(name) for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def origin_of(address: str) -> str:
    """Scheme, host and port as a browser writes them in an Origin header; "" where it has none."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{port}"


def _explained(detail: Any) -> str:
    says = str(detail["msg"]).removeprefix("Value error, ")
    if not detail["loc"]:
        return says
    return f"{variable(str(detail['loc'][0]))}: {says[0].lower()}{says[1:]}"


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _kept_secret(folder: Path) -> str:
    """The one in the data folder, made at the first start. Two first starts at once end with the same one."""
    path = folder / SECRET_FILE
    try:
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = folder / f"{SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        secret = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{variable('data_dir')}: {path}: {error.strerror}") from None
    if len(secret) < SECRET_LENGTH:
        raise SettingsError(f"{path} holds no whole secret: remove it, or set {variable('secret_key')}")
    return secret
