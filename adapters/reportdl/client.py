"""Decides what a caller types: `Client`, `download`, `formats`. Puts the pieces together and drives them.

Outcomes become typed exceptions here. Must never hold policy: polling, repeats and restarts are the core's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar, final

from reportdl.calls import DEFAULT_POLICY, AskingCall, Calls, DownloadCall, Watchers
from reportdl.checkpoints import Checkpoint, OnCheckpoint
from reportdl.credentials import Credentials
from reportdl.drivers import Observe
from reportdl.drivers.blocking import drive
from reportdl.files import Clash
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.progress import OnProgress
from reportdl.transports import Transport
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy
from reportdl_core.questions import ListedReport, Segment

if TYPE_CHECKING:
    from reportdl.transports.urllib3 import Pools

__all__ = ["DEFAULT_POLICY", "Client", "download", "formats"]

T = TypeVar("T")


@final
class Client:
    """Brings reports home from one server. Safe to share between threads; close it, or use it in a `with`.

    `url` is the server's base URL. `network` says how to reach it (proxy, CA bundle, client certificate), `pool` is
    a `urllib3.PoolManager` of your own to use instead (it is never closed here), `transport` replaces urllib3
    altogether. `allow_insecure` permits http:// beyond loopback (D33). `affinity_cookies` names the cookies by which a
    load balancer in front of several web nodes finds the one that holds a session, such as ("AWSALB",): these alone are
    sent back, within one session; without them no cookie is (D30).
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        policy: Policy = DEFAULT_POLICY,
        network: Network | None = None,
        pool: Pools | None = None,
        transport: Transport | None = None,
        allow_insecure: bool = False,
        affinity_cookies: Iterable[str] = (),
    ) -> None:
        self.origin: Origin = Origin.parse(url, allow_insecure=allow_insecure)
        self.policy: Policy = policy
        self._calls = Calls.of(
            origin=self.origin, credentials=credentials, policy=policy, affinity_cookies=affinity_cookies
        )
        self._owned = transport is None
        if transport is None:
            # When it is used: async code and transports of one's own do without urllib3, half of all that is imported.
            from reportdl.transports.urllib3 import Urllib3Transport

            transport = Urllib3Transport(self.origin, network=network, pools=pool)
        self._transport: Transport = transport

    def __repr__(self) -> str:
        return f"reportdl.Client({str(self.origin)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are ours. What was handed in stays open."""
        if self._owned:
            self._transport.close()

    def formats(self, element: int | str, *, segment: int | str = 0) -> tuple[str, ...]:
        """The format keys that the report offers, as the server spells and orders them (R8).

        Raises InvalidJob, or a DownloadError such as ReportNotFound, AccessDenied or NotDownloadable.
        """
        return self._answer(self._calls.formats(element, segment, now=time.monotonic()))

    def reports(self) -> tuple[ListedReport, ...]:
        """The External Reports that the server lists, one row for each segment, in its order.

        Their ids are what `download` takes. A row that is not `accessible` would be refused. Raises a DownloadError.
        """
        return self._answer(self._calls.reports(now=time.monotonic()))

    def segments(self, element: int | str) -> tuple[Segment, ...]:
        """The segments of one report that one may see: dimension *value* ids and their names (R4); () if unsegmented.

        Up to three requests, where the list of elements has no names. Raises InvalidJob, or a DownloadError such as
        ReportNotFound.
        """
        return self._answer(self._calls.segments(element, now=time.monotonic()))

    def _answer(self, call: AskingCall[T]) -> T:
        drive(call.driven, errands=call.errands, transport=self._transport, clock=time.monotonic)
        return call.result()

    def download(
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
        """Bring one report home, whole or not at all, and return its receipt.

        `segment` is a dimension *value* id, 0 for an unsegmented element (R4). `to` is a folder (it exists, or ends
        in a separator), a file, or a binary stream. `clash` says what happens to an existing file: a named file is
        replaced, in a folder the new one gets a suffix, unless another `Clash` is given (D24). `formats` are what the
        report is known to offer, as `formats()` said: it is not asked again, and a format that is not among them is
        FormatNotOffered with nothing sent (D12).

        `on_checkpoint` is called with a `Checkpoint` in the caller's thread: before the first request, on every move
        before what follows from it is sent, and when the job is over. Kept, it lets `resume` go on in another process
        (D43). What it raises ends the job there.

        `observe` is asked for an observer of this job, which is told of each event and the commands that came of it
        before they are executed, such as `reportdl.trace.recording("job.jsonl")`.

        Blocks for as long as generation takes. Raises InvalidJob, TargetUnusable before anything is asked if `to`
        cannot be used, or the DownloadError that says why there is no file.
        """
        call = self._calls.download(
            element,
            segment,
            format,
            to=to,
            clash=clash,
            formats=formats,
            watchers=Watchers(on_progress, on_checkpoint, observe),
            clock=time.monotonic,
        )
        return self._driven(call)

    def resume(
        self,
        checkpoint: Checkpoint,
        *,
        to: str | os.PathLike[str] | BinaryIO = ".",
        clash: Clash | None = None,
        on_progress: OnProgress | None = None,
        on_checkpoint: OnCheckpoint | None = None,
        observe: Observe | None = None,
    ) -> Receipt:
        """Go on with a job that another process, or a call that was interrupted, has begun: nothing is generated twice.

        What was in flight then counts as lost, perhaps sent: after `run` it asks with `check` (D43). The time away ages
        the token, so that a job may have to begin again within its restart budget (D21). The client's own policy
        counts. Raises CheckpointUnusable for a checkpoint that is over, damaged or of another server, and what
        `download` raises.
        """
        call = self._calls.resume(
            checkpoint,
            to=to,
            clash=clash,
            watchers=Watchers(on_progress, on_checkpoint, observe),
            clock=time.monotonic,
        )
        return self._driven(call)

    def _driven(self, call: DownloadCall) -> Receipt:
        if call.standing is not None:
            return call.standing
        with call:
            drive(
                call.driven,
                errands=call.errands,
                transport=self._transport,
                clock=time.monotonic,
                observer=call.observer,
            )
        return call.result()


def download(
    url: str,
    element: int | str,
    *,
    format: str,
    credentials: Credentials,
    segment: int | str = 0,
    to: str | os.PathLike[str] | BinaryIO = ".",
    clash: Clash | None = None,
    on_progress: OnProgress | None = None,
    policy: Policy = DEFAULT_POLICY,
    network: Network | None = None,
    allow_insecure: bool = False,
) -> Receipt:
    """Bring one report home: a `Client` for one call. See `Client` and `Client.download`."""
    with Client(url, credentials=credentials, policy=policy, network=network, allow_insecure=allow_insecure) as client:
        return client.download(element, format=format, segment=segment, to=to, clash=clash, on_progress=on_progress)


def formats(
    url: str,
    element: int | str,
    *,
    credentials: Credentials,
    segment: int | str = 0,
    policy: Policy = DEFAULT_POLICY,
    network: Network | None = None,
    allow_insecure: bool = False,
) -> tuple[str, ...]:
    """The formats that a report offers: a `Client` for one call. See `Client.formats`."""
    with Client(url, credentials=credentials, policy=policy, network=network, allow_insecure=allow_insecure) as client:
        return client.formats(element, segment=segment)
