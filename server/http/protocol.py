"""Uvicorn's HTTP protocol, and an end to connections that would have none.

Uvicorn ends a connection on which nothing comes between two requests. It waits for ever for a head that never begins or
never ends, and for a client that does not take its answer.

This leans on the inside of the version of uvicorn that is pinned.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# In the scope of a request whose response goes on until somebody ends it.
STREAMING = "parley.streaming"


class HttpProtocol(HttpToolsProtocol):
    head_seconds = 10.0
    """How long the head of a request may take."""
    taking_seconds = 60.0
    """How often, at the least, a client takes some of what it was sent: one on a slow line does."""

    _head: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_has_come()
        if self._taking is not None:
            self._taking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            # Not from where the parser sees a request begin: empty lines before it could go on without end.
            self._await_head()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._head_has_come()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._see_it_taken()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._see_it_taken()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._see_it_taken()

    def shutdown(self) -> None:
        """The server stops: a stream would not end by itself. Its client comes again."""
        if self.scope is not None and STREAMING in self.scope:
            self.transport.close()
        else:
            super().shutdown()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self.transport.close)

    def _head_has_come(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _see_it_taken(self, unsent_before: int | None = None) -> None:
        """To close a transport is to keep what is unsent until it is taken."""
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == unsent_before:
            self.transport.abort()
        elif unsent:
            self._taking = self.loop.call_later(self.taking_seconds, self._see_it_taken, unsent)
