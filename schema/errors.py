"""`userErrors`: what a mutation answers where a rule says no, as data and not as an error of the request."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.utils.str_converters import to_camel_case

from resolvers.errors import Code, Refused
from schema.context import Info
from schema.enums import described

described(
    Code,
    "Why a mutation did nothing.",
    name="UserErrorCode",
    BLANK="Nothing was given, or nothing that can be seen.",
    TOO_LONG="More than is allowed.",
    INVALID="Not of the form that is asked for.",
    NOT_FOUND="Not there, or not the viewer's: the two look the same.",
    FORBIDDEN="The viewer may see this, but not do it.",
    NOT_ACTIVE="The account is not active.",
    ALREADY_EXISTS="There is one already.",
    ROOM_ARCHIVED="The room is archived and takes no messages.",
    MESSAGE_DELETED="The message has been deleted.",
    UNSUPPORTED_MEDIA_TYPE="A file of a kind that is not taken.",
    TOO_LARGE="A file larger than is allowed.",
    INVALID_CREDENTIALS="The credentials are not right.",
    EXPIRED="Its time has run out.",
    RATE_LIMITED="Too often in too short a time: try again later.",
)


@strawberry.type(description="Why a mutation did nothing: for a program by its code, for a person by its message.")
class UserError:
    code: Code = strawberry.field(description="What a program acts on.")
    message: str = strawberry.field(description="What a person may read.")
    field: list[str] | None = strawberry.field(
        description="What it is about: the path into `input`, as the client sent it; numbers are places in a list."
    )


def user_errors() -> Any:
    """The field that every payload has."""
    return strawberry.field(
        default_factory=list,
        description="Why nothing was done; empty when it was done. The other fields are then null.",
    )


class Answers(FieldExtension):
    """A mutation that answers refusals in `userErrors` of its payload."""

    def __init__(self, payload: type[Any]) -> None:
        self.payload = payload

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        try:
            return await next_(source, info, **arguments)
        except Refused as refused:
            return self.payload(user_errors=[_shown(each) for each in refused.all()])


Input = TypeVar("Input")
Given = Annotated[Input, strawberry.argument(description="What is to be done.")]


def mutation(payload: type[Any], description: str) -> Any:
    """Declare a mutation with its payload."""
    return strawberry.mutation(description=description, extensions=[Answers(payload)])


def _shown(refused: Refused) -> UserError:
    path = refused.field
    return UserError(
        code=refused.code,
        message=refused.public_message,
        field=None if path is None else [to_camel_case(part) if isinstance(part, str) else str(part) for part in path],
    )
