"""Decides what a client's call becomes: the pieces that a driver needs, and what its outcome is for the caller.

`Client` and `AsyncClient` say the same words over it and differ in the driver alone. Must never wait or send.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Final, Generic, Self, TypeVar, final

from reportdl.checkpoints import Checkpoint, Checkpointing, OnCheckpoint, taken_up
from reportdl.credentials import Credentials
from reportdl.drivers import Observe, Observer
from reportdl.errands import Errands
from reportdl.errors import raise_for
from reportdl.files import Clash, Destination, destination
from reportdl.logs import bound
from reportdl.origin import Origin
from reportdl.progress import OnProgress, Reporter
from reportdl.renewals import Renewals
from reportdl_core.affinity import cookie_names
from reportdl_core.asking import Asking
from reportdl_core.commands import Command
from reportdl_core.download import Download
from reportdl_core.events import Event
from reportdl_core.inquiry import Inquiry
from reportdl_core.job import Job, identifier
from reportdl_core.lookup import ReportsLookup, SegmentsLookup
from reportdl_core.outcome import Outcome, Receipt
from reportdl_core.policy import Policy
from reportdl_core.questions import ListedReport, Segment
from reportdl_core.secret import Secret

__all__ = ["DEFAULT_POLICY", "AskingCall", "Calls", "DownloadCall", "InTurn", "Watchers"]

T = TypeVar("T")

DEFAULT_POLICY: Final = Policy(first_contact=30.0)
"""The core's defaults, but a server that has never answered is given up after 30 s: that is a wrong URL."""


def _seed() -> int:
    """A seed for one job's jitter, so that jobs started together do not poll together (D19)."""
    return int.from_bytes(os.urandom(4))


@final
@dataclass(frozen=True, slots=True)
class Watchers:
    """Who wants to hear of one job; None for nobody."""

    on_progress: OnProgress | None
    on_checkpoint: OnCheckpoint | None
    observe: Observe | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What every call of one client has in common."""

    origin: Origin
    credentials: Credentials
    policy: Policy
    renewals: Renewals
    affinity: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, *, origin: Origin, credentials: Credentials, policy: Policy, affinity_cookies: Iterable[str] = ()
    ) -> Self:
        """What a new client's calls have in common. Raises UnusableCookieName."""
        return cls(
            origin=origin,
            credentials=credentials,
            policy=policy,
            renewals=Renewals(credentials),
            affinity=cookie_names(affinity_cookies),
        )

    def formats(self, element: int | str, segment: int | str, *, now: float) -> AskingCall[tuple[str, ...]]:
        """To be driven without an observer. Raises InvalidJob."""
        # The format is for the error's words alone: `formats` takes none.
        job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format="any")
        inquiry = Inquiry(element=job.element, segment=job.segment, policy=self.policy, seed=_seed(), now=now)
        return self._asking(inquiry, job)

    def reports(self, *, now: float) -> AskingCall[tuple[ListedReport, ...]]:
        """To be driven without an observer."""
        lookup = ReportsLookup(policy=self.policy, seed=_seed(), now=now)
        return self._asking(lookup, Job(element=0, format="any"))

    def segments(self, element: int | str, *, now: float) -> AskingCall[tuple[Segment, ...]]:
        """To be driven without an observer. Raises InvalidJob."""
        job = Job(element=identifier(element, "element"), format="any")
        return self._asking(SegmentsLookup(element=job.element, policy=self.policy, seed=_seed(), now=now), job)

    def _asking(self, asking: Asking[T], job: Job) -> AskingCall[T]:
        return AskingCall(asking, Errands(self.origin, self.credentials, self.policy, renewals=self.renewals), job)

    def download(
        self,
        element: int | str,
        segment: int | str,
        format: str,
        *,
        to: str | os.PathLike[str] | BinaryIO,
        clash: Clash | None,
        formats: tuple[str, ...] | None,
        watchers: Watchers,
        clock: Callable[[], float],
    ) -> DownloadCall:
        """To be driven inside a `with`, unless it is `standing`. Raises InvalidJob and TargetUnusable."""
        job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format=format)
        place = destination(to, job=job, clash=clash)
        download = Download(job, policy=self.policy, seed=_seed(), now=clock(), formats=formats)
        return self._watched(download, place, clock, watchers, {})

    def resume(
        self,
        checkpoint: Checkpoint,
        *,
        to: str | os.PathLike[str] | BinaryIO,
        clash: Clash | None,
        watchers: Watchers,
        clock: Callable[[], float],
    ) -> DownloadCall:
        """The same for a job that was begun before. Raises CheckpointUnusable and TargetUnusable."""
        download = taken_up(checkpoint, origin=self.origin, policy=self.policy, now=clock())
        place = destination(to, job=download.job, clash=clash)
        return self._watched(download, place, clock, watchers, checkpoint.cookies)

    def _watched(
        self,
        download: Download,
        place: Destination,
        clock: Callable[[], float],
        watchers: Watchers,
        cookies: Mapping[str, Secret],
    ) -> DownloadCall:
        job = download.job
        log = bound(element=job.element, segment=job.segment, format=job.format)
        reporter = Reporter(download, clock=clock, log=log, on_progress=watchers.on_progress)
        errands = Errands(
            self.origin,
            self.credentials,
            self.policy,
            sink=place,
            progress=reporter.received,
            renewals=self.renewals,
            affinity=self.affinity,
            cookies=cookies,
        )
        # What must be on disk is written before anybody is told (D43).
        observers: list[Observer] = []
        if (told := watchers.on_checkpoint) is not None:
            observers.append(Checkpointing(download, errands, origin=self.origin, on_checkpoint=told))
        if watchers.observe is not None:
            observers.append(watchers.observe(download))
        return DownloadCall(download, errands, InTurn((*observers, reporter)) if observers else reporter, place)


@final
class AskingCall(Generic[T]):
    """One question without effect: formats, reports, segments."""

    __slots__ = ("_job", "driven", "errands")

    driven: Asking[T]
    errands: Errands

    def __init__(self, asking: Asking[T], errands: Errands, job: Job) -> None:
        self.driven, self.errands, self._job = asking, errands, job

    def result(self) -> T:
        """The answer; raises the DownloadError that says why there is none. Only once it was driven to its end."""
        outcome = self.driven.outcome
        assert outcome is not None
        if isinstance(outcome, Outcome):
            raise_for(outcome, self._job)
        return outcome


@final
class InTurn:
    """Several observers, each told before the next."""

    __slots__ = ("_observers",)

    def __init__(self, observers: tuple[Observer, ...]) -> None:
        self._observers = observers

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """Tell them all; where one raises, the others are not told."""
        for observer in self._observers:
            observer.moved(event, new, now=now)


@final
class DownloadCall:
    """One job and its place. Leaving the `with` removes what is not the whole file under its name (D38)."""

    __slots__ = ("_place", "driven", "errands", "observer")

    driven: Download
    errands: Errands
    observer: Observer

    def __init__(self, download: Download, errands: Errands, observer: Observer, place: Destination) -> None:
        self.driven, self.errands, self.observer, self._place = download, errands, observer, place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.close()

    @property
    def standing(self) -> Receipt | None:
        """The file that is there already and is to stay (Clash.SKIP): nothing needs to be generated."""
        return self._place.standing

    def result(self) -> Receipt:
        """The receipt; raises the DownloadError that says why there is no file. Only once it was driven to its end."""
        outcome = self.driven.outcome
        assert outcome is not None
        if outcome.receipt is None:
            raise_for(outcome, self.driven.job)
        return outcome.receipt
