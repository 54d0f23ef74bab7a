"""Decides how the endpoint is run in this process: where it listens, and how it ends.

Binds to loopback unless told otherwise, and never offers a public address without credentials. Ends cleanly on
SIGTERM: no new calls, a short grace for those that are being answered, then their connections are cut. Must never
configure logging: uvicorn's loggers stay silent unless the application listens to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from types import FrameType
from typing import Final, TypeVar, Unpack

import uvicorn
from starlette.applications import Starlette

from reportdl.server.app import Options, create_app
from reportdl.server.connection import NumberedProtocol
from reportdl_core.errors import ReportdlError

__all__ = ["CannotServe", "PublicWithoutCredentials", "Server", "listen", "make_server", "serve", "unstarted", "url_of"]

_GRACE: Final = 5.0
_LAST_WORDS: Final = 1.0  # seconds that a call may take to notice that its connection is cut
_KEEP_ALIVE: Final = 75
_HEADERS: Final = 64 * 1024

for _name in ("uvicorn", "reportdl.server"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


T = TypeVar("T")


class PublicWithoutCredentials(ReportdlError, ValueError):
    """An address that others can reach was asked for, and anybody who reaches it could download everything."""


class CannotServe(ReportdlError, OSError):
    """The address cannot be had: in use, not ours, not permitted. Or there is no place for the files."""


class Server(uvicorn.Server):
    """uvicorn's server with an end that comes at once and does not kill the process by the signal that asked for it."""

    def __init__(self, config: uvicorn.Config, *, grace: float, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._grace = grace
        self._ready = ready
        self._ending: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.interrupted: threading.Event = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that calls may come once they may."""
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        # uvicorn ends the process where the application cannot start; here that is an error for whoever called.
        with contextlib.suppress(SystemExit):
            await super().startup(sockets)
        if self.started:
            self._ready()
        else:
            self.end()

    async def main_loop(self) -> None:
        """Wake for the end at once, and every second for the Date header."""
        ending = self._ending
        assert ending is not None
        while not self.should_exit:
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more calls, give the grace to those that are being answered, cut the rest, end the application.

        uvicorn's own looks for the end ten times a second; a test that starts a server would wait for that.
        """
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._calls_end(self._grace)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self._calls_end(_LAST_WORDS)
        for task in list(self.server_state.tasks):
            task.cancel()
        await self.lifespan.shutdown()

    async def _calls_end(self, within: float) -> None:
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=within)

    def end(self) -> None:
        """Begin to end; from any thread and from a signal handler."""
        self.should_exit = True
        if self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._ending.set)

    def ask(self, question: Callable[[], T]) -> T:
        """The answer of `question`, asked on the server's own thread (D37). Raises RuntimeError once it has ended."""
        answer: Future[T] = Future()

        def put() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 - carried over to the thread that asked
                answer.set_exception(error)

        if self._loop is None:
            raise RuntimeError("the server has not started")
        # One turn of the loop later: whoever has just read the last byte of a file asks before the task that sent it
        # has woken to say so.
        self._loop.call_soon_threadsafe(self._loop.call_soon, put)
        return answer.result(timeout=10.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM and SIGINT end the server; afterwards only SIGINT is a KeyboardInterrupt."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        if sig == signal.SIGINT:
            self.interrupted.set()
        self.end()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CannotServe."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer would wait 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if sys.platform != "win32":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise CannotServe(f"cannot serve on {host} port {port}: {error.strerror or error}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The base URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_server(app: Starlette, *, grace: float, ready: Callable[[], None]) -> Server:
    """The app inside uvicorn, with the protocol class that the endpoint needs. `ready` is called once it serves."""
    config = uvicorn.Config(
        app,
        http=NumberedProtocol,
        ws="none",
        lifespan="on",
        loop="asyncio",
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        h11_max_incomplete_event_size=_HEADERS,
    )
    return Server(config, grace=grace, ready=ready)


def unstarted(app: Starlette) -> CannotServe:
    """The error of a server that ended before it served."""
    why: object = getattr(app.state, "failure", None)
    return CannotServe("the server did not start" if why is None else f"the server did not start: {why}")


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    ready: Callable[[str], None] = lambda url: None,
    grace: float = _GRACE,
    **options: Unpack[Options],
) -> None:
    """Serve until SIGTERM, then return; until SIGINT, then raise KeyboardInterrupt.

    `ready` is called with the base URL once calls are taken. `grace` is how many seconds a call that is being
    answered may delay the end. `options` are those of `create_app`. Raises PublicWithoutCredentials and CannotServe.
    """
    if not _is_loopback(host) and options.get("accounts") is None:
        raise PublicWithoutCredentials(f"{host} can be reached by others: configure credentials, or use 127.0.0.1")
    with listen(host, port) as listener:
        app = create_app(**options)
        server = make_server(app, grace=grace, ready=lambda: ready(url_of(listener)))
        server.run(sockets=[listener])
    if not server.started:
        raise unstarted(app)
    if server.interrupted.is_set():
        raise KeyboardInterrupt
