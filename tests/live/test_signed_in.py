"""Whether sign-ins are alive is asked for all who come at once, and nobody is answered by a question of before."""

import asyncio
from typing import Any

import pytest

from resolvers import stream
from resolvers.errors import SignInEnded, Unauthenticated
from resolvers.process import Process
from resolvers.session import identify
from resolvers.tokens import Named
from server.hub.signed_in import SignedIn
from tests.cast import Person
from tests.live.hold import Hold

CROWD = 300


class Asked:
    """Notes of how many sign-ins each question was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        asks = stream.lost_seats

        async def noted(connection: Any, workspace_id: Any, held: Any) -> Any:
            self.sizes.append(len(held))
            return await asks(connection, workspace_id, held)

        monkeypatch.setattr(stream, "lost_seats", noted)


@pytest.fixture
def signed_in(process: Process) -> SignedIn:
    return SignedIn(process)


def named(process: Process, person: Person) -> Named:
    assert person.token is not None
    return identify(process, person.token)


async def test_a_crowd_asks_a_few_questions(
    signed_in: SignedIn, process: Process, ada: Person, ben: Person, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)
    people = [named(process, person) for person in (ada, ben, zoe)]
    await asyncio.gather(*[signed_in.see(people[number % 3]) for number in range(CROWD)])
    assert sum(asked.sizes) == 3
    assert len(asked.sizes) == 2, "one for each workspace"


async def test_each_is_told_about_their_own(signed_in: SignedIn, process: Process, ada: Person, ben: Person) -> None:
    gone, there = named(process, ada), named(process, ben)
    await ada.ask("mutation { signOut { userErrors { code } } }")
    told = await asyncio.gather(signed_in.see(gone), signed_in.see(there), signed_in.see(gone), return_exceptions=True)
    assert [type(each) for each in told] == [SignInEnded, type(None), SignInEnded]


async def test_who_comes_while_a_question_is_on_its_way_is_not_answered_by_it(
    signed_in: SignedIn, process: Process, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be older than the sign-out that this client has seen done."""
    who = named(process, ada)
    held = Hold(monkeypatch, stream, "lost_seats", behind=True)
    first = asyncio.create_task(signed_in.see(who))
    await held.reached.wait()
    await ada.ask("mutation { signOut { userErrors { code } } }")
    second = asyncio.create_task(signed_in.see(who))
    held.let_go()
    await first
    with pytest.raises(Unauthenticated):
        await second


async def test_who_hangs_up_takes_no_answer_away(
    signed_in: SignedIn, process: Process, ada: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Hold(monkeypatch, stream, "lost_seats")
    leaving = asyncio.create_task(signed_in.see(named(process, ada)))
    staying = asyncio.create_task(signed_in.see(named(process, ben)))
    await held.reached.wait()
    leaving.cancel()
    held.let_go()
    await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_question_that_fails_is_asked_anew_by_the_next(
    signed_in: SignedIn, process: Process, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        async def fails(*_: Any) -> Any:
            raise TimeoutError

        patch.setattr(stream, "lost_seats", fails)
        with pytest.raises(TimeoutError):
            await signed_in.see(named(process, ada))
    await signed_in.see(named(process, ada))


async def test_it_ends_with_the_hub(
    signed_in: SignedIn, process: Process, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Hold(monkeypatch, stream, "lost_seats")
    asking = asyncio.create_task(signed_in.see(named(process, ada)))
    await held.reached.wait()
    await signed_in.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
