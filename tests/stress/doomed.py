"""A sender that is killed between its commit and its hint.

    python -m tests.stress.doomed WORKSPACE USER SESSION ROOM TEXT

It runs the operation as a server does, in a process of its own; its message is there, and nobody is told.
"""

import asyncio
import os
import signal
import sys
from uuid import UUID

from models.user import UserKind
from resolvers.message import send_message
from resolvers.operation import operate
from resolvers.viewer import Viewer
from server.process import make_pool, make_process
from server.settings import load


async def send(workspace_id: UUID, user_id: UUID, session_id: UUID, room_id: UUID, text: str) -> None:
    settings = load()

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async with make_pool(settings) as pool:
        process = make_process(settings, pool, lambda *_: None, die)
        viewer = Viewer(workspace_id, user_id, session_id, UserKind.INTERNAL)
        await operate(
            process,
            workspace_id,
            lambda transaction: send_message(transaction, viewer, room_id, body=text, idempotency_key=text),
        )


if __name__ == "__main__":
    workspace_id, user_id, session_id, room_id = map(UUID, sys.argv[1:5])
    asyncio.run(send(workspace_id, user_id, session_id, room_id, sys.argv[5]))
