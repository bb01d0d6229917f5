"""Pages of lists: by a time and an id, or by a name and an id."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

Bound = TypeVar("Bound")


@dataclass(frozen=True, slots=True)
class Page(Generic[Bound]):
    """Its bounds are exclusive. `limit`: rows of each list at most; `backward`: the end of the list, in reverse."""

    limit: int
    after: Bound | None = None
    before: Bound | None = None
    backward: bool = False

    @property
    def shape(self) -> dict[str, bool]:
        """Which statement reads it."""
        return {"after": self.after is not None, "before": self.before is not None, "backward": self.backward}


@dataclass(frozen=True, slots=True)
class TimePage(Page[tuple[datetime, UUID]]):
    """By (time, id)."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The parameters of that statement."""
        after_time, after_id = self.after or (None, None)
        before_time, before_id = self.before or (None, None)
        return {
            "after_time": after_time,
            "after_id": after_id,
            "before_time": before_time,
            "before_id": before_id,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True)
class NamePage(Page[UUID]):
    """By (name, id), as ids of what stands at the bounds."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The parameters of that statement."""
        return {"after": self.after, "before": self.before, "limit": self.limit}

    @property
    def cursors(self) -> list[UUID]:
        """What its bounds name, each once."""
        return list(dict.fromkeys(edge for edge in (self.after, self.before) if edge is not None))
