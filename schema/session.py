"""Signing in and out."""

from datetime import datetime

import strawberry

from models.link import LinkPurpose
from resolvers import link as links
from resolvers import session as sessions
from resolvers.session import SignedIn
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.viewer import Viewer, viewer_of


@strawberry.type(description="The tokens of a sign-in.")
class Session:
    access_token: str = strawberry.field(
        description="For the header `Authorization: Bearer …`, or `connection_init` over a socket. Short-lived."
    )
    expires_at: datetime = strawberry.field(description="When the access token expires: refresh it before then.")
    refresh_token: str = strawberry.field(description="For refreshSession. Good once.")


def tokens(signed_in: SignedIn) -> Session:
    return Session(
        access_token=signed_in.access_token,
        expires_at=signed_in.expires_at,
        refresh_token=signed_in.refresh_token,
    )


@strawberry.input(description="Sign in with address and password.")
class SignInInput:
    email: str = strawberry.field(description="The account's address.")
    password: str = strawberry.field(description="The account's password.")
    workspace: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The firm's name: needed only by who has accounts in several workspaces under one address.",
    )


@strawberry.type(description="What signing in gave.")
class SignInPayload:
    session: Session | None = strawberry.field(default=None, description="The new sign-in's tokens.")
    viewer: Viewer | None = strawberry.field(default=None, description="Who has signed in.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Have a link mailed that signs in.")
class RequestSignInLinkInput:
    email: str = strawberry.field(description="The account's address.")
    workspace: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The firm's name; without it each account of the address gets a mail of its own firm.",
    )


@strawberry.type(description="What asking for a link gave: the same whether or not anybody has the address.")
class RequestSignInLinkPayload:
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Sign in by the link of a mail.")
class SignInWithTokenInput:
    token: str = strawberry.field(description="The link's token. Good once.")


@strawberry.type(description="What signing in by a link gave.")
class SignInWithTokenPayload:
    session: Session | None = strawberry.field(default=None, description="The new sign-in's tokens.")
    viewer: Viewer | None = strawberry.field(default=None, description="Who has signed in.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Renew a sign-in.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The latest refresh token of the sign-in.")


@strawberry.type(description="What renewing gave.")
class RefreshSessionPayload:
    session: Session | None = strawberry.field(default=None, description="New tokens; the given one is spent.")
    viewer: Viewer | None = strawberry.field(default=None, description="Who is signed in.")
    user_errors: list[UserError] = user_errors()


@strawberry.type(description="What signing out gave.")
class SignOutPayload:
    user_errors: list[UserError] = user_errors()


@mutation(SignInPayload, "Sign in with address and password. Needs no token.")
async def sign_in(info: Info, input: Given[SignInInput]) -> SignInPayload | None:
    context = info.context
    signed_in = await context.sign_in(
        lambda process, origin: sessions.sign_in(process, origin, input.email, input.password, input.workspace or None)
    )
    return SignInPayload(session=tokens(signed_in), viewer=viewer_of(context))


@mutation(
    RequestSignInLinkPayload,
    "Have a link mailed that signs in. Needs no token; the answer does not tell whether anybody has the address.",
)
async def request_sign_in_link(info: Info, input: Given[RequestSignInLinkInput]) -> RequestSignInLinkPayload | None:
    context = info.context
    await links.request_link(context.process, context.origin, LinkPurpose.SIGN_IN, input.email, input.workspace or None)
    return RequestSignInLinkPayload()


@mutation(SignInWithTokenPayload, "Sign in by the link of a mail. Needs no token of a sign-in.")
async def sign_in_with_token(info: Info, input: Given[SignInWithTokenInput]) -> SignInWithTokenPayload | None:
    context = info.context
    signed_in = await context.sign_in(lambda process, origin: sessions.sign_in_with_token(process, origin, input.token))
    return SignInWithTokenPayload(session=tokens(signed_in), viewer=viewer_of(context))


@mutation(RefreshSessionPayload, "Exchange a refresh token for new tokens. Needs no access token.")
async def refresh_session(info: Info, input: Given[RefreshSessionInput]) -> RefreshSessionPayload | None:
    context = info.context
    signed_in = await context.sign_in(lambda process, origin: sessions.refresh(process, origin, input.refresh_token))
    return RefreshSessionPayload(session=tokens(signed_in), viewer=viewer_of(context))


@mutation(SignOutPayload, "End this sign-in: its tokens are worth nothing from now on.")
async def sign_out(info: Info) -> SignOutPayload | None:
    context = info.context
    await context.perform(lambda transaction: sessions.sign_out(transaction, context.viewer))
    return SignOutPayload()
