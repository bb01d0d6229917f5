"""A firm that is larger than most, to measure Parley with: one long room, one crowded room, and many others; and one
portal with all clients and half of the rooms, and many small ones.

Messages of all rooms are told in one order of time, so that a room's history lies scattered over the table, as in
life.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from math import sqrt
from uuid import UUID

import psycopg

from models.user import UserKind
from server.demo.chronicle import TABLES, Chronicle, Room
from server.demo.moment import NOW
from server.demo.progress import Progress

NAME = "Large & Co"
BEGAN = NOW - timedelta(days=400)
INTERNAL = "lena@large.test"
CLIENT = "carl@large.test"

LONG_ROOM_SHARE = 10  # every tenth message of all
PORTAL_SHARE = 2  # users to a portal
CHUNK = 10_000
DAYS = 365

GIVEN = ("Ama", "Bo", "Chloe", "Diego", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jun", "Kofi", "Lucia", "Mira", "Nils")
FAMILY = ("Abel", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "Hansen", "Ito", "Jansen", "Lopez", "Moreau")
SUBJECTS = ("The offer", "The second draft", "Your invoice", "The lease", "The permit", "The sample", "Page four")
VERBS = ("is with you", "needs one more look", "has come back", "is signed", "waits for your answer", "is better now")
ENDS = (
    "since this morning.",
    "and I think we can go on.",
    "as we said on the phone.",
    "and tomorrow I will call you about the rest of it, since there are two small things to ask before anybody signs.",
)


@dataclass(frozen=True)
class Size:
    messages: int
    users: int
    rooms: int

    @classmethod
    def of(cls, messages: int) -> "Size":
        """A million messages have 2,000 users and 1,000 rooms. Both grow with the root, so that rooms grow as well."""
        scale = sqrt(messages / 1_000_000)
        return cls(messages, users=max(12, round(2000 * scale)), rooms=max(4, round(1000 * scale)))


def tell(firm: Chronicle, password_hash: str, size: Size, progress: Progress) -> None:
    chance = random.Random(size.messages)  # noqa: S311  the same firm each time
    rooms = _rooms(firm, password_hash, size, chance)
    firm.write()
    long, _, *others = rooms
    began, step = firm.now, timedelta(days=DAYS) / size.messages
    for number in range(size.messages):
        firm.at(began + number * step)
        room = long if number % LONG_ROOM_SHARE == 0 else chance.choice(rooms[1:])
        _talk(firm, room, chance)
        if number % CHUNK == CHUNK - 1:
            firm.write()
            progress.reached(number + 1)
            if number < CHUNK:
                firm.analyze()
    firm.at(NOW)
    for room in rooms:
        # The two who sign in have read most of everything, and not the last of it.
        for user_id in room.people[:2]:
            firm.read(room, user_id, max(0, room.last - chance.randrange(30)))
    for room in others[::20]:
        firm.archive(room)
    firm.write()
    progress.finished()


def settle(connection: psycopg.Connection) -> None:
    """Statistics for the planner, and the visibility map, without which no scan is index-only. Not in a transaction."""
    for table in TABLES:
        connection.execute(f'VACUUM (ANALYZE) "{table}"'.encode())


def _rooms(firm: Chronicle, password_hash: str, size: Size, chance: random.Random) -> list[Room]:
    """The long room, the crowded one, and the others. The first of the internal people is in every one of them, the
    first of the clients in every fifth, and they stand first among a room's people."""
    internal: list[UUID] = []
    clients: list[UUID] = []
    for number in range(size.users):
        name = f"{GIVEN[number % len(GIVEN)]} {FAMILY[number // len(GIVEN) % len(FAMILY)]}"
        if number % 5 == 0:
            email = f"{name.replace(' ', '.').lower()}.{number}@large.test" if internal else INTERNAL
            internal.append(firm.user(name, email, UserKind.INTERNAL, password_hash))
        else:
            email = f"{name.replace(' ', '.').lower()}.{number}@client.test" if clients else CLIENT
            clients.append(firm.user(name, email, UserKind.CLIENT, password_hash))
    for user_id in internal + clients:
        firm.session(user_id)
    lena, carl = internal[0], clients[0]
    count = max(2, size.users // PORTAL_SHARE)
    small = [firm.portal(f"Client {number}", clients[number :: count - 1]) for number in range(count - 1)]
    crowded = firm.portal("Everybody", clients)
    rooms = [
        firm.room("The long talk", lena, [carl, *internal[1:4], *clients[1:8]]),
        firm.room("Everybody", lena, [carl, *internal[1:], *clients[1:]]),
    ]
    for number in range(2, size.rooms):
        others = chance.sample(internal[1:], min(2, len(internal) - 1)) + chance.sample(clients[1:], 4)
        carls = [carl] if number % 5 == 0 else []
        portal = crowded if number % 2 == 0 else small[number // 2 % len(small)]
        rooms.append(firm.room(f"{chance.choice(SUBJECTS)} {number}", lena, carls + others, portal))
    return rooms


def _talk(firm: Chronicle, room: Room, chance: random.Random) -> None:
    """A message, now and then an answer, changed or taken back, and somebody who reads."""
    circle = room.people[:40]
    answers = room.last - chance.randrange(5) if room.last > 5 and chance.random() < 0.05 else None
    message = firm.say(room, chance.choice(circle), _words(chance), answers=answers)
    luck = chance.random()
    if luck < 0.01:
        firm.edit(message, _words(chance))
    elif luck < 0.015:
        firm.erase(message)
    elif luck < 0.3:
        firm.read(room, chance.choice(circle[:-1]))  # the last of them has everything still to read


def _words(chance: random.Random) -> str:
    """One to three sentences."""
    return " ".join(
        f"{chance.choice(SUBJECTS)} {chance.choice(VERBS)} {chance.choice(ENDS)}" for _ in range(chance.randrange(1, 4))
    )
