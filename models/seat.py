"""Who listens to a room: whether their sign-in is alive, and whether they are in the room."""

from typing import NamedTuple

import sqlalchemy as sa

from models.participant import participants
from models.session import alive
from models.statement import Statement, uuid, uuids
from models.user import users


class SeatRow(NamedTuple):
    """`number` counts from 1, in the order in which they were asked for. `kind` None: not signed in, or not ACTIVE."""

    number: int
    kind: str | None
    takes_part: bool


_seat = (
    sa.func.unnest(uuids("room_ids"), uuids("user_ids"), uuids("session_ids"))
    .table_valued(
        sa.column("room_id", sa.Uuid()),
        sa.column("user_id", sa.Uuid()),
        sa.column("session_id", sa.Uuid()),
        with_ordinality="number",
        name="seat",
    )
    .render_derived()
)
# Scalar queries with a LIMIT are looked up one by one in their index: a join may read all of a workspace's people.
_kind = (
    sa.select(users.c.kind)
    .where(alive(_seat.c.session_id, _seat.c.user_id))
    .limit(1)
    .correlate(_seat)
    .scalar_subquery()
)
_participant = (
    sa.select(participants.c.user_id)
    .where(
        participants.c.workspace_id == uuid("workspace_id"),
        participants.c.room_id == _seat.c.room_id,
        participants.c.user_id == _seat.c.user_id,
    )
    .limit(1)
    .correlate(_seat)
    .scalar_subquery()
)
_judged = sa.select(_seat.c.number, _kind.label("kind"), _participant.is_not(None).label("takes_part")).select_from(
    _seat
)

seats = Statement(_judged, SeatRow)

# Usually nobody: so the answer costs nothing, however many listen. Not pulled up, which would ask everything twice.
_once = _judged.offset(0).subquery("judged")
lost_seats = Statement(sa.select(*_once.c).where(sa.or_(_once.c.kind.is_(None), ~_once.c.takes_part)), SeatRow)
