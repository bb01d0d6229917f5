"""The seam: what the HTTP entry needs from the rest of Parley in order to execute an operation."""

from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

from graphql import GraphQLSchema

from server.http.cost import Weights
from server.http.document import Operation


class Engine(Protocol):
    """A schema, and a context for each execution."""

    @property
    def schema(self) -> GraphQLSchema: ...

    @property
    def public_mutations(self) -> frozenset[str]:
        """Root fields of Mutation that need no token, by their GraphQL names."""

    @property
    def weights(self) -> Weights:
        """Fields whose values can be large, and how many values each counts for."""

    def open(self, token: str | None, operation: Operation) -> AbstractAsyncContextManager[Any]:
        """Give the context value of one execution; closed before a byte of the answer is sent.

        `token` is None for an anonymous request, and for an operation that selects only public mutations.

        Raises Unauthenticated, or any exception with the code UNAUTHENTICATED (see `server.http.error`), when
        a token was sent but is bad or expired: that refuses the request as a whole. Any other public
        exception is answered as a request error (no `data`).
        """


class Unauthenticated(Exception):
    """The token that was sent is bad or expired."""

    code: ClassVar[str] = "UNAUTHENTICATED"
    public_message: ClassVar[str] = "The access token is invalid or has expired."
