"""Another firm, from which nothing of the first may be seen."""

from models.user import UserKind
from server.demo.chronicle import Chronicle
from server.demo.moment import on

NAME = "Other Office"
BEGAN = on(9, "10:00")


def tell(firm: Chronicle, password_hash: str) -> None:
    zoe = firm.user("Zoe Okafor", "zoe@other.test", UserKind.INTERNAL, password_hash)
    firm.at(on(5, "08:45"))
    desk = firm.room("Front desk", zoe, [])
    firm.at(on(5, "08:47"))
    firm.say(desk, zoe, "The new door code holds from Monday on. I will tell the cleaners.")
    firm.at(on(2, "16:20"))
    firm.say(desk, zoe, "Parcels for the second floor go to the left shelf.")
    firm.read(desk, zoe)
