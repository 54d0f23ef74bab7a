"""Decides what is known of one TCP connection: its number, whether it still stands, and when its bytes have left.

ASGI has no word for any of these. `FileSent` may be said only when the last byte was handed to the operating system
(D21), a fault needs to cut a connection, and a client that drips its request must be cut (D35). uvicorn's protocol
class is extended here and nowhere else; an application finds the connection in its ASGI scope. Must never decide
anything about the download endpoint.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from reportdl_core.wire_endpoint import SECURITY

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["PATIENCE", "Connection", "NumberedProtocol", "connection_of"]

_KEY: Final = "reportdl.connection"
_REFUSED: Final = b'{"status":"ERROR","message":"Bad request"}'
_LAST: Final = [*((name.encode(), value.encode()) for name, value in SECURITY), (b"Connection", b"close")]
PATIENCE: Final = 20.0  # seconds that a request may take to arrive, however it drips


class Connection:
    """What the application may know of and do to the connection of a call."""

    __slots__ = ("_protocol", "number")

    def __init__(self, protocol: NumberedProtocol) -> None:
        self._protocol = protocol
        self.number: Final[int] = protocol.number

    async def ready(self) -> bool:
        """Wait until all that was sent has left; whether more can be sent. False once the peer has gone."""
        await self._protocol.flow.drain()
        return not self._protocol.transport.is_closing()

    async def flushed(self) -> bool:
        """Wait until all that was sent has left; whether it all did."""
        await self._protocol.flow.drain()
        return not self._protocol.broken

    async def cut(self) -> None:
        """Close at once, without what is still unsent, and wait until it is closed."""
        self._protocol.broken = True
        self._protocol.transport.abort()
        await self._protocol.closed.wait()

    def frame_by_close(self) -> None:
        """Let the connection's end be the framing of the next answer, as to a client of HTTP/1.0 (D22)."""
        self._protocol.conn.their_http_version = b"1.0"


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """The connection that a call came on. Raises RuntimeError under a server that is not `serve` or LoopbackServer."""
    connection = scope.get("state", {}).get(_KEY)
    if not isinstance(connection, Connection):
        raise RuntimeError("the reference endpoint needs its own server: use reportdl.server.serve or LoopbackServer")
    return connection


class NumberedProtocol(H11Protocol):
    """HTTP/1.1 by h11 that numbers its connections, knows when its bytes have left, and cuts clients that drip."""

    _numbers = itertools.count(1)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False  # its lines hold session tokens; `reportdl.server` logs calls without them
        self.number: int = next(self._numbers)
        self.broken: bool = False
        self.closed: asyncio.Event = asyncio.Event()
        self._application = self.app
        self.app: ASGI3Application = self._with_connection
        self._patience: asyncio.TimerHandle | None = None

    async def _with_connection(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        scope["state"] = {**scope.get("state", {}), _KEY: Connection(self)}
        await self._application(scope, receive, send)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Write without a buffer that hides unsent bytes: paused means unsent, resumed means that all has left."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the patience of a request that has begun is not renewed by them."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how it ended."""
        self.broken = self.broken or exc is not None
        self.closed.set()
        self._unwatch()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in an answer like every other (R31, D40), unless one has begun on this connection."""
        state = self.conn.our_state
        if state is h11.SEND_BODY:
            self.broken = True
            self.transport.abort()
        elif state is h11.IDLE or state is h11.SEND_RESPONSE:
            self._refuse()
        else:  # it is over; its last bytes may still be on their way
            self.transport.close()

    def _refuse(self) -> None:
        if self.conn.our_state is h11.SEND_RESPONSE:  # what the application says of the call comes too late
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.broken = True
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(_REFUSED)), *_LAST]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=_REFUSED),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):  # a whole request has come
            self._unwatch()
        elif self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(PATIENCE, self.transport.abort)

    def _unwatch(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
