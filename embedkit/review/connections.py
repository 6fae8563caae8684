"""Connections that cannot block the review: each must send its request in time, and there are never too many."""

from __future__ import annotations

import asyncio
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_TIMEOUT_S = 10.0
"""From the opening of a connection, or the first byte of a later request, to the last byte of the request."""
MOST_CONNECTIONS = 200
"""More than a browser makes for many reviewers, and far fewer than a process may have files open."""


class TimedConnection(H11Protocol):
    """One HTTP connection of uvicorn's, closed where no whole request came in time, or to make room for a new one."""

    _timer: asyncio.TimerHandle | None = None
    _opened = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; of too many that wait, the one that does so longest is closed."""
        super().connection_made(transport)
        self._opened = self.loop.time()
        self._watch()
        if len(self.connections) > MOST_CONNECTIONS:
            idle = [other for other in self.connections if isinstance(other, TimedConnection) and other.is_idle()]
            if idle:
                min(idle, key=lambda other: other._opened).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; the time that a request has does not begin again with each of its bytes."""
        super().data_received(data)
        self._watch()

    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):  # the request is all there
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(REQUEST_TIMEOUT_S, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def allow_many_files() -> None:
    """Let this process have as many files open as it may: a TLS handshake that never ends holds one for a minute."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
