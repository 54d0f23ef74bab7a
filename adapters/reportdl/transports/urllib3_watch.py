"""Decides what a flight learns of the connection that carries it, and what goes into the request line at last.

urllib3 knows a request by its path alone; the real target, token and all, is put in here as the line is written. It
also gives a connection back before the last of a body is handed out, so that another flight may have it already: a
connection knows whose it is. Mixed into the connection classes of pools that are ours alone. Must never touch a
connection of anybody else's.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any, Final, Protocol, cast

from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util import SKIP_HEADER

from reportdl.transports.dialing import Dialled, dial
from reportdl.transports.unbroken import UnbrokenResponse
from reportdl_core.events import Sent

__all__ = ["Watcher", "performing", "watching"]


class Watcher(Protocol):
    """A flight: it is told before its first byte leaves, and may refuse by raising."""

    target: str
    sent: Sent
    dialled: Dialled
    alone: bool
    hold: threading.Lock
    """Acquired once, by who decides about its connection: its cancellation, or the next flight that takes it over."""

    def watch(self, connection: HTTPConnection) -> None:
        """This connection is about to carry the request."""
        ...


class _Performing(threading.local):
    flight: Watcher


performing: Final = _Performing()
"""The flight of this thread: urllib3 connects, sends and reads in the thread that asked."""

_watched: Final[dict[type[Any], type[Any]]] = {}


def watching(base: type[Any]) -> type[Any]:
    """`base` as a class whose connections tell their flight what they do; one such class for each base."""
    if issubclass(base, _Watching):
        return base
    if base not in _watched:
        _watched[base] = type(f"Watched{base.__name__}", (_Watching, base), {})
    return _watched[base]


class _LastResponse(UnbrokenResponse):
    def _check_close(self) -> bool:
        return True  # whatever the server says: nobody may follow on this connection (D30)


class _Watching:
    """Mixed into urllib3's connection classes."""

    response_class = UnbrokenResponse
    sock: socket.socket | None
    _hold: threading.Lock | None = None  # of the flight that it carries, or carried last

    def _new_conn(self) -> socket.socket:
        here: Any = self
        theirs = cast("Any", super())._new_conn
        if theirs.__func__ is not cast("Any", HTTPConnection)._new_conn:
            made: socket.socket = theirs()  # a user's own way, through SOCKS, say
            return made
        try:
            return dial(
                (here._dns_host, here.port),
                timeout=here.timeout,
                options=here.socket_options or (),
                source=here.source_address,
                show=performing.flight.dialled.show,
            )
        except OSError as error:
            # As urllib3's own does: it goes on after a bare connection error, with no socket.
            raise NewConnectionError(here, "not connected") from error

    def connect(self) -> None:
        flight = performing.flight
        sent = flight.sent
        self._hold = None  # whoever held it held another socket
        try:
            super().connect()  # type: ignore[misc]
        finally:
            flight.sent = sent  # a tunnel is asked for through `send` too, and that is not the request
        self._carry(flight)

    def _carry(self, flight: Watcher) -> None:
        before, self._hold = self._hold, flight.hold
        if self.sock is None or before is flight.hold:
            before = None  # of a socket that is gone, or our own
        if before is not None and not before.acquire(blocking=False):
            # It was shut down by the flight before, which was cancelled at its end, after urllib3 had looked at it.
            raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
        flight.watch(self)  # type: ignore[arg-type]

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        flight = performing.flight
        self._carry(flight)
        if flight.alone:
            self.response_class = _LastResponse
        super().request(method, flight.target, *args, **kwargs)  # type: ignore[misc]

    def putheader(self, header: str, *values: Any) -> None:
        # The libraries below look at every header six times. Ours are text, and once is enough: one line each.
        (value,) = values
        if isinstance(value, str) and value.isascii() and value.isprintable() and value != SKIP_HEADER:
            self._output(f"{header}: {value}".encode("ascii"))  # type: ignore[attr-defined]
        else:
            super().putheader(header, *values)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        performing.flight.sent = Sent.UNKNOWN
        super().send(data)  # type: ignore[misc]
