"""A dump is restored, or a failover loses the last events, and people write on, under streams that run. Who was given
what is lost learns so, by CURSOR_EXPIRED; everybody else goes on, and is given exactly what stands."""

import pytest

from tests.cast import Person
from tests.histories.api import Api, Caller
from tests.histories.database import Database
from tests.live.hold import cursor_of

# In the room; and one more in the archive.
LOST = 3

# More than the server, the system and a client together hold back, by few messages.
LONG = "あ" * 10_000
MANY = 30
TEN_TIMES = f"""
    subscription ($room: ID!, $after: String) {{
      messageAdded(roomId: $room, after: $after) {{
        cursor message {{ body {" ".join(f"copy{number}: body" for number in range(9))} }}
      }}
    }}
"""


async def send(person: Person, room: str, *texts: str) -> list[str]:
    for text in texts:
        await person.send(room, text)
    return list(texts)


async def expires(phone: Caller, *texts: str) -> None:
    """It has these and no more, and ends."""
    await phone.until(lambda phone: phone.ended is not None)
    assert (phone.ended, phone.codes, phone.texts) == ("error", ["CURSOR_EXPIRED"], list(texts))


@pytest.mark.parametrize(
    "written",
    [0, LOST + 1, LOST + 3],
    ids=["before anything else", "at another event in its place", "with more behind it"],
)
async def test_who_was_given_what_is_lost_learns_it_and_everybody_else_goes_on(
    database: Database, ahead: Api, behind: Api, written: int
) -> None:
    """Whatever a process finds when it comes to the database again."""
    ada, cleo, zoe = [await behind.sign_in(name) for name in ("ada", "cleo", "zoe")]
    room, quiet, archive = [await ada.make_room(cleo) for _ in range(3)]
    elsewhere = await zoe.make_room()
    first = await cursor_of(cleo)
    await send(ada, archive, *[LONG] * MANY)
    kept = await send(ada, room, "Kept", "Kept, too")
    falling, standing = [await api.call(cleo, room, first) for api in (ahead, behind)]
    for phone in (falling, standing):
        await phone.has(*kept)
    newest = standing.cursor
    fresh = await behind.call(cleo, room)
    given_nothing_lost = await ahead.call(cleo, quiet)
    of_another_firm = await ahead.call(zoe, elsewhere)

    await database.keep()
    behind.line.take_away()
    lost = await send(ahead.serving(ada), room, *(f"Lost {number}" for number in range(LOST)))
    await falling.has(*kept, *lost)
    await ahead.serving(ada).send(archive, "Lost")
    slow = await ahead.call_and_stop_taking(cleo, archive, first, TEN_TIMES)
    gone = [event["cursor"] for event in falling.events[-LOST:]]

    if written:
        ahead.line.take_away()
    await database.lose()
    behind.line.lead_to(database.url)
    new = await send(ada, room, *(f"New {number}" for number in range(written)))
    ahead.line.lead_to(database.url)
    await expires(falling, *kept, *lost)

    slow.takes.set()
    await slow.has(*[LONG] * MANY)
    await ada.send(archive, "New")
    await slow.has(*[LONG] * MANY, "New")
    # At a place before the one at which it was let in: that was another event's.
    await ada.done("removeParticipant", {"roomId": archive, "userId": cleo.id})
    await slow.until(lambda phone: phone.ended is not None)
    assert slow.ended == "complete"
    new += await send(ada, room, *(f"New {number}" for number in range(written, LOST + 3)))
    await standing.has(*kept, *new)
    await fresh.has(*new)
    await ada.send(quiet, "Nothing is lost here")
    await given_nothing_lost.has("Nothing is lost here")
    await ahead.serving(zoe).send(elsewhere, "Nothing is lost")
    await of_another_firm.has("Nothing is lost")
    assert [phone.ended for phone in (standing, fresh, given_nothing_lost, of_another_firm)] == [None] * 4

    for api in (ahead, behind):
        for cursor in gone:
            await expires(await api.call(cleo, room, cursor))
        await (await api.call(cleo, room, first)).has(*kept, *new)
        await (await api.call(cleo, room, newest)).has(*new)
