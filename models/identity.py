"""People as an issuer names them: who somebody is, and what a token changes about them."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from models.issuer import identities
from models.session import SessionMethod, sessions
from models.statement import Statement, boolean, nothing, scalar, text, uuid, uuids
from models.user import users

of_workspace = users.c.workspace_id == uuid("workspace_id")
now = sa.func.clock_timestamp()


class Identified(NamedTuple):
    """A user as their issuer's word is measured against them."""

    id: UUID
    kind: str
    status: str
    name: str
    email: str
    avatar_url: str | None
    activated_at: datetime | None
    # When the issuer first spoke of them; None where it does so now.
    known_since: datetime | None
    # That no issuer which speaks of them has left open whether the address is theirs; of one that does already, that it
    # hasn't.
    proven: bool


_identified = [users.c[name] for name in Identified._fields[:-2]]
_of_user = sa.and_(identities.c.workspace_id == users.c.workspace_id, identities.c.user_id == users.c.id)

# Locked: nobody is deactivated while they are let in, and two tokens change them one after the other.
lock_identified_user = Statement(
    sa.select(*_identified, identities.c.created_at, identities.c.verified)
    .select_from(
        identities.join(
            users, sa.and_(users.c.workspace_id == identities.c.workspace_id, users.c.id == identities.c.user_id)
        )
    )
    .where(
        identities.c.workspace_id == uuid("workspace_id"),
        identities.c.issuer_id == uuid("issuer_id"),
        identities.c.subject == text("subject"),
    )
    .with_for_update(key_share=True, of=users),
    Identified,
)

lock_user_by_address = Statement(
    sa.select(*_identified, sa.null(), ~sa.exists().where(_of_user, ~identities.c.verified))
    .where(of_workspace, users.c.email_key == text("email_key"))
    .with_for_update(key_share=True),
    Identified,
)

# Nothing where somebody was quicker; who is making the same just now is waited for.
insert_identity = Statement(
    postgresql.insert(identities)
    .values(
        workspace_id=uuid("workspace_id"),
        issuer_id=uuid("issuer_id"),
        subject=text("subject"),
        user_id=uuid("user_id"),
        verified=boolean("verified"),
    )
    .on_conflict_do_nothing()
    .returning(identities.c.user_id),
    scalar,
)
verify_identity = Statement(
    sa.update(identities)
    .where(
        identities.c.workspace_id == uuid("workspace_id"),
        identities.c.issuer_id == uuid("issuer_id"),
        identities.c.subject == text("subject"),
    )
    .values(verified=sa.true()),
    nothing,
)

address_is_taken = Statement(
    sa.select(sa.exists().where(of_workspace, users.c.email_key == text("email_key"), users.c.id != uuid("user_id"))),
    scalar,
)

update_person = Statement(
    sa.update(users)
    .where(of_workspace, users.c.id == uuid("user_id"))
    .values(
        name=text("name"),
        name_key=text("name_key"),
        email=text("email"),
        email_key=text("email_key"),
        avatar_url=text("avatar_url"),
    ),
    nothing,
)

# Asked again with the same token, done once; a token that was barred stays so.
insert_issuer_session = Statement(
    postgresql.insert(sessions)
    .values(
        workspace_id=uuid("workspace_id"),
        id=uuid("id"),
        user_id=uuid("user_id"),
        method=SessionMethod.ISSUER.value,
        expires_at=sa.func.to_timestamp(sa.bindparam("last", type_=sa.Double())),
        address=text("address"),
        user_agent=text("user_agent"),
    )
    .on_conflict_do_nothing()
    .returning(sessions.c.id),
    scalar,
)

issuer_sessions_of_users = Statement(
    sa.select(sessions.c.id)
    .where(
        sessions.c.workspace_id == uuid("workspace_id"),
        sessions.c.user_id == sa.any_(uuids("user_ids")),
        sessions.c.method == SessionMethod.ISSUER.value,
        sessions.c.ended_at.is_(None),
    )
    .order_by(sessions.c.id),
    scalar,
)
