"""Enums of people and messages, as the database has them, with what an explorer shows of each value."""

import strawberry

from models.message import MessageSource
from models.session import SessionMethod
from models.user import UserKind, UserStatus


def described(enum: type, description: str, *, name: str | None = None, **values: str) -> None:
    """Give an enum of the layers below its face, without a second list of its values."""
    made = strawberry.enum(enum, name=name, description=description)  # type: ignore[call-overload]
    for value in made.__strawberry_definition__.values:
        value.description = values[value.name]


described(
    UserKind,
    "Which side of the portal somebody is on. It never changes.",
    INTERNAL="One of the firm's own people.",
    CLIENT="A client of the firm. A client learns of other people only as authors of messages.",
)
described(
    UserStatus,
    "Where an account stands.",
    INVITED="Invited, but the invitation has not been accepted yet.",
    ACTIVE="Signs in, and can be added to rooms.",
    DEACTIVATED="Can't sign in and gets no mail. What they wrote stays.",
)
described(
    MessageSource,
    "How a message came in.",
    APP="Written in an app or in the portal.",
    EMAIL="A reply to an e-mail.",
)

described(
    SessionMethod,
    "How somebody signed in.",
    name="SignInMethod",
    PASSWORD="With address and password.",  # noqa: S106
    LINK="By a link that was mailed.",
    INVITATION="By accepting an invitation.",
    RESET="By setting a new password.",
    ISSUER="With a token of the firm's own identity provider.",
)

__all__ = ["MessageSource", "SessionMethod", "UserKind", "UserStatus"]
