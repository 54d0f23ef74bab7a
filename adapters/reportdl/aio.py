"""Decides what a caller types in async code: `AsyncClient`, with the words of `Client`, under asyncio or trio.

Must never hold policy, nor say again what `calls` says for both. aiohttp is used under asyncio, httpx2 under trio.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar, final

from reportdl.calls import DEFAULT_POLICY, AskingCall, Calls, DownloadCall, Watchers
from reportdl.checkpoints import Checkpoint, OnCheckpoint
from reportdl.credentials import Credentials
from reportdl.drivers import Observe
from reportdl.extras import ExtraMissing
from reportdl.files import Clash
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.progress import OnProgress
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy
from reportdl_core.questions import ListedReport, Segment

try:
    import anyio

    from reportdl.drivers.asynchronous import drive, loop_clock, under_asyncio
except ModuleNotFoundError as _missing:
    raise ExtraMissing("reportdl.aio", "anyio", "aiohttp", "httpx2") from _missing

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from reportdl.transports.asynchronous import AsyncTransport
    from reportdl.transports.httpx2 import Httpx2Client

__all__ = ["AsyncClient"]

T = TypeVar("T")


@final
class AsyncClient:
    """Brings reports home from one server, many at once. Close it, or use it in an `async with`; it serves one loop.

    `url`, `policy`, `network`, `allow_insecure` and `affinity_cookies` as for `Client`. `session` is an
    `aiohttp.ClientSession` and `client` an `httpx2.AsyncClient` of your own to use instead; neither is closed here.
    `transport` replaces both.
    Without any of them: aiohttp under asyncio, httpx2 under trio; ImportError names the extra that is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        policy: Policy = DEFAULT_POLICY,
        network: Network | None = None,
        session: ClientSession | None = None,
        client: Httpx2Client | None = None,
        transport: AsyncTransport | None = None,
        allow_insecure: bool = False,
        affinity_cookies: Iterable[str] = (),
    ) -> None:
        if sum(given is not None for given in (session, client, transport)) > 1:
            raise TypeError("hand in one of session, client and transport")
        self.origin: Origin = Origin.parse(url, allow_insecure=allow_insecure)
        self.policy: Policy = policy
        self._calls = Calls.of(
            origin=self.origin, credentials=credentials, policy=policy, affinity_cookies=affinity_cookies
        )
        self._network, self._session, self._client = network, session, client
        self._owned = transport is None
        self._transport = transport

    def __repr__(self) -> str:
        return f"reportdl.aio.AsyncClient({str(self.origin)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are ours. What was handed in stays open."""
        if self._owned and self._transport is not None:
            transport, self._transport = self._transport, None
            with anyio.CancelScope(shield=True):
                await transport.aclose()

    async def formats(self, element: int | str, *, segment: int | str = 0) -> tuple[str, ...]:
        """The format keys that the report offers, as the server spells and orders them (R8).

        Raises InvalidJob, or a DownloadError such as ReportNotFound, AccessDenied or NotDownloadable.
        """
        return await self._answer(self._calls.formats(element, segment, now=loop_clock()()))

    async def reports(self) -> tuple[ListedReport, ...]:
        """The External Reports that the server lists, one row for each segment. See `Client.reports`."""
        return await self._answer(self._calls.reports(now=loop_clock()()))

    async def segments(self, element: int | str) -> tuple[Segment, ...]:
        """The segments of one report that one may see: ids and names (R4). See `Client.segments`."""
        return await self._answer(self._calls.segments(element, now=loop_clock()()))

    async def _answer(self, call: AskingCall[T]) -> T:
        await drive(call.driven, errands=call.errands, transport=self.transport)
        return call.result()

    async def download(
        self,
        element: int | str,
        *,
        format: str,
        segment: int | str = 0,
        to: str | os.PathLike[str] | BinaryIO = ".",
        clash: Clash | None = None,
        formats: tuple[str, ...] | None = None,
        on_progress: OnProgress | None = None,
        on_checkpoint: OnCheckpoint | None = None,
        observe: Observe | None = None,
    ) -> Receipt:
        """Bring one report home, whole or not at all, and return its receipt. See `Client.download`.

        `on_checkpoint` is a plain function: the checkpoint must be kept before what it shows is sent (D43).

        Cancelled, it ends its requests and removes what is not the whole file, then raises on (D38). Where the file is
        just being put under its name, that is waited for, two seconds at most, and the receipt returned; a cancellation
        of asyncio's own is raised all the same, and the whole file may be there.
        """
        call = self._calls.download(
            element,
            segment,
            format,
            to=to,
            clash=clash,
            formats=formats,
            watchers=Watchers(on_progress, on_checkpoint, observe),
            clock=loop_clock(),
        )
        return await self._driven(call)

    async def resume(
        self,
        checkpoint: Checkpoint,
        *,
        to: str | os.PathLike[str] | BinaryIO = ".",
        clash: Clash | None = None,
        on_progress: OnProgress | None = None,
        on_checkpoint: OnCheckpoint | None = None,
        observe: Observe | None = None,
    ) -> Receipt:
        """Go on with a job that was begun before: nothing is generated twice. See `Client.resume`."""
        call = self._calls.resume(
            checkpoint,
            to=to,
            clash=clash,
            watchers=Watchers(on_progress, on_checkpoint, observe),
            clock=loop_clock(),
        )
        return await self._driven(call)

    async def _driven(self, call: DownloadCall) -> Receipt:
        if call.standing is not None:
            return call.standing
        with call:
            await drive(call.driven, errands=call.errands, transport=self.transport, observer=call.observer)
        return call.result()

    @property
    def transport(self) -> AsyncTransport:
        """What carries the requests, made when it is first needed: for those who drive jobs of their own over it."""
        if self._transport is None:
            self._transport = self._made()
        return self._transport

    def _made(self) -> AsyncTransport:
        if self._client is None and (self._session is not None or under_asyncio()):
            try:
                from reportdl.transports.aiohttp import AiohttpTransport
            except ModuleNotFoundError as missing:
                raise ExtraMissing("an AsyncClient under asyncio", "aiohttp", "aiohttp") from missing
            return AiohttpTransport(self.origin, network=self._network, session=self._session)
        try:
            from reportdl.transports.httpx2 import Httpx2Transport
        except ModuleNotFoundError as missing:
            raise ExtraMissing("an AsyncClient under trio", "httpx2", "httpx2") from missing
        return Httpx2Transport(self.origin, network=self._network, client=self._client)
