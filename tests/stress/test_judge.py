"""The judge finds what is wrong in histories that are made up, and nothing in one that is right."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from tests.stress.history import History, Kept, examine
from tests.stress.judge import Account, Got, Happened, Judge, Stream, Text, Verdict

ROOM, ELSEWHERE = uuid4(), uuid4()
ADA, CLEO = uuid4(), uuid4()

# Cleo is in the room from 2 to 5 and from 8 on. Each event happened at its position's time.
LINE = [
    Happened(1, "PARTICIPANT_ADDED", 1, ROOM, user_id=ADA),
    Happened(2, "PARTICIPANT_ADDED", 2, ROOM, user_id=CLEO),
    Happened(3, "MESSAGE_ADDED", 3, ROOM, 1, ADA),
    Happened(4, "RECEIPTS_UPDATED", 4, ROOM, user_ids=[CLEO]),
    Happened(5, "PARTICIPANT_REMOVED", 5, ROOM, user_id=CLEO),
    Happened(6, "MESSAGE_ADDED", 6, ROOM, 2, ADA),
    Happened(7, "MESSAGE_ADDED", 7, ELSEWHERE, 1, ADA),
    Happened(8, "PARTICIPANT_ADDED", 8, ROOM, user_id=CLEO),
    Happened(9, "MESSAGE_ADDED", 9, ROOM, 3, ADA),
    Happened(10, "MESSAGE_DELETED", 10, ROOM, 3, ADA),
    Happened(11, "ROOM_READ", 11, ROOM, user_ids=[CLEO]),
]
TEXTS = {"first": Text(ROOM, 2.5), "second": Text(ROOM, 5.5), "third": Text(ROOM, 8.5)}

FIRST = Got(3, "MessageAdded", 3.1, ROOM, 1, "first")
LEFT = Got(5, "RoomLeft", 5.1, ROOM)
SECOND = Got(6, "MessageAdded", 8.1, ROOM, 2, "second")
JOINED = Got(8, "RoomJoined", 8.1, ROOM)
THIRD = Got(9, "MessageAdded", 9.1, ROOM, 3, "third")
DELETED = Got(10, "MessageDeleted", 10.1, ROOM, 3)
READ = Got(11, "RoomRead", 11.1, ROOM)

OF_VIEWER = [FIRST, LEFT, JOINED, THIRD, DELETED, READ]
OF_ROOM = [FIRST, SECOND, THIRD, DELETED, READ]
OF_MESSAGES = [FIRST, SECOND, THIRD]


def judged(stream: Stream, got: Sequence[Got], *, user: UUID = CLEO, internal: bool = False) -> Verdict:
    room = None if stream is Stream.VIEWER else ROOM
    verdict = Verdict()
    Judge(LINE, TEXTS).judge(Account("cleo", user, internal, stream, room, 2, list(got)), verdict)
    return verdict


def without(got: Sequence[Got], *missing: Got) -> list[Got]:
    return [each for each in got if each not in missing]


def counts(verdict: Verdict) -> tuple[int, int, int, int]:
    return len(verdict.lost), len(verdict.repeated), len(verdict.out_of_order), len(verdict.leaked)


@pytest.mark.parametrize(
    ("stream", "got"),
    [(Stream.VIEWER, OF_VIEWER), (Stream.ROOM, OF_ROOM), (Stream.MESSAGES, OF_MESSAGES)],
)
def test_what_is_owed_is_no_fault(stream: Stream, got: Sequence[Got]) -> None:
    assert judged(stream, got).clean


def test_what_was_missed_of_an_ended_membership_is_no_fault() -> None:
    assert judged(Stream.VIEWER, without(OF_VIEWER, FIRST)).clean
    assert judged(Stream.ROOM, [LEFT, *without(OF_ROOM, FIRST)]).clean


@pytest.mark.parametrize(
    ("stream", "got"), [(Stream.VIEWER, OF_VIEWER), (Stream.ROOM, OF_ROOM), (Stream.MESSAGES, OF_MESSAGES)]
)
def test_whatever_else_is_missing_is_lost(stream: Stream, got: Sequence[Got]) -> None:
    for missing in got:
        if stream is Stream.VIEWER and missing is FIRST:
            continue  # of a membership that has ended
        assert counts(judged(stream, without(got, missing))) == (1, 0, 0, 0)


def test_what_comes_again_is_repeated() -> None:
    assert counts(judged(Stream.VIEWER, [*OF_VIEWER, READ])) == (0, 1, 0, 0)
    assert counts(judged(Stream.MESSAGES, [FIRST, *OF_MESSAGES])) == (0, 1, 0, 0)


def test_what_stood_before_the_first_cursor_is_repeated() -> None:
    early = Got(2, "RoomJoined", 2.1, ROOM)
    assert counts(judged(Stream.VIEWER, [early, *OF_VIEWER])) == (0, 1, 0, 0)


def test_what_comes_late_is_out_of_order() -> None:
    assert counts(judged(Stream.MESSAGES, [SECOND, FIRST, THIRD])) == (0, 0, 1, 0)


@pytest.mark.parametrize(
    "leak",
    [
        Got(None, "MessageAdded", 12, ROOM, 1, "first"),
        Got(99, "MessageAdded", 12, ROOM, 1, "first"),
        Got(4, "ReadReceiptUpdated", 4.1, ROOM),
        Got(6, "MessageAdded", 6.1, ROOM, 2, "second"),
        Got(7, "MessageAdded", 7.1, ELSEWHERE, 1),
    ],
    ids=["of another firm", "of nothing", "receipts of others", "a message of between", "a room of others"],
)
def test_what_is_not_theirs_is_leaked(leak: Got) -> None:
    before = [each for each in OF_VIEWER if (each.position or 0) < (leak.position or 0)]
    behind = [each for each in OF_VIEWER if each not in before]
    assert counts(judged(Stream.VIEWER, [*before, leak, *behind])) == (0, 0, 0, 1)


def test_a_client_who_learns_of_others_in_the_room_is_a_leak_and_a_colleague_is_not() -> None:
    removed = Got(5, "ParticipantRemoved", 5.1, ROOM)
    assert judged(Stream.ROOM, [removed], user=ADA).leaked
    assert not judged(Stream.ROOM, [removed], user=ADA, internal=True).leaked


def test_history_that_comes_before_they_are_back_is_leaked() -> None:
    early = SECOND._replace(at=7.9)
    assert counts(judged(Stream.MESSAGES, [FIRST, early, THIRD])) == (0, 0, 0, 1)


def test_a_stream_that_outlives_a_departure_leaks() -> None:
    assert judged(Stream.MESSAGES, [FIRST, SECOND._replace(begun=7), THIRD]).clean
    outlived = [FIRST, SECOND._replace(begun=4.5), THIRD]
    assert counts(judged(Stream.MESSAGES, outlived)) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "got",
    [FIRST._replace(body="second", at=5.9), FIRST._replace(body="a forgery"), FIRST._replace(sequence=2)],
    ids=["a text of after they left", "a text of nobody", "another message"],
)
def test_a_message_that_shows_something_else_is_leaked(got: Got) -> None:
    assert counts(judged(Stream.MESSAGES, [got, SECOND, THIRD])) == (0, 0, 0, 1)


def test_a_text_that_was_written_meanwhile_may_be_seen_by_who_is_back() -> None:
    assert judged(Stream.MESSAGES, [FIRST._replace(body="second", at=8.1), SECOND, THIRD]).clean


def test_a_deletion_that_shows_the_text_is_a_leak() -> None:
    shown = DELETED._replace(body="third")
    assert counts(judged(Stream.ROOM, [FIRST, SECOND, THIRD, shown, READ])) == (0, 0, 0, 1)


def test_an_event_under_another_name_is_leaked() -> None:
    assert counts(judged(Stream.VIEWER, [*without(OF_VIEWER, READ), READ._replace(name="RoomUpdated")])) == (0, 0, 0, 1)


KEPT = [Kept(ROOM, 1, ADA, "one"), Kept(ROOM, 2, ADA, "two"), Kept(ROOM, 3, ADA, "three"), Kept(ELSEWHERE, 1, ADA, "x")]
ANSWERED = {(ADA, "one"): (ROOM, 1), (ADA, "two"): (ROOM, 2)}


def examined(line: Sequence[Happened] = LINE, kept: Sequence[Kept] = KEPT) -> tuple[int, int, int, int]:
    verdict = Verdict()
    examine(History(line, kept), ANSWERED, verdict)
    return counts(verdict)


def test_a_whole_database_is_no_fault() -> None:
    assert examined() == (0, 0, 0, 0)


def test_what_a_database_has_lost_or_has_twice_is_found() -> None:
    quiet = [event._replace(kind="ROOM_UPDATED") if event.position == 6 else event for event in LINE]
    assert examined(quiet) == (1, 0, 0, 0)  # a message without an event
    assert examined([event for event in LINE if event.position != 8]) == (1, 0, 0, 0)  # a gap
    again = Happened(12, "MESSAGE_ADDED", 12, ROOM, 3, ADA)
    assert examined([*LINE, again]) == (0, 1, 0, 0)
    sent_twice = [Kept(ROOM, 3, ADA, "two") if kept.key == "three" else kept for kept in KEPT]
    assert examined(kept=sent_twice) == (1, 1, 0, 0)  # nor is it where its sender was told
    lost = [kept for kept in KEPT if kept.key != "two"]
    assert examined(kept=lost) == (2, 0, 0, 1)  # a gap, an answer that is not true, and an event of nothing
