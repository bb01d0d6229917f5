"""Choosing another password."""

import strawberry

from models.link import LinkPurpose
from resolvers import credential as credentials
from resolvers import link as links
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.session import Session, tokens
from schema.viewer import Viewer, viewer_of


@strawberry.input(description="Change one's password.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The one that is good now.")
    new_password: str = strawberry.field(description="8 to 200 characters.")


@strawberry.type(description="What changing the password gave.")
class ChangePasswordPayload:
    viewer: Viewer | None = strawberry.field(default=None, description="The viewer, whose other sign-ins have ended.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Have a link mailed by which a new password is set.")
class RequestPasswordResetInput:
    email: str = strawberry.field(description="The account's address.")
    workspace: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The firm's name; without it each account of the address gets a mail of its own firm.",
    )


@strawberry.type(description="What asking for a link gave: the same whether or not anybody has the address.")
class RequestPasswordResetPayload:
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Set a new password by the link of a mail.")
class ResetPasswordInput:
    token: str = strawberry.field(description="The link's token. Good once.")
    password: str = strawberry.field(description="8 to 200 characters.")


@strawberry.type(description="What setting a new password gave.")
class ResetPasswordPayload:
    session: Session | None = strawberry.field(default=None, description="The new sign-in's tokens.")
    viewer: Viewer | None = strawberry.field(default=None, description="Who has signed in.")
    user_errors: list[UserError] = user_errors()


@mutation(ChangePasswordPayload, "Change the viewer's password. Their other sign-ins end; this one goes on.")
async def change_password(info: Info, input: Given[ChangePasswordInput]) -> ChangePasswordPayload | None:
    context = info.context
    await context.begin()
    await credentials.change_password(
        context.process,
        context.origin,
        context.viewer,
        current=input.current_password,
        new=input.new_password,
    )
    return ChangePasswordPayload(viewer=viewer_of(context))


@mutation(
    RequestPasswordResetPayload,
    "Have a link mailed by which a new password is set. Needs no token; the answer does not tell whether anybody has "
    "the address.",
)
async def request_password_reset(
    info: Info, input: Given[RequestPasswordResetInput]
) -> RequestPasswordResetPayload | None:
    context = info.context
    await links.request_link(context.process, context.origin, LinkPurpose.RESET, input.email, input.workspace or None)
    return RequestPasswordResetPayload()


@mutation(
    ResetPasswordPayload,
    "Set a new password by the link of a mail, and sign in: earlier sign-ins end. Needs no token of a sign-in.",
)
async def reset_password(info: Info, input: Given[ResetPasswordInput]) -> ResetPasswordPayload | None:
    context = info.context
    signed_in = await context.sign_in(
        lambda process, origin: credentials.reset_password(process, origin, input.token, input.password)
    )
    return ResetPasswordPayload(session=tokens(signed_in), viewer=viewer_of(context))
