"""Tables and the queries on them. Knows nothing of the layers above.

Importing this package registers every table, so that migrations and checks see all of them.
"""

from models import event, message, participant, read_mark, room, session, user, work, workspace

__all__ = ["event", "message", "participant", "read_mark", "room", "session", "user", "work", "workspace"]
