"""Tables and the queries on them. Knows nothing of the layers above.

Importing this package registers every table, so that migrations and checks see all of them.
"""

from models import (
    audit,
    event,
    issuer,
    link,
    mail,
    message,
    participant,
    portal,
    read_mark,
    room,
    session,
    user,
    work,
    workspace,
)

__all__ = [
    "audit",
    "event",
    "issuer",
    "link",
    "mail",
    "message",
    "participant",
    "portal",
    "read_mark",
    "room",
    "session",
    "user",
    "work",
    "workspace",
]
