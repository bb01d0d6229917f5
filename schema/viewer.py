"""The signed-in user, and what only they see or set."""

import strawberry

from resolvers import read_mark, user
from schema.context import Context, Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, node_id
from schema.user import User, shown


@strawberry.type(description="The signed-in user, and what only they may see or set.")
class Viewer:
    id: strawberry.ID = strawberry.field(description="Stable, so that client caches normalise it; not the user's id.")
    user: User = strawberry.field(description="The viewer, as others see them.")
    email_notifications: bool = strawberry.field(description="False when all e-mail notifications are muted.")

    @strawberry.field(
        description=(
            "Where “now” is: select it in the query from which an app starts, and continue live behind it. "
            "Sealed, and different each time."
        )
    )
    async def event_cursor(self, info: Info) -> str:
        return await info.context.event_cursor()

    @strawberry.field(description="Unread messages in all rooms that are not archived; counts to 1,000.")
    async def unread_message_count(self, info: Info) -> int:
        context = info.context
        viewer = context.viewer
        return await context.read(lambda reader: read_mark.unread_message_count(reader, viewer))

    @strawberry.field(description="Rooms with something unread, archived ones left out.")
    async def unread_room_count(self, info: Info) -> int:
        context = info.context
        viewer = context.viewer
        return await context.read(lambda reader: read_mark.unread_room_count(reader, viewer))


def viewer_of(context: Context) -> Viewer:
    row = context.user
    return Viewer(id=node_id(NodeKind.VIEWER, row.id), user=shown(row), email_notifications=row.email_notifications)


@strawberry.field(description="The signed-in user.")
def viewer(info: Info) -> Viewer | None:
    return viewer_of(info.context)


@strawberry.input(description="Turn one's e-mail notifications on or off.")
class SetEmailNotificationsInput:
    enabled: bool = strawberry.field(description="False mutes every room at once.")


@strawberry.type(description="What setting the e-mail notifications gave.")
class SetEmailNotificationsPayload:
    viewer: Viewer | None = strawberry.field(default=None, description="The viewer, as set.")
    user_errors: list[UserError] = user_errors()


@mutation(SetEmailNotificationsPayload, "Turn all of the viewer's e-mail notifications on or off.")
async def set_email_notifications(
    info: Info, input: Given[SetEmailNotificationsInput]
) -> SetEmailNotificationsPayload | None:
    context = info.context
    await context.perform(lambda transaction: user.set_email_notifications(transaction, context.viewer, input.enabled))
    context.renew_user(context.user._replace(email_notifications=input.enabled))
    return SetEmailNotificationsPayload(viewer=viewer_of(context))
