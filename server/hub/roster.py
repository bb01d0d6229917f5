"""Who listens to what, in groups that can share an execution."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from graphql.execution import Executor

from models.event import EventKind, EventRow
from resolvers.stream import End, end_of
from server.hub.subscriber import Key, Subscriber


class Group:
    """Subscribers of the same stream with the same document and the same values of the variables that matter."""

    def __init__(self, key: Key, executor: "Executor[object]") -> None:
        self.key = key
        self.executor = executor
        # In the order in which they came.
        self.subscribers: dict[Subscriber, None] = {}


class Roster:
    """Groups by room, and everyone by their sign-in."""

    def __init__(self) -> None:
        self._rooms: dict[UUID, dict[Key, Group]] = {}
        self._sessions: dict[UUID, dict[Subscriber, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def __iter__(self) -> Iterator[Subscriber]:
        for listening in self._sessions.values():
            yield from listening

    def add(self, subscriber: Subscriber, executor: "Executor[object]") -> None:
        groups = self._rooms.setdefault(subscriber.room_id, {})
        group = groups.get(subscriber.key)
        if group is None:
            group = groups[subscriber.key] = Group(subscriber.key, executor)
        # One text of a document for all who use it, however many have sent it.
        subscriber.key = group.key
        group.subscribers[subscriber] = None
        self._sessions.setdefault(subscriber.named.session_id, {})[subscriber] = None

    def discard(self, subscriber: Subscriber) -> None:
        groups = self._rooms.get(subscriber.room_id, {})
        group = groups.get(subscriber.key)
        if group is not None:
            group.subscribers.pop(subscriber, None)
            if not group.subscribers:
                del groups[subscriber.key]
                if not groups:
                    del self._rooms[subscriber.room_id]
        listening = self._sessions.get(subscriber.named.session_id)
        if listening is not None:
            listening.pop(subscriber, None)
            if not listening:
                del self._sessions[subscriber.named.session_id]

    def rooms(self) -> list[UUID]:
        return list(self._rooms)

    def told(self, event: EventRow) -> Sequence[Group]:
        """The groups whose stream an event is part of."""
        if event.room_id is None:
            return ()
        return [
            group
            for group in self._rooms.get(event.room_id, {}).values()
            if EventKind(event.kind) in group.key.topic.kinds
        ]

    def leaving(self, event: EventRow) -> Sequence[tuple[Subscriber, End]]:
        """Those whose stream an event ends."""
        if event.kind == EventKind.SESSION_ENDED and event.session_id is not None:
            listening = list(self._sessions.get(event.session_id, ()))
        elif event.kind == EventKind.PARTICIPANT_REMOVED and event.room_id is not None:
            groups = self._rooms.get(event.room_id, {}).values()
            listening = [subscriber for group in groups for subscriber in group.subscribers]
        else:
            return ()
        return [(each, how) for each in listening if (how := end_of(event, each.seat, each.since)) is not None]
