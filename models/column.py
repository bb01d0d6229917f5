"""Columns that many tables have, said once."""

from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field


def timestamp(*, now: bool = False) -> Any:
    """A moment in UTC, with microseconds; `now`: PostgreSQL's own clock says it at the insert."""
    default = {"server_default": sa.text("clock_timestamp()")} if now else {}
    return Field(default=None, sa_type=sa.DateTime(timezone=True), sa_column_kwargs=default)


def bigint(**more: Any) -> Any:
    return Field(sa_type=sa.BigInteger, **more)


def string(**more: Any) -> Any:
    return Field(sa_type=sa.Text, **more)


def uuid_list() -> Any:
    return Field(default=None, sa_type=sa.ARRAY(sa.Uuid()))


def flag(default: bool) -> Any:
    return Field(sa_type=sa.Boolean, sa_column_kwargs={"server_default": sa.true() if default else sa.false()})


def one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """An enum is text with a CHECK: a value can be added without a lock on the table."""
    listed = ", ".join(f"'{value.value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def belongs_to(target: str, *names: str) -> sa.ForeignKeyConstraint:
    """A foreign key within the workspace: the database itself refuses a row that crosses the wall."""
    keys = {"message": ["room_id", "sequence"]}.get(target, ["id"])
    return sa.ForeignKeyConstraint(
        ["workspace_id", *names], [f"{target}.workspace_id", *(f"{target}.{key}" for key in keys)]
    )
