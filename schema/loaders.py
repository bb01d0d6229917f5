"""Loaders, named by relation: what many rows of one answer ask for is read in one statement."""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

from strawberry.dataloader import DataLoader

from models.connection import Connection
from models.message import MessageRow
from models.participant import ParticipantRow
from models.portal import ClientRow, ClientsPortal, PortalRow
from models.read_mark import Mark
from models.room import RoomRow
from models.user import UserRow
from resolvers import door, message, participant, portal, read_mark, room, user
from resolvers.budget import Budget
from resolvers.message import MessagePage
from resolvers.page import NamePage, TimePage
from resolvers.snapshot import Snapshot
from resolvers.viewer import Viewer

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

Place = tuple[UUID, int]
Reader = tuple[UUID, UUID]


class Loaders:
    """The loaders of one snapshot, for one viewer. They forget with it."""

    def __init__(self, snapshot: Snapshot, viewer: Callable[[], Viewer], budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._snapshot = snapshot
        self._viewer = viewer
        self._message_pages: dict[MessagePage, DataLoader[UUID, list[MessageRow]]] = {}
        self._participant_pages: dict[TimePage, DataLoader[UUID, list[ParticipantRow]]] = {}
        self._client_pages: dict[NamePage, DataLoader[UUID, list[ClientRow]]] = {}
        self._portal_room_pages: dict[TimePage, DataLoader[UUID, list[RoomRow]]] = {}

    def forget(self) -> None:
        """Let go of everything that was read. Loaders hold each other in circles, which would be found only much later,
        and their rows hold texts."""
        snapshot, viewer, budget = self._snapshot, self._viewer, self.budget
        self.__dict__.clear()
        Loaders.__init__(self, snapshot, viewer, budget)

    @cached_property
    def authors(self) -> DataLoader[UUID, UserRow | None]:
        """Users of whom the viewer has met the id in something that they may read."""
        return self._each(user.authors, lambda row: row.id)

    @cached_property
    def visible_users(self) -> DataLoader[UUID, UserRow | None]:
        return self._each(user.visible_users, lambda row: row.id)

    @cached_property
    def rooms(self) -> DataLoader[UUID, RoomRow | None]:
        return self._each(door.visible_rooms, lambda row: row.id)

    @cached_property
    def managers_by_room(self) -> DataLoader[UUID, UUID | None]:
        return self._mapped(room.managers, None)

    @cached_property
    def visible_messages(self) -> DataLoader[UUID, MessageRow | None]:
        return self._each(
            lambda connection, viewer, ids: message.visible_messages(connection, viewer, ids, self.budget),
            lambda row: row.id,
        )

    @cached_property
    def messages_by_sequence(self) -> DataLoader[Place, MessageRow | None]:
        return self._each(
            lambda connection, viewer, places: message.messages_at(connection, viewer, places, self.budget),
            lambda row: (row.room_id, row.sequence),
        )

    @cached_property
    def unread_counts_by_room(self) -> DataLoader[UUID, int]:
        return self._mapped(read_mark.unread_counts, 0)

    @cached_property
    def first_unread_by_room(self) -> DataLoader[UUID, MessageRow | None]:
        return self._each(read_mark.first_unread, lambda row: row.room_id)

    @cached_property
    def muted_by_room(self) -> DataLoader[UUID, bool]:
        """Of rooms that were read without what is the viewer's own."""
        return self._mapped(room.muted, False)

    @cached_property
    def latest_marks_by_reader(self) -> DataLoader[Reader, Mark | None]:
        return self._each(read_mark.latest_marks, lambda mark: (mark.room_id, mark.user_id))

    @cached_property
    def visible_participants(self) -> DataLoader[UUID, ParticipantRow | None]:
        return self._each(participant.visible_participants, lambda row: row.id)

    @cached_property
    def participant_counts_by_room(self) -> DataLoader[UUID, int]:
        return self._mapped(participant.participant_counts, 0)

    @cached_property
    def visible_portals(self) -> DataLoader[UUID, PortalRow | None]:
        return self._each(portal.visible_portals, lambda row: row.id)

    @cached_property
    def portals_by_user(self) -> DataLoader[UUID, list[ClientsPortal]]:
        return self._grouped(portal.portals_of_users, lambda row: row.user_id)

    @cached_property
    def client_counts_by_portal(self) -> DataLoader[UUID, int]:
        return self._mapped(portal.client_counts, 0)

    @cached_property
    def room_counts_by_portal(self) -> DataLoader[UUID, int]:
        return self._mapped(room.room_counts_of_portals, 0)

    def messages_by_room(self, page: MessagePage) -> DataLoader[UUID, list[MessageRow]]:
        if page not in self._message_pages:
            self._message_pages[page] = self._grouped(
                lambda connection, viewer, rooms: message.messages_of_rooms(
                    connection, viewer, rooms, page, self.budget
                ),
                lambda row: row.room_id,
            )
        return self._message_pages[page]

    def participants_by_room(self, page: TimePage) -> DataLoader[UUID, list[ParticipantRow]]:
        if page not in self._participant_pages:
            self._participant_pages[page] = self._grouped(
                lambda connection, viewer, rooms: participant.participants_of_rooms(connection, viewer, rooms, page),
                lambda row: row.room_id,
            )
        return self._participant_pages[page]

    def clients_by_portal(self, page: NamePage) -> DataLoader[UUID, list[ClientRow]]:
        if page not in self._client_pages:
            self._client_pages[page] = self._grouped(
                lambda connection, viewer, portals: portal.clients_of_portals(connection, viewer, portals, page),
                lambda row: row.portal_id,
            )
        return self._client_pages[page]

    def rooms_by_portal(self, page: TimePage) -> DataLoader[UUID, list[RoomRow]]:
        if page not in self._portal_room_pages:
            self._portal_room_pages[page] = self._grouped(
                lambda connection, viewer, portals: room.rooms_of_portals(connection, viewer, portals, page),
                lambda row: cast(UUID, row.portal_id),
            )
        return self._portal_room_pages[page]

    def _each(
        self,
        find: Callable[[Connection, Viewer, Sequence[Key]], Awaitable[Iterable[Value]]],
        key: Callable[[Value], Key],
    ) -> DataLoader[Key, Value | None]:
        async def load(keys: list[Key]) -> list[Value | None]:
            found = {key(row): row for row in await self._read(find, keys)}
            return [found.get(each) for each in keys]

        return DataLoader(load)

    def _mapped(
        self, find: Callable[[Connection, Viewer, Sequence[Key]], Awaitable[dict[Key, Value]]], missing: Value
    ) -> DataLoader[Key, Value]:
        async def load(keys: list[Key]) -> list[Value]:
            found = await self._read(find, keys)
            return [found.get(each, missing) for each in keys]

        return DataLoader(load)

    def _grouped(
        self,
        find: Callable[[Connection, Viewer, Sequence[Key]], Awaitable[Iterable[Value]]],
        key: Callable[[Value], Key],
    ) -> DataLoader[Key, list[Value]]:
        async def load(keys: list[Key]) -> list[list[Value]]:
            groups: dict[Key, list[Value]] = {each: [] for each in keys}
            for row in await self._read(find, keys):
                groups[key(row)].append(row)
            return [groups[each] for each in keys]

        return DataLoader(load)

    async def _read(self, find: Callable[[Connection, Viewer, Any], Awaitable[Value]], keys: Sequence[Key]) -> Value:
        viewer = self._viewer()
        return await self._snapshot.read(lambda connection: find(connection, viewer, keys))
