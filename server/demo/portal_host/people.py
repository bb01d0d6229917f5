"""Who can come to the portal of the demo."""

from typing import NamedTuple


class Person(NamedTuple):
    id: str
    name: str
    email: str
    kind: str
    about: str


HANA = Person("u-1", "Hana Brandt", "hana@harbor.test", "INTERNAL", "lawyer at Harbor Legal")
INES = Person("u-2", "Ines Moreau", "ines@client.test", "CLIENT", "client")
OLE = Person("u-3", "Ole Jansen", "ole@client.test", "CLIENT", "client")
PEOPLE = {person.id: person for person in (HANA, INES, OLE)}
