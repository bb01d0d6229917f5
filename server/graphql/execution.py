"""From what a client asks to a result: document (cached), cost, context, execution."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, ClassVar, NamedTuple, NoReturn

from graphql import ExecutionResult, GraphQLError, OperationType, create_source_event_stream
from graphql.execution import Executor
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.origin import UNKNOWN, Origin
from server.graphql import error
from server.graphql.asked import Asked
from server.graphql.at_once import AtOnce
from server.graphql.bearer import token
from server.graphql.document import Document, Documents, Invalid, Operation
from server.graphql.engine import Engine
from server.graphql.limits import Limits
from server.graphql.payload import encode, fits
from server.graphql.sparingly import Sparingly
from server.graphql.strangers import Strangers

_MOST_COERCION_ERRORS = 25

# Answers of fewer values are written before they are measured: the worst, of bodies alone, are hardly too large.
_FEW_VALUES = 1_000


class Prepared(NamedTuple):
    """A request whose document is valid, and which of its operations is meant."""

    asked: Asked
    document: Document
    operation: Operation
    values: int
    """How many values the answer can hold."""

    @property
    def kept_variables(self) -> dict[str, Any]:
        """Those that the selection uses, which a subscription keeps: those of the root's arguments are spent by then.
        One that is absent is not one that is null."""
        given = self.asked.variables
        return {name: given[name] for name in sorted(self.operation.inner_variables) if name in given}


class TooLarge(Exception):
    """The answer is larger than one may be."""

    code: ClassVar[str] = "QUERY_TOO_COMPLEX"

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message


class Execution:
    """Executes the operations of one schema."""

    def __init__(
        self,
        engine: Engine,
        *,
        limits: Limits | None = None,
        introspection: bool = True,
        executor: type[Executor[Any]] = StrawberryGraphQLCoreExecutionContext,
        strangers: Strangers | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self.documents = Documents(
            engine.schema, limits=self._limits, weights=engine.weights, introspection=introspection
        )
        self.engine = engine
        self._hide_suggestions = not introspection
        self._executor = executor
        self._strangers = strangers or Strangers()
        self._introspecting = Sparingly()
        self._at_once = AtOnce()

    def identify(self, authorization: list[str]) -> Any | None:
        """Who the values of an Authorization header speak for; None where there is none. A function of where they come
        from, to be awaited, where that has to be asked.

        Raises:
            an exception with the code UNAUTHENTICATED: the token is bad or has expired.
        """
        bearer = token(authorization)
        return None if bearer is None else self.engine.identify(bearer)

    async def caller(self, authorization: list[str], origin: Origin) -> Callable[[], Any | None]:
        """Who asks, as `prepare` and `speaks_for` want it: what is wrong with a token is raised where it matters."""
        try:
            who: Any = self.identify(authorization)
            if callable(who):
                who = await who(origin)
        except Exception as raised:
            return partial(_refuse, raised)
        return lambda: who

    def seconds_left(self, who: Any | None) -> float | None:
        """How long streams of somebody may live, if not as long as their sign-in; none of them begins at 0 or less."""
        ends = None if who is None else self.engine.ends(who)
        return None if ends is None else ends - time.time()

    def prepare(self, asked: Asked, who: Callable[[], Any | None] = lambda: None) -> Prepared:
        """
        who: whoever asks, as `identify` gives or raises it; asked only where it matters. Where nobody is known, reading
        what is not kept counts as a stranger's. (A token that is bad is told later, and not where it is ignored.)

        Raises:
            Invalid: the document can't be executed, has no such operation, or asks for too much.
        """
        strange = asked.query not in self.documents and _is_nobody(who)
        with self._strangers.reading(asked.query) if strange else nullcontext():
            document = self.documents.get(asked.query)
        operation = document.operation(asked.operation_name)
        values = operation.cost.of(asked.variables)
        prepared = Prepared(asked, document, operation, values)
        if operation.type is OperationType.SUBSCRIPTION:
            self._check_stream(prepared)
        elif values > (most := self._most_values(operation)):
            raise _too_complex(f"The answer could hold more than {most:,} values.")
        return prepared

    def _most_values(self, operation: Operation) -> int:
        return self._limits.introspected_values if _introspects(operation) else self._limits.values

    def _check_stream(self, prepared: Prepared) -> None:
        limits = self._limits
        if len(prepared.asked.query) > limits.stream_characters:
            raise _too_complex(f"A document that subscribes has at most {limits.stream_characters:,} characters.")
        if prepared.document.node.token_count > limits.stream_tokens:
            raise _too_complex(f"A document that subscribes has at most {limits.stream_tokens:,} tokens.")
        if len(encode(prepared.kept_variables)) > limits.stream_characters:
            raise _too_complex(f"The variables of a subscription have at most {limits.stream_characters:,} bytes.")
        if prepared.values > limits.stream_values:
            raise _too_complex(f"An event could hold more than {limits.stream_values:,} values.")

    def speaks_for(self, operation: Operation, who: Callable[[], Any | None]) -> Any | None:
        """As whom an operation is executed. One that selects only public mutations is nobody's, and what it came with
        is not even looked at: an app attaches the expired token to `refreshSession` too."""
        return None if operation.selects_only(self.engine.public_mutations) else who()

    async def run(
        self, prepared: Prepared, who: Any | None, origin: Origin = UNKNOWN
    ) -> ExecutionResult | list[GraphQLError]:
        """Execute a query or mutation in a context of the engine and close it. A list: the variables are refused.

        Raises:
            whatever the engine raises when it opens and closes a context.
        """
        # The schema is the same for everybody, and whoever asks for it has time.
        turn = self._introspecting.turn() if _introspects(prepared.operation) else nullcontext()
        mine = who is not None and prepared.operation.type is OperationType.QUERY
        own_turn = self._at_once.turn(self.engine.user_of(who)) if mine else nullcontext()
        async with own_turn, turn, self.engine.open(who, prepared.operation, origin) as context:
            return await self.execute(prepared, context)

    async def execute(self, prepared: Prepared, context: Any) -> ExecutionResult | list[GraphQLError]:
        """Execute in a context that is there already. A list: the variables are refused."""
        executor = self.executor(prepared, context)
        return executor if isinstance(executor, list) else await executed(executor)

    def encoded(self, prepared: Prepared, result: ExecutionResult) -> bytes:
        """A result as JSON, with what may be told of its errors.

        Raises:
            TooLarge: it would have more bytes, or errors, than an answer may have.
        """
        limits = self._limits
        done = "What was asked has been done, but the" if prepared.operation.type is OperationType.MUTATION else "The"
        if len(result.errors or ()) > limits.errors:
            raise TooLarge(f"{done} answer has more than {limits.errors:,} errors.")
        payload = None
        if prepared.values <= _FEW_VALUES or fits(result.data, limits.bytes):
            payload = encoded(result)
        if payload is None or len(payload) > limits.bytes:
            raise TooLarge(f"{done} answer is larger than {limits.bytes:,} bytes: ask for smaller pages.")
        return payload

    def executor(self, prepared: Prepared, context: Any) -> Executor[Any] | list[GraphQLError]:
        """What executes an operation with its variables. A list: the variables are refused."""
        return self._executor.build(
            self.engine.schema,
            prepared.document.node,
            context_value=context,
            raw_variable_values=prepared.asked.variables,
            operation_name=prepared.operation.name,
            max_coercion_errors=_MOST_COERCION_ERRORS,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            hide_suggestions=self._hide_suggestions,
            operation_extensions=prepared.asked.extensions,
        )


def _refuse(raised: Exception) -> NoReturn:
    raise raised


def _is_nobody(who: Callable[[], Any | None]) -> bool:
    try:
        return who() is None
    except Exception:
        return True


def _introspects(operation: Operation) -> bool:
    return operation.selects("__schema") or operation.selects("__type")


def _too_complex(what: str) -> Invalid:
    return Invalid("QUERY_TOO_COMPLEX", GraphQLError(what))


async def executed(executor: Executor[Any]) -> ExecutionResult:
    """Execute to the end."""
    result: Any = executor.execute_operation()
    if optimized_is_awaitable(result):
        result = await result
    if not isinstance(result, ExecutionResult):
        raise TypeError("@defer and @stream are not supported")
    return result


async def source_of(executor: Executor[Any]) -> Any:
    """What a subscription's root field gives; an ExecutionResult where it fails."""
    source: Any = create_source_event_stream(executor)
    return await source if executor.is_awaitable(source) else source


def encoded(result: ExecutionResult) -> bytes:
    """The same without a bound."""
    if result.errors:
        return encode({"errors": error.of_execution(result.errors), "data": result.data})
    return encode({"data": result.data})
