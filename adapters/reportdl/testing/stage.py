"""Decides how a test plays one transport, sync or async, against a raw server: the same words for both.

An async transport lives in an event loop in a thread of its own, so that a contract's tests are plain functions.
Must never soften what a transport does: no retry, no patience beyond what a test asks for.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast, final

from reportdl.credentials import Credentials, Token
from reportdl.drivers import Driven, Observer
from reportdl.errands import Errand, Errands
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.testing.memory_sink import MemorySink
from reportdl.testing.raw_server import Answer, RawServer, Seen
from reportdl.transports import Flight, Transport
from reportdl_core.commands import Check, Get, Init, ListFormats, LookUp, RenewCredentials, Request, Run
from reportdl_core.events import Event, Sent
from reportdl_core.exchange import Progress
from reportdl_core.job import Job
from reportdl_core.policy import Policy
from reportdl_core.questions import Elements
from reportdl_core.secret import Secret

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from reportdl.transports.asynchronous import AsyncTransport

__all__ = ["CREDENTIAL", "TOKEN", "Begun", "MakeTransport", "Stage"]

TOKEN: Final = "t0k%2Fen%3d~s3cr3t"  # noqa: S105 - to be looked for where it must not be
CREDENTIAL: Final = "cr3dential"
_FAR: Final = 1e9
_LONGEST: Final = 20.0

MakeTransport = Callable[[Origin, Network], Any]
"""Makes a transport that reaches a server: a `reportdl.transports.Transport` or an `AsyncTransport`."""


@final
class Stage:
    """One server, one transport. `library` is None for a sync transport, else "asyncio" or "trio"."""

    def __init__(
        self,
        make: MakeTransport,
        *,
        library: str | None,
        server_tls: ssl.SSLContext | None = None,
        network: Network | None = None,
        peer: Callable[..., RawServer] = RawServer,
    ) -> None:
        self._peer = peer
        self._make, self._library, self._tls = make, library, server_tls
        self._network = network or Network(proxy="")
        self._cleanup = contextlib.ExitStack()
        self._number = 0
        self._portal: BlockingPortal | None = None
        self._transport: Any = None
        self.job: Job = Job(element=1042, segment=0, format="pdf")
        self.policy: Policy = Policy(connect_timeout=5.0, stall_timeout=10.0)
        self.credentials: Credentials = Token(CREDENTIAL)
        self.affinity: tuple[str, ...] = ()
        if library is not None:
            from anyio.from_thread import start_blocking_portal

            self._portal = self._cleanup.enter_context(start_blocking_portal(library))

    def serve(self, answer: Callable[[Seen], Answer], *, trusted: bool = True) -> RawServer:
        """Start a server that says this, and make the transport that reaches it. Only once."""
        server = self._cleanup.enter_context(self._peer(answer, tls=self._tls))
        self.reach(server.url, trusted=trusted)
        return server

    def reach(self, url: str, *, trusted: bool = True) -> None:
        """Make the transport. `trusted` False leaves the server's certificate unknown to it."""
        network = self._network if trusted else replace(self._network, ca_bundle=None)
        self.origin: Origin = Origin.parse(f"{url}/base")
        if self._portal is None:
            self._transport = self._make(self.origin, network)
        else:
            self._transport = self._portal.call(self._make, self.origin, network)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, or an async one, where the transport lives."""
        return function(*args) if self._portal is None else self._portal.call(function, *args)

    def close_transport(self) -> None:
        """Let the transport close what is its own."""
        transport, self._transport = self._transport, None
        if transport is not None:
            self.call(transport.close if self._portal is None else transport.aclose)

    def close(self) -> None:
        """End the transport, the event loop and the server."""
        try:
            self.close_transport()
        finally:
            self._cleanup.close()

    @property
    def server_tls(self) -> ssl.SSLContext | None:
        """What a server on this stage serves TLS with; None for plain text."""
        return self._tls

    @property
    def transport(self) -> Any:
        """The transport as it was made."""
        return self._transport

    def command(self, kind: type[Any], token: str = TOKEN) -> Any:
        """A command with the next number: `kind` is any that needs a request."""
        self._number += 1
        if kind is LookUp:
            return LookUp(number=self._number, question=Elements(), deadline=_FAR)
        if kind is RenewCredentials:
            return RenewCredentials(number=self._number, deadline=_FAR)
        if kind in (Init, ListFormats):
            return kind(number=self._number, job=self.job, deadline=_FAR)
        assert kind in (Run, Check, Get)
        return kind(number=self._number, job=self.job, deadline=_FAR, token=Secret(token))

    def errands(self, sink: MemorySink | None = None, progress: Progress | None = None) -> Errands:
        """What a driver needs, for the server and the policy as they are."""
        return Errands(
            self.origin,
            self.credentials,
            self.policy,
            sink=sink or MemorySink(),
            progress=progress,
            affinity=self.affinity,
        )

    def errand(
        self,
        command: Request | RenewCredentials | LookUp,
        sink: MemorySink | None = None,
        *,
        errands: Errands | None = None,
    ) -> Errand:
        """What a transport needs for one command, of a job of its own if none is given."""
        errand = (errands or self.errands(sink)).begin(command)
        assert isinstance(errand, Errand)
        return errand

    def begin(
        self,
        kind: type[Any],
        sink: MemorySink | None = None,
        token: str = TOKEN,
        *,
        errands: Errands | None = None,
    ) -> Begun:
        """Begin one request."""
        return self.carry(self.errand(self.command(kind, token), sink, errands=errands))

    def carry(self, errand: Errand, *, cancelled: bool = False) -> Begun:
        """Begin to carry out an errand. `cancelled` True cancels it before it has begun, as a driver may."""
        if self._portal is None:
            return _BegunFlight(cast("Transport", self._transport).flight(errand), cancelled)
        return _BegunTask(self._portal, self._transport, errand, cancelled)

    def perform(
        self,
        kind: type[Any],
        sink: MemorySink | None = None,
        token: str = TOKEN,
        *,
        errands: Errands | None = None,
    ) -> Event:
        """One request from beginning to end."""
        event = self.begin(kind, sink, token, errands=errands).event()
        assert event is not None
        return event

    def drive(self, driven: Driven, errands: Errands, observer: Observer | None = None) -> None:
        """Drive a job with the driver that belongs to the transport; raises what it raises."""
        if self._portal is None:
            from reportdl.drivers.blocking import drive

            drive(driven, errands=errands, transport=self._transport, clock=time.monotonic, observer=observer)
        else:
            from reportdl.drivers.asynchronous import drive as drive_async

            async def play() -> None:
                await drive_async(
                    driven, errands=errands, transport=self._transport, clock=time.monotonic, observer=observer
                )

            self._portal.start_task_soon(play).result(_LONGEST)

    def begin_drive(
        self, driven: Driven, errands: Errands, observer: Observer | None = None, *, after: int | None = None
    ) -> Future[None]:
        """The same for an async transport, as a future whose `cancel` cancels the task.

        `after` cancels it by itself, after so many turns of the event loop: 0 before it has begun.
        """
        import anyio
        import anyio.lowlevel

        from reportdl.drivers.asynchronous import drive

        assert self._portal is not None

        async def cancel(scope: anyio.CancelScope, turns: int) -> None:
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

        async def play() -> None:
            async with anyio.create_task_group() as tasks:
                if after == 0:
                    tasks.cancel_scope.cancel()
                elif after is not None:
                    tasks.start_soon(cancel, tasks.cancel_scope, after)
                try:
                    await drive(
                        driven, errands=errands, transport=self._transport, clock=time.monotonic, observer=observer
                    )
                finally:
                    tasks.cancel_scope.cancel()

        return self._portal.start_task_soon(play)


class Begun:
    """A request under way."""

    def cancel(self) -> None:
        """Stop it."""
        raise NotImplementedError

    def event(self, timeout: float = _LONGEST) -> Event | None:
        """Its event once it has ended, None where it was cancelled first; TimeoutError."""
        raise NotImplementedError


@final
class _BegunFlight(Begun):
    def __init__(self, flight: Flight, cancelled: bool) -> None:
        self._flight = flight
        self._event: Future[Event] = Future()
        if cancelled:
            flight.cancel()
        threading.Thread(target=self._perform, daemon=True, name="stage").start()

    def _perform(self) -> None:
        try:
            self._event.set_result(self._flight.perform())
        except BaseException as error:  # noqa: BLE001 - carried to the test
            self._event.set_exception(error)

    def cancel(self) -> None:
        self._flight.cancel()

    def event(self, timeout: float = _LONGEST) -> Event | None:
        return self._event.result(timeout)


@final
class _BegunTask(Begun):
    def __init__(self, portal: BlockingPortal, transport: AsyncTransport, errand: Errand, cancelled: bool) -> None:
        self._transport, self._errand, self._cancelled = transport, errand, cancelled
        self._ended = threading.Event()
        self._event = portal.start_task_soon(self._perform)

    async def _perform(self) -> Event | None:
        import anyio

        event: Event | None = None
        try:
            with anyio.CancelScope() as scope:
                if self._cancelled:
                    scope.cancel()
                event = await self._transport.perform(self._errand)
            return event
        finally:
            if event is None:  # what a driver does
                self._errand.exchange.lost(sent=Sent.UNKNOWN, message="cancelled")
            self._ended.set()

    def cancel(self) -> None:
        self._event.cancel()

    def event(self, timeout: float = _LONGEST) -> Event | None:
        if not self._ended.wait(timeout):
            raise TimeoutError
        try:
            return self._event.result(timeout)
        except CancelledError:
            return None
