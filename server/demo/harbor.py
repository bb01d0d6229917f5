"""Harbor Legal: a firm whose people sign in at its own portal, and whose issuer tells Parley who they are. Nobody knows
a password of theirs."""

from models.user import UserKind
from server.demo.chronicle import Chronicle
from server.demo.moment import minutes_ago, on
from server.demo.portal_host.people import HANA, INES, OLE

NAME = "Harbor Legal"
BEGAN = on(12, "08:00")


def tell(firm: Chronicle, password_hash: str) -> None:
    hana = firm.user(HANA.name, HANA.email, UserKind.INTERNAL, password_hash)
    ines = firm.user(INES.name, INES.email, UserKind.CLIENT, password_hash)
    ole = firm.user(OLE.name, OLE.email, UserKind.CLIENT, password_hash)
    firm.at(on(6, "09:10"))
    lease = firm.room("The lease of the boathouse", hana, [ines])
    firm.at(on(6, "09:12"))
    firm.say(lease, hana, "Good morning, Ines. The owner has answered: two more years, at the old price.")
    firm.at(on(6, "11:40"))
    firm.read(lease, ines)
    firm.say(lease, ines, "That is better than I had hoped. What do they want in return?", answers=1)
    firm.at(on(3, "14:00"))
    firm.read(lease, hana)
    mooring = firm.room("Mooring rights", hana, [ole])
    firm.at(on(3, "14:02"))
    firm.say(mooring, hana, "Ole, please bring the old permit when you come on Tuesday.")
    firm.at(on(2, "08:30"))
    firm.read(mooring, ole)
    firm.say(mooring, ole, "I have it here. It is from 1987, and somebody spilled coffee on it.")
    firm.at(minutes_ago(20))
    firm.say(lease, hana, "Only that you keep the slipway clear. Shall I say yes?")
