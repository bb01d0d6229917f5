"""What executing an operation can cost at the most: how many values its answer can hold, told from the page sizes
that it asks for before anything is executed.

A page of pages of pages multiplies. Each field counts as many times as the pages around it have room for; a list with
`first` or `last` has room for what they ask for, one with neither for a page of the default size, and a list by `ids`
for as many as are given. Introspection, which takes no sizes, counts by the schema's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_introspection_type,
    is_list_type,
)

from schema.pagination import DEFAULT_SIZE, LARGEST_SIZE

_SIZES = ("first", "last")
_LISTED = "ids"

# How many introspection tells of a type or a field: fields, values and the like, and of these hardly any.
_FIELDS = 5
_DESCRIBED = {"args": 1, "interfaces": 1, "possibleTypes": 1}


class Said(NamedTuple):
    """A value of the document: a number, the length of a list, or a variable with its default; None is null."""

    value: int | None
    variable: str | None = None

    def of(self, variables: Mapping[str, Any]) -> object:
        return self.value if self.variable is None else variables.get(self.variable, self.value)


@dataclass(frozen=True, slots=True)
class Size:
    """How many a list has room for: what the first of its arguments says that is not null."""

    said: tuple[Said, ...]

    def of(self, variables: Mapping[str, Any]) -> int:
        for each in self.said:
            value = each.of(variables)
            if isinstance(value, list):
                return len(value)
            if isinstance(value, int | float):
                # JSON's 100.0 is 100 to GraphQL. What is out of bounds is refused by the field itself.
                return int(min(max(value, 0), LARGEST_SIZE))
        return DEFAULT_SIZE


@dataclass(frozen=True, slots=True)
class Known:
    """The size of a list that no argument has a say in."""

    size: int

    def of(self, _: Mapping[str, Any]) -> int:
        return self.size


@dataclass(frozen=True, slots=True)
class LongestGiven:
    """The size of a list that answers what was given: as many as the longest list in the document or its variables."""

    literal: int

    def of(self, variables: Mapping[str, Any]) -> int:
        return max(self.literal, _longest(variables))


@dataclass(frozen=True, slots=True)
class Cost:
    """So many values, and those of lists within."""

    values: int
    lists: tuple[tuple[Size | Known | LongestGiven, "Cost"], ...]

    def of(self, variables: Mapping[str, Any]) -> int:
        return self.values + sum(size.of(variables) * inner.of(variables) for size, inner in self.lists)


# How many values a field counts for, by the names of its type and itself: fields whose values can be large.
Weights = Mapping[tuple[str, str], int]


def cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    weights: Weights,
) -> Cost:
    """Measure an operation of a valid document whose expanded size is bounded (`limits`)."""
    root = schema.get_root_type(operation.operation)
    return _Scale(schema, operation, fragments, weights).weigh(operation.selection_set, root)


class _Scale:
    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        weights: Weights,
    ) -> None:
        self._schema = schema
        self._weights = weights
        self._fragments = fragments
        self._longest = LongestGiven(_longest_literal(operation))
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }

    def weigh(self, selections: SelectionSetNode, parent: Any, *, counted: bool = False) -> Cost:
        """`counted`: within a page, whose size its lists have already."""
        values = 0
        lists: list[tuple[Size | Known | LongestGiven, Cost]] = []
        for node, owner in self._fields(selections, parent):
            values += 1 if owner is None else self._weights.get((owner.name, node.name.value), 1)
            field = self._schema.get_field(owner, node.name.value) if owner is not None else None
            if field is None or node.selection_set is None:
                continue
            named = get_named_type(field.type)
            size: Size | Known | LongestGiven | None = self._size(node, field)
            below = named if is_composite_type(named) else None
            inner = self.weigh(node.selection_set, below, counted=size is not None)
            if size is None and not counted and is_list_type(get_nullable_type(field.type)):
                size = self._described(node) if is_introspection_type(owner) else self._longest
            if size is None:
                values += inner.values
                lists += inner.lists
            else:
                lists.append((size, inner))
        return Cost(values, tuple(lists))

    def _fields(self, selections: SelectionSetNode, parent: Any) -> Iterator[tuple[FieldNode, Any]]:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node, parent
                continue
            if isinstance(node, FragmentSpreadNode):
                fragment: FragmentDefinitionNode | InlineFragmentNode = self._fragments[node.name.value]
            else:
                assert isinstance(node, InlineFragmentNode)
                fragment = node
            condition = fragment.type_condition
            owner = self._schema.get_type(condition.name.value) if condition is not None else parent
            yield from self._fields(fragment.selection_set, owner)

    def _size(self, node: FieldNode, field: GraphQLField) -> Size | None:
        """None for a field that is no list by pages or ids."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if _LISTED in field.args:
            return Size((self._said(given[_LISTED]),))
        if not any(name in field.args for name in _SIZES):
            return None
        return Size(tuple(self._said(given[name]) for name in _SIZES if name in given))

    def _described(self, node: FieldNode) -> Known:
        """Introspection asks for no number: its lists are as long as the schema has it."""
        name = node.name.value
        return Known(len(self._schema.type_map) if name == "types" else _DESCRIBED.get(name, _FIELDS))

    def _said(self, value: ValueNode) -> Said:
        if isinstance(value, VariableNode):
            name = value.name.value
            return Said(_number(self._defaults.get(name)), name)
        return Said(_number(value))


def _number(value: ValueNode | None) -> int | None:
    if isinstance(value, IntValueNode):
        return int(value.value)
    if isinstance(value, ListValueNode):
        return len(value.values)
    return None


def _longest_literal(node: Node) -> int:
    longest = 0
    for key in node.keys:
        for inner in _nodes(getattr(node, key, None)):
            longest = max(longest, _longest_literal(inner))
    return max(longest, len(node.values)) if isinstance(node, ListValueNode) else longest


def _nodes(value: object) -> list[Node]:
    if isinstance(value, Node):
        return [value]
    return [each for each in value if isinstance(each, Node)] if isinstance(value, list | tuple) else []


def _longest(value: object) -> int:
    if isinstance(value, Mapping):
        return max((_longest(each) for each in value.values()), default=0)
    if isinstance(value, list):
        return max(len(value), max((_longest(each) for each in value), default=0))
    return 0
