"""The hot queries, and what each promises however large the tables grow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models import audit, event, message, participant, person, portal, read_mark, room, seat, session, user
from models.statement import Statement
from server.explain.plan import Promise
from server.explain.sample import Sample

# One more than a page is read, to know whether there is more.
LIMIT = 51
END = 2**63 - 1
FIRST, LATER, EARLIER = (
    {"after": False, "before": False, "backward": False},
    {"after": True, "before": False, "backward": False},
    {"after": False, "before": True, "backward": True},
)


@dataclass(frozen=True, slots=True)
class Hot:
    name: str
    statement: Statement[Any]
    parameters: Mapping[str, Any]
    promise: Promise


def hot_queries(sample: Sample) -> Iterator[Hot]:
    yield from _history(sample)
    yield from _rooms(sample)
    yield from _unread(sample)
    yield from _people(sample)
    yield from _portals(sample)
    yield from _sending(sample)
    yield from _live(sample)
    yield from _retention(sample)
    yield from _signing_in(sample)
    yield from audit_log(sample.workspace_id, sample.workspace_id)


def _history(at: Sample) -> Iterator[Hot]:
    half = at.messages // 2

    def page(name: str, *, backward: bool, after: int = 0, before: int = END) -> Hot:
        asked = {"room_ids": [at.long], "after": after, "before": before, "limit": LIMIT}
        return Hot(f"history, {name}", message.messages_pages(backward=backward), here(at, **asked), Promise(LIMIT))

    yield page("newest", backward=True)
    yield page("backward from the middle", backward=True, before=half)
    yield page("forward from the middle", backward=False, after=half)
    yield page("oldest", backward=False)
    yield Hot(
        "history, of a page of rooms",
        message.messages_pages(backward=True),
        here(at, room_ids=at.rooms, after=0, before=END, limit=11),
        Promise(11 * len(at.rooms)),
    )
    yield Hot(
        "around: where a message stands",
        message.sequence_by_id,
        here(at, room_id=at.long, id=at.message_id),
        Promise(1),
    )
    yield Hot(
        "a page of last messages",
        message.messages_by_sequence,
        here(at, room_ids=at.rooms, sequences=at.last_sequences),
        Promise(len(at.rooms)),
    )
    yield Hot("a message by id", message.messages_by_id, seen(at, ids=[at.message_id]), Promise(2))


def _rooms(at: Sample) -> Iterator[Hot]:
    every = at.internal.rooms
    # Activity is that of the last message, so all of the viewer's rooms are put in order, each by one look into an
    # index; the messages themselves are not touched.
    promise = Promise(3 * every, sorted_rows=every, index_only=("message",))
    time, last = at.room_cursor
    for name, bounds in (("first page", FIRST), ("next page", LATER), ("page before", EARLIER)):
        edges = {
            f"{edge}_{part}": value for edge in ("after", "before") for part, value in (("time", time), ("id", last))
        }
        yield Hot(
            f"rooms, {name}",
            room.rooms_page(archived=False, query=False, portal=False, **bounds),
            seen(at, limit=LIMIT, **(edges if bounds is not FIRST else {})),
            promise,
        )
    yield Hot(
        "rooms, how many", room.rooms_count(archived=False, query=False, portal=False), seen(at), Promise(3 * every)
    )
    yield Hot("a room by id", room.rooms_by_id, seen(at, ids=[at.long]), Promise(3, index_only=("message",)))
    yield Hot("who manages a page of rooms", room.managers, here(at, ids=at.rooms), Promise(3 * len(at.rooms)))


def _unread(at: Sample) -> Iterator[Hot]:
    page, every = len(at.rooms), at.internal.rooms
    of_page = here(at, room_ids=at.rooms, user_ids=[at.internal.id])
    only = ("message", "read_mark")
    # Own and deleted messages behind the mark are looked at and left out.
    few = 100
    yield Hot(
        "unread counts of a page",
        read_mark.unread_counts,
        of_page,
        Promise(few * page, 0, only),
    )
    yield Hot(
        "unread count of the long room, never read",
        read_mark.unread_counts,
        here(at, user_ids=[at.behind], room_ids=[at.long]),
        Promise(2 * read_mark.UNREAD_LIMIT, 0, only),
    )
    yield Hot(
        "first unread of a page",
        read_mark.first_unread,
        of_page,
        Promise(10 * page),
    )
    yield Hot(
        "first unread of the long room, never read",
        read_mark.first_unread,
        here(at, user_ids=[at.behind], room_ids=[at.long]),
        Promise(few),
    )
    yield Hot(
        "unread messages of all rooms",
        read_mark.unread_message_count,
        seen(at),
        Promise(4 * every + 2 * read_mark.UNREAD_LIMIT, 0, only),
    )
    yield Hot("unread rooms", read_mark.unread_room_count, seen(at), Promise(8 * every, 0, only))
    yield Hot(
        "marking as read",
        read_mark.mark_read,
        seen(at, session_id=at.session_id, room_id=at.long, message_id=at.message_id),
        Promise(10),
    )
    readers = at.user_ids
    yield Hot(
        "how far a page of participants has read",
        read_mark.latest_marks,
        here(at, room_ids=[at.crowded] * len(readers), user_ids=readers),
        Promise(len(readers), 0, ("read_mark",)),
    )


def _people(at: Sample) -> Iterator[Hot]:
    time, last = at.participant
    edges = {f"{edge}_{part}": value for edge in ("after", "before") for part, value in (("time", time), ("id", last))}
    for name, bounds in (("first page", FIRST), ("next page", LATER), ("page before", EARLIER)):
        yield Hot(
            f"participants, {name}",
            participant.participants_pages(**bounds),
            here(at, room_ids=[at.crowded], limit=LIMIT, **(edges if bounds is not FIRST else {})),
            Promise(LIMIT),
        )
    yield Hot(
        "participants, how many",
        participant.participant_counts,
        here(at, room_ids=[at.crowded]),
        Promise(at.participants, 0, ("participant",)),
    )
    yield Hot("a page of authors", user.users_by_id, here(at, ids=at.user_ids), Promise(len(at.user_ids)))
    yield Hot(
        "whom a client may know of",
        person.known_authors,
        here(at, viewer_id=at.client.id, ids=at.user_ids),
        Promise(2 * len(at.user_ids) * at.client.rooms, 0, ("message", "participant")),
    )
    plain = {"query": False, "kind": False, "status": False}
    yield Hot("users, first page", user.users_page(after=False, **plain), here(at, limit=LIMIT), Promise(LIMIT))
    yield Hot(
        "users, next page",
        user.users_page(after=True, **plain),
        here(at, limit=LIMIT, after=at.user_ids[0]),
        Promise(LIMIT + 1),
    )
    yield Hot(
        "users, searched",
        user.users_page(after=False, **{**plain, "query": True}),
        here(at, limit=LIMIT, query="nobody is called this"),
        Promise(at.users, sorted_rows=at.users),
    )
    yield Hot("users, how many", user.users_count(**plain), here(at), Promise(at.users))


def _portals(at: Sample) -> Iterator[Hot]:
    # A firm has few: so many are rightly read whole, and put in order.
    by_name = Promise(LIMIT + 1, sorted_rows=200)
    # All rooms of the portal are put in order, also those that the viewer is not in are looked at.
    by_rooms = Promise(4 * at.linked, sorted_rows=at.linked, index_only=("message",))
    some = at.portal_ids[len(at.portal_ids) // 2] if at.portal_ids else at.portal
    for name, bounds in (("first page", FIRST), ("next page", LATER), ("page before", EARLIER)):
        edges = {} if bounds is FIRST else {"after": some, "before": some}
        yield Hot(f"portals, {name}", portal.portals_page(**bounds), here(at, limit=LIMIT, **edges), by_name)
        # All clients of the portal are put in order.
        edges = {} if bounds is FIRST else {"after": at.user_ids[0], "before": at.user_ids[0]}
        yield Hot(
            f"clients of the largest portal, {name}",
            portal.clients_pages(**bounds),
            here(at, portal_ids=[at.portal], limit=LIMIT, **edges),
            Promise(at.users + at.clients, sorted_rows=at.clients),
        )
        time, last = at.room_cursor
        edges = {
            f"{edge}_{part}": value for edge in ("after", "before") for part, value in (("time", time), ("id", last))
        }
        yield Hot(
            f"rooms of the largest portal, {name}",
            room.rooms_of_portals(**bounds),
            seen(at, portal_ids=[at.portal], limit=LIMIT, **edges),
            by_rooms,
        )
    page = here(at, portal_ids=at.portal_ids)
    yield Hot(
        "clients of a page of portals",
        portal.clients_pages(**FIRST),
        page | {"limit": 11},
        Promise(2 * at.users, sorted_rows=at.users),
    )
    yield Hot("clients of a page of portals, how many", portal.client_counts, page, Promise(at.users))
    yield Hot(
        "rooms of a page of portals",
        room.rooms_of_portals(**FIRST),
        page | seen(at, limit=11),
        by_rooms,
    )
    yield Hot(
        "rooms of a page of portals, how many",
        room.room_counts_of_portals,
        page | seen(at),
        Promise(2 * at.linked, sorted_rows=at.linked),
    )
    yield Hot(
        "portals of a page of users",
        portal.portals_of_users,
        here(at, user_ids=at.user_ids),
        Promise(5 * len(at.user_ids), sorted_rows=3 * len(at.user_ids)),
    )
    yield Hot("how many portals", portal.portals_count, here(at), Promise(at.users))
    yield Hot(
        "rooms, of a portal",
        room.rooms_page(archived=False, query=False, portal=True, **FIRST),
        seen(at, portal_id=at.portal, limit=LIMIT),
        by_rooms,
    )


def _sending(at: Sample) -> Iterator[Hot]:
    room_of = {"room_id": at.long}
    yield Hot("the door: locking a room", room.lock_room, seen(at, **room_of), Promise(2))
    yield Hot("the door: standing", room.standing, seen(at, session_id=at.session_id, **room_of), Promise(6))
    yield Hot(
        "locking the room of a message", room.lock_room_of_message, seen(at, message_id=at.message_id), Promise(3)
    )
    yield Hot("a message by its key", message.message_by_key, seen(at, idempotency_key="a key", **room_of), Promise(1))
    yield Hot("the last message of a room", message.last_of_room, here(at, **room_of), Promise(1, 0, ("message",)))
    yield Hot(
        "taking a position",
        event.insert_events,
        here(
            at,
            stamps=[1],
            kinds=["MESSAGE_ADDED"],
            room_ids=[at.long],
            sequences=[1],
            user_ids=[None],
            session_ids=[None],
            lists_of_user_ids=[None],
        ),
        Promise(1),
    )


def _live(at: Sample) -> Iterator[Hot]:
    listeners = len(at.user_ids)
    seats = {
        "room_ids": [at.long] * listeners,
        "user_ids": at.user_ids,
        "session_ids": [at.session_id] * listeners,
    }
    theirs = {"room_ids": [at.long], "user_ids": at.user_ids}
    yield Hot("newest event", event.newest_event, here(at), Promise(1))
    yield Hot("the sweep of watched workspaces", event.newest_events, {"workspace_ids": [at.workspace_id]}, Promise(2))
    yield Hot("reading on", event.events_from, here(at, position=at.position, limit=201), Promise(201))
    span = 5_000
    log = {"after": at.position, "up_to": at.position + span, "limit": 200}
    nobody: dict[str, list[UUID]] = {"room_ids": [], "user_ids": []}
    about = nobody | {"room_ids": [at.long]}
    yield Hot("the log of a room", event.events_about, here(at, **about, **log), Promise(span))
    about = nobody | {"room_ids": [at.workspace_id]}
    yield Hot("the log of a quiet room", event.events_about, here(at, **about, **log), Promise(span))
    about = nobody | {"user_ids": at.user_ids[:1]}
    yield Hot("the log of all of a user's rooms", event.events_about, here(at, **about, **log), Promise(2 * span))
    yield Hot(
        "who came and went", event.changes_of_membership, here(at, room_ids=[at.long], after=at.position), Promise(span)
    )
    yield Hot(
        "who of those who listen is in a room", participant.people_of_rooms, here(at, **theirs), Promise(listeners)
    )
    yield Hot(
        "whom events are about",
        participant.participants_of_pairs,
        here(at, room_ids=[at.long] * listeners, user_ids=at.user_ids),
        Promise(listeners),
    )
    yield Hot("where a part of the log ends", event.end_of_span, here(at, up_to=log["up_to"]), Promise(2))
    yield Hot("whether cursors stand", event.positions_that_stand, here(at, positions=[at.position]), Promise(1))
    yield Hot("seats of who subscribes", seat.seats, here(at, **seats), Promise(5 * listeners))
    yield Hot("seats that are lost", seat.lost_seats, here(at, **seats), Promise(5 * listeners))
    yield Hot("the room of an event", room.rooms_of_events, here(at, ids=[at.long]), Promise(2, 0, ("message",)))
    yield Hot(
        "unread counts of all who listen",
        read_mark.unread_counts,
        here(at, **theirs),
        Promise(2 * read_mark.UNREAD_LIMIT * listeners, 0, ("message", "read_mark")),
    )
    yield Hot("first unread of all who listen", read_mark.first_unread, here(at, **theirs), Promise(100 * listeners))
    # Their waiting rows are those of about a second, whatever the tables hold.
    yield Hot("read marks that nobody was told of", read_mark.take_untold, here(at, limit=1_000), Promise(2_000, 1_000))
    yield Hot("who has muted", participant.muted_for, here(at, **theirs), Promise(2 * listeners))


def _retention(at: Sample) -> Iterator[Hot]:
    part = 1_000
    yield Hot("lines that are past the retention", event.lines_past_retention, {"days": 30}, Promise(1_000))
    yield Hot("sweeping a line", event.sweep_events, here(at, days=30, limit=part), Promise(4 * part))


def _signing_in(at: Sample) -> Iterator[Hot]:
    yield Hot(
        "sign-in by address",
        user.accounts_by_email,
        {"email_key": at.internal.email_key, "workspace": None},
        Promise(10),
    )
    yield Hot(
        "the session of a request",
        session.signed_in_user,
        here(at, session_id=at.session_id, user_id=at.internal.id),
        Promise(2),
    )


def audit_log(workspace_id: UUID, before: UUID) -> Iterator[Hot]:
    """`before`: some id of an entry, or any other."""
    every = dict.fromkeys(("since", "until", "action", "user", "room", "before"), False)
    given = {"workspace_id": workspace_id, "limit": LIMIT}
    # Each entry, and the addresses of the two whom it may name.
    promise = Promise(3 * LIMIT)
    yield Hot("the audit log, newest", audit.audit_page(**every), given, promise)
    yield Hot(
        "the audit log, further back",
        audit.audit_page(**every | {"before": True}),
        {**given, "before": before},
        promise,
    )


def here(at: Sample, **more: Any) -> dict[str, Any]:
    return {"workspace_id": at.workspace_id, **more}


def seen(at: Sample, **more: Any) -> dict[str, UUID | Any]:
    """As the internal viewer has it."""
    return here(at, viewer_id=at.internal.id, **more)
