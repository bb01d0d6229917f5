"""Documents: parsed and validated once, kept with what the entry wants to know of them."""

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import ASTValidationRule
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from server.graphql.cost import Cost, Weights, cost
from server.graphql.limits import Limits, TooComplex, check

# What the rule against conflicting fields may spend on a document, in comparisons (graphql-core has it as a
# setting of the module). Its default is most of a second, in which no other request is served; this is some
# tens of milliseconds, and still several times what large documents of real front ends take.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 50_000

# Errors told of one document; a flood of them helps nobody.
_MOST_ERRORS = 25

# Memory of a parsed document per token, measured: nodes, locations and tokens.
_BYTES_PER_TOKEN = 600

_ABORTED = "Validation aborted."


class Invalid(Exception):
    """The document can't be executed: `errors`, all of one `code` unless they carry their own."""

    def __init__(self, code: str, *errors: GraphQLError) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a valid document. Facts hold whatever @skip and @include say."""

    node: OperationDefinitionNode
    root_fields: frozenset[str]
    """The names (not aliases) of its root fields, those in fragments too."""
    fields: frozenset[str]
    """The names of all fields at any depth."""
    cost: Cost
    """How many values its answer can hold."""
    inner_variables: frozenset[str]
    """The variables that it uses anywhere but in the arguments of its root fields."""

    @property
    def name(self) -> str | None:
        return self.node.name.value if self.node.name else None

    @property
    def type(self) -> OperationType:
        return self.node.operation

    def selects(self, field_name: str) -> bool:
        """Say whether a field of that name is selected anywhere, of whatever type."""
        return field_name in self.fields

    def selects_only(self, mutations: frozenset[str]) -> bool:
        """Say whether this is a mutation of nothing but those fields (and of at least one of them)."""
        return (
            self.node.operation is OperationType.MUTATION
            and (chosen := self.root_fields - {"__typename"}) != frozenset()
            and chosen <= mutations
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document with its operations, by name; None is the anonymous one."""

    node: DocumentNode
    operations: Mapping[str | None, Operation]

    def operation(self, name: str | None) -> Operation:
        """Give the operation to execute (GetOperation of the GraphQL specification). Raises Invalid."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None:
            text = "Must provide operation name if query contains multiple operations."
        elif name in self.operations:
            return self.operations[name]
        else:
            text = f"Unknown operation named '{name}'."
        raise Invalid("BAD_USER_INPUT", GraphQLError(text))


class Documents:
    """The valid documents of one schema, by their text: the most recently used ones.

    Bounded in number and in estimated bytes, so that no flood of unique documents fills the memory. Invalid
    ones are not kept: a client that sends them is being written or is hostile, and each place they took would
    be one less for a document that an app sends all day.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        limits: Limits | None = None,
        weights: Weights | None = None,
        introspection: bool = True,
        most: int = 1_000,
        most_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._schema = schema
        self._limits = limits or Limits()
        self._weights = weights or {}
        self._introspection = introspection
        self._rules = rules(introspection=introspection)
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, tuple[Document, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, text: object) -> bool:
        return text in self._kept

    def get(self, text: str) -> Document:
        """Give the document of that text. Raises Invalid."""
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept[0]
        document = self._read(text)
        self._keep(text, document)
        return document

    def _keep(self, text: str, document: Document) -> None:
        size = size_of(text, document.node)
        if size > self._most_bytes:
            return
        self._kept[text] = (document, size)
        self.bytes += size
        while self.bytes > self._most_bytes or len(self._kept) > self._most:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed

    def _read(self, text: str) -> Document:
        limits = self._limits
        try:
            node = parse(
                text,
                max_lexical_tokens=limits.tokens,
                max_comments=limits.comments,
                max_source_length=limits.characters,
            )
        except GraphQLSyntaxError as error:
            # graphql-core has no class of its own for what is too large.
            large = error.description.endswith("Parsing aborted.")
            raise Invalid("QUERY_TOO_COMPLEX" if large else "GRAPHQL_PARSE_FAILED", error) from None
        try:
            check(node, limits)
        except TooComplex as error:
            raise Invalid("QUERY_TOO_COMPLEX", GraphQLError(str(error))) from None
        errors = validate(
            self._schema, node, self._rules, max_errors=_MOST_ERRORS, hide_suggestions=not self._introspection
        )
        if errors:
            last = errors[-1]
            if isinstance(last, ValidationAbortedError) and last.message == _ABORTED:
                raise Invalid("QUERY_TOO_COMPLEX", GraphQLError("The document is too complex."))
            raise Invalid("GRAPHQL_VALIDATION_FAILED", *errors)
        return Document(node, dict(_operations(node, self._schema, self._weights)))


def size_of(text: str, node: DocumentNode) -> int:
    """Estimate what a document keeps in memory, in bytes."""
    return sys.getsizeof(text) + _BYTES_PER_TOKEN * node.token_count


def rules(*, introspection: bool) -> tuple[type[ASTValidationRule], ...]:
    """Give the rules of the specification and the two that Strawberry adds in its `validate_document`."""
    return (
        *specified_rules,
        MaybeNullValidationRule,
        OneOfInputValidationRule,
        *(() if introspection else (NoSchemaIntrospectionCustomRule,)),
    )


def _operations(
    document: DocumentNode, schema: GraphQLSchema, weights: Weights
) -> Iterator[tuple[str | None, Operation]]:
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            operation = Operation(
                node,
                root_fields=_names(node.selection_set, fragments, deep=False),
                fields=_names(node.selection_set, fragments, deep=True),
                cost=cost(schema, node, fragments, weights),
                inner_variables=_inner_variables(node.selection_set, fragments),
            )
            yield operation.name, operation


def _names(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], *, deep: bool
) -> frozenset[str]:
    names: set[str] = set()
    spread: set[str] = set()
    waiting: list[SelectionSetNode] = [selections]
    while waiting:
        for node in waiting.pop().selections:
            inner: SelectionSetNode | None
            if isinstance(node, FieldNode):
                names.add(node.name.value)
                inner = node.selection_set if deep else None
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value in spread:
                    continue
                spread.add(node.name.value)
                inner = fragments[node.name.value].selection_set
            else:
                assert isinstance(node, InlineFragmentNode)
                inner = node.selection_set
            if inner:
                waiting.append(inner)
    return frozenset(names)


def _inner_variables(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> frozenset[str]:
    names: set[str] = set()
    spread: set[tuple[str, bool]] = set()
    waiting: list[tuple[SelectionSetNode, bool]] = [(selections, True)]
    while waiting:
        inner, at_root = waiting.pop()
        for node in inner.selections:
            for directive in node.directives or ():
                names |= _variables(directive)
            if isinstance(node, FieldNode):
                if not at_root:
                    for argument in node.arguments or ():
                        names |= _variables(argument)
                if node.selection_set:
                    waiting.append((node.selection_set, False))
            elif isinstance(node, FragmentSpreadNode):
                place = node.name.value, at_root
                if place not in spread:
                    spread.add(place)
                    waiting.append((fragments[node.name.value].selection_set, at_root))
            else:
                assert isinstance(node, InlineFragmentNode)
                waiting.append((node.selection_set, at_root))
    return frozenset(names)


def _variables(within: Node) -> set[str]:
    found = _Variables()
    visit(within, found)
    return found.names


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)
