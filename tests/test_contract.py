"""The schema against the public contract: it may add, and may not rename, remove or re-type."""

from pathlib import Path

import pytest
from graphql import Node, parse, print_ast

from schema.build import printed

HERE = Path(__file__).parent

# What the contract names and issues to come will bring. Each is absent, not stubbed; this list only shrinks.
TYPES_TO_COME = {
    *("Attachment", "AttachmentKind", "ThumbnailSize", "Upload"),
    *("ReadReceipt", "ReadReceiptEdge", "ReadReceiptConnection"),
    *("MessageSearchEdge", "MessageSearchConnection", "SnippetPart", "Typing"),
    *("UploadTarget", "HttpHeader"),
}
MUTATIONS_TO_COME = {
    *("setTyping", "createUpload", "completeUpload", "uploadAttachment"),
}
FIELDS_TO_COME = {
    "Room": {"autoInvite"},
    "Message": {"attachments", "readBy"},
    "Query": {"searchMessages"},
    "Mutation": MUTATIONS_TO_COME,
    "Subscription": {"typing"},
    "RoomFilter": {"unread"},
    "CreateRoomInput": {"autoInvite"},
    "LinkRoomToPortalInput": {"autoInvite"},
    "SendMessageInput": {"attachmentIds"},
}


def definitions(sdl: str) -> dict[str, Node]:
    return {definition.name.value: definition for definition in parse(sdl).definitions}


CONTRACT = definitions((HERE / "contract.graphql").read_text())
SCHEMA = definitions(printed())


def to_come(name: str) -> bool:
    return name in TYPES_TO_COME or any(
        name == f"{mutation[0].upper()}{mutation[1:]}{end}"
        for mutation in MUTATIONS_TO_COME
        for end in ("Input", "Payload")
    )


def members(definition: Node) -> dict[str, Node]:
    kept = getattr(definition, "fields", None) or getattr(definition, "values", None) or ()
    return {member.name.value: member for member in kept}


def default_of(argument: Node) -> str | None:
    return print_ast(argument.default_value) if getattr(argument, "default_value", None) else None


def marks(member: Node) -> set[str]:
    def said(directive: Node) -> str:
        given = {argument.name.value: print_ast(argument.value) for argument in directive.arguments or ()}
        return f"@{directive.name.value} { ({'orSelf': 'false'} | given) }"

    return {said(directive) for directive in getattr(member, "directives", None) or ()}


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_nothing_of_the_contract_is_renamed_removed_or_retyped(name: str) -> None:
    if to_come(name):
        assert name not in SCHEMA, f"{name} is there now: take it off the list of what is to come"
        return
    ours, theirs = SCHEMA[name], CONTRACT[name]
    assert type(ours) is type(theirs)
    interfaces = {interface.name.value for interface in getattr(theirs, "interfaces", None) or ()}
    assert interfaces <= {interface.name.value for interface in getattr(ours, "interfaces", None) or ()}
    absent = FIELDS_TO_COME.get(name, set())
    for field, wanted in members(theirs).items():
        if field in absent:
            assert field not in members(ours), f"{name}.{field} is there now: take it off the list"
            continue
        found = members(ours)[field]
        if hasattr(wanted, "type"):
            assert print_ast(found.type) == print_ast(wanted.type), f"{name}.{field}"
            assert default_of(found) == default_of(wanted), f"{name}.{field}"
        assert marks(found) == marks(wanted), f"{name}.{field}"
        arguments = {argument.name.value: argument for argument in getattr(found, "arguments", None) or ()}
        for argument in getattr(wanted, "arguments", None) or ():
            given = arguments.pop(argument.name.value)
            assert print_ast(given.type) == print_ast(argument.type), f"{name}.{field}({argument.name.value})"
            assert default_of(given) == default_of(argument), f"{name}.{field}({argument.name.value})"
        for added in arguments.values():
            assert default_of(added) or not print_ast(added.type).endswith("!"), f"{name}.{field}({added.name.value})"
    if "Input" in name:
        for field, added in members(ours).items():
            if field not in members(theirs):
                assert default_of(added) or not print_ast(added.type).endswith("!"), f"{name}.{field} would be required"


def test_everything_that_is_published_is_described() -> None:
    missing = []
    for name, definition in SCHEMA.items():
        if definition.kind != "schema_definition" and not definition.description:
            missing.append(name)
        for field, member in members(definition).items():
            if not member.description:
                missing.append(f"{name}.{field}")
            missing += [
                f"{name}.{field}({argument.name.value})"
                for argument in getattr(member, "arguments", None) or ()
                if not argument.description
            ]
    assert missing == []


def test_the_printed_schema_is_the_one_that_is_checked_in() -> None:
    assert (HERE.parent / "schema.graphql").read_text() == printed()
