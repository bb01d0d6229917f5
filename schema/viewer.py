"""The signed-in user, and what only they see or set."""

import strawberry

from resolvers import read_mark, session, user
from schema.context import Context, Info
from schema.errors import Given, UserError, mutation, user_errors
from schema.node_id import NodeKind, node_id
from schema.sign_in import SignIn, shown_sign_in
from schema.user import User, shown


@strawberry.type(description="The signed-in user, and what only they may see or set.")
class Viewer:
    id: strawberry.ID = strawberry.field(description="Stable, so that client caches normalise it; not the user's id.")
    user: User = strawberry.field(description="The viewer, as others see them.")
    email_notifications: bool = strawberry.field(description="False when all e-mail notifications are muted.")

    time_zone: str | None = strawberry.field(
        description="In which time zone they are told times: a name of the IANA database; null is UTC."
    )

    @strawberry.field(description="Where the viewer is signed in, latest used first; 100 at most.")
    async def sign_ins(self, info: Info) -> list[SignIn]:
        context = info.context
        viewer = context.viewer
        rows = await context.read(lambda reader: session.sign_ins(reader, viewer))
        return [shown_sign_in(row, viewer) for row in rows]

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
    return Viewer(
        id=node_id(NodeKind.VIEWER, row.id),
        user=shown(row),
        email_notifications=row.email_notifications,
        time_zone=row.time_zone,
    )


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


@strawberry.input(description="Change what one is called, or one's time zone. What is left out stays.")
class UpdateProfileInput:
    name: str | None = strawberry.field(default=strawberry.UNSET, description="1 to 200 characters.")
    time_zone: str | None = strawberry.field(
        default=strawberry.UNSET, description="A name of the IANA database, as Europe/Berlin; null is UTC."
    )


@strawberry.type(description="What changing the profile gave.")
class UpdateProfilePayload:
    viewer: Viewer | None = strawberry.field(default=None, description="The viewer, as changed.")
    user_errors: list[UserError] = user_errors()


@mutation(UpdateProfilePayload, "Change what the viewer is called, or in which time zone they are told times.")
async def update_profile(info: Info, input: Given[UpdateProfileInput]) -> UpdateProfilePayload | None:
    context = info.context
    changed = await context.perform(
        lambda transaction: user.update_profile(
            transaction,
            context.viewer,
            name=None if input.name is strawberry.UNSET else input.name,
            time_zone=None if input.time_zone is strawberry.UNSET else input.time_zone,
            keeps_time_zone=input.time_zone is strawberry.UNSET,
        )
    )
    context.renew_user(changed)
    return UpdateProfilePayload(viewer=viewer_of(context))
