"""How all sign-ins of somebody end."""

from collections.abc import Awaitable, Callable

import pytest

from resolvers.operation import Transaction, operate
from resolvers.process import Process
from resolvers.session import end, sweep_expired
from tests.cast import Person
from tests.races import rows

Ending = Callable[[Process, Person], Awaitable[object]]


async def signs_out(process: Process, person: Person) -> None:
    await person.do("signOut")


async def is_deactivated(process: Process, person: Person) -> None:
    """As long as there is no operation for it: the status, and each sign-in with its event, in one transaction."""
    sessions = await rows(process, "SELECT id FROM session WHERE user_id = %s", person.user_id)

    async def deactivate(transaction: Transaction) -> None:
        await transaction.connection.execute(
            "UPDATE \"user\" SET status = 'DEACTIVATED' WHERE workspace_id = %s AND id = %s",
            [person.workspace_id, person.user_id],
        )
        for (session,) in sessions:
            await end(transaction, session)

    await operate(process, person.workspace_id, deactivate)


async def runs_out(process: Process, person: Person) -> None:
    """Its time has come, and the task that looks for that has run."""
    await rows(process, "UPDATE session SET expires_at = now() WHERE user_id = %s RETURNING 1", person.user_id)
    await sweep_expired(process)


ENDINGS: dict[str, Ending] = {"a sign-out": signs_out, "a deactivation": is_deactivated, "its time": runs_out}

ends = pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
