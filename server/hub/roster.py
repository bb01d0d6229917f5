"""Who listens to what, in groups that can share an execution."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from graphql.execution import Executor

from models.event import EventKind, EventRow
from resolvers.stream import RoomTopic
from server.hub.subscriber import Key, Subscriber


class Group:
    """Subscribers of the same stream with the same document and the same values of the variables that matter."""

    def __init__(self, key: Key, executor: "Executor[object]") -> None:
        self.key = key
        self.executor = executor
        # In the order in which they came.
        self.subscribers: dict[Subscriber, None] = {}


# Those of a group to whom an event may go.
Heard = tuple[Group, Sequence[Subscriber]]


class Roster:
    """Groups by room; those who listen to all their rooms by user; and everyone by their sign-in."""

    def __init__(self) -> None:
        self._rooms: dict[UUID, dict[Key, Group]] = {}
        self._everywhere: dict[Key, Group] = {}
        self._users: dict[UUID, dict[Subscriber, None]] = {}
        self._sessions: dict[UUID, dict[Subscriber, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def __iter__(self) -> Iterator[Subscriber]:
        for listening in self._sessions.values():
            yield from listening

    def add(self, subscriber: Subscriber, executor: "Executor[object]") -> None:
        groups = self._groups(subscriber)
        group = groups.get(subscriber.key)
        if group is None:
            group = groups[subscriber.key] = Group(subscriber.key, executor)
        # One text of a document for all who use it, however many have sent it.
        subscriber.key = group.key
        group.subscribers[subscriber] = None
        if subscriber.room_id is None:
            self._users.setdefault(subscriber.listener.user_id, {})[subscriber] = None
        self._sessions.setdefault(subscriber.listener.session_id, {})[subscriber] = None

    def discard(self, subscriber: Subscriber) -> None:
        groups = self._groups(subscriber)
        group = groups.get(subscriber.key)
        if group is not None:
            group.subscribers.pop(subscriber, None)
            if not group.subscribers:
                del groups[subscriber.key]
        if not groups and subscriber.room_id is not None:
            del self._rooms[subscriber.room_id]
        _forget(self._users, subscriber.listener.user_id, subscriber)
        _forget(self._sessions, subscriber.listener.session_id, subscriber)

    def executor_of(self, subscriber: Subscriber) -> "Executor[object]":
        """That of the group of one who is here."""
        return self._groups(subscriber)[subscriber.key].executor

    @property
    def rooms(self) -> list[UUID]:
        """Those to which somebody listens by name."""
        return list(self._rooms)

    @property
    def users(self) -> list[UUID]:
        """Those who listen to all their rooms."""
        return list(self._users)

    def in_room(self, event: EventRow) -> Iterator[Heard]:
        """Who listens to the room of an event by name: to events of its kind, or to their own departure."""
        if event.room_id is None:
            return
        for group in self._rooms.get(event.room_id, {}).values():
            topic = group.key.topic
            if not isinstance(topic, RoomTopic) or topic.kinds is None or event.kind in topic.kinds:
                yield group, list(group.subscribers)
            elif event.kind == EventKind.PARTICIPANT_REMOVED:
                yield group, [each for each in group.subscribers if each.listener.user_id == event.user_id]

    def everywhere(self, users: Iterable[UUID]) -> Iterator[Heard]:
        """Those of several users who listen to all their rooms."""
        heard: dict[Key, list[Subscriber]] = {}
        for user in users:
            for subscriber in self._users.get(user, ()):
                heard.setdefault(subscriber.key, []).append(subscriber)
        for key, subscribers in heard.items():
            yield self._everywhere[key], subscribers

    def of_session(self, session_id: UUID | None) -> list[Subscriber]:
        return [] if session_id is None else list(self._sessions.get(session_id, ()))

    def _groups(self, subscriber: Subscriber) -> dict[Key, Group]:
        if subscriber.room_id is None:
            return self._everywhere
        return self._rooms.setdefault(subscriber.room_id, {})


def _forget(listening: dict[UUID, dict[Subscriber, None]], key: UUID, subscriber: Subscriber) -> None:
    those = listening.get(key)
    if those is not None:
        those.pop(subscriber, None)
        if not those:
            del listening[key]
