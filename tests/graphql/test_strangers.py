"""What those who have not signed in can make the process read."""

import itertools
from collections.abc import Iterator

import pytest

from server.graphql.asked import Asked
from server.graphql.document import Documents, Invalid
from server.graphql.execution import Execution
from server.graphql.strangers import Strangers
from tests.http.toy import GOOD_TOKEN, ToyEngine

NUMBERS = itertools.count()
SIGN_IN = "mutation In($input: SignInInput!) { signIn(input: $input) { session { accessToken } viewer { id name } } }"


def small() -> str:
    return f"query A{next(NUMBERS)} {{ hello }}"


def large() -> str:
    return f"query A{next(NUMBERS)} {{ hello }} {' ' * 1_000}"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Reading a document takes 0.2 s by it."""
    clock, read = Clock(), Documents._read

    def slow(documents: Documents, text: str) -> object:
        clock.now += 0.2
        return read(documents, text)

    monkeypatch.setattr(Documents, "_read", slow)
    return clock


@pytest.fixture
def execution(clock: Clock) -> Execution:
    return Execution(ToyEngine(), strangers=Strangers(clock=clock))


def read(execution: Execution, *texts: str, anonymous: bool = True) -> None:
    for text in texts:
        execution.prepare(Asked(text, None, {}, {}), lambda: None if anonymous else GOOD_TOKEN)


def refusal(execution: Execution, text: str) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        read(execution, text)
    return refused.value.code, refused.value.errors[0].message


def test_their_time_is_shared_out_and_comes_back(execution: Execution, clock: Clock) -> None:
    read(execution, large(), large(), large())
    code, message = refusal(execution, large())
    assert code == "RATE_LIMITED"
    assert "sign in" in message
    clock.now += 2
    read(execution, large())
    assert refusal(execution, large())[0] == "RATE_LIMITED"
    clock.now += 3600
    read(execution, large(), large(), large())
    assert refusal(execution, large())[0] == "RATE_LIMITED"


def test_whoever_has_signed_in_is_read_and_charged_nothing(execution: Execution) -> None:
    read(execution, *[large() for _ in range(9)], anonymous=False)
    read(execution, large(), large(), large())
    read(execution, large(), anonymous=False)


def test_what_is_kept_is_free(execution: Execution) -> None:
    known = large()
    read(execution, known, *[known] * 9, large(), large())
    assert refusal(execution, large())[0] == "RATE_LIMITED"
    read(execution, known)


def test_invalid_documents_are_charged_too(execution: Execution) -> None:
    for text in ("{", "{ nonsense }", "{ leaf {" + " name" * 2_900 + "} }"):
        assert refusal(execution, text)[0] != "RATE_LIMITED"
    assert refusal(execution, large())[0] == "RATE_LIMITED"


def test_a_sign_in_is_always_read_and_a_flood_of_small_ones_is_soon_forgotten(
    execution: Execution, clock: Clock
) -> None:
    read(execution, *[small() for _ in range(100)])
    assert refusal(execution, SIGN_IN)[0] == "GRAPHQL_VALIDATION_FAILED"
    assert refusal(execution, large())[0] == "RATE_LIMITED"
    clock.now += 5.1
    read(execution, large())


def test_what_is_short_and_not_simple_is_not_small(execution: Execution) -> None:
    read(execution, large(), large(), large())
    assert refusal(execution, "{ leaf {" + " leaf { name }" * 60 + "} }")[0] == "RATE_LIMITED"
