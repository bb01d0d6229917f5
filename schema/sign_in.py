"""Where somebody is signed in: their own to see, and to end."""

from datetime import datetime

import strawberry

from models.session import SignInRow
from resolvers import session as sessions
from resolvers.viewer import Viewer
from schema.context import Info
from schema.enums import SessionMethod
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, key_of, node_id


@strawberry.type(description="One of the viewer's own sign-ins.")
class SignIn:
    id: strawberry.ID = strawberry.field(description="For endSignIn.")
    method: SessionMethod = strawberry.field(description="How it began.")
    created_at: datetime = strawberry.field(description="When it began.")
    last_used_at: datetime = strawberry.field(description="When its tokens were last made.")
    expires_at: datetime = strawberry.field(description="When it ends by itself, if its tokens are not renewed before.")
    address: str | None = strawberry.field(description="The network address from which it began.")
    user_agent: str | None = strawberry.field(description="What the app or browser called itself then.")
    current: bool = strawberry.field(description="Whether it is the one that asks.")


def shown_sign_in(row: SignInRow, viewer: Viewer) -> SignIn:
    return SignIn(
        id=node_id(NodeKind.SIGN_IN, row.id),
        method=SessionMethod(row.method),
        created_at=row.created_at,
        last_used_at=row.refreshed_at or row.created_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
        current=row.id == viewer.session_id,
    )


@strawberry.input(description="End one of the viewer's own sign-ins.")
class EndSignInInput:
    sign_in_id: strawberry.ID = strawberry.field(description="Which one.")


@strawberry.type(description="What ending a sign-in gave.")
class EndSignInPayload:
    ended_sign_in_id: strawberry.ID | None = strawberry.field(
        default=None, description="The sign-in of which nothing is left."
    )
    user_errors: list[UserError] = user_errors()


@mutation(
    EndSignInPayload,
    "End one of the viewer's sign-ins, wherever it is: its tokens are worth nothing from now on, and its streams end.",
)
async def end_sign_in(info: Info, input: Given[EndSignInInput]) -> EndSignInPayload | None:
    context = info.context
    await context.perform(
        lambda transaction: sessions.end_sign_in(
            transaction, context.viewer, key_of(NodeKind.SIGN_IN, input.sign_in_id)
        )
    )
    return EndSignInPayload(ended_sign_in_id=input.sign_in_id)
