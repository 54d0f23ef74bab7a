"""Decides what a flight learns of the connection that carries it, and what goes into the request line at last.

urllib3 knows a request by its path alone; the real target, token and all, is put in here as the line is written. Mixed
into the connection classes of pools that are ours alone. Must never touch a connection of anybody else's.
"""

from __future__ import annotations

import socket
import threading
from typing import Any, Final, Protocol, cast

from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util import SKIP_HEADER

from reportdl.transports.dialing import dial
from reportdl.transports.unbroken import UnbrokenResponse
from reportdl_core.events import Sent

__all__ = ["Watcher", "performing", "watching"]


class Watcher(Protocol):
    """A flight: it is told before its first byte leaves, and may refuse by raising."""

    target: str
    sent: Sent

    def reach(self, sock: socket.socket) -> None:
        """This socket is being connected, and TLS may follow: to be shut down where the request is given up (D35)."""
        ...

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


class _Watching:
    """Mixed into urllib3's connection classes."""

    response_class = UnbrokenResponse
    sock: socket.socket | None

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
                show=performing.flight.reach,
            )
        except OSError as error:
            # As urllib3's own does: it goes on after a bare connection error, with no socket.
            raise NewConnectionError(here, "not connected") from error

    def connect(self) -> None:
        flight = performing.flight
        try:
            super().connect()  # type: ignore[misc]
        finally:
            flight.sent = Sent.NOT_SENT  # a tunnel is asked for through `send` too, and that is not the request
        flight.watch(self)  # type: ignore[arg-type]

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        flight = performing.flight
        flight.watch(self)  # type: ignore[arg-type]
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
