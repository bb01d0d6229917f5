"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pytest

import models
from models import audit, message, participant, portal, room, user
from models.message import MessageRow
from models.participant import ParticipantRow
from models.portal import PortalRow, client_row, clients_portal
from models.room import RoomRow, Standing
from models.statement import Statement
from models.user import UserRow

ROOT = Path(__file__).parent.parent
MODULES = [import_module(f"models.{each.name}") for each in iter_modules(models.__path__)]

# What statements make of rows of rooms, people and portals.
GIVES_ROWS = (RoomRow, MessageRow, ParticipantRow, UserRow, Standing, PortalRow, client_row, clients_portal)

# Statements that give something of a room, or of a person, without asking who the viewer is; each with its reason.
WITHOUT_A_VIEWER = {
    "message.edit_message": "writes what `own_message` found under the room's lock",
    "message.erase_message": "writes what `own_message` found under the room's lock",
    "message.messages_by_sequence": "of rooms that the viewer has been given",
    "message.messages_pages": "of rooms that the viewer has been given",
    "participant.participants_by_user": "of a room that its manager holds locked",
    "participant.participants_of_pairs": "of rooms in which who is told was found, in the same snapshot",
    "participant.participants_pages": "of rooms that an internal viewer has been given",
    "portal.clients_pages": "for internal viewers only",
    "portal.lock_portal": "for internal viewers only",
    "portal.lock_portal_to_change": "for internal viewers only",
    "portal.portals_by_id": "for internal viewers only",
    "portal.portals_of_users": "for internal viewers only",
    "portal.portals_page": "for internal viewers only",
    "room.rooms_of_events": "of rooms in which who is told was found, in the same snapshot",
    "session.lock_active_user": "the user whose sign-in it is",
    "session.signed_in_user": "the user whose sign-in it is",
    "user.lock_user": "the viewer, the user of a link, or whom an internal viewer changes",
    "user.lock_user_by_email": "whom an internal viewer invites",
    "user.users_by_id": "authors of what the viewer may read, and everybody for internal viewers",
    "user.users_page": "for internal viewers only",
}


def statements() -> Iterator[tuple[str, Statement[object]]]:
    made = {
        "audit.audit_page": audit.audit_page(since=True, until=True, action=True, user=True, room=True, before=True),
        "message.messages_pages": message.messages_pages(backward=True),
        "participant.participants_pages": participant.participants_pages(after=True, before=True, backward=True),
        "portal.clients_pages": portal.clients_pages(after=True, before=True, backward=True),
        "portal.portals_page": portal.portals_page(after=True, before=True, backward=True),
        "room.rooms_page": room.rooms_page(
            archived=None, query=True, portal=True, after=True, before=True, backward=True
        ),
        "room.rooms_of_portals": room.rooms_of_portals(after=True, before=True, backward=True),
        "user.users_page": user.users_page(query=True, kind=True, status=True, after=True),
    }
    yield from made.items()
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Statement):
                yield f"{_short(module)}.{name}", value


def test_finding_is_the_permission() -> None:
    """Whatever gives a row of a room or a person asks for the viewer in the same statement, or says why not."""
    bare = {
        name
        for name, statement in statements()
        if statement.row in GIVES_ROWS and b"%(viewer_id)s" not in statement.sql
    }
    assert bare == set(WITHOUT_A_VIEWER)


def test_every_statement_stays_within_a_workspace() -> None:
    across = {
        "event.lines_past_retention",
        "event.newest_events",
        "issuer.all_issuers",
        "issuer.first_workspaces",
        "issuer.issuer_by_name",
        "link.delete_link_request",
        "mail.delete_spent_links",
        "link.insert_link_request",
        "link.lease_link_requests",
        "link.link_request",
        "mail.delete_ended_mails",
        "mail.end_outage",
        "mail.note_outage",
        "mail.outage_is_over",
        "mail.prolong_outage",
        "mail.queue_due_mails",
        "mail.try_server_again",
        "read_mark.workspaces_with_untold",
        "session.workspaces_with_expired_sessions",
        "user.accounts_by_email",
        "work.lease_due_work",
        "workspace.insert_workspace",
        "workspace.workspace_by_slug",
    }
    found = {name for name, statement in statements() if b"%(workspace_id)s" not in statement.sql}
    assert found == across


def test_commits_happen_in_one_place() -> None:
    pattern = re.compile(r'"(COMMIT|BEGIN)\b|\.commit\(|\.transaction\(')
    places = {
        str(path.relative_to(ROOT))
        for folder in ("models", "resolvers", "schema", "tasks")
        for path in (ROOT / folder).rglob("*.py")
        if pattern.search(path.read_text())
    }
    assert places == {"resolvers/operation.py", "resolvers/snapshot.py"}


def test_only_operations_queue_tasks() -> None:
    callers = {
        str(path.relative_to(ROOT))
        for folder in ("models", "resolvers", "schema", "tasks")
        for path in (ROOT / folder).rglob("*.py")
        if "process.queue(" in path.read_text()
    }
    # The sweeps queue what a commit of their own has leased, and asking for a link is one statement.
    assert callers == {"resolvers/link.py", "resolvers/operation.py", "resolvers/outbox.py", "resolvers/work.py"}


@pytest.mark.parametrize("folder", ["models", "resolvers", "schema"])
def test_nothing_blocks_the_event_loop(folder: str) -> None:
    blocking = {"time.sleep", "subprocess.run", "requests.get", "psycopg.connect", "open"}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in blocking, f"{path.name}:{node.lineno}"


def _short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]
