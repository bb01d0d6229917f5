"""What a subscriber was owed, what it may have, and what is wrong with what it got.

These are the rules of docs/live-delivery.md said once more, from the line of events alone: nothing here asks the code
that is tried. The times are of one machine: an event's is taken under the line's lock, before its commit.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Stream(StrEnum):
    MESSAGES = "messageAdded"
    ROOM = "roomEvents"
    VIEWER = "viewerEvents"


class Happened(NamedTuple):
    """An event of the line."""

    position: int
    kind: str
    at: float
    room_id: UUID | None = None
    sequence: int | None = None
    user_id: UUID | None = None
    user_ids: Collection[UUID] = ()


class Got(NamedTuple):
    """What a phone was given. `begun`: since when it knew that it is subscribed, if it did."""

    position: int | None
    name: str
    at: float
    room_id: UUID | None = None
    sequence: int | None = None
    body: str | None = None
    begun: float | None = None


class Text(NamedTuple):
    """Where a text was written, and when that was begun."""

    room_id: UUID
    at: float


@dataclass
class Account:
    """One subscriber, and all that it was given. `start`: the event behind which its first subscription began."""

    name: str
    user_id: UUID
    internal: bool
    stream: Stream
    room_id: UUID | None = None
    start: int = 0
    got: list[Got] = field(default_factory=list)


class Stay(NamedTuple):
    """Somebody's time in a room: events behind `first` and before `last` are of it."""

    first: int
    last: float
    came: float
    left: float

    @property
    def is_open(self) -> bool:
        return self.last == math.inf


@dataclass
class Verdict:
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.repeated or self.out_of_order or self.leaked)

    def __str__(self) -> str:
        return (
            f"{len(self.lost)} lost, {len(self.repeated)} repeated, "
            f"{len(self.out_of_order)} out of order, {len(self.leaked)} leaked"
        )


_TO_EVERYONE = {
    "MESSAGE_ADDED": "MessageAdded",
    "MESSAGE_UPDATED": "MessageUpdated",
    "MESSAGE_DELETED": "MessageDeleted",
    "ROOM_UPDATED": "RoomUpdated",
}
_TO_COLLEAGUES = {
    "ROOM_MANAGER_CHANGED": "RoomUpdated",
    "RECEIPTS_UPDATED": "ReadReceiptUpdated",
    "PARTICIPANT_ADDED": "ParticipantAdded",
    "PARTICIPANT_REMOVED": "ParticipantRemoved",
}


class Judge:
    """Of one workspace. `texts`: all that anybody began to write."""

    def __init__(self, line: Sequence[Happened], texts: Mapping[str, Text]) -> None:
        self._line = line
        self._texts = texts
        self._by_position = {event.position: event for event in line}
        self._stays: dict[tuple[UUID, UUID], list[Stay]] = {}
        self._wiped: dict[tuple[UUID | None, int | None], int] = {}
        for event in line:
            self._keep(event)

    def judge(self, account: Account, verdict: Verdict) -> None:
        seen: set[int] = set()
        highest = account.start
        for got in account.got:
            if (fault := self._leak(account, got)) is not None:
                verdict.leaked.append(f"{account.name}: {_shown(got)}: {fault}")
            if got.position is None:
                continue
            if got.position in seen or got.position <= account.start:
                verdict.repeated.append(f"{account.name}: {_shown(got)}")
            elif got.position < highest:
                verdict.out_of_order.append(f"{account.name}: {_shown(got)} behind {highest}")
            seen.add(got.position)
            highest = max(highest, got.position)
        for event in self.owed(account):
            if event.position not in seen:
                verdict.lost.append(f"{account.name}: {event.position} {event.kind}")

    def owed(self, account: Account) -> Iterator[Happened]:
        """What must have come by the time at which the line ends."""
        departure = max((got.position or 0 for got in account.got if got.name == "RoomLeft"), default=0)
        for event in self._line:
            name = self._name(account, event)
            if name is None or event.position <= account.start or not self._is_sure(event, name):
                continue
            now = self._stay_now(event.room_id, account.user_id)
            if account.stream is Stream.VIEWER:
                # What stands before the coming of the membership that is open now may have been left out.
                due = name == "RoomLeft" or (now is not None and event.position >= now.first)
            else:
                # Who is back gets the room's whole history, but for what came before a departure that was told.
                due = name != "RoomLeft" and now is not None and event.position > departure
            if due:
                yield event

    def _keep(self, event: Happened) -> None:
        if event.kind == "MESSAGE_DELETED":
            self._wiped[event.room_id, event.sequence] = event.position
        if event.room_id is None or event.user_id is None:
            return
        stays = self._stays.setdefault((event.room_id, event.user_id), [])
        if event.kind == "PARTICIPANT_ADDED":
            stays.append(Stay(event.position, math.inf, event.at, math.inf))
        elif event.kind == "PARTICIPANT_REMOVED":
            stays[-1] = stays[-1]._replace(last=event.position, left=event.at)

    def _stays_of(self, room_id: UUID | None, user_id: UUID) -> list[Stay]:
        return [] if room_id is None else self._stays.get((room_id, user_id), [])

    def _stay_now(self, room_id: UUID | None, user_id: UUID) -> Stay | None:
        stays = self._stays_of(room_id, user_id)
        return stays[-1] if stays and stays[-1].is_open else None

    def _name(self, account: Account, event: Happened) -> str | None:
        """As what an event is told to somebody who may hear it."""
        if account.room_id is not None and event.room_id != account.room_id:
            return None
        if account.stream is Stream.MESSAGES and event.kind != "MESSAGE_ADDED":
            return None
        if event.kind in _TO_EVERYONE:
            return _TO_EVERYONE[event.kind]
        if event.kind == "ROOM_READ":
            return "RoomRead" if account.user_id in event.user_ids else None
        if event.user_id == account.user_id:
            if event.kind == "ROOM_MUTED":
                return "RoomUpdated"
            if event.kind == "PARTICIPANT_REMOVED":
                return "RoomLeft"
            if event.kind == "PARTICIPANT_ADDED" and account.stream is Stream.VIEWER:
                return "RoomJoined"
        return _TO_COLLEAGUES.get(event.kind) if account.internal else None

    def _is_sure(self, event: Happened, name: str) -> bool:
        """False: its subject may have been gone at its delivery, and then it is left out."""
        if name == "ParticipantAdded":
            assert event.user_id is not None, "somebody came"
            now = self._stay_now(event.room_id, event.user_id)
            return now is not None and now.first == event.position
        if name == "ReadReceiptUpdated":
            stays = (self._stay_now(event.room_id, user_id) for user_id in event.user_ids)
            return any(now is not None and now.first < event.position for now in stays)
        return True

    def _leak(self, account: Account, got: Got) -> str | None:
        """Why it should not have come, whatever else came."""
        event = None if got.position is None else self._by_position.get(got.position)
        if event is None:
            return "there is no such event in the workspace"
        name = self._name(account, event)
        if name is None:
            return f"{event.kind} is nothing to them"
        if got.name != name:
            return f"told as something else than {name}"
        if got.room_id != event.room_id or got.sequence != event.sequence:
            return "told of another room or message"
        stays = [stay for stay in self._stays_of(event.room_id, account.user_id) if stay.came <= got.at]
        if account.stream is Stream.VIEWER:
            hears = any(stay.first <= event.position <= stay.last for stay in stays)
        else:
            hears = any(event.position <= stay.last for stay in stays)
        if not hears:
            return "they were not in the room"
        if account.stream is not Stream.VIEWER and got.begun is not None:
            for stay in stays:
                if got.begun < stay.left and event.position > stay.last:
                    return "the stream has outlived a departure"
        return self._text_leak(got, event, stays)

    def _text_leak(self, got: Got, event: Happened, stays: Sequence[Stay]) -> str | None:
        if got.body is None:
            return None
        text = self._texts.get(got.body)
        if text is None or text.room_id != event.room_id:
            return "nobody has written this text there"
        if not any(text.at < stay.left for stay in stays):
            return "its text was written after they had left"
        if self._wiped.get((event.room_id, event.sequence), math.inf) <= event.position:
            return "its text had been deleted"
        return None


def _shown(got: Got) -> str:
    return f"{got.position} {got.name}"
