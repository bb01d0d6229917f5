"""Ending and reviving accounts."""

import strawberry

from resolvers import account as accounts
from schema.context import Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, key_of
from schema.user import User, shown


@strawberry.input(description="End an account.")
class DeactivateUserInput:
    user_id: strawberry.ID = strawberry.field(description="Whose.")


@strawberry.type(description="What deactivating gave.")
class DeactivateUserPayload:
    user: User | None = strawberry.field(default=None, description="Whose account it is, deactivated.")
    user_errors: list[UserError] = user_errors()


@strawberry.input(description="Revive an account.")
class ActivateUserInput:
    user_id: strawberry.ID = strawberry.field(description="Whose.")


@strawberry.type(description="What activating gave.")
class ActivateUserPayload:
    user: User | None = strawberry.field(
        default=None, description="Whose account it is: active, or invited where they had not accepted yet."
    )
    user_errors: list[UserError] = user_errors()


@mutation(
    DeactivateUserPayload,
    "End the account of somebody of the firm, or of a client: all their sign-ins and streams end at once, everywhere, "
    "and no mail goes to them any more. What they wrote stays. The firm's last active person can't be deactivated.",
)
async def deactivate_user(info: Info, input: Given[DeactivateUserInput]) -> DeactivateUserPayload | None:
    context = info.context
    user_id = await context.perform(
        lambda transaction: accounts.deactivate_user(transaction, context.viewer, key_of(NodeKind.USER, input.user_id))
    )
    return DeactivateUserPayload(user=shown(await context.loaders.visible_users.load(user_id)))


@mutation(
    ActivateUserPayload,
    "Revive an account that was deactivated. Former sign-ins stay ended, and no mail goes out about the time between.",
)
async def activate_user(info: Info, input: Given[ActivateUserInput]) -> ActivateUserPayload | None:
    context = info.context
    user_id = await context.perform(
        lambda transaction: accounts.activate_user(transaction, context.viewer, key_of(NodeKind.USER, input.user_id))
    )
    return ActivateUserPayload(user=shown(await context.loaders.visible_users.load(user_id)))
