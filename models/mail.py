"""The outbox: every mail that Parley sends is a row here first. It holds no text: a mail is rendered from the truth at
the last moment before it is sent."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlmodel import SQLModel

from models.column import belongs_to, bigint, one_of, string, timestamp
from models.link import links
from models.statement import Statement, integer, nothing, scalar, table, text, uuid
from models.user import users
from models.workspace import workspaces


class MailKind(StrEnum):
    INVITATION = "INVITATION"
    SIGN_IN = "SIGN_IN"
    RESET = "RESET"


class MailStatus(StrEnum):
    WAITING = "WAITING"
    SENT = "SENT"
    CANCELLED = "CANCELLED"  # what it was about is gone
    FAILED = "FAILED"


class Mail(SQLModel, table=True):
    __tablename__ = "mail"
    __table_args__ = (
        sa.PrimaryKeyConstraint("workspace_id", "id"),
        one_of("kind", MailKind),
        one_of("status", MailStatus),
        belongs_to("user", "user_id"),
        belongs_to("link", "link_id"),
        # The sweep of what is due, over all workspaces, oldest first.
        sa.Index("mail_by_due_time", "due_at", postgresql_where=sa.text("status = 'WAITING'")),
        sa.Index("mail_by_user", "workspace_id", "user_id"),
        sa.Index("mail_by_link", "workspace_id", "link_id"),
        # The sweep of what has ended long ago.
        sa.Index("mail_by_end", "ended_at", postgresql_where=sa.text("status <> 'WAITING'")),
    )

    workspace_id: UUID
    id: UUID
    user_id: UUID
    kind: str = string()
    # What it carries, if it carries one.
    link_id: UUID | None
    # Fixed when the row is made: a repeat of what may have arrived has the same.
    message_id: str = string()
    status: str = string(sa_column_kwargs={"server_default": sa.text("'WAITING'")})
    created_at: datetime = timestamp(now=True)
    # The lease: put off before each attempt, so that a worker that died leaves the row to the sweep.
    due_at: datetime = timestamp(now=True)
    # A sweep has queued it, and no other does until then.
    queued_until: datetime | None = timestamp()
    # An attempt that has begun and of which no end is recorded is unknown.
    attempt_ends_by: datetime | None = timestamp()
    attempts: int = bigint(sa_column_kwargs={"server_default": sa.text("0")})
    unknown_attempts: int = bigint(sa_column_kwargs={"server_default": sa.text("0")})
    # When the server first put it off (4xx).
    put_off_since: datetime | None = timestamp()
    ended_at: datetime | None = timestamp()
    # Why the last attempt failed: a reply code and our own words, never the server's text.
    failure: str | None = string()


class SmtpOutage(SQLModel, table=True):
    """One row while no connection to the SMTP server can be made: it is the server's fault, and backs off all mails."""

    __tablename__ = "smtp_outage"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)

    id: int = bigint(primary_key=True, sa_column_kwargs={"autoincrement": False})
    failures: int = bigint()
    until: datetime = timestamp()


mails = table(Mail)
smtp_outages = table(SmtpOutage)


class MailRow(NamedTuple):
    """What a mail is about, as it stands now."""

    id: UUID
    user_id: UUID
    kind: str
    message_id: str
    attempts: int
    unknown_attempts: int
    attempt_is_open: bool
    link_id: UUID | None
    user_status: str
    user_name: str
    user_email: str
    user_time_zone: str | None
    firm: str
    inviter: str | None
    invitation_url: str | None
    sign_in_url: str | None
    reset_url: str | None


class Key(NamedTuple):
    workspace_id: UUID
    id: UUID


this_mail = sa.and_(mails.c.workspace_id == uuid("workspace_id"), mails.c.id == uuid("id"))
# Only the attempt that is the last one may say how it ended.
this_attempt = sa.and_(this_mail, mails.c.status == MailStatus.WAITING.value, mails.c.attempts == integer("attempt"))
_now = sa.func.clock_timestamp()
# Three quarters to five quarters of it, so that what was put off together does not come back together.
_jitter: sa.ColumnElement[float] = sa.literal_column("(0.75 + random() / 2)")


def _seconds(number: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, number)


def _days(number: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return _seconds(86_400 * number)


insert_mail = Statement(
    sa.insert(mails).values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        user_id=uuid("user_id"),
        kind=text("kind"),
        link_id=uuid("link_id"),
        message_id=text("message_id"),
    ),
    nothing,
)

# Whoever holds the row begins the attempt; a second one finds it put off, or held, and so nothing to do.
lock_due_mail = Statement(
    sa.select(mails.c.id)
    .where(this_mail, mails.c.status == MailStatus.WAITING.value, mails.c.due_at <= _now)
    .with_for_update(skip_locked=True),
    scalar,
)

_inviters = users.alias("inviter")
mail_to_send = Statement(
    sa.select(
        mails.c.id,
        mails.c.user_id,
        mails.c.kind,
        mails.c.message_id,
        mails.c.attempts,
        mails.c.unknown_attempts,
        mails.c.attempt_ends_by.is_not(None),
        mails.c.link_id,
        users.c.status,
        users.c.name,
        users.c.email,
        users.c.time_zone,
        workspaces.c.name,
        _inviters.c.name,
        workspaces.c.invitation_url,
        workspaces.c.sign_in_url,
        workspaces.c.reset_url,
    )
    .select_from(
        mails.join(users, sa.and_(users.c.workspace_id == mails.c.workspace_id, users.c.id == mails.c.user_id))
        .join(workspaces, workspaces.c.id == mails.c.workspace_id)
        .outerjoin(links, sa.and_(links.c.workspace_id == mails.c.workspace_id, links.c.id == mails.c.link_id))
        .outerjoin(
            _inviters,
            sa.and_(_inviters.c.workspace_id == links.c.workspace_id, _inviters.c.id == links.c.created_by),
        )
    )
    .where(this_mail),
    MailRow,
)

_open_link = sa.and_(
    links.c.workspace_id == uuid("workspace_id"), links.c.id == uuid("link_id"), links.c.ended_at.is_(None)
)
_renewed = _now + _seconds(integer("seconds"))
# Until when the link would be good if it left now. None where it has ended: then there is nothing to send.
lock_open_link = Statement(sa.select(_renewed).where(_open_link).with_for_update(key_share=True, of=links), scalar)
renew_link = Statement(sa.update(links).where(_open_link).values(expires_at=_renewed), nothing)

# The lease doubles with each attempt of which nobody knows the end: five of them take longer than an hour.
begin_attempt = Statement(
    sa.update(mails)
    .where(this_mail)
    .values(
        attempts=mails.c.attempts + 1,
        unknown_attempts=integer("unknown"),
        attempt_ends_by=_now + _seconds(integer("seconds")),
        due_at=_now + _seconds(integer("lease") * sa.func.power(2, integer("unknown"))),
        queued_until=sa.null(),
    )
    .returning(mails.c.attempts),
    scalar,
)

end_mail = Statement(
    sa.update(mails)
    .where(this_attempt)
    .values(
        status=text("status"),
        ended_at=_now,
        attempt_ends_by=sa.null(),
        unknown_attempts=sa.func.coalesce(integer("unknown"), mails.c.unknown_attempts),
        failure=text("failure"),
    )
    .returning(mails.c.id),
    scalar,
)

# As if it had not been tried: it is the server's fault.
release_mail = Statement(
    sa.update(mails)
    .where(this_attempt)
    .values(due_at=_now, queued_until=sa.null(), attempt_ends_by=sa.null(), failure=text("failure"))
    .returning(mails.c.status),
    scalar,
)

# It waits again for as long as it has waited, between a minute and an hour, until it has waited for days.
_since = sa.func.coalesce(mails.c.put_off_since, _now)
_waited = sa.func.least(sa.func.greatest(sa.extract("epoch", _now - _since), 60), 3600)
_too_long = mails.c.put_off_since < _now - _days(integer("days"))
put_off_mail = Statement(
    sa.update(mails)
    .where(this_attempt)
    .values(
        status=sa.case((_too_long, MailStatus.FAILED.value), else_=mails.c.status),
        ended_at=sa.case((_too_long, _now)),
        put_off_since=_since,
        unknown_attempts=sa.func.coalesce(integer("unknown"), mails.c.unknown_attempts),
        due_at=_now + _seconds(_waited * _jitter),
        queued_until=sa.null(),
        attempt_ends_by=sa.null(),
        failure=text("failure"),
    )
    .returning(mails.c.status),
    scalar,
)


def _outage_stands(at: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    """None is as long as an hour: one that ends later was noted by a clock that has been set back since."""
    return sa.and_(smtp_outages.c.until > at, smtp_outages.c.until < at + sa.literal_column("interval '1 hour'"))


outage_is_over = Statement(sa.select(~_outage_stands(_now)), scalar)

# After an outage one attempt goes ahead, and the others wait for what it finds.
try_server_again = Statement(
    sa.update(smtp_outages)
    .where(~_outage_stands(_now))
    .values(until=_now + _seconds(integer("lease")))
    .returning(smtp_outages.c.id),
    scalar,
)

_first_pause = _seconds(5 * _jitter)
_doubled = sa.func.least(5 * sa.func.power(2, sa.func.least(smtp_outages.c.failures, 10)), 300)
# Those who began before anybody knew tell nothing new.
note_outage = Statement(
    pg.insert(smtp_outages).values(id=1, failures=1, until=_now + _first_pause).on_conflict_do_nothing(), nothing
)
prolong_outage = Statement(
    pg.insert(smtp_outages)
    .values(id=1, failures=1, until=_now + _first_pause)
    .on_conflict_do_update(
        index_elements=["id"],
        set_={"failures": smtp_outages.c.failures + 1, "until": _now + _seconds(_doubled * _jitter)},
    ),
    nothing,
)
end_outage = Statement(sa.delete(smtp_outages), nothing)

# A sweep's own lease, so that a queue that nobody works off does not grow.
_due = (
    sa.select(mails.c.workspace_id, mails.c.id)
    .where(
        mails.c.status == MailStatus.WAITING.value,
        # Not clock_timestamp(), which no index is searched for.
        mails.c.due_at <= sa.func.statement_timestamp(),
        sa.func.coalesce(mails.c.queued_until <= sa.func.statement_timestamp(), sa.true()),
        ~sa.exists(sa.select(1).where(_outage_stands(sa.func.statement_timestamp()))),
    )
    .order_by(mails.c.due_at)
    .limit(integer("limit"))
    .with_for_update(skip_locked=True, of=mails)
    .cte("due")
)
queue_due_mails = Statement(
    sa.update(mails)
    .where(mails.c.workspace_id == _due.c.workspace_id, mails.c.id == _due.c.id)
    .values(queued_until=_now + _seconds(integer("seconds")))
    .returning(mails.c.workspace_id, mails.c.id),
    Key,
)

_ended = (
    sa.select(mails.c.workspace_id, mails.c.id)
    .where(
        mails.c.status != MailStatus.WAITING.value,
        mails.c.ended_at < sa.func.statement_timestamp() - _days(integer("days")),
    )
    .order_by(mails.c.ended_at)
    .limit(integer("limit"))
    .with_for_update(skip_locked=True)
    .cte("ended")
)
delete_ended_mails = Statement(
    sa.delete(mails)
    .where(mails.c.workspace_id == _ended.c.workspace_id, mails.c.id == _ended.c.id)
    .returning(mails.c.id),
    scalar,
)

delete_mails_of_user = Statement(
    sa.delete(mails).where(mails.c.workspace_id == uuid("workspace_id"), mails.c.user_id == uuid("user_id")), nothing
)

_spent = (
    sa.select(links.c.workspace_id, links.c.id)
    .where(
        links.c.expires_at
        < sa.func.statement_timestamp() - sa.func.make_interval(0, 0, 0, sa.cast(integer("days"), sa.Integer())),
        ~sa.exists().where(mails.c.workspace_id == links.c.workspace_id, mails.c.link_id == links.c.id),
    )
    .order_by(links.c.expires_at)
    .limit(integer("limit"))
    .with_for_update(skip_locked=True)
    .cte("spent")
)
# Links of long ago, which no mail of the outbox carries any more.
delete_spent_links = Statement(
    sa.delete(links)
    .where(links.c.workspace_id == _spent.c.workspace_id, links.c.id == _spent.c.id)
    .returning(links.c.id),
    scalar,
)
