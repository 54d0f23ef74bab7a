"""Decides what a caller types: `Client`, `download`, `formats`. Puts the pieces together and drives them.

Outcomes become typed exceptions here. Must never hold policy: polling, repeats and restarts are the core's.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import BinaryIO, Final, Self, final

from reportdl_core.download import Download
from reportdl_core.inquiry import Inquiry
from reportdl_core.job import Job, identifier
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy

from reportdl.credentials import Credentials
from reportdl.drivers.blocking import drive
from reportdl.errands import Errands
from reportdl.errors import raise_for
from reportdl.files import Clash, destination
from reportdl.logs import bound
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.progress import OnProgress, Reporter
from reportdl.transports import Transport
from reportdl.transports.urllib3 import Pools, Urllib3Transport

__all__ = ["DEFAULT_POLICY", "Client", "download", "formats"]

DEFAULT_POLICY: Final = Policy(first_contact=30.0)
"""The core's defaults, but a server that has never answered is given up after 30 s: that is a wrong URL."""


def seeded() -> int:
    """A seed for one job's jitter, so that jobs started together do not poll together (D19)."""
    return int.from_bytes(os.urandom(4))


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
        self._credentials = credentials
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
        ids = identifier(element, "element"), identifier(segment, "segment")
        inquiry = Inquiry(element=ids[0], segment=ids[1], policy=self.policy, seed=seeded(), now=time.monotonic())
        errands = Errands(self.origin, self._credentials, self.policy)
        drive(inquiry, errands=errands, transport=self._transport, clock=time.monotonic)
        if isinstance(inquiry.outcome, tuple):
            return inquiry.outcome
        assert inquiry.outcome is not None
        raise_for(inquiry.outcome, Job(element=ids[0], segment=ids[1], format="any"))

    def download(
        self,
        element: int | str,
        *,
        format: str,
        segment: int | str = 0,
        to: str | os.PathLike[str] | BinaryIO = ".",
        clash: Clash | None = None,
        on_progress: OnProgress | None = None,
    ) -> Receipt:
        """Bring one report home, whole or not at all, and return its receipt.

        `segment` is a dimension *value* id, 0 for an unsegmented element (R4). `to` is a folder (it exists, or ends
        in a separator), a file, or a binary stream. `clash` says what happens to an existing file: a named file is
        replaced, in a folder the new one gets a suffix, unless another `Clash` is given (D24).

        Blocks for as long as generation takes. Raises InvalidJob, NotKept before anything is asked if `to` cannot
        be used, or the DownloadError that says why there is no file.
        """
        job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format=format)
        place = destination(to, job=job, clash=clash)
        download = Download(job, policy=self.policy, seed=seeded(), now=time.monotonic())
        log = bound(element=job.element, segment=job.segment, format=job.format)
        reporter = Reporter(download, clock=time.monotonic, log=log, on_progress=on_progress)
        errands = Errands(self.origin, self._credentials, self.policy, sink=place, progress=reporter.received)
        try:
            drive(download, errands=errands, transport=self._transport, clock=time.monotonic, observer=reporter)
        finally:
            place.close()
        outcome = download.outcome
        assert outcome is not None
        if outcome.receipt is None:
            raise_for(outcome, job)
        return outcome.receipt


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
