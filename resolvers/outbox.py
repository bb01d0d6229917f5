"""The one outbox: every mail that Parley sends is a row first, written in the transaction that wants it sent."""

import secrets
from urllib.parse import urlsplit
from uuid import UUID

from models.ids import new_id
from models.mail import MailKind, insert_mail
from resolvers.operation import Transaction


async def post(transaction: Transaction, kind: MailKind, user_id: UUID, link_id: UUID | None = None) -> UUID:
    """Owe somebody a mail. It leaves after the commit, and is rendered then."""
    mail_id = new_id()
    host = urlsplit(transaction.process.public_url).hostname or "localhost"
    await insert_mail.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        id=mail_id,
        user_id=user_id,
        kind=kind.value,
        link_id=link_id,
        message_id=f"<{secrets.token_urlsafe(18)}@{host}>",
    )
    transaction.queue("mail.send", str(transaction.workspace_id), str(mail_id))
    return mail_id
