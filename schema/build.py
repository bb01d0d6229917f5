"""The schema, put together from what each noun brings."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.utils.str_converters import to_camel_case

from schema import (
    account,
    credential,
    event,
    invitation,
    message,
    node,
    participant,
    portal,
    room,
    room_attention,
    room_management,
    session,
    sign_in,
    subscription,
    user,
    viewer,
)
from schema.scalars import scalar_map

Query = create_type(
    "Query",
    [
        viewer.viewer,
        node.node,
        node.nodes,
        room.room,
        room.rooms_field,
        user.users_field,
        portal.portal,
        portal.portals_field,
    ],
    description="What can be read. Root fields are nullable: an error in one leaves the others' answers alone.",
)

Mutation = create_type(
    "Mutation",
    [
        session.sign_in,
        session.request_sign_in_link,
        session.sign_in_with_token,
        invitation.accept_invitation,
        session.refresh_session,
        session.sign_out,
        sign_in.end_sign_in,
        credential.change_password,
        credential.request_password_reset,
        credential.reset_password,
        invitation.invite_teammate,
        invitation.invite_client,
        invitation.cancel_invitation,
        portal.create_portal,
        portal.rename_portal,
        portal.remove_client_from_portal,
        room_management.create_room,
        room_management.rename_room,
        room_management.link_room_to_portal,
        room_management.archive_room,
        room_management.unarchive_room,
        participant.add_participants,
        participant.remove_participant,
        participant.leave_room,
        message.send_message,
        message.edit_message,
        message.delete_message,
        room_attention.mark_room_read,
        room_attention.set_room_muted,
        viewer.set_email_notifications,
        viewer.update_profile,
        account.deactivate_user,
        account.activate_user,
    ],
    description=(
        "What can be changed. What a rule refuses is told in `userErrors`; a fault is an error at its own path, and "
        "the other mutations of the same document keep their answers."
    ),
)

Subscription = create_type(
    "Subscription",
    [subscription.message_added, subscription.room_events, subscription.viewer_events],
    description="What can be followed live. Each resumes exactly behind the last event that a client has seen.",
)

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[room.Room, message.Message, participant.Participant, portal.Portal, user.User, *event.TYPES],
    config=StrawberryConfig(scalar_map=scalar_map),
)

# Those that work without a token; a document of only these ignores the one that is sent.
public_mutations = frozenset(
    to_camel_case(field.python_name)
    for field in (
        session.sign_in,
        session.request_sign_in_link,
        session.sign_in_with_token,
        session.refresh_session,
        invitation.accept_invitation,
        credential.request_password_reset,
        credential.reset_password,
    )
)

# What counts for several of an answer's values: a text can be as large as thousands of others.
weights = {("Message", "body"): 10}


def printed() -> str:
    """The schema as it is checked in."""
    return schema.as_str() + "\n"
