"""What the subscriptions of each user keep in memory: a document stays as long as somebody subscribes by it."""

from dataclasses import dataclass, field
from uuid import UUID

from graphql import DocumentNode

from server.graphql.document import size_of
from server.graphql.error import told
from server.graphql.streams import Rejected

# In bytes, for one user in one process: some dozens of documents, each for any number of rooms.
MOST = 8 * 1024 * 1024

# What a subscription takes beside its document and variables, about.
_EACH = 2_000


@dataclass(slots=True)
class _User:
    bytes: int = 0
    # How many subscribe by each text.
    documents: dict[str, int] = field(default_factory=dict)


class Kept:
    """An account of bytes for each user, within one bound."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._users: dict[UUID, _User] = {}

    def keep(self, user_id: UUID, text: str, document: DocumentNode, variables: str) -> "Keeping":
        """Count a subscription in. `variables`: those that it keeps, as JSON.

        Raises:
            Rejected: RATE_LIMITED.
        """
        if document.loc is not None:
            text = document.loc.source.body  # one for all who have sent the same
        user = self._users.get(user_id) or _User()
        each = _EACH + len(variables)
        if user.bytes + each + (0 if text in user.documents else size_of(text, document)) > self._most:
            raise Rejected([told("These are too many different subscriptions at once.", "RATE_LIMITED")])
        self._users[user_id] = user
        keeping = Keeping(self, user_id, text, document, each)
        self.change(keeping, 1)
        return keeping

    def change(self, keeping: "Keeping", by: int) -> None:
        """Count one of a text more, or less."""
        user, text = self._users[keeping.user_id], keeping.text
        had = user.documents.get(text, 0)
        user.documents[text] = had + by
        user.bytes += by * keeping.each
        if not had or not had + by:
            user.bytes += by * size_of(text, keeping.document)
        if not had + by:
            del user.documents[text]
            if not user.documents:
                del self._users[keeping.user_id]


@dataclass(slots=True, frozen=True)
class Keeping:
    """What one subscription keeps."""

    account: Kept
    user_id: UUID
    text: str
    document: DocumentNode
    each: int

    def let_go(self) -> None:
        """Once, at its end."""
        self.account.change(self, -1)
