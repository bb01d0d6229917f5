"""How large a document may be: what it can cost is bounded before it is validated or executed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a document. Fields, aliases and depth count with fragments expanded, per operation.

    The defaults leave several times the room that the largest screens of real front ends need, and keep the
    worst document that is let through at some tens of milliseconds.
    """

    characters: int = 262_144
    tokens: int = 3_000
    comments: int = 1_000
    depth: int = 20  # introspection is exempt: its lists have a limit of their own in graphql-core's rules
    fields: int = 3_000
    aliases: int = 100
    root_fields: int = 30
    alias: int = 256  # characters of one alias: it stands with each row of a page
    values: int = 250_000  # that the answer can hold, by the page sizes asked for
    introspected_values: int = 150_000  # the same where the schema is asked for: nobody signs in for that
    bytes: int = 8 * 1024 * 1024  # of the answer
    errors: int = 1_000  # of the answer
    # A subscription is executed again with each event, and its document is kept as long as it lasts.
    stream_characters: int = 20_000  # of the document, and of its variables
    stream_tokens: int = 1_500
    stream_values: int = 10_000


class TooComplex(Exception):
    """The document exceeds a limit; the text says which."""


# Selection sets within selection sets and spreads, also of fragments that add no depth: a bound on the
# recursion here.
_NESTING = 100
_INTROSPECTION = frozenset({"__schema", "__type"})


class _Size(NamedTuple):
    fields: int = 0
    aliases: int = 0
    depth: int = 0


def check(document: DocumentNode, limits: Limits) -> None:
    """Raise TooComplex when an operation of the document exceeds a limit.

    Each fragment is measured once, so the time is linear in the text however often fragments are spread. The
    document is not validated yet: unknown and circular spreads count nothing here and are refused by the
    validation.
    """
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    whole, top = _Ruler(fragments, limits.alias), _Ruler(fragments, limits.alias, flat=True)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = whole.measure(definition.selection_set)
            _check("fields", size.fields, limits.fields)
            _check("aliases", size.aliases, limits.aliases)
            _check("levels of nesting", size.depth, limits.depth)
            _check("root fields", top.measure(definition.selection_set).fields, limits.root_fields)


def _check(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooComplex(f"The operation selects more than {limit} {what}.")


class _Ruler:
    def __init__(
        self, fragments: Mapping[str, FragmentDefinitionNode], longest_alias: int, *, flat: bool = False
    ) -> None:
        self._fragments = fragments
        self._longest_alias = longest_alias
        self._flat = flat  # without the fields below fields
        self._measured: dict[str, _Size] = {}
        self._open: set[str] = set()

    def measure(self, selections: SelectionSetNode, nesting: int = 0) -> _Size:
        if nesting > _NESTING:
            raise TooComplex("The document is nested too deeply.")
        fields = aliases = depth = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                if node.alias is not None and len(node.alias.value) > self._longest_alias:
                    raise TooComplex(f"An alias is longer than {self._longest_alias} characters.")
                inner = _Size()
                if node.selection_set and not self._flat:
                    inner = self.measure(node.selection_set, nesting + 1)
                fields += 1 + inner.fields
                aliases += inner.aliases + (node.alias is not None)
                depth = max(depth, 1 + (0 if node.name.value in _INTROSPECTION else inner.depth))
            else:
                if isinstance(node, FragmentSpreadNode):
                    inner = self._spread(node.name.value, nesting + 1)
                else:
                    assert isinstance(node, InlineFragmentNode)
                    inner = self.measure(node.selection_set, nesting + 1)
                fields += inner.fields
                aliases += inner.aliases
                depth = max(depth, inner.depth)
        return _Size(fields, aliases, depth)

    def _spread(self, name: str, nesting: int) -> _Size:
        size = self._measured.get(name)
        if size is None:
            if name not in self._fragments or name in self._open:
                return _Size()
            self._open.add(name)
            size = self._measured[name] = self.measure(self._fragments[name].selection_set, nesting)
            self._open.discard(name)
        return size
