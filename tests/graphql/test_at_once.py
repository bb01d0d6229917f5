"""Of one user's queries so many are executed at once; others wait for none of them."""

import asyncio

from server.graphql.at_once import MOST, AtOnce


async def test_so_many_of_one_user_and_no_more() -> None:
    at_once, inside, most, go_on = AtOnce(), 0, 0, asyncio.Event()

    async def query(user: str) -> None:
        nonlocal inside, most
        async with at_once.turn(user):
            inside += 1
            most = max(most, inside)
            await go_on.wait()
            inside -= 1

    queries = [asyncio.create_task(query("ada")) for _ in range(3 * MOST)]
    await asyncio.sleep(0.01)
    assert inside == MOST
    async with at_once.turn("ben"):
        pass
    waiting = queries.pop()
    waiting.cancel()
    go_on.set()
    await asyncio.gather(*queries)
    assert most == MOST
    assert at_once._gates == {}
