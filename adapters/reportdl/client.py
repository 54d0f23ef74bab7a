"""Decides what a caller types: `Client`, `download`, `formats`. Puts the pieces together and drives them.

Outcomes become typed exceptions here. Must never hold policy: polling, repeats and restarts are the core's.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import BinaryIO, Self, final

from reportdl.calls import DEFAULT_POLICY, Calls, DownloadCall
from reportdl.checkpoints import Checkpoint, OnCheckpoint
from reportdl.credentials import Credentials
from reportdl.drivers.blocking import drive
from reportdl.files import Clash
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.progress import OnProgress
from reportdl.transports import Transport
from reportdl.transports.urllib3 import Pools, Urllib3Transport
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy

__all__ = ["DEFAULT_POLICY", "Client", "download", "formats"]


@final
class Client:
    """Brings reports home from one server. Safe to share between threads; close it, or use it in a `with`.

    `url` is the server's base URL. `network` says how to reach it (proxy, CA bundle, client certificate), `pool` is
    a `urllib3.PoolManager` of your own to use instead (it is never closed here), `transport` replaces urllib3
    altogether. `allow_insecure` permits http:// beyond loopback (D33).
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
    ) -> None:
        self.origin: Origin = Origin.parse(url, allow_insecure=allow_insecure)
        self.policy: Policy = policy
        self._calls = Calls.of(origin=self.origin, credentials=credentials, policy=policy)
        self._transport = transport or Urllib3Transport(self.origin, network=network, pools=pool)
        self._owned = transport is None

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
        call = self._calls.formats(element, segment, now=time.monotonic())
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
        on_progress: OnProgress | None = None,
        on_checkpoint: OnCheckpoint | None = None,
    ) -> Receipt:
        """Bring one report home, whole or not at all, and return its receipt.

        `segment` is a dimension *value* id, 0 for an unsegmented element (R4). `to` is a folder (it exists, or ends
        in a separator), a file, or a binary stream. `clash` says what happens to an existing file: a named file is
        replaced, in a folder the new one gets a suffix, unless another `Clash` is given (D24).

        `on_checkpoint` is called with a `Checkpoint` in the caller's thread: before the first request, on every move
        before what follows from it is sent, and when the job is over. Kept, it lets `resume` go on in another process
        (D43). What it raises ends the job there.

        Blocks for as long as generation takes. Raises InvalidJob, TargetUnusable before anything is asked if `to`
        cannot be used, or the DownloadError that says why there is no file.
        """
        call = self._calls.download(
            element,
            segment,
            format,
            to=to,
            clash=clash,
            on_progress=on_progress,
            on_checkpoint=on_checkpoint,
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
    ) -> Receipt:
        """Go on with a job that another process, or a call that was interrupted, has begun: nothing is generated twice.

        What was in flight then counts as lost, perhaps sent: after `run` it asks with `check` (D43). The time away ages
        the token, so that a job may have to begin again within its restart budget (D21). The client's own policy
        counts. Raises CheckpointUnusable for a checkpoint that is over, damaged or of another server, and what
        `download` raises.
        """
        call = self._calls.resume(
            checkpoint, to=to, clash=clash, on_progress=on_progress, on_checkpoint=on_checkpoint, clock=time.monotonic
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
