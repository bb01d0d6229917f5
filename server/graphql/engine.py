"""The seam: what the entries need from the rest of Parley in order to execute an operation."""

from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

from graphql import GraphQLSchema

from resolvers.origin import Origin
from server.graphql.cost import Weights
from server.graphql.document import Operation


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

    def identify(self, token: str) -> Any:
        """Who a token speaks for, as far as the token alone tells; what it gives is for `open`. Where that has
        to be asked, a function of where it comes from, which is awaited, and gives and raises the same.

        Raises Unauthenticated, or any exception with the code UNAUTHENTICATED (see `server.graphql.error`), when the
        token is bad or expired.
        """

    def ends(self, who: Any) -> float | None:
        """When the streams of somebody who was identified end at the latest, in seconds since 1970."""

    def user_of(self, who: Any) -> Hashable:
        """Whom somebody who was identified is one of the sign-ins of."""

    def open(self, who: Any | None, operation: Operation, origin: Origin) -> AbstractAsyncContextManager[Any]:
        """Give the context value of one execution; closed before a byte of the answer is sent.

        `who` is None for an anonymous request, and for an operation that selects only public mutations; `origin` is
        where the request, or the handshake of the socket, came from.

        Raises Unauthenticated, or any exception with that code, when the sign-in has ended: that refuses the request
        as a whole. Any other public exception is answered as a request error (no `data`).
        """


# How those are told whose streams end with their token.
ENDED = "This sign-in has ended."


class Unauthenticated(Exception):
    """The token that was sent is bad or expired."""

    code: ClassVar[str] = "UNAUTHENTICATED"
    public_message: ClassVar[str] = "The access token is invalid or has expired."
