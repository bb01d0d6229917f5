"""The one outbox: every mail that Parley sends is a row first, written in the transaction that wants it sent.

    WAITING --begin--> an attempt is recorded, with a deadline --SMTP--> its end is recorded: SENT, FAILED, or WAITING
       |                                                                 with a later due time
       `--> CANCELLED, where what it is about is gone, and FAILED after too many attempts that nobody knows the end of

An attempt is recorded as begun, in a commit of its own, before SMTP is spoken to; no lock and no connection is held
meanwhile. One without a recorded end is unknown: when the lease is over the mail is sent again, with the same
Message-ID. Only the last attempt may record an end.
"""

import asyncio
import logging
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from models import mail as mails
from models.ids import new_id
from models.mail import MailKind, MailRow, MailStatus
from models.user import UserStatus
from resolvers.letter.message import Unmailable, compose
from resolvers.letter.writing import Link, url_of, write
from resolvers.mailer import Delivery, Letter, Mailer, Outcome, elapsed
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.sweeping import delete_all
from resolvers.tokens import link_token

log = logging.getLogger("parley.mail")

LEASE = 3  # times what an attempt may take
MOST_UNKNOWN = 5
MOST_DAYS_PUT_OFF = 5
KEPT_DAYS = 90
QUEUED_SECONDS = 30
SWEEP_LIMIT = 500

# Whom each kind is for. It is gone with the status.
_FOR = {
    MailKind.INVITATION: UserStatus.INVITED,
    MailKind.SIGN_IN: UserStatus.ACTIVE,
    MailKind.RESET: UserStatus.ACTIVE,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that is recorded as begun."""

    mail_id: UUID
    number: int
    letter: Letter
    # The server was away, and this attempt looks whether it still is.
    probes: bool


async def post(transaction: Transaction, kind: MailKind, user_id: UUID, link_id: UUID | None = None) -> UUID:
    """Owe somebody a mail. It leaves after the commit, and is rendered then."""
    mail_id = new_id()
    await mails.insert_mail.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        id=mail_id,
        user_id=user_id,
        kind=kind.value,
        link_id=link_id,
        message_id=f"<{secrets.token_urlsafe(18)}@{_host(transaction.process)}>",
    )
    transaction.queue("mail.send", str(transaction.workspace_id), str(mail_id))
    return mail_id


async def send(process: Process, mailer: Mailer, workspace_id: UUID, mail_id: UUID) -> bool:
    """Send a mail, if it is due and there is still a reason to; whether it was tried."""
    # Before the database says when the attempt ends, so that ours ends first.
    began = elapsed()
    attempt = await operate(process, workspace_id, lambda transaction: _begin(transaction, mailer, mail_id))
    if attempt is None:
        return False
    delivery = await mailer.deliver(attempt.letter, began + mailer.seconds)
    while True:
        try:
            await operate(process, workspace_id, lambda transaction: _end(transaction, attempt, delivery))
        except (psycopg.Error, TimeoutError):
            # The database is restarting, perhaps. What isn't recorded is sent again.
            if elapsed() > began + LEASE * mailer.seconds:
                raise
            await asyncio.sleep(1)
        else:
            return True


async def sweep_due(process: Process) -> int:
    """Queue what is due; the number of mails. Nothing while the SMTP server is away."""
    async with process.pool.connection() as connection:
        due = await mails.queue_due_mails.all(connection, limit=SWEEP_LIMIT, seconds=QUEUED_SECONDS)
    for mail in due:
        process.queue("mail.send", str(mail.workspace_id), str(mail.id))
    return len(due)


async def sweep_ended(process: Process) -> int:
    """Delete what has ended long ago; the number of mails."""
    return await delete_all(process, mails.delete_ended_mails, days=KEPT_DAYS)


async def _begin(transaction: Transaction, mailer: Mailer, mail_id: UUID) -> Attempt | None:
    """Record that an attempt begins, or that there will be none."""
    connection, process = transaction.connection, transaction.process
    this: dict[str, Any] = {"workspace_id": transaction.workspace_id, "id": mail_id}
    if await mails.lock_due_mail.first(connection, **this) is None:
        return None
    # A further statement, with a fresh snapshot: the one that locked may have begun before what it waited for.
    mail = await mails.mail_to_send.one(connection, **this)
    this |= {"attempt": mail.attempts}
    unknown = mail.unknown_attempts + mail.attempt_is_open
    link = {"workspace_id": transaction.workspace_id, "link_id": mail.link_id, "seconds": _link_seconds(process, mail)}
    expires_at = await mails.lock_open_link.first(connection, **link) if _is_for(mail) else None
    if expires_at is None:
        await mails.end_mail.send(connection, **this, status=MailStatus.CANCELLED.value, unknown=unknown, failure=None)
        return None
    if unknown >= MOST_UNKNOWN:
        await _record(transaction, Delivery(Outcome.REFUSED, "nobody knows whether it arrived"), unknown, **this)
        return None
    letter = _letter(transaction, mailer, mail, expires_at)
    if isinstance(letter, Delivery):
        await _record(transaction, letter, unknown, **this)
        return None
    lease = LEASE * mailer.seconds
    is_over = await mails.outage_is_over.first(connection)
    if is_over is False or (is_over and await mails.try_server_again.first(connection, lease=lease) is None):
        return None
    # Not before it is sure that the mail leaves: an earlier copy, if one arrived, is not kept good by mere looking.
    await mails.renew_link.send(connection, **link)
    number = await mails.begin_attempt.one(connection, **this, unknown=unknown, seconds=mailer.seconds, lease=lease)
    return Attempt(mail_id, number, letter, probes=bool(is_over))


def _is_for(mail: MailRow) -> bool:
    return mail.link_id is not None and mail.user_status == _FOR[MailKind(mail.kind)]


def _link_seconds(process: Process, mail: MailRow) -> int:
    return process.invitation_seconds if mail.kind == MailKind.INVITATION else process.link_seconds


def _letter(transaction: Transaction, mailer: Mailer, mail: MailRow, expires_at: datetime) -> Letter | Delivery:
    """The mail as it is sent, or why it can't be written."""
    assert mail.link_id is not None
    kind, process = MailKind(mail.kind), transaction.process
    template = {
        MailKind.INVITATION: mail.invitation_url,
        MailKind.SIGN_IN: mail.sign_in_url,
        MailKind.RESET: mail.reset_url,
    }[kind]
    try:
        token = link_token(process.link_keys, transaction.workspace_id, mail.link_id)
        url = url_of(kind, template, process.public_url, token)
        written = write(Link(kind, mail.user_name, mail.firm, mail.inviter or "", url, expires_at, mail.user_time_zone))
        return compose(written, mailer.sender, mail.user_name, mail.user_email, mail.message_id, datetime.now(UTC))
    except Unmailable:
        return Delivery(Outcome.REFUSED, "no address that mail can go to")
    except Exception as error:
        # A fault of ours, or of the workspace's URL: once it is mended the mail is sent. The error may hold a name.
        return Delivery(Outcome.PUT_OFF, f"could not be written ({type(error).__name__})")


async def _end(transaction: Transaction, attempt: Attempt, delivery: Delivery) -> None:
    """Record how an attempt ended, and what it tells of the server: in the order of locks that `_begin` has."""
    await _record(transaction, delivery, id=attempt.mail_id, attempt=attempt.number)
    if delivery.outcome is Outcome.AWAY or delivery.silent:
        await (mails.prolong_outage if attempt.probes else mails.note_outage).send(transaction.connection)
    elif delivery.outcome is not Outcome.UNKNOWN and not delivery.untried:
        await mails.end_outage.send(transaction.connection)


async def _record(transaction: Transaction, delivery: Delivery, unknown: int | None = None, **this: Any) -> None:
    """Nothing is recorded of an attempt that is not the last one any more."""
    connection, failure = transaction.connection, delivery.failure
    this |= {"workspace_id": transaction.workspace_id}
    match delivery.outcome:
        case Outcome.SENT:
            sent = {"status": MailStatus.SENT.value, "unknown": None, "failure": None}
            recorded = await mails.end_mail.first(connection, **this, **sent)
            happened = None if recorded else "was sent after its lease, or after it was cancelled"
        case Outcome.REFUSED:
            refused = {"status": MailStatus.FAILED.value, "unknown": unknown, "failure": failure}
            await mails.end_mail.send(connection, **this, **refused)
            happened = "has failed"
        case Outcome.AWAY:
            await mails.release_mail.send(connection, **this, failure=failure)
            happened = "waits for the server"
        case Outcome.PUT_OFF:
            put_off = {"unknown": unknown, "failure": failure, "days": MOST_DAYS_PUT_OFF}
            status = await mails.put_off_mail.first(connection, **this, **put_off)
            happened = "has failed" if status == MailStatus.FAILED else "was put off"
        case Outcome.UNKNOWN:
            # The lease goes on: what may still be taken is not sent again before.
            happened = "may have been sent, and will be sent again"
    if happened:
        # Ids only: no address, no token, nothing of what it says.
        log.warning("mail %s of workspace %s %s: %s", this["id"], transaction.workspace_id, happened, failure)


def _host(process: Process) -> str:
    """What stands behind the `@` of a Message-ID; only that it is unique counts."""
    host = urlsplit(process.public_url).hostname or ""
    return host if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", host) else "localhost"
