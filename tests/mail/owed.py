"""Mails that are owed, as the operations that want them make them, and what has become of them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.ids import new_id
from models.link import links
from models.mail import MailKind
from models.statement import Statement, nothing, text, uuid
from resolvers import outbox
from resolvers.mailer import Mailer, Sender
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.tokens import link_token
from server.smtp import Smtp
from server.smtp_address import smtp_address
from tests.cast import Person
from tests.races import rows

SENDER = Sender("Parley", "no-reply@parley.test")

_insert_link = Statement(
    sa.insert(links).values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        user_id=uuid("user_id"),
        purpose=text("purpose"),
        created_by=uuid("created_by"),
        expires_at=sa.func.clock_timestamp(),
    ),
    nothing,
)


@dataclass
class Owed:
    process: Process
    workspace_id: UUID
    id: UUID
    link_id: UUID

    async def send(self, mailer: Mailer) -> bool:
        return await outbox.send(self.process, mailer, self.workspace_id, self.id)

    async def get(self, *columns: str) -> Any:
        """A column's value, or several."""
        found = await rows(self.process, f"SELECT {', '.join(columns)} FROM mail WHERE id = %s", self.id)
        return found[0] if len(columns) > 1 else found[0][0]

    async def status(self) -> str:
        status: str = await self.get("status")
        return status

    async def make_due(self) -> None:
        """The time that it waits for has come."""
        await rows(self.process, "UPDATE mail SET due_at = clock_timestamp() WHERE id = %s RETURNING 1", self.id)

    async def end_link(self) -> None:
        await rows(self.process, "UPDATE link SET ended_at = clock_timestamp() WHERE id = %s RETURNING 1", self.link_id)

    @property
    def token(self) -> str:
        return link_token(self.process.link_keys, self.workspace_id, self.link_id)


async def owe(
    process: Process, person: Person, kind: MailKind = MailKind.INVITATION, created_by: UUID | None = None
) -> Owed:
    link_id = new_id()

    async def post(transaction: Transaction) -> UUID:
        await _insert_link.send(
            transaction.connection,
            workspace_id=person.workspace_id,
            id=link_id,
            user_id=person.user_id,
            purpose=kind.value,
            created_by=created_by,
        )
        return await outbox.post(transaction, kind, person.user_id, link_id)

    mail_id = await operate(process, person.workspace_id, post)
    return Owed(process, person.workspace_id, mail_id, link_id)


def mailer_to(port: int, seconds: int = 30) -> Smtp:
    return Smtp(smtp_address(f"smtp://127.0.0.1:{port}"), SENDER, "parley.test", seconds)


async def server_is_back(process: Process) -> None:
    """The time after which the SMTP server is tried again has come."""
    await rows(process, "UPDATE smtp_outage SET until = clock_timestamp() RETURNING 1")
