"""Links that are sent by mail: made, spent once, and ended.

What a link is good for stands in its row; its token is derived from the row's id when the mail is rendered, and is kept
nowhere. Who asks for a link to an address is answered before anybody looks whether the address is known: the request is
a row, and a worker does the rest.
"""

from uuid import UUID

from models import link as links
from models import mail as mails
from models import user as users
from models.audit import Action, Actor
from models.ids import new_id
from models.link import LinkPurpose, LinkRequestRow, LinkRow
from models.mail import MailKind
from models.user import Account, UserRow, UserStatus
from resolvers import limit, outbox
from resolvers.errors import Code, Refused
from resolvers.operation import Transaction, operate
from resolvers.origin import Origin
from resolvers.process import Process
from resolvers.sweeping import delete_all
from resolvers.text import NAME_LIMIT, address_key, is_text
from resolvers.tokens import read_link_token

SWEEP_LIMIT = 500

_ENDED = {
    LinkPurpose.INVITATION: (
        "This invitation was accepted already, or its time has run out. Sign in, or ask for another one."
    ),
    LinkPurpose.SIGN_IN: "This link was used already, or its time has run out. Ask for a new one.",
    LinkPurpose.RESET: "This link was used already, or its time has run out. Ask for a new one.",
}

# After it has run out, a link is told to be EXPIRED for so many days; then it is as one that never was.
KEPT_DAYS = 90


def read(process: Process, token: str) -> tuple[UUID, UUID]:
    """The workspace and the link that a token names.

    Raises:
        Refused: INVALID_CREDENTIALS, for a token that was not made here.
    """
    named = read_link_token(process.link_keys, token)
    if named is None:
        raise _not_a_link()
    return named


async def send_link(
    transaction: Transaction,
    user_id: UUID,
    purpose: LinkPurpose,
    *,
    created_by: UUID | None = None,
    link_id: UUID | None = None,
) -> bool:
    """Make a link and owe its user the mail that carries it. False where there is a link of that id already."""
    process = transaction.process
    made = await links.insert_link.first(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        id=link_id or new_id(),
        user_id=user_id,
        created_by=created_by,
        purpose=purpose.value,
        seconds=process.invitation_seconds if purpose is LinkPurpose.INVITATION else process.link_seconds,
    )
    if made is None:
        return False
    await outbox.post(transaction, MailKind(purpose.value), user_id, made)
    return True


async def look(process: Process, workspace_id: UUID, link_id: UUID, purpose: LinkPurpose) -> None:
    """Whether a link is good, before anything is done for it that takes long. Whoever spends it looks again.

    Raises:
        Refused: as `spend`.
    """
    async with process.pool.connection() as connection:
        _good(await links.link.first(connection, workspace_id=workspace_id, id=link_id), purpose)


async def spend(transaction: Transaction, link_id: UUID, purpose: LinkPurpose) -> UserRow:
    """Use a link up; its user, locked.

    Raises:
        Refused: INVALID_CREDENTIALS, for a link that was never there or is for something else; EXPIRED, for one that
            was used, cancelled or replaced, or whose time has run out.
    """
    connection = transaction.connection
    where = {"workspace_id": transaction.workspace_id, "id": link_id}
    user_id = await links.user_of_link.first(connection, **where)
    # The user before what is theirs, as everywhere: locks are taken in one order.
    user = await users.lock_user.first(connection, workspace_id=transaction.workspace_id, user_id=user_id)
    _good(await links.lock_link.first(connection, **where), purpose)
    assert user is not None, "a link has its user"
    await links.end_link.send(connection, **where)
    return user


async def end_links(transaction: Transaction, user_id: UUID, purpose: LinkPurpose | None = None) -> None:
    """End what somebody has been sent and not used, of one purpose or of any. Their row is locked."""
    await links.end_links_of_user.send(
        transaction.connection,
        workspace_id=transaction.workspace_id,
        user_id=user_id,
        purpose=None if purpose is None else purpose.value,
    )


async def request_link(
    process: Process, origin: Origin, purpose: LinkPurpose, email: str, workspace: str | None
) -> None:
    """Have a link mailed to an address, if anybody has it. Nobody looks now, so neither the answer nor its time tells.

    Without a workspace each account of the address gets a mail of its own firm.

    Raises:
        Refused: BLANK or INVALID, for what can't be an address of anybody; RATE_LIMITED.
    """
    if not email.strip():
        raise Refused(Code.BLANK, "Give an address.", "email")
    key = address_key(email)
    if key is None:
        raise Refused(Code.INVALID, "This is no address.", "email")
    if workspace is not None and (len(workspace) > NAME_LIMIT or not is_text(workspace)):
        raise Refused(Code.INVALID, "This is no name of a firm.", "workspace")
    named = None if workspace is None else workspace.strip() or None
    await limit.ask_for_link(process.limiter, origin, email, named)
    request_id = new_id()
    async with process.pool.connection() as connection:
        await links.insert_link_request.send(
            connection,
            id=request_id,
            purpose=purpose.value,
            email_key=key,
            workspace=named,
            address=origin.address,
            user_agent=origin.user_agent,
        )
    process.queue("link.answer", str(request_id))


async def answer_request(process: Process, request_id: UUID) -> int:
    """Send what was asked for; the number of mails that are owed for it now. Answered twice, they are owed once: each
    link has the request's id."""
    async with process.pool.connection() as connection:
        request = await links.link_request.first(connection, id=request_id)
        if request is None:
            return 0
        accounts = await users.accounts_by_email.all(
            connection, email_key=request.email_key, workspace=request.workspace
        )
    owed = 0
    for account in accounts:
        owed += await _answer(process, request, account)
    async with process.pool.connection() as connection:
        await links.delete_link_request.send(connection, id=request_id)
    return owed


async def sweep_requests(process: Process) -> int:
    """Queue the requests that nobody has answered; the number of them."""
    async with process.pool.connection() as connection:
        due = await links.lease_link_requests.all(connection, limit=SWEEP_LIMIT)
    for request_id in due:
        process.queue("link.answer", str(request_id))
    return len(due)


async def sweep_spent(process: Process) -> int:
    """Delete links of long ago; the number of them."""
    return await delete_all(process, mails.delete_spent_links, days=KEPT_DAYS)


async def _answer(process: Process, request: LinkRequestRow, account: Account) -> bool:
    purpose = LinkPurpose(request.purpose)

    async def send(transaction: Transaction) -> bool:
        user = await users.lock_user.first(
            transaction.connection, workspace_id=transaction.workspace_id, user_id=account.id
        )
        if user is None or user.status != UserStatus.ACTIVE:
            return False
        sent = await send_link(transaction, user.id, purpose, link_id=request.id)
        if sent:
            transaction.audit(
                Action.LINK_REQUESTED, actor_id=None, by=Actor.STRANGER, user_id=user.id, purpose=purpose.value
            )
        return sent

    return await operate(process, account.workspace_id, send, Origin(request.address, request.user_agent))


def _good(link: LinkRow | None, purpose: LinkPurpose) -> None:
    if link is None or link.purpose != purpose:
        raise _not_a_link()
    if link.ended or link.expired:
        raise Refused(Code.EXPIRED, _ENDED[purpose], "token")


def _not_a_link() -> Refused:
    return Refused(Code.INVALID_CREDENTIALS, "This link is not valid.", "token")
