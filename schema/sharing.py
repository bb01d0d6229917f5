"""What an execution has looked at of its viewer: the measure of who can share its result.

One event goes to many subscribers. An execution for one of them asks questions about its viewer (of which kind? the
author? what is unread to them?), and everyone for whom each of those questions has the same answer would get the same
result: the same code would have gone the same way. So they share it. What is asked is remembered where it is asked,
not declared by hand: `Beheld` stands in the viewer's place, and whatever looks at more of it narrows the sharing by
itself.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast
from uuid import UUID

from models.user import UserKind
from resolvers.viewer import Viewer

Answer = TypeVar("Answer")
Result = TypeVar("Result")

Question = Callable[[Viewer], Hashable]


class Looks:
    """The questions that one execution has asked about its viewer, with their answers."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._asked: dict[Hashable, tuple[Question, Hashable]] = {}

    def ask(self, what: Hashable, question: Callable[[Viewer], Answer]) -> Answer:
        """Ask about the viewer. `what` names the question: one name, one question, in all executions for an event. Its
        answers can be compared and hashed."""
        if what not in self._asked:
            asked = cast(Question, question)
            self._asked[what] = asked, asked(self._viewer)
        return cast(Answer, self._asked[what][1])

    @property
    def asked(self) -> dict[Hashable, tuple[Question, Hashable]]:
        """By name: what was asked, and the answer."""
        return self._asked


class Shared(Generic[Result]):
    """Results of executions for one event, each for all who answer its questions alike."""

    def __init__(self) -> None:
        # Executions that went the same way have asked the same: by the names of the questions, and then by the answers.
        self._found: dict[tuple[Hashable, ...], tuple[list[Question], dict[tuple[Hashable, ...], Result]]] = {}

    def add(self, looks: Looks, result: Result) -> None:
        questions = [question for question, _ in looks.asked.values()]
        _, results = self._found.setdefault(tuple(looks.asked), (questions, {}))
        results[tuple(answer for _, answer in looks.asked.values())] = result

    def of(self, viewer: Viewer) -> Result | None:
        """The result of an execution that would have seen the same for that viewer."""
        for questions, results in self._found.values():
            result = results.get(tuple([question(viewer) for question in questions]))
            if result is not None:
                return result
        return None


class Beheld(Viewer):
    """A viewer of whom it is remembered what was looked at. The workspace is the same for all who share."""

    __slots__ = ("_looks", "_workspace_id")
    _looks: Looks
    _workspace_id: UUID

    def __init__(self, viewer: Viewer, looks: Looks) -> None:
        object.__setattr__(self, "_workspace_id", viewer.workspace_id)
        object.__setattr__(self, "_looks", looks)

    @property
    def workspace_id(self) -> UUID:
        return self._workspace_id

    @property
    def user_id(self) -> UUID:
        return self._looks.ask("who", lambda viewer: viewer.user_id)

    @property
    def session_id(self) -> UUID:
        return self._looks.ask("which sign-in", lambda viewer: viewer.session_id)

    @property
    def kind(self) -> UserKind:
        return self._looks.ask("kind", lambda viewer: viewer.kind)
