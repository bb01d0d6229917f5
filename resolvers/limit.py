"""How often somebody may guess, and ask for what others pay for. These are the rules; `server/limiter` counts.

A guess at a password is counted in three ways, so that each kind of attacker meets one that holds:
- one account from one place: somebody who tries many passwords;
- one place, all accounts: somebody who tries one password at many accounts;
- one account, all places: somebody who has many places. That alone would let them shut its owner out, who may have no
  other name to sign in by. So it does not count for a place from which the account has signed in lately: the owner's.

The account is its address as it is compared; neither the workspace that is named, nor case, nor white space makes
another one, and addresses that nobody has are counted in the same way. A place is an address of IPv4, or the network
of 64 bits that a provider gives to one customer of IPv6. Where it is not known, all are one.

All of these are called outside a transaction: a limiter may wait for a moment.
"""

import asyncio
import ipaddress
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from resolvers.errors import Code, Refused
from resolvers.origin import Origin
from resolvers.text import address_key


class Rule(NamedTuple):
    """So many at once, and then one more for each of so many seconds."""

    name: str
    burst: int
    seconds: float


# Who mistypes has a few tries, and waits for less than it takes to look the password up. 2,900 a day are far too few to
# guess one that is not among the commonest.
PASSWORD = Rule("password", 10, 30)
# An office behind one address signs in together in the morning. Only what fails stays counted.
PASSWORDS_OF_PLACE = Rule("passwords of place", 100, 2)
# 8,700 a day, whoever helps: what a botnet may try at one account.
PASSWORDS_OF_ACCOUNT = Rule("passwords of account", 50, 10)

# Tokens can't be guessed: this bounds the work that garbage makes. Only what is refused counts, and it is roomy, since
# an office shares it with whoever there sends garbage.
TOKENS_OF_PLACE = Rule("tokens of place", 300, 0.2)

# Each may send a mail to somebody who has not asked for it. What they get are links that work, so it shuts nobody out.
# That holds as long as who names a firm in which nobody has the address, and so has no mail sent, uses up nothing of
# what is sent for others: an account is counted for each firm that is named.
LINKS_OF_ACCOUNT = Rule("links of account", 10, 300)
LINKS_OF_PLACE = Rule("links of place", 60, 10)

# A firm that invites all of its clients at once, and not a list of addresses that was bought.
INVITATIONS = Rule("invitations", 200, 5)

# One mailbox, whoever of the firm invites it: somebody who does not answer is not reminded by the minute.
INVITATIONS_TO = Rule("invitations to an address", 5, 300)

# Who found a browser open, and does not know the password.
CURRENT_PASSWORD = Rule("current password", 5, 30)

# How long the place of a sign-in is known, and how many of one account are: the latest.
KNOWN_SECONDS = 30 * 86400
KNOWN_PLACES = 20


class Place(NamedTuple):
    """Where somebody has signed in to an account."""

    account: str
    network: str


class Charge(NamedTuple):
    """One attempt by one rule. `unless`: it does not count where that place is known."""

    rule: Rule
    whose: tuple[str, ...]
    unless: Place | None = None


class Taken(NamedTuple):
    """`wait`: seconds until there is room again; None where there was. `charged`: what was taken, to be given back."""

    wait: float | None
    charged: tuple[Charge, ...] = ()


class Limiter(Protocol):
    """Counts, for all processes together as far as it can. It never fails, and waits for a moment at the most."""

    async def take(self, charges: Sequence[Charge]) -> Taken:
        """Take one from each, or nothing at all where one of them has no room: a refused attempt costs nothing."""

    async def look(self, charges: Sequence[Charge]) -> float | None:
        """What `take` would have to wait for, with nothing taken."""

    async def give_back(self, charged: Sequence[Charge], place: Place | None = None) -> None:
        """What was taken was no guess. `place`: know it from now on."""


class InFlight:
    """Attempts of which nobody knows yet whether they are guesses: no more than a rule lets go wrong are under way at
    once, and the others wait. Without it a house that signs in all at once would be refused for what is right."""

    def __init__(self) -> None:
        self._gates: WeakValueDictionary[tuple[str, ...], asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def one_of(self, rule: Rule, *whose: str) -> AsyncIterator[None]:
        # Held by whoever waits or is under way, and forgotten with the last of them.
        gate = self._gates.setdefault((rule.name, *whose), asyncio.Semaphore(rule.burst))
        async with gate:
            yield


@asynccontextmanager
async def trying_password(limiter: Limiter, in_flight: InFlight, origin: Origin, email: str) -> AsyncIterator[None]:
    """Around what finds out whether a password is the one of an address. Without an exception it was: then nothing is
    counted, and the place is known.

    Raises:
        Refused: RATE_LIMITED, before anything is looked up.
    """
    account, network = address_key(email), _network(origin)
    place = None if account is None else Place(account, network)
    charges = [Charge(PASSWORD, (account or "", network)), Charge(PASSWORDS_OF_PLACE, (network,))]
    if account is not None:
        charges.append(Charge(PASSWORDS_OF_ACCOUNT, (account,), unless=place))
    async with (
        in_flight.one_of(PASSWORD, account or "", network),
        in_flight.one_of(PASSWORDS_OF_PLACE, network),
        _guess(limiter, charges, place),
    ):
        yield


@asynccontextmanager
async def trying_current_password(limiter: Limiter, user_id: UUID) -> AsyncIterator[None]:
    """Around what finds out whether a password is the viewer's own, who is signed in.

    Raises:
        Refused: RATE_LIMITED.
    """
    async with _guess(limiter, [Charge(CURRENT_PASSWORD, (str(user_id),))]):
        yield


@asynccontextmanager
async def bearing_token(limiter: Limiter, origin: Origin) -> AsyncIterator[None]:
    """Around what a refresh token, or the token of a link, is exchanged in. It counts where it was refused as
    INVALID_CREDENTIALS or NOT_FOUND.

    Raises:
        Refused: RATE_LIMITED, before anything is looked up.
    """
    charges = [Charge(TOKENS_OF_PLACE, (_network(origin),))]
    _refuse_for(await limiter.look(charges))
    try:
        yield
    except Refused as refused:
        if refused.code in (Code.INVALID_CREDENTIALS, Code.NOT_FOUND):
            await limiter.take(charges)
        raise


async def ask_for_link(limiter: Limiter, origin: Origin, email: str, workspace: str | None = None) -> None:
    """Before a link to sign in, or to set a new password, is mailed to an address, or not. `workspace`: as
    it is named, trimmed. No more spellings are one here than are when it is looked for.

    Raises:
        Refused: RATE_LIMITED.
    """
    account = address_key(email)
    charges = [Charge(LINKS_OF_PLACE, (_network(origin),))]
    if account is not None:
        charges.append(Charge(LINKS_OF_ACCOUNT, (account, (workspace or "").lower())))
    _refuse_for((await limiter.take(charges)).wait)


@asynccontextmanager
async def inviting(limiter: Limiter, workspace_id: UUID, user_id: UUID, email: str) -> AsyncIterator[None]:
    """Around an invitation. One that comes to nothing sends no mail, and does not count.

    Raises:
        Refused: RATE_LIMITED.
    """
    charges = [Charge(INVITATIONS, (str(user_id),))]
    if (address := address_key(email)) is not None:
        charges.append(Charge(INVITATIONS_TO, (str(workspace_id), address)))
    taken = await limiter.take(charges)
    _refuse_for(taken.wait)
    try:
        yield
    except BaseException:
        await limiter.give_back(taken.charged)
        raise


async def know_place(limiter: Limiter, origin: Origin, email: str) -> None:
    """After a sign-in by other means than a password."""
    if (account := address_key(email)) is not None:
        await limiter.give_back((), Place(account, _network(origin)))


@asynccontextmanager
async def _guess(limiter: Limiter, charges: Sequence[Charge], place: Place | None = None) -> AsyncIterator[None]:
    taken = await limiter.take(charges)
    _refuse_for(taken.wait)
    try:
        yield
    except Refused:
        raise
    except Exception:
        # A fault of ours tells nobody anything, and shall shut nobody out.
        await limiter.give_back(taken.charged)
        raise
    await limiter.give_back(taken.charged, place)


def _refuse_for(wait: float | None) -> None:
    if wait is not None:
        seconds = max(1, math.ceil(wait))
        unit = "second" if seconds == 1 else "seconds"
        raise Refused(Code.RATE_LIMITED, f"Too many attempts: try again in {seconds} {unit}.")


def _network(origin: Origin) -> str:
    try:
        address = ipaddress.ip_address(origin.address or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address.packed, 64), strict=False))
