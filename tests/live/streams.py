"""Each kind of stream by one document, with the texts that it tells."""

import pytest

_TOLD = "__typename cursor ... on MessageAdded { message { body } } ... on MessageUpdated { message { body } }"

STREAMS = {
    "messageAdded": (
        "subscription ($room: ID!, $after: String)"
        " { messageAdded(roomId: $room, after: $after) { __typename cursor message { body } } }"
    ),
    "roomEvents": (
        f"subscription ($room: ID!, $after: String) {{ roomEvents(roomId: $room, after: $after) {{ {_TOLD} }} }}"
    ),
    "viewerEvents": f"subscription ($after: String) {{ viewerEvents(after: $after) {{ {_TOLD} }} }}",
}

follows = pytest.mark.parametrize("name", STREAMS)
