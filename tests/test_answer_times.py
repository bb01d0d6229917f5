"""How long an answer takes says nothing of whether somebody has the address.

A statistic, not a limit: how often an answer about a known address takes longer than one about an unknown one, taken
over all pairs (the effect size of the Mann-Whitney test). Where time tells nothing it is 0.5. With 80 of each its
standard deviation is 0.046, so that chance alone is outside of the bounds once in some ten thousand runs.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable

import argon2
import pytest

from models.link import LinkPurpose
from models.user import UserKind
from resolvers.errors import Code, Refused
from resolvers.link import request_link
from resolvers.operation import Transaction, operate
from resolvers.origin import Origin
from resolvers.password import hash_password
from resolvers.process import Process
from resolvers.session import sign_in
from resolvers.user import create_user
from tests.cast import Person

EACH = 80
BOUNDS = (0.32, 0.68)


def superiority(ones: list[float], others: list[float]) -> float:
    pairs = itertools.product(ones, others)
    return sum((one > other) + 0.5 * (one == other) for one, other in pairs) / (len(ones) * len(others))


# A beat as it is, and a hash that costs less than a real one: the same for those who are known and for nobody's.
pytestmark = pytest.mark.usefixtures("slow_passwords")


@pytest.fixture(autouse=True)
def cheaper_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "resolvers.password._hasher", argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
    )


@pytest.fixture
async def addresses(process: Process, ada: Person) -> list[tuple[bool, str]]:
    """Known and unknown ones, in a random order."""

    # At the cost of real ones: a cheap one would be verified within fewer beats than what stands in for nobody's.
    hashed = await hash_password("a password of theirs")

    async def people(transaction: Transaction) -> None:
        for number in range(EACH):
            await create_user(
                transaction,
                kind=UserKind.CLIENT,
                name=f"Known {number}",
                email=f"known.{number}@client.test",
                password_hash=hashed,
            )

    await operate(process, ada.workspace_id, people)
    made = [(known, f"{'' if known else 'un'}known.{number}@client.test") for number in range(EACH) for known in (0, 1)]
    random.Random(7).shuffle(made)
    return [(bool(known), email) for known, email in made]


async def measured(
    addresses: list[tuple[bool, str]], ask: Callable[[str, Origin], Awaitable[None]], *, at_once: int
) -> float:
    """Each address is asked about once, from a place of its own, so that no limit has a say."""
    times: dict[bool, list[float]] = {True: [], False: []}

    async def one(number: int, known: bool, email: str) -> None:
        began = time.perf_counter()
        await ask(email, Origin(f"192.0.{number // 200}.{number % 200 + 1}"))
        times[known].append(time.perf_counter() - began)

    numbered = list(enumerate(addresses))
    for start in range(0, len(numbered), at_once):
        batch = numbered[start : start + at_once]
        await asyncio.gather(*(one(number, known, email) for number, (known, email) in batch))
    return superiority(times[True], times[False])


@pytest.mark.parametrize("purpose", [LinkPurpose.SIGN_IN, LinkPurpose.RESET])
async def test_asking_for_a_link(purpose: LinkPurpose, process: Process, addresses: list[tuple[bool, str]]) -> None:
    async def ask(email: str, origin: Origin) -> None:
        await request_link(process, origin, purpose, email, None)

    assert BOUNDS[0] < await measured(addresses, ask, at_once=1) < BOUNDS[1]


async def test_a_wrong_password(process: Process, addresses: list[tuple[bool, str]]) -> None:
    async def ask(email: str, origin: Origin) -> None:
        with pytest.raises(Refused) as refused:
            await sign_in(process, origin, email, "a wrong password", None)
        assert refused.value.code is Code.INVALID_CREDENTIALS

    assert BOUNDS[0] < await measured(addresses, ask, at_once=10) < BOUNDS[1]


async def test_the_statistic_tells_what_takes_longer(addresses: list[tuple[bool, str]]) -> None:
    """That the tests above can fail."""

    async def ask(email: str, _: Origin) -> None:
        until = time.perf_counter() + (0.002 if email.startswith("known") else 0.001)
        while time.perf_counter() < until:
            await asyncio.sleep(0)

    assert await measured(addresses, ask, at_once=1) > BOUNDS[1]
