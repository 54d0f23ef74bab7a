"""Decides how bytes get to a client and from it: a server on loopback that says exactly what a test writes.

It keeps every request as it came, byte for byte, with the number of its connection; it can be rude before a request
has come, and deaf for a while. It knows no HTTP beyond where a request ends. Must never outlive its `with` block.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self, final

__all__ = ["Answer", "RawServer", "Seen", "Then", "message"]

_LONGEST: Final = 60.0  # seconds that any socket waits: a hanging test must end
_FAREWELL: Final = 0.2  # seconds to wait for the other side's close_notify
_SHARED: Final = hasattr(socket, "SO_REUSEPORT")


class Then(Enum):
    """What happens to the connection after an answer's bytes."""

    KEEP = "the next request is awaited"
    CLOSE = "closed in order"
    CUT = "closed, under TLS without saying so"
    RESET = "reset"
    HOLD = "nothing more is said until the client leaves"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The bytes to say, and what then. `more` gives what follows `data`, in pieces that may take their time."""

    data: bytes = b""
    then: Then = Then.KEEP
    more: Callable[[], Iterable[bytes]] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request: `head` up to and with the empty line, and the `body` that its length announced."""

    connection: int
    head: bytes
    body: bytes

    @property
    def target(self) -> bytes:
        """What stands between the method and the version, as it came."""
        return self.head.partition(b"\r\n")[0].split(b" ")[1]

    @property
    def state(self) -> str:
        """The last word of the path: formats, init, run, check, get, get_token."""
        return self.target.partition(b"?")[0].rpartition(b"/")[2].decode("latin-1")

    @property
    def headers(self) -> dict[str, list[str]]:
        """Every header by its name in lower case, with all its values."""
        found: dict[str, list[str]] = {}
        for line in self.head.decode("latin-1").split("\r\n")[1:-2]:
            name, _, value = line.partition(":")
            found.setdefault(name.lower(), []).append(value.strip())
        return found

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return self.headers.get(name, [])


def message(status: int, headers: Mapping[str, str], body: bytes, *, length: int | None = None) -> bytes:
    """An HTTP answer. `length` is what Content-Length says: the body's own if None, absent if negative."""
    said = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    if said >= 0:
        lines.append(f"Content-Length: {said}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@final
class RawServer:
    """`answer` is called for each request, in a thread of its connection's, and may wait. One instance serves once.

    `greet` is called for each connection whose first byte has come, before anything is read from it, TLS included;
    what it returns is said to it instead of an answer, None lets it pass.
    """

    def __init__(
        self,
        answer: Callable[[Seen], Answer],
        *,
        tls: ssl.SSLContext | None = None,
        greet: Callable[[], Answer | None] = lambda: None,
    ) -> None:
        self.answer = answer
        self._tls, self._greet = tls, greet
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128, reuse_port=_SHARED)
        self._reserved: socket.socket | None = None
        self._hearing = threading.Event()
        self._hearing.set()
        self._changed = threading.Condition()
        self._seen: list[Seen] = []
        self._open: dict[int, socket.socket] = {}
        self._accepted = 0
        self._ended = False
        self._threads = [threading.Thread(target=self._accept, daemon=True, name="raw-server")]
        self.port: Final[int] = self._listener.getsockname()[1]
        self.url: Final = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._stop_listening()
            self._hearing.set()
            for connection in self._open.values():
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_LONGEST)

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

    def wait_for(self, state: str, count: int = 1, *, timeout: float = 30.0) -> Seen:
        """Return the `count`-th request of `state` once it has come; TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count(state) >= count, timeout):
                raise TimeoutError(f"{count} x {state} expected, {[seen.state for seen in self._seen]} came")
            return [seen for seen in self._seen if seen.state == state][count - 1]

    def left(self, connection: int, *, timeout: float) -> bool:
        """Whether this connection has ended, or ends within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: connection not in self._open, timeout)

    def all_left(self, *, timeout: float) -> bool:
        """Whether no connection is open any more, or none will be within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def drop(self, connection: int) -> None:
        """Close an idle connection, as a server does that does not keep them for ever."""
        with self._changed:
            # A transport that keeps no connections has left it already, or is just leaving.
            if (idle := self._open.get(connection)) is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(idle, socket.SHUT_RDWR)

    def deafen(self) -> None:
        """Refuse every new connection from now on, as a port does where nobody listens."""
        with self._changed:
            if self._reserved is None and not self._ended:
                # Bound but not listening: it refuses, and nobody else can take the port meanwhile.
                self._reserved = _bound(self.port)
                self._hearing.clear()
                self._stop_listening()

    def listen(self) -> None:
        """Take connections again after `deafen`."""
        with self._changed:
            if self._reserved is not None and not self._ended:
                self._listener = _bound(self.port)
                self._listener.listen(128)
                self._reserved.close()
                self._reserved = None
                self._hearing.set()

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        if self._ended and self._reserved is not None:
            self._reserved.close()

    def _count(self, state: str) -> int:
        return sum(seen.state == state for seen in self._seen)

    def _accept(self) -> None:
        while self._hearing.wait() and not self._ended:
            with contextlib.suppress(OSError):  # the listener was closed: the end, or deaf for a while
                while True:
                    self._welcome(self._listener.accept()[0])

    def _welcome(self, plain: socket.socket) -> None:
        plain.settimeout(_LONGEST)
        with self._changed:
            self._accepted += 1
            self._open[self._accepted] = plain
            thread = threading.Thread(target=self._serve, args=(self._accepted, plain), daemon=True)
            self._threads.append(thread)
        thread.start()

    def _serve(self, number: int, plain: socket.socket) -> None:
        connection = plain
        try:
            with contextlib.suppress(OSError):  # the client left, or never trusted us
                plain.recv(1, socket.MSG_PEEK)
                greeting = self._greet()
                if greeting is not None and not _say(plain, greeting):
                    return
                if self._tls is not None:
                    connection = self._tls.wrap_socket(plain, server_side=True)
                    with self._changed:
                        self._open[number] = connection
                self._converse(number, connection)
        finally:
            connection.close()
            with self._changed:
                self._open.pop(number, None)
                self._changed.notify_all()

    def _converse(self, number: int, connection: socket.socket) -> None:
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                if not (data := connection.recv(65_536)):
                    return
                pending += data
            head, _, pending = pending.partition(b"\r\n\r\n")
            seen = Seen(connection=number, head=head + b"\r\n\r\n", body=b"")
            wanted = int((seen.all("content-length") or ["0"])[0])
            while len(pending) < wanted:
                if not (data := connection.recv(65_536)):
                    return  # it left inside a body: no request has come
                pending += data
            seen = Seen(connection=number, head=seen.head, body=pending[:wanted])
            pending = pending[wanted:]
            with self._changed:
                self._seen.append(seen)
                self._changed.notify_all()
            if not _say(connection, self.answer(seen)):
                return


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if _SHARED:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def _say(connection: socket.socket, answer: Answer) -> bool:
    """Whether the next request is awaited."""
    if answer.data:
        connection.sendall(answer.data)
    for piece in () if answer.more is None else answer.more():
        connection.sendall(piece)
    match answer.then:
        case Then.KEEP:
            return True
        case Then.HOLD:
            while connection.recv(65_536):
                pass
        case Then.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case Then.CLOSE if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(_FAREWELL)
            connection.unwrap()
        case Then.CLOSE | Then.CUT:
            # A FIN, also where something was not read, for which closing alone would send a reset.
            socket.socket.shutdown(connection, socket.SHUT_WR)
    return False
