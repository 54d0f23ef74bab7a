"""Decides how the contracts run without a socket: the same answers, byte for byte, and a transport that reads them.

A peer stands where the raw server does, under an address of its own in this process. Must never open a socket, so that
what a driver does can be told from what a network does.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import socket
import threading
import weakref
from collections.abc import Callable, Generator
from http.client import HTTPException
from types import TracebackType
from typing import Final, Self, cast, final

from reportdl.errands import Errand
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.testing.raw_server import Answer, Seen, Then
from reportdl.transports import described
from reportdl.transports.unbroken import UnbrokenResponse
from reportdl_core.events import Event, Sent
from reportdl_core.exchange import CHUNK

__all__ = ["MemoryFlight", "MemoryPeer", "MemoryTransport"]

_PORTS: Final = itertools.count(1)  # names, nothing listens there
_PEERS: Final[weakref.WeakValueDictionary[int, MemoryPeer]] = weakref.WeakValueDictionary()


@final
class MemoryPeer:
    """What the raw server is, without sockets: `answer` is called for each request and may wait."""

    def __init__(self, answer: Callable[[Seen], Answer], *, tls: object = None) -> None:
        assert tls is None, "there is nothing to encrypt in memory"
        self.answer = answer
        self.port: Final = next(_PORTS)
        self.url: Final = f"http://127.0.0.1:{self.port}"
        self._changed = threading.Condition()
        self._seen: list[Seen] = []
        self._open: set[int] = set()
        self._connections = itertools.count(1)
        _PEERS[self.port] = self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of."""

    @property
    def seen(self) -> tuple[Seen, ...]:
        """Every request so far."""
        with self._changed:
            return tuple(self._seen)

    @property
    def states(self) -> list[str]:
        """The state word of every request so far."""
        return [seen.state for seen in self.seen]

    def forget(self) -> None:
        """Forget the requests so far."""
        with self._changed:
            self._seen.clear()

    def wait_for(self, state: str, count: int = 1, *, timeout: float = 5.0) -> Seen:
        """Return the `count`-th request of `state` once it has come; TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._of(state)) >= count, timeout):
                raise TimeoutError(f"{count} x {state} expected, {[seen.state for seen in self._seen]} came")
            return self._of(state)[count - 1]

    def left(self, connection: int, *, timeout: float) -> bool:
        """Whether this connection has ended, or ends within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: connection not in self._open, timeout)

    def all_left(self, *, timeout: float) -> bool:
        """Whether no connection is open any more, or none will be within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def _of(self, state: str) -> list[Seen]:
        return [seen for seen in self._seen if seen.state == state]

    @contextlib.contextmanager
    def asked(self, head: bytes, body: bytes) -> Generator[Answer]:
        """The answer to a request, on a connection that is open while it is read."""
        with self._changed:
            seen = Seen(connection=next(self._connections), head=head, body=body)
            self._seen.append(seen)
            self._open.add(seen.connection)
            self._changed.notify_all()
        try:
            yield self.answer(seen)
        finally:
            with self._changed:
                self._open.discard(seen.connection)
                self._changed.notify_all()


class _Line(io.RawIOBase):
    """An answer's bytes as a stream that waits, ends or breaks as the answer says."""

    def __init__(self, answer: Answer, cancelled: threading.Event, patience: float) -> None:
        super().__init__()
        self._rest = memoryview(answer.data)
        self._then, self._cancelled, self._patience = answer.then, cancelled, patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        if self._cancelled.is_set():
            raise ConnectionAbortedError("cancelled")
        if self._rest:
            count = min(len(buffer), len(self._rest))
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            return count
        match self._then:
            case Then.KEEP | Then.HOLD:
                if self._cancelled.wait(self._patience):
                    raise ConnectionAbortedError("cancelled")
                raise TimeoutError("timed out")
            case Then.RESET:
                raise ConnectionResetError("reset")
            case Then.CLOSE | Then.CUT:
                return 0

    def makefile(self, *_: object) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self, CHUNK)


@final
class MemoryTransport:
    """Errands to the peer at `origin`."""

    def __init__(self, origin: Origin, *, network: Network | None = None) -> None:
        self._peer = _PEERS[origin.port]

    def flight(self, errand: Errand) -> MemoryFlight:
        """Make ready; nothing is sent yet."""
        return MemoryFlight(errand, self._peer)

    def close(self) -> None:
        """Nothing to let go of."""


@final
class MemoryFlight:
    """One request under way."""

    def __init__(self, errand: Errand, peer: MemoryPeer) -> None:
        self._errand, self._peer = errand, peer
        self._cancelled = threading.Event()

    def perform(self) -> Event:
        """Hand it to the peer once, read the answer, return the event."""
        exchange = self._errand.exchange
        if self._cancelled.is_set():
            return exchange.lost(sent=Sent.NOT_SENT, message="cancelled")
        try:
            with self._peer.asked(self._head(), self._errand.body) as answer:
                self._read(_Line(answer, self._cancelled, exchange.read_timeout))
        except (OSError, HTTPException, ValueError) as error:
            return exchange.lost(sent=Sent.UNKNOWN, message=described(error))
        if self._cancelled.is_set():
            return exchange.lost(sent=Sent.UNKNOWN, message="cancelled")
        return exchange.finish()

    def _head(self) -> bytes:
        errand = self._errand
        length = {"Content-Length": str(len(errand.body))} if errand.body else {}
        headers = {"Host": errand.origin.authority, **errand.headers, **length}
        lines = [f"{errand.method} {errand.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _read(self, line: _Line) -> None:
        exchange = self._errand.exchange
        with contextlib.closing(UnbrokenResponse(cast("socket.socket", line), method=self._errand.method)) as response:
            response.begin()
            wanted = exchange.head(response.status, response.getheaders())
            while wanted and (data := response.read1(CHUNK)):
                wanted = exchange.feed(data)

    def cancel(self) -> None:
        """Wake whoever waits for this answer."""
        self._cancelled.set()
