"""Who asks. Made in one place, from credentials (`resolvers/session.py`), and handed to every operation."""

from dataclasses import dataclass
from uuid import UUID

from models.user import UserKind
from resolvers.errors import Code, Refused


@dataclass(frozen=True, slots=True)
class Viewer:
    workspace_id: UUID
    user_id: UUID
    session_id: UUID
    kind: UserKind

    @property
    def is_internal(self) -> bool:
        return self.kind is UserKind.INTERNAL


def internal_only(viewer: Viewer) -> None:
    """The first check of everything that only a firm's own people do: it answers before anything is looked up.

    Raises:
        Refused: FORBIDDEN, for a client.
    """
    if not viewer.is_internal:
        raise Refused(Code.FORBIDDEN, "Only the firm's own people can do this.")
