"""How often somebody may guess: the rules, both ways to count, Valkey with its faults, and the API."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers import limit
from resolvers.errors import Code, NotFound, Refused
from resolvers.limit import KNOWN_PLACES, KNOWN_SECONDS, Charge, Limiter, Place, Rule
from resolvers.origin import Origin
from resolvers.process import Process
from server.embedded.valkey import EmbeddedValkey
from server.limiter import Buckets, SharedLimiter
from tests.api import serving
from tests.cast import PASSWORD, Person
from tests.ledger import Ledger

PATIENCE = 30.0

OWNER, HOME, ELSEWHERE = "ada@firm.test", Origin("203.0.113.7"), Origin("198.51.100.9")
GUESSED, LIMITED = Code.INVALID_CREDENTIALS, Code.RATE_LIMITED

# What real time passes in a test is nothing to it.
SLOW = Rule("of the tests", 5, 100_000)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Buckets:
    return Buckets(clock=clock)


def networks(count: int) -> list[Origin]:
    return [Origin(f"192.0.{number // 256}.{number % 256}") for number in range(count)]


async def guess(limiter: Limiter, origin: Origin, email: str = OWNER) -> Code:
    """What is answered to a wrong password."""
    return (await refusal(limiter, origin, email)).code


async def refusal(limiter: Limiter, origin: Origin, email: str = OWNER) -> Refused:
    with pytest.raises(Refused) as caught:
        async with limit.trying_password(limiter, limit.InFlight(), origin, email):
            raise Refused(GUESSED, "wrong")
    return caught.value


async def sign_in(limiter: Limiter, origin: Origin, email: str = OWNER) -> Code | None:
    """With the right password."""
    try:
        async with limit.trying_password(limiter, limit.InFlight(), origin, email):
            return None
    except Refused as refused:
        return refused.code


async def guesses(limiter: Limiter, count: int, origin: Origin, email: str = OWNER) -> list[Code]:
    return [await guess(limiter, origin, email) for _ in range(count)]


class TestGuessingPasswords:
    async def test_five_at_once_from_one_place_and_then_one_in_half_a_minute(
        self, limiter: Buckets, clock: Clock
    ) -> None:
        assert await guesses(limiter, 12, HOME) == [GUESSED] * 10 + [LIMITED] * 2
        clock.now += 29.9
        assert await guess(limiter, HOME) is LIMITED
        clock.now += 0.2
        assert await guesses(limiter, 2, HOME) == [GUESSED, LIMITED]
        clock.now += 10 * 30
        assert await guesses(limiter, 11, HOME) == [GUESSED] * 10 + [LIMITED]

    async def test_the_refusal_says_when_to_come_again_and_names_no_field(self, limiter: Buckets, clock: Clock) -> None:
        await guesses(limiter, 10, HOME)
        clock.now += 12.5
        refused = await refusal(limiter, HOME)
        assert (refused.public_message, refused.field) == ("Too many attempts: try again in 18 seconds.", None)
        clock.now += 17.4
        assert (await refusal(limiter, HOME)).public_message == "Too many attempts: try again in 1 second."

    async def test_one_who_does_not_wait_waits_no_longer(self, limiter: Buckets, clock: Clock) -> None:
        await guesses(limiter, 1_000, HOME)
        clock.now += 30.1
        assert await guess(limiter, HOME) is GUESSED

    async def test_the_right_password_counts_for_nothing(self, limiter: Buckets) -> None:
        assert [await sign_in(limiter, HOME) for _ in range(100)] == [None] * 100
        assert len(limiter) == 1, "only the place is kept"

    async def test_and_does_not_wipe_out_the_wrong_ones_before_it(self, limiter: Buckets) -> None:
        answers = []
        for _ in range(10):
            answers.append(await guess(limiter, HOME))
            await sign_in(limiter, HOME)
        assert [*answers, await guess(limiter, HOME)] == [GUESSED] * 10 + [LIMITED]

    async def test_nor_does_a_fault_of_ours_count(self, limiter: Buckets) -> None:
        for _ in range(50):
            with pytest.raises(RuntimeError):
                async with limit.trying_password(limiter, limit.InFlight(), HOME, OWNER):
                    raise RuntimeError("the database is gone")
        assert await guess(limiter, HOME) is GUESSED
        assert not limiter.knows(Place(OWNER, "203.0.113.7"))

    @pytest.mark.parametrize(
        "email", ["ADA@firm.test", "  ada@firm.test\n", "ada@firm.test\u3000", "a\u0064a@FIRM.TEST"]
    )
    async def test_another_spelling_of_an_address_is_no_other_account(self, limiter: Buckets, email: str) -> None:
        await guesses(limiter, 10, HOME)
        assert await guess(limiter, HOME, email) is LIMITED

    async def test_what_is_no_address_is_limited_too(self, limiter: Buckets) -> None:
        garbage = ["\0", "\ud800", "x" * 10_000, "a" + "\u0301" * 100, "\ud800\0"] * 3
        assert [await guess(limiter, HOME, each) for each in garbage] == [GUESSED] * 10 + [LIMITED] * 5

    async def test_an_address_that_nobody_has_is_limited_like_any_other(self, limiter: Buckets, clock: Clock) -> None:
        messages: list[list[str]] = [[], []]
        for said, email in zip(messages, (OWNER, "nobody@nowhere.test"), strict=True):
            for origin in networks(10):
                said += [(await refusal(limiter, origin, email)).public_message for _ in range(6)]
            clock.now += 1_000
        assert messages[0] == messages[1]

    async def test_one_place_tries_a_hundred_accounts_and_then_one_in_two_seconds(
        self, limiter: Buckets, clock: Clock
    ) -> None:
        tried = [await guess(limiter, HOME, f"{number}@firm.test") for number in range(110)]
        assert tried == [GUESSED] * 100 + [LIMITED] * 10
        clock.now += 2.1
        assert [await guess(limiter, HOME, f"{number}@firm.test") for number in (110, 111)] == [GUESSED, LIMITED]
        assert await guess(limiter, ELSEWHERE, "111@firm.test") is GUESSED

    async def test_all_places_together_try_fifty_times_and_then_once_in_ten_seconds(
        self, limiter: Buckets, clock: Clock
    ) -> None:
        assert [await guess(limiter, origin) for origin in networks(60)] == [GUESSED] * 50 + [LIMITED] * 10
        clock.now += 10.1
        assert [await guess(limiter, origin) for origin in networks(62)[60:]] == [GUESSED, LIMITED]

    async def test_they_do_not_shut_the_owner_out_of_a_place_where_they_signed_in(
        self, limiter: Buckets, clock: Clock
    ) -> None:
        assert await sign_in(limiter, HOME) is None
        for _ in range(20):
            assert LIMITED in [await guess(limiter, origin) for origin in networks(60)]
            assert await sign_in(limiter, HOME) is None
            clock.now += 86_400
        assert await sign_in(limiter, ELSEWHERE) is None, "they have paused for a day"
        assert LIMITED in [await guess(limiter, origin) for origin in networks(60)]
        assert await sign_in(limiter, Origin("198.51.100.10")) is LIMITED

    async def test_who_guesses_from_such_a_place_is_limited_all_the_same(self, limiter: Buckets) -> None:
        await sign_in(limiter, HOME)
        assert await guesses(limiter, 11, HOME) == [GUESSED] * 10 + [LIMITED]

    async def test_a_place_where_somebody_else_signed_in_is_nothing_to_an_account(self, limiter: Buckets) -> None:
        await sign_in(limiter, HOME, "ben@firm.test")
        for origin in networks(60):
            await guess(limiter, origin)
        assert await guess(limiter, HOME) is LIMITED
        assert await sign_in(limiter, HOME, "ben@firm.test") is None

    async def test_a_place_is_forgotten_after_a_month(self, limiter: Buckets, clock: Clock) -> None:
        await limit.know_place(limiter, HOME, OWNER)
        clock.now += KNOWN_SECONDS - 1
        for origin in networks(60):
            await guess(limiter, origin)
        assert await sign_in(limiter, HOME) is None, "and is known for another month"
        clock.now += KNOWN_SECONDS + 1
        for origin in networks(60):
            await guess(limiter, origin)
        assert await sign_in(limiter, HOME) is LIMITED

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("203.0.113.7", "203.0.113.8", False),
            (None, None, True),
            (None, "203.0.113.7", False),
        ],
    )
    async def test_a_place_is_an_address_or_the_network_of_one_customer(
        self, limiter: Buckets, one: str | None, other: str | None, same: bool
    ) -> None:
        await guesses(limiter, 10, Origin(one))
        assert (await guess(limiter, Origin(other)) is LIMITED) == same


class TestTheOtherRules:
    async def test_garbage_for_tokens_counts_by_the_place_and_good_ones_do_not(
        self, limiter: Buckets, clock: Clock
    ) -> None:
        async def bear(error: Exception | None, origin: Origin = HOME) -> Code | None:
            try:
                async with limit.bearing_token(limiter, origin):
                    if error is not None:
                        raise error
            except Refused as refused:
                return refused.code
            return None

        for error in (None, Refused(Code.EXPIRED, "old"), Refused(Code.BLANK, "no name", "name")):
            assert LIMITED not in [await bear(error) for _ in range(400)]
        for _ in range(299):
            assert await bear(Refused(GUESSED, "forged")) is GUESSED
        assert await bear(NotFound()) is Code.NOT_FOUND
        assert [await bear(None), await bear(None, ELSEWHERE)] == [LIMITED, None]
        clock.now += 0.3
        assert await bear(None) is None

    async def test_links_are_asked_for_ten_times_for_one_account(self, limiter: Buckets, clock: Clock) -> None:
        for origin in networks(10):
            await limit.ask_for_link(limiter, origin, OWNER)
        with pytest.raises(Refused, match="300 seconds"):
            await limit.ask_for_link(limiter, HOME, " ADA@firm.test")
        clock.now += 300
        await limit.ask_for_link(limiter, HOME, OWNER)

    async def test_asking_in_the_name_of_another_firm_keeps_nobody_from_their_links(
        self, nobody: Person, ada: Person, ledger: Ledger
    ) -> None:
        """Where the address has no account no mail is sent, so that its owner would be left with nothing."""
        for name in ("nobodys", " NOBODYS", "Nobodys ", "nobodys", "nobodys") * 2:
            await nobody.done("requestPasswordReset", {"email": ada.member.email, "workspace": name})
        await nobody.done("requestPasswordReset", {"email": ada.member.email, "workspace": "no\u00adbodys"})
        again = {"email": ada.member.email, "workspace": "Nobodys"}
        assert await nobody.refused("requestPasswordReset", again) == [("RATE_LIMITED", None)]
        await nobody.done("requestPasswordReset", {"email": ada.member.email, "workspace": "northwind"})
        await nobody.done("requestSignInLink", {"email": ada.member.email})
        assert await ledger.sql("SELECT workspace FROM link_request ORDER BY requested_at DESC LIMIT 2") == [
            (None,),
            ("northwind",),
        ]

    async def test_a_blank_name_of_a_firm_is_none(self, nobody: Person, ada: Person, ledger: Ledger) -> None:
        """It would else take from those who name none, and have nothing sent."""
        for blank in ("", "  ", "\t"):
            await nobody.done("requestSignInLink", {"email": ada.member.email, "workspace": blank})
        assert await ledger.sql("SELECT DISTINCT workspace FROM link_request") == [(None,)]

    async def test_and_sixty_times_from_one_place(self, limiter: Buckets, clock: Clock) -> None:
        for number in range(59):
            await limit.ask_for_link(limiter, HOME, f"{number}@firm.test")
        await limit.ask_for_link(limiter, HOME, "\0")
        with pytest.raises(Refused, match="10 seconds"):
            await limit.ask_for_link(limiter, HOME, "61@firm.test")
        await limit.ask_for_link(limiter, ELSEWHERE, "61@firm.test")
        clock.now += 10
        await limit.ask_for_link(limiter, HOME, "61@firm.test")

    async def invite(self, limiter: Buckets, firm: UUID, who: UUID, email: str) -> None:
        async with limit.inviting(limiter, firm, who, email):
            pass

    async def test_an_invitation_that_is_refused_does_not_count(self, limiter: Buckets) -> None:
        firm, one = uuid4(), uuid4()
        for _ in range(20):
            with pytest.raises(NotFound):
                async with limit.inviting(limiter, firm, one, "mia@client.test"):
                    raise NotFound
        await self.invite(limiter, firm, one, "mia@client.test")

    async def test_somebody_invites_two_hundred_at_once(self, limiter: Buckets) -> None:
        one, other = uuid4(), uuid4()
        firm = uuid4()
        for number in range(200):
            await self.invite(limiter, firm, one, f"{number}@client.test")
        with pytest.raises(Refused, match="5 seconds"):
            await self.invite(limiter, firm, one, "next@client.test")
        await self.invite(limiter, firm, other, "next@client.test")

    async def test_a_firm_invites_one_address_five_times_at_once_whoever_does_it(self, limiter: Buckets) -> None:
        firm = uuid4()
        for _ in range(5):
            await self.invite(limiter, firm, uuid4(), "Mia@client.test")
        with pytest.raises(Refused, match="300 seconds"):
            await self.invite(limiter, firm, uuid4(), "mia@client.test ")
        await self.invite(limiter, uuid4(), uuid4(), "mia@client.test")

    async def test_ones_own_password_is_tried_five_times(self, limiter: Buckets) -> None:
        user_id = uuid4()
        for _ in range(5):
            async with limit.trying_current_password(limiter, user_id):
                pass
            with pytest.raises(Refused, match="wrong"):
                async with limit.trying_current_password(limiter, user_id):
                    raise Refused(GUESSED, "wrong")
        with pytest.raises(Refused, match="30 seconds"):
            async with limit.trying_current_password(limiter, user_id):
                raise AssertionError("it is not even looked at")


class TestABucket:
    @given(st.integers(1, 20), st.sampled_from([0.25, 1.0, 30.0]), st.lists(st.floats(0, 3), max_size=100))
    def test_never_gives_more_than_a_burst_and_what_has_come_since(
        self, burst: int, seconds: float, pauses: list[float]
    ) -> None:
        clock = Clock()
        buckets, charges = Buckets(clock=clock), [Charge(Rule("any", burst, seconds), ())]
        taken: list[float] = []
        for pause in pauses:
            clock.now += pause * seconds
            wait = buckets.take_now(charges).wait
            if wait is None:
                taken.append(clock.now)
                for earlier in range(len(taken)):
                    allowed = burst + (clock.now - taken[earlier]) / seconds
                    assert len(taken) - earlier <= allowed + 1e-4
            else:
                assert 0 < wait <= seconds * (1 + 1e-9)
                assert buckets.take_now(charges).wait == wait, "a refused attempt changes nothing"

    @given(st.integers(1, 20), st.lists(st.floats(0, 3), max_size=30))
    def test_has_room_after_the_time_that_it_tells(self, burst: int, pauses: list[float]) -> None:
        clock = Clock()
        buckets, charges = Buckets(clock=clock), [Charge(Rule("any", burst, 2.0), ())]
        for pause in pauses:
            clock.now += pause
            while (wait := buckets.take_now(charges).wait) is None:
                pass
            clock.now += wait + 2e-6
            assert buckets.take_now(charges).wait is None

    def test_all_of_an_attempt_are_taken_or_none(self) -> None:
        buckets = Buckets()
        roomy, narrow = Charge(SLOW, ("roomy",)), Charge(SLOW._replace(burst=1), ("narrow",))
        assert buckets.take_now([roomy, narrow]) == (None, (roomy, narrow))
        for _ in range(100):
            assert buckets.take_now([roomy, narrow]).charged == ()
        assert [buckets.take_now([roomy]).wait is None for _ in range(5)] == [True] * 4 + [False]

    def test_a_million_attackers_neither_eat_the_memory_nor_have_the_others_forgotten(self) -> None:
        clock = Clock()
        buckets = Buckets(most=1_000, clock=clock)
        victim = [Charge(SLOW, ("victim",))]
        for _ in range(5):
            buckets.take_now(victim)
        for number in range(20_000):
            buckets.take_now([Charge(SLOW, (str(number),))])
            buckets.know(Place("mine", str(number)))
        assert len(buckets) <= 2_000
        assert len(buckets._soonest) <= 2_000
        assert buckets.take_now(victim).wait is not None
        clock.now += KNOWN_SECONDS
        buckets.take_now(victim)
        assert len(buckets._full_at) <= 1, "what is full again is nothing"


def signal_to(server: EmbeddedValkey, number: signal.Signals) -> None:
    assert server.pid is not None
    os.kill(server.pid, number)


def kill(server: EmbeddedValkey) -> None:
    signal_to(server, signal.SIGKILL)
    server.stop()


@pytest.fixture
def own_valkey() -> Iterator[EmbeddedValkey]:
    """A server that a test may do anything to."""
    with EmbeddedValkey.temporary() as server:
        yield server
        if server.pid is not None:
            signal_to(server, signal.SIGCONT)


@asynccontextmanager
async def shared(url: str, key: bytes) -> AsyncIterator[SharedLimiter]:
    made = SharedLimiter(url, key, seconds=PATIENCE)
    try:
        yield made
    finally:
        async with asyncio.timeout(PATIENCE):
            await made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def keys_of(valkey: redis.Redis) -> list[bytes]:
    return list(valkey.scan_iter("parley:limit:*"))


def let_pass(valkey: redis.Redis, seconds: float) -> None:
    """As if so much time had passed."""
    for key in keys_of(valkey):
        if valkey.type(key) == b"zset":
            for place in valkey.zrange(key, 0, -1):
                valkey.zincrby(key, -seconds, place)
        elif (left := (valkey.pttl(key) - seconds * 1000)) > 0:
            valkey.set(key, int(valkey.get(key)) - round(seconds * 1e6), px=round(left))
        else:
            valkey.delete(key)


async def taken(limiter: Limiter, count: int, charge: Charge) -> int:
    """How many of so many attempts are let through."""
    return sum([(await limiter.take([charge])).wait is None for _ in range(count)])


CHARGE = Charge(SLOW, ("somebody",))
PLACE = Place("account", "network")

charges = st.lists(
    st.builds(
        Charge,
        st.sampled_from([SLOW, Rule("another", 1, 150_000), Rule("a third", 3, 50_000)]),
        st.sampled_from([("one",), ("two",)]),
        st.sampled_from([None, PLACE, Place("account", "another network")]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda charge: (charge.rule, charge.whose),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), charges),
        st.tuples(st.just("look"), charges),
        st.tuples(st.just("give back"), st.sampled_from([None, PLACE])),
        st.tuples(st.just("let pass"), st.integers(1, 40).map(lambda number: number * 10_000 + 5_000.0)),
    ),
    max_size=25,
)


class TestInValkey:
    @settings(max_examples=60)
    @given(steps)
    def test_it_decides_as_a_process_does(self, valkey: EmbeddedValkey, steps: list[tuple[str, Any]]) -> None:
        async def decide() -> None:
            clock = Clock()
            alone = Buckets(clock=clock)
            with redis.Redis.from_url(valkey.url) as client:
                async with shared(valkey.url, os.urandom(32)) as limiter:
                    charged: list[Charge] = []
                    for step, what in steps:
                        if step == "take":
                            mine, theirs = await alone.take(what), await limiter.take(what)
                            assert mine.charged == theirs.charged
                            assert mine.wait == pytest.approx(theirs.wait, abs=1_000)
                            charged += mine.charged
                        elif step == "look":
                            assert await alone.look(what) == pytest.approx(await limiter.look(what), abs=1_000)
                        elif step == "give back":
                            await alone.give_back(charged[-1:], what)
                            await limiter.give_back(charged[-1:], what)
                            del charged[-1:]
                        else:
                            clock.now += what
                            let_pass(client, what)
                    assert limiter.shares, "it was Valkey that decided"

        asyncio.run(decide())

    async def test_fifty_attempts_at_once_take_exactly_a_burst(self, valkey: EmbeddedValkey) -> None:
        key = os.urandom(32)
        async with shared(valkey.url, key) as one, shared(valkey.url, key) as other:
            attempts = [limiter.take([CHARGE]) for _ in range(25) for limiter in (one, other)]
            waits = [attempt.wait for attempt in await asyncio.gather(*attempts)]
            assert waits.count(None) == 5
            assert [one.shares, other.shares] == [True, True]

    async def test_two_processes_know_what_the_other_has_let_through(self, valkey: EmbeddedValkey) -> None:
        key = os.urandom(32)
        async with shared(valkey.url, key) as one, shared(valkey.url, key) as other:
            assert [await taken(one, 3, CHARGE), await taken(other, 9, CHARGE), await taken(one, 9, CHARGE)] == [
                3,
                2,
                0,
            ]
            await limit.know_place(one, HOME, OWNER)
            for origin in networks(60):
                await guess(one, origin)
            assert [await sign_in(other, HOME), await sign_in(other, ELSEWHERE)] == [None, LIMITED]

    async def test_installations_with_another_secret_do_not_meet(self, valkey: EmbeddedValkey) -> None:
        async with shared(valkey.url, os.urandom(32)) as one, shared(valkey.url, os.urandom(32)) as other:
            assert [await taken(one, 9, CHARGE), await taken(other, 9, CHARGE)] == [5, 5]

    async def test_what_it_keeps_tells_nobody_and_expires(self, own_valkey: EmbeddedValkey) -> None:
        with redis.Redis.from_url(own_valkey.url) as client:
            async with shared(own_valkey.url, os.urandom(32)) as limiter:
                await sign_in(limiter, HOME)
                await guess(limiter, ELSEWHERE)
                await limit.ask_for_link(limiter, HOME, OWNER)
            keys = list(client.scan_iter("*"))
            kept = b"".join([*keys, *(client.dump(key) for key in keys)])
            assert len(keys) == 1 + 3 + 2
            for word in (b"ada", b"firm", b"203.0.113", b"198.51.100"):
                assert word not in kept
            lives = [client.ttl(key) for key in keys]
            assert min(lives) > 0
            assert max(lives) <= KNOWN_SECONDS
            assert sorted(lives)[:-1] <= [2, 10, 10, 30, 300], "no longer than until they are full again"

    async def test_of_an_account_the_latest_places_are_known(self, own_valkey: EmbeddedValkey) -> None:
        with redis.Redis.from_url(own_valkey.url) as client:
            async with shared(own_valkey.url, os.urandom(32)) as limiter:
                for origin in networks(KNOWN_PLACES + 5):
                    await limit.know_place(limiter, origin, OWNER)
                    let_pass(client, 10)
                assert [client.zcard(key) for key in keys_of(client)] == [KNOWN_PLACES]
                let_pass(client, KNOWN_SECONDS)
                await limit.know_place(limiter, HOME, OWNER)
                assert [client.zcard(key) for key in keys_of(client)] == [1]

    async def test_one_who_does_not_wait_waits_no_longer(self, own_valkey: EmbeddedValkey) -> None:
        narrow = Charge(SLOW._replace(burst=1), ("narrow",))
        with redis.Redis.from_url(own_valkey.url) as client:
            async with shared(own_valkey.url, os.urandom(32)) as limiter:
                assert await limiter.take([CHARGE, narrow]) == (None, (CHARGE, narrow))
                for _ in range(9):
                    assert (await limiter.take([CHARGE, narrow])).charged == ()
                assert await taken(limiter, 9, CHARGE) == 4, "what the other refused was not taken here"
                let_pass(client, 0.6 * SLOW.seconds)
                assert await taken(limiter, 9, CHARGE) == 0
                let_pass(client, 0.6 * SLOW.seconds)
                assert await taken(limiter, 9, CHARGE) == 1

    async def test_a_clock_that_went_back_shuts_nobody_out(self, own_valkey: EmbeddedValkey) -> None:
        with redis.Redis.from_url(own_valkey.url) as client:
            async with shared(own_valkey.url, os.urandom(32)) as limiter:
                await taken(limiter, 1, CHARGE)
                let_pass(client, -1e9)
                wait = (await limiter.take([CHARGE])).wait
                assert wait is not None
                assert wait <= SLOW.seconds


class TestWithoutValkey:
    async def test_one_that_dies_in_the_middle_gives_nobody_a_new_burst(
        self, own_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with shared(own_valkey.url, os.urandom(32)) as limiter:
            assert await taken(limiter, 3, CHARGE) == 3
            kill(own_valkey)
            assert await taken(limiter, 100, CHARGE) == 2
            assert not limiter.shares
            said = [record.getMessage() for record in caplog.records if record.name == "parley.limiter"]
            assert [each.partition(" (")[0] for each in said] == ["Valkey: limits are not shared"]

    async def test_it_still_knows_the_places_that_were_known_here(self, own_valkey: EmbeddedValkey) -> None:
        key = os.urandom(32)
        async with shared(own_valkey.url, key) as limiter, shared(own_valkey.url, key) as another:
            await sign_in(another, HOME)
            for origin in networks(60):
                await guess(limiter, origin)
            assert await guess(limiter, HOME) is GUESSED
            kill(own_valkey)
            assert [await sign_in(limiter, HOME), await sign_in(limiter, ELSEWHERE)] == [None, LIMITED]

    async def test_one_that_was_never_there_is_no_reason_not_to_limit(self, tmp_path: Path) -> None:
        async with shared(f"unix://{tmp_path}/nothing.sock", os.urandom(32)) as limiter:
            attempts = await asyncio.gather(*(limiter.take([CHARGE]) for _ in range(50)))
            assert [attempt.wait for attempt in attempts].count(None) == 5

    async def test_one_that_is_stopped_is_waited_for_once(self, own_valkey: EmbeddedValkey) -> None:
        limiter = SharedLimiter(own_valkey.url, os.urandom(32))
        try:
            await taken(limiter, 1, CHARGE)
            signal_to(own_valkey, signal.SIGSTOP)
            async with asyncio.timeout(PATIENCE):
                attempts = await asyncio.gather(*(limiter.take([CHARGE]) for _ in range(50)))
                assert [attempt.wait for attempt in attempts].count(None) <= 5
                # Waiting each time would take minutes.
                assert await taken(limiter, 1_000, CHARGE) == 0
                assert not limiter.shares
            signal_to(own_valkey, signal.SIGCONT)
            await until(lambda: limiter.shares)
        finally:
            async with asyncio.timeout(PATIENCE):
                await limiter.close()

    async def test_one_that_is_stopped_holds_nobody_up_who_ends(self, own_valkey: EmbeddedValkey) -> None:
        limiter = SharedLimiter(own_valkey.url, os.urandom(32), seconds=3600)
        signal_to(own_valkey, signal.SIGSTOP)
        attempt = asyncio.create_task(limiter.take([CHARGE]))
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await limiter.close()
            assert (await attempt).wait is None, "this process has decided"
            await limiter.close()

    async def test_one_that_was_started_again_is_found_again(
        self, own_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with shared(own_valkey.url, os.urandom(32)) as limiter:
            await taken(limiter, 1, CHARGE)
            own_valkey.stop()
            await taken(limiter, 1, CHARGE)
            assert not limiter.shares
            own_valkey.start()
            await until(lambda: limiter.shares)
            assert await taken(limiter, 9, CHARGE) == 5
            with redis.Redis.from_url(own_valkey.url) as client:
                assert len(keys_of(client)) in (1, 2), "it is counted there"
            assert "limits are shared again" in caplog.text

    async def test_one_that_was_emptied_counts_from_the_beginning(self, own_valkey: EmbeddedValkey) -> None:
        async with shared(own_valkey.url, os.urandom(32)) as limiter:
            assert await taken(limiter, 9, CHARGE) == 5
            with redis.Redis.from_url(own_valkey.url) as client:
                client.flushall()
                client.script_flush()
            assert await taken(limiter, 9, CHARGE) == 5
            assert limiter.shares

    @pytest.mark.parametrize(
        "answer",
        [
            b"+OK\r\n",
            b":5\r\n",
            b"$-1\r\n",
            b"*0\r\n",
            b"*2\r\n+a\r\n+b\r\n",
            b"*3\r\n:0\r\n:1\r\n:1\r\n",
            b"\0\1\n\r\n",
        ],
    )
    async def test_one_that_answers_nonsense_decides_nothing(self, tmp_path: Path, answer: bytes) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while heard := await reader.read(65_536):
                    # To what a client says at first, what it likes to hear.
                    writer.write(answer if b"EVAL" in heard else b"+OK\r\n" * heard.count(b"CLIENT"))
            finally:
                writer.close()

        path = str(tmp_path / "valkey.sock")
        async with await asyncio.start_unix_server(talk, path), shared(f"unix://{path}", os.urandom(32)) as limiter:
            async with asyncio.timeout(PATIENCE):
                assert await taken(limiter, 20, CHARGE) == 5
            assert not limiter.shares

    async def test_a_bucket_that_holds_something_else_is_no_reason_not_to_limit(
        self, own_valkey: EmbeddedValkey
    ) -> None:
        with redis.Redis.from_url(own_valkey.url) as client:
            async with shared(own_valkey.url, os.urandom(32)) as limiter:
                await taken(limiter, 1, CHARGE)
                for key in keys_of(client):
                    client.delete(key)
                    client.lpush(key, "of somebody else")
                assert await taken(limiter, 9, CHARGE) == 4
                assert not limiter.shares


SIGN_IN = "signIn(input: {email: %r, password: %r}) { userErrors { code message field } viewer { user { name } } }"


def at_once(*attempts: tuple[str, str]) -> str:
    """Sign-ins in one document."""
    fields = [f"a{number}: {SIGN_IN % attempt}" for number, attempt in enumerate(attempts)]
    return f"mutation {{ {' '.join(fields)} }}".replace("'", '"')


def codes(answers: dict[str, Any]) -> list[str]:
    return [error["code"] for answer in answers.values() for error in answer["userErrors"]]


class TestAtTheApi:
    async def test_thirty_sign_ins_in_one_document_are_limited_like_thirty_requests(self, nobody: Person) -> None:
        answers = await nobody.ask(at_once(*[(OWNER, f"guess {number}") for number in range(30)]))
        assert codes(answers) == [GUESSED] * 10 + [LIMITED] * 20
        assert await nobody.refused("signIn", {"email": OWNER, "password": PASSWORD}) == [("RATE_LIMITED", None)]

    @pytest.mark.parametrize("many", [10, 40])
    async def test_who_signs_in_rightly_many_times_at_once_is_refused_nothing(self, nobody: Person, many: int) -> None:
        given = {"email": OWNER, "password": PASSWORD}
        answers = await asyncio.gather(
            *(nobody.do("signIn", given, "session { accessToken }") for _ in range(many)),
            *(nobody.do("signIn", {**given, "email": "ben@firm.test"}, "session { accessToken }") for _ in range(many)),
        )
        assert all(answer["session"] for answer in answers)

    async def test_wrong_ones_at_once_are_as_many_as_one_after_the_other(self, nobody: Person) -> None:
        given = {"email": OWNER, "password": "a guess"}
        answers = await asyncio.gather(*(nobody.refused("signIn", given) for _ in range(40)))
        assert sorted(code for ((code, _),) in answers) == ["INVALID_CREDENTIALS"] * 10 + ["RATE_LIMITED"] * 30

    @pytest.mark.parametrize("email", ["nobody@firm.test", "ivy@client.test", "max@firm.test"])
    async def test_an_address_that_nobody_has_is_answered_in_the_same_way(self, nobody: Person, email: str) -> None:
        async def heard(of: str) -> list[Any]:
            answers = await nobody.ask(at_once(*[(of, "guess")] * 12))
            found = [answer["userErrors"] for answer in answers.values()]
            for errors in found:
                for error in errors:
                    error["message"] = "".join(each for each in error["message"] if not each.isdigit())
            return found

        assert await heard(email) == await heard(OWNER)

    @pytest.mark.parametrize("workspace", ["northwind", " NORTHWIND", "Northwind Studio", "other", "", None])
    async def test_naming_a_workspace_gives_no_further_guesses(self, nobody: Person, workspace: str | None) -> None:
        await nobody.ask(at_once(*[(OWNER, "guess")] * 10))
        given = {"email": OWNER, "password": PASSWORD, "workspace": workspace}
        assert await nobody.refused("signIn", given) == [("RATE_LIMITED", None)]

    async def test_somebody_who_signed_in_here_is_not_shut_out_by_others(
        self, nobody: Person, process: Process
    ) -> None:
        right = (OWNER, PASSWORD)
        assert codes(await nobody.ask(at_once(right))) == []
        for origin in networks(60):
            await guess(process.limiter, origin)
        answers = await nobody.ask(at_once(*[right] * 20))
        assert [answer["viewer"]["user"]["name"] for answer in answers.values()] == ["Ada"] * 20

    async def test_who_comes_for_the_first_time_meanwhile_has_to_wait(self, nobody: Person, process: Process) -> None:
        for origin in networks(60):
            await guess(process.limiter, origin)
        assert await nobody.refused("signIn", {"email": OWNER, "password": PASSWORD}) == [("RATE_LIMITED", None)]

    async def test_garbage_is_refused_at_last_before_it_is_looked_at(self, nobody: Person, process: Process) -> None:
        session = (await nobody.do("signIn", {"email": OWNER, "password": PASSWORD}, "session { refreshToken }"))[
            "session"
        ]
        assert await nobody.refused("refreshSession", {"refreshToken": "garbage"}) == [
            ("INVALID_CREDENTIALS", ["refreshToken"])
        ]
        charge = Charge(limit.TOKENS_OF_PLACE._replace(seconds=10_000), ("127.0.0.1",))
        assert await taken(process.limiter, 400, charge) == 299
        assert await nobody.refused("refreshSession", session) == [("RATE_LIMITED", None)]


class TestInProcessesOfTheirOwn:
    @pytest.fixture
    async def started(
        self, database_url: str, valkey: EmbeddedValkey, tmp_path: Path, stack: AsyncExitStack
    ) -> list[httpx.AsyncClient]:
        """Two, of which the second trusts its proxy."""
        settings: list[dict[str, str]] = [{}, {"trusted_proxies": "127.0.0.1,10.0.0.0/8"}]
        return [
            (await stack.enter_async_context(serving(tmp_path / f"{number}", database_url, valkey, **more))).client
            for number, more in enumerate(settings)
        ]

    async def test_they_count_together_and_only_the_proxy_is_believed(
        self, started: list[httpx.AsyncClient], nobody: Person
    ) -> None:
        alone, behind = started

        async def guess_at(client: httpx.AsyncClient, *forwarded: str) -> str:
            headers = [("x-forwarded-for", each) for each in forwarded]
            answer = await client.post("/graphql", json={"query": at_once((OWNER, "guess"))}, headers=headers)
            return codes(answer.json()["data"])[0]

        # A client that names somebody else each time is itself all the same.
        assert [await guess_at(alone, f"198.51.100.{number}") for number in range(6)] == [GUESSED] * 6
        assert [await guess_at(behind) for _ in range(4)] == [GUESSED] * 4
        assert [await guess_at(alone, "198.51.100.77"), await guess_at(behind, "garbage")] == [LIMITED] * 2
        # Whom the proxy names is another, whatever they claim themselves.
        claims = [(f"198.51.100.{number}, 203.0.113.7, 10.0.0.1",) for number in range(10)]
        assert [await guess_at(behind, *claim) for claim in claims] == [GUESSED] * 10
        assert await guess_at(behind, "198.51.100.99", "203.0.113.7:4711") == LIMITED
