"""How all sign-ins of somebody end."""

from collections.abc import Awaitable, Callable

import pytest

from resolvers.account import deactivate_user
from resolvers.operation import operate
from resolvers.process import Process
from resolvers.session import sweep_expired
from tests.cast import Person
from tests.races import rows

Ending = Callable[[Process, Person], Awaitable[object]]


async def signs_out(process: Process, person: Person) -> None:
    await person.do("signOut")


async def is_deactivated(process: Process, person: Person) -> None:
    await operate(process, person.workspace_id, lambda transaction: deactivate_user(transaction, None, person.user_id))


async def runs_out(process: Process, person: Person) -> None:
    """Its time has come, and the task that looks for that has run."""
    await rows(process, "UPDATE session SET expires_at = now() WHERE user_id = %s RETURNING 1", person.user_id)
    await sweep_expired(process)


ENDINGS: dict[str, Ending] = {"a sign-out": signs_out, "a deactivation": is_deactivated, "its time": runs_out}

ends = pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
