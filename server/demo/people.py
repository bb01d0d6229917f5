"""Who can sign in to the demo, as its pages and `parley up` tell it. The password of each is `server.demo.PASSWORD`."""

from typing import NamedTuple


class Person(NamedTuple):
    name: str
    email: str
    about: str


PEOPLE = (
    Person("Ada", "ada@firm.test", "internal user of Northwind Studio"),
    Person("Ben", "ben@firm.test", "internal user of Northwind Studio"),
    Person("Cleo", "cleo@client.test", "client of Northwind Studio"),
    Person("Dan", "dan@client.test", "client of Northwind Studio"),
    Person("Zoe", "zoe@other.test", "internal user of another firm"),
)
