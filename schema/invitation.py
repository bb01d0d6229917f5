"""Inviting people, and accepting."""

import strawberry

from resolvers import invitation as invitations
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, key_of, node_id
from schema.session import Session, tokens
from schema.user import User, shown
from schema.viewer import Viewer, viewer_of


@strawberry.input(description="Invite one of the firm's own people.")
class InviteTeammateInput:
    email: str = strawberry.field(description="Where the invitation goes.")
    name: str = strawberry.field(description="1 to 200 characters. They can change it when they accept.")


@strawberry.type(description="What inviting gave.")
class InviteTeammatePayload:
    user: User | None = strawberry.field(default=None, description="Who was invited.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Invite a client to a portal.")
class InviteClientInput:
    portal_id: strawberry.ID = strawberry.field(description="Which portal.")
    email: str = strawberry.field(description="Where the invitation goes.")
    name: str = strawberry.field(description="1 to 200 characters. They can change it when they accept.")


@strawberry.type(description="What inviting gave.")
class InviteClientPayload:
    user: User | None = strawberry.field(
        default=None, description="Who was invited; or an active client, who is the portal's now without a mail."
    )
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Take an invitation back.")
class CancelInvitationInput:
    user_id: strawberry.ID = strawberry.field(description="Whose.")


@strawberry.type(description="What taking an invitation back gave.")
class CancelInvitationPayload:
    cancelled_user_id: strawberry.ID | None = strawberry.field(
        default=None, description="The account that is gone: nobody has ever been in it."
    )
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Accept an invitation.")
class AcceptInvitationInput:
    token: str = strawberry.field(description="The token of the invitation's link. Good once.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="What one wants to be called; left out, as the inviter spelled it."
    )
    password: str | None = strawberry.field(
        default=strawberry.UNSET, description="8 to 200 characters; left out, one signs in by links that are mailed."
    )


@strawberry.type(description="What accepting gave.")
class AcceptInvitationPayload:
    session: Session | None = strawberry.field(default=None, description="The new sign-in's tokens.")
    viewer: Viewer | None = strawberry.field(default=None, description="Who has signed in.")
    user_errors: list[UserError] = user_errors()


@mutation(
    InviteTeammatePayload,
    "Invite one of the firm's own people by mail. Inviting an address again sends a new link and ends the old one.",
)
async def invite_teammate(info: Info, input: Given[InviteTeammateInput]) -> InviteTeammatePayload | None:
    context = info.context
    await context.begin()
    user_id = await invitations.invite_teammate(
        context.process, context.origin, context.viewer, email=input.email, name=input.name
    )
    return InviteTeammatePayload(user=shown(await context.loaders.visible_users.load(user_id)))


@mutation(
    InviteClientPayload,
    "Invite a client to a portal by mail. Who is an active client already becomes this portal's, too, without a mail.",
)
async def invite_client(info: Info, input: Given[InviteClientInput]) -> InviteClientPayload | None:
    context = info.context
    await context.begin()
    user_id = await invitations.invite_client(
        context.process,
        context.origin,
        context.viewer,
        portal_id=key_of(NodeKind.PORTAL, input.portal_id),
        email=input.email,
        name=input.name,
    )
    return InviteClientPayload(user=shown(await context.loaders.visible_users.load(user_id)))


@mutation(
    CancelInvitationPayload, "Take back an invitation that nobody has accepted: its link and its account are gone."
)
async def cancel_invitation(info: Info, input: Given[CancelInvitationInput]) -> CancelInvitationPayload | None:
    context = info.context
    user_id = await context.perform(
        lambda transaction: invitations.cancel_invitation(
            transaction, context.viewer, key_of(NodeKind.USER, input.user_id)
        )
    )
    return CancelInvitationPayload(cancelled_user_id=node_id(NodeKind.USER, user_id))


@mutation(AcceptInvitationPayload, "Accept an invitation, and sign in. Needs no token of a sign-in.")
async def accept_invitation(info: Info, input: Given[AcceptInvitationInput]) -> AcceptInvitationPayload | None:
    context = info.context
    signed_in = await context.sign_in(
        lambda process, origin: invitations.accept_invitation(
            process,
            origin,
            input.token,
            name=None if input.name is strawberry.UNSET else input.name,
            password=None if input.password is strawberry.UNSET else input.password,
        )
    )
    return AcceptInvitationPayload(session=tokens(signed_in), viewer=viewer_of(context))
