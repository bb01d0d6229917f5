"""`@visibleTo`: the one declaration of who sees a field.

The mark is printed in the schema, enforced here at run time, and read by the test that tries every marked field as a
client. For anybody else the field is null, without an error, so that one document serves both front ends; nothing
behind it is looked at, not even its arguments. Fields without the mark pay nothing for it.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Protocol, cast
from uuid import UUID

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from schema.context import Info
from schema.enums import UserKind


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="visibleTo",
    description=(
        "The field is null, without an error, for viewers of any other kind. With `orSelf`, users see it of themselves."
    ),
)
class VisibleToDirective:
    kind: UserKind = strawberry.directive_field(name="kind")
    or_self: bool = strawberry.directive_field(name="orSelf", default=False)


class OfAUser(Protocol):
    """What `orSelf` is asked of: a type that belongs to one user."""

    user_key: UUID


class VisibleTo(FieldExtension):
    def __init__(self, kind: UserKind, *, or_self: bool = False) -> None:
        self.kind = kind
        self.or_self = or_self

    def apply(self, field: StrawberryField) -> None:
        field.directives = [*field.directives, VisibleToDirective(kind=self.kind, or_self=self.or_self)]

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **arguments: Any) -> Any:
        return next_(source, info, **arguments) if self._may_see(source, info) else None

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        if not self._may_see(source, info):
            return None
        found = next_(source, info, **arguments)
        return await found if isawaitable(found) else found

    def _may_see(self, source: Any, info: Info) -> bool:
        context = info.context
        if context.viewer_kind == self.kind.value:
            return True
        return self.or_self and context.is_viewer(cast(OfAUser, source).user_key)
