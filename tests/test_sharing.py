"""Who shares a result: everyone for whom the execution would have seen the same, and nobody else."""

from collections.abc import Callable
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.user import UserKind
from resolvers.viewer import Viewer
from schema.sharing import Looks, Shared

NOBODY = UUID(int=0)
viewers = st.builds(
    Viewer,
    st.just(NOBODY),
    st.integers(1, 4).map(lambda number: UUID(int=number)),
    st.just(NOBODY),
    st.sampled_from(UserKind),
)

QUESTIONS: dict[str, Callable[[Viewer], object]] = {
    "kind": lambda viewer: viewer.kind,
    "who": lambda viewer: viewer.user_id,
    "is the first": lambda viewer: viewer.user_id == UUID(int=1),
    "unread": lambda viewer: {UUID(int=1): 5, UUID(int=2): 5}.get(viewer.user_id, 0),
    "first unread": lambda viewer: {UUID(int=3): ("a row",)}.get(viewer.user_id),
}


def execute(viewer: Viewer, program: list[str]) -> tuple[Looks, tuple[object, ...]]:
    """Ask one question after the other, and go on by the answer: what is asked depends on who asks."""
    looks = Looks(viewer)
    seen = []
    for name in program:
        answer = looks.ask(name, QUESTIONS[name])
        seen.append(answer)
        if not answer:
            break
    return looks, tuple(seen)


@given(st.lists(viewers, max_size=12), st.lists(st.sampled_from(list(QUESTIONS)), max_size=4))
def test_each_gets_what_an_execution_for_them_alone_gives(those: list[Viewer], program: list[str]) -> None:
    shared: Shared[tuple[tuple[object, ...]]] = Shared()
    executions = []
    for viewer in those:
        alone = execute(viewer, program)[1]
        result = shared.of(viewer)
        if result is None:
            looks, seen = execute(viewer, program)
            result = (seen,)
            shared.add(looks, result)
            executions.append(seen)
        assert result[0] == alone
    assert len(executions) == len(set(executions)), "who sees the same shares"
