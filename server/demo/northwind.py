"""Northwind Studio: a small firm of architects, two of its people and two of its clients, each in a portal."""

import secrets

import psycopg

from models.event import EventKind
from models.ids import new_id
from models.user import UserKind
from resolvers.text import folded
from server.demo.chronicle import Chronicle
from server.demo.moment import minutes_ago, on

NAME = "Northwind Studio"
BEGAN = on(30, "08:00")

# By name: whose it is, and which rooms are linked to it.
PORTALS = {
    "Harbor Bakery": ("dan@client.test", ["Shop front"]),
    "Marchetti Family": ("cleo@client.test", ["Garden house", "Survey of the plot"]),
}


def tell(firm: Chronicle, password_hash: str) -> None:
    """In the order of time, as everything is on a workspace's line; no two rooms are told one after the other."""
    ada = firm.user("Ada Lindqvist", "ada@firm.test", UserKind.INTERNAL, password_hash)
    ben = firm.user("Ben Achterberg", "ben@firm.test", UserKind.INTERNAL, password_hash)
    cleo = firm.user("Cleo Marchetti", "cleo@client.test", UserKind.CLIENT, password_hash)
    dan = firm.user("Dan Whitfield", "dan@client.test", UserKind.CLIENT, password_hash)

    firm.at(on(28, "09:00"))
    survey = firm.room("Survey of the plot", ada, [cleo])
    studio = firm.room("Studio", ada, [ben])
    firm.at(on(28, "09:05"))
    firm.say(survey, ada, "Cleo, the surveyor would come on Thursday between nine and noon. Does that suit you?")
    firm.at(on(28, "11:31"))
    firm.read(survey, cleo)
    firm.say(survey, cleo, "Yes, I am at home. The gate sticks a little: push it hard.", answers=1)
    firm.at(on(26, "15:10"))
    firm.read(survey, ada)
    firm.say(survey, ada, "He is done. The plot is 14 cm narrower than the old plan says, nothing that hurts us.")
    firm.at(on(26, "18:42"))
    firm.read(survey, cleo)
    firm.say(survey, cleo, "Good to know, thank you!")
    firm.at(on(21, "08:30"))
    firm.read(survey, ada)
    firm.archive(survey)

    firm.at(on(6, "09:02"))
    garden = firm.room("Garden house", ada, [ben, cleo])
    firm.at(on(6, "09:04"))
    firm.say(
        garden, ada, "Good morning, Cleo! From here on we talk about the garden house. Ben draws it, I watch the dates."
    )
    firm.at(on(6, "09:40"))
    firm.read(garden, cleo)
    firm.say(garden, cleo, "Lovely. The old shed has been gone since Saturday, so the ground is free.")
    firm.at(on(6, "10:15"))
    firm.read(garden, ben)
    sketch = firm.say(garden, ben, "I will have a first sketch for you on Wedensday.", answers=2)
    firm.at(on(6, "10:16"))
    firm.edit(sketch, "I will have a first sketch for you on Wednesday.")
    firm.at(on(6, "13:20"))
    firm.read(garden, ada)
    firm.read(garden, cleo)
    relaunch = firm.room("Shop front", ben, [ada, dan])
    firm.at(on(6, "13:25"))
    firm.say(relaunch, ben, "Hello Dan, this room is for the shop front. Ask whatever comes to your mind.")
    firm.at(on(5, "08:51"))
    firm.read(relaunch, dan)
    firm.say(relaunch, dan, "Hello both. The lease allows changes to the front, but not to the awning.")
    firm.at(on(5, "09:10"))
    firm.read(relaunch, ada)
    firm.say(relaunch, ada, "That helps. Is there a drawing of the awning with your lease?", answers=2)
    firm.at(on(5, "09:12"))
    firm.read(relaunch, ben)
    firm.read(relaunch, dan)
    firm.say(relaunch, dan, "There is, I will look for it.")
    firm.at(on(5, "16:05"))
    firm.say(studio, ada, "Do we take on the school in Harlow? They want an answer by the end of next week.")
    firm.at(on(5, "16:20"))
    firm.read(studio, ben)
    firm.say(studio, ben, "I would, if Dan's front is through the permit by then.", answers=1)

    firm.at(on(4, "14:30"))
    firm.say(
        garden,
        ben,
        "The sketch is done:\n\n– 4.20 by 3.10 m, the door to the south\n– a roof of larch shingles\n– a bench under "
        "the window, as you wished",
    )
    firm.at(on(4, "15:02"))
    firm.read(garden, cleo)
    firm.say(garden, cleo, "I love the bench! Could the window be a hand's breadth lower?", answers=4)
    wrong = firm.say(garden, cleo, "Eggs, milk, two lemons")
    firm.at(on(4, "15:03"))
    firm.erase(wrong)
    firm.say(garden, cleo, "Sorry, that last one was for somebody else.")
    firm.at(on(4, "15:20"))
    firm.read(garden, ada)
    firm.read(garden, ben)
    firm.say(garden, ben, "It can. I will lower it by 12 cm.", answers=5)

    firm.at(on(3, "09:30"))
    firm.read(relaunch, ben)
    firm.read(relaunch, ada)
    firm.say(relaunch, ben, "The permit office wants a photo of the street, both sides. I take it tomorrow morning.")
    firm.at(on(3, "11:00"))
    firm.read(relaunch, dan)
    firm.say(relaunch, dan, "Tomorrow is market day, there will be stalls everywhere. Friday is quieter.", answers=5)
    firm.at(on(3, "11:08"))
    firm.read(relaunch, ben)
    firm.say(relaunch, ben, "Friday then. Thank you for the warning.")
    firm.at(on(3, "17:45"))
    firm.read(studio, ada)
    firm.say(studio, ada, "Let's say yes to Harlow. I have drafted the letter, please read it before it goes out.")

    firm.at(on(2, "10:10"))
    fair = firm.room("Open house in June", ada, [ben, cleo, dan])
    firm.at(on(2, "10:14"))
    firm.say(
        fair,
        ada,
        "Dear all, on the second Sunday in June we open the studio to our neighbours, and we would like to show your "
        "projects. May we?",
    )
    firm.at(on(2, "12:00"))
    firm.read(fair, cleo)
    firm.say(fair, cleo, "With pleasure. I bring a cake.", answers=1)
    firm.at(on(2, "19:26"))
    firm.read(fair, dan)
    firm.say(fair, dan, "You may. If the front is done by then, people can walk over and see the real one.", answers=1)

    firm.at(on(1, "08:58"))
    firm.read(garden, ada)
    firm.read(garden, cleo)
    firm.say(garden, ada, "Cleo, the carpenter could begin on the 3rd or on the 17th. Which do you prefer?")
    firm.at(on(1, "12:40"))
    firm.read(garden, ben)
    firm.say(garden, ben, "On the 17th the larch would be drier, if I may vote.")
    firm.at(on(1, "16:33"))
    firm.read(relaunch, ada)
    firm.say(relaunch, ada, "The photos are with the permit office. They say ten working days.")

    # Nobody has seen these yet: there is something unread for each of the four.
    firm.at(minutes_ago(55))
    firm.say(relaunch, dan, "I have found the drawing of the awning. Shall I bring it or send it?", answers=3)
    firm.at(minutes_ago(40))
    firm.say(garden, cleo, "Then the 17th! My brother asks whether there will be electricity in it.")
    firm.at(minutes_ago(25))
    firm.say(studio, ben, "Read it, it is good. One word on page two: 'timber', not 'lumber'.", answers=3)
    firm.at(minutes_ago(10))
    firm.say(fair, ada, "Wonderful, thank you both. I will send round a plan for the day next week.")


def add_portals(connection: psycopg.Connection, slug: str) -> None:
    """Give the firm its portals where it has none: also where it was told before there were any, and whatever has
    become of its rooms since. The caller's transaction."""
    found = connection.execute(
        "SELECT workspace.id, workspace.created_at FROM workspace JOIN line ON workspace_id = workspace.id "
        "WHERE slug = %s AND NOT EXISTS (SELECT FROM portal WHERE workspace_id = workspace.id)",
        [slug],
    ).fetchone()
    if found is None:
        return
    here, began = found
    # Who adds them just now is waited for.
    connection.execute("SELECT FROM line WHERE workspace_id = %s FOR NO KEY UPDATE", [here])
    if connection.execute("SELECT FROM portal WHERE workspace_id = %s LIMIT 1", [here]).fetchone():
        return
    for name, (email, rooms) in PORTALS.items():
        portal = new_id()
        connection.execute(
            "INSERT INTO portal (workspace_id, id, name, name_key, created_at) VALUES (%s, %s, %s, %s, %s)",
            [here, portal, name, folded(name), began],
        )
        connection.execute(
            "INSERT INTO portal_client (workspace_id, portal_id, user_id, added_at) "
            'SELECT workspace_id, %s, id, %s FROM "user" WHERE workspace_id = %s AND email_key = %s',
            [portal, began, here, email],
        )
        linked = connection.execute(
            "UPDATE room SET portal_id = %s WHERE workspace_id = %s AND name = ANY (%s) RETURNING id",
            [portal, here, rooms],
        ).fetchall()
        for (room,) in linked:
            connection.execute(
                "INSERT INTO event (workspace_id, position, stamp, kind, room_id) "
                "SELECT %s, max(position) + 1, %s, %s, %s FROM event WHERE workspace_id = %s",
                [here, _stamp(), EventKind.ROOM_MANAGER_CHANGED.value, room, here],
            )


def _stamp() -> int:
    return int.from_bytes(secrets.token_bytes(8), "big", signed=True)
