"""The context of an execution for an event, whose result many share."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from models.message import MessageRow
from models.room import RoomRow
from models.user import UserKind
from resolvers import read_mark, stream
from resolvers.budget import Budget
from resolvers.process import Process
from resolvers.snapshot import Snapshot
from resolvers.viewer import Viewer
from schema.context import Context
from schema.loaders import Loaders
from schema.sharing import Beheld, Looks

Answer = TypeVar("Answer")
Missing = TypeVar("Missing")

# A room and somebody in it.
Theirs = tuple[UUID, UUID]


# How many bytes of texts an execution for an event may read.
EVENT_BYTES = 4 * 1024 * 1024


class Audience:
    """Everyone to whom the events of one snapshot go. What differs between them is read once for all of them; they are
    of one workspace, and each is in every room of these events to which they listen."""

    def __init__(
        self, snapshot: Snapshot, workspace_id: UUID, rooms: Mapping[UUID, RoomRow], users: Sequence[UUID]
    ) -> None:
        self.workspace_id = workspace_id
        self.rooms = rooms
        self._snapshot = snapshot
        self._users = list(dict.fromkeys(users))
        self.unread_counts = DataLoader(self._unread_counts)
        self.first_unread = DataLoader(self._first_unread)
        self.muted = DataLoader(self._muted)

    async def _unread_counts(self, rooms: list[UUID]) -> list[Mapping[Theirs, int]]:
        found = await self._snapshot.read(
            lambda connection: read_mark.unread_counts_of(connection, self.workspace_id, rooms, self._users)
        )
        return [found for _ in rooms]

    async def _first_unread(self, rooms: list[UUID]) -> list[Mapping[Theirs, MessageRow]]:
        found = await self._snapshot.read(
            lambda connection: read_mark.first_unread_of(connection, self.workspace_id, rooms, self._users)
        )
        return [found for _ in rooms]

    async def _muted(self, rooms: list[UUID]) -> list[Mapping[Theirs, bool]]:
        found = await self._snapshot.read(
            lambda connection: stream.muted_for(connection, self.workspace_id, rooms, self._users)
        )
        return [dict.fromkeys(found, True) for _ in rooms]


class SharedLoaders(Loaders):
    """Loaders whose answers, where they are the viewer's own, come from what was read for the whole audience."""

    def __init__(self, snapshot: Snapshot, viewer: Viewer, looks: Looks, audience: Audience) -> None:
        super().__init__(snapshot, lambda: viewer, Budget(EVENT_BYTES))
        self._looks = looks
        self._audience = audience

    @cached_property
    def rooms(self) -> DataLoader[UUID, RoomRow | None]:
        any_room = super().rooms

        async def load(keys: list[UUID]) -> list[RoomRow | None]:
            known = self._audience.rooms
            # Another room than those of the events is the viewer's to see or not.
            others = [key for key in keys if key not in known]
            found = dict(zip(others, await any_room.load_many(others), strict=True)) if others else {}
            return [known[key] if key in known else found[key] for key in keys]

        return DataLoader(load)

    @cached_property
    def unread_counts_by_room(self) -> DataLoader[UUID, int]:
        async def load(keys: list[UUID]) -> list[int]:
            tables = await self._audience.unread_counts.load_many(keys)
            return [self._look("unread", key, found, 0) for key, found in zip(keys, tables, strict=True)]

        return DataLoader(load)

    @cached_property
    def first_unread_by_room(self) -> DataLoader[UUID, MessageRow | None]:
        async def load(keys: list[UUID]) -> list[MessageRow | None]:
            tables = await self._audience.first_unread.load_many(keys)
            return [self._look("first unread", key, found, None) for key, found in zip(keys, tables, strict=True)]

        return DataLoader(load)

    @cached_property
    def muted_by_room(self) -> DataLoader[UUID, bool]:
        async def load(keys: list[UUID]) -> list[bool]:
            tables = await self._audience.muted.load_many(keys)
            return [self._look("muted", key, found, False) for key, found in zip(keys, tables, strict=True)]

        return DataLoader(load)

    def _look(self, what: str, room_id: UUID, found: Mapping[Theirs, Answer], missing: Missing) -> Answer | Missing:
        return self._looks.ask((what, room_id), lambda viewer: found.get((room_id, viewer.user_id), missing))


class EventContext(Context):
    """The context of one execution for an event. It remembers what was looked at of its viewer."""

    def __init__(self, process: Process, snapshot: Snapshot, viewer: Viewer, audience: Audience) -> None:
        self.looks = Looks(viewer)
        self._beheld = Beheld(viewer, self.looks)
        self._audience = audience
        super().__init__(process, snapshot, None)

    @property
    def viewer(self) -> Viewer:
        return self._beheld

    @property
    def viewer_kind(self) -> UserKind:
        return self._beheld.kind

    def is_viewer(self, user_key: UUID) -> bool:
        return self.looks.ask(("is", user_key), lambda viewer: viewer.user_id == user_key)

    @property
    def is_internal(self) -> bool:
        return self.viewer_kind is UserKind.INTERNAL

    def is_among(self, user_ids: Collection[UUID]) -> bool:
        return self.looks.ask(("among", tuple(user_ids)), lambda viewer: viewer.user_id in user_ids)

    def _loaders(self, snapshot: Snapshot) -> Loaders:
        return SharedLoaders(snapshot, self._beheld, self.looks, self._audience)
