"""Decides what a test is given where no time may pass: the endpoint's core in memory, under a virtual clock.

A generation of 25 minutes takes as long as it takes to compute. There is no HTTP, so what HTTP does wrong is not to be
had here; what a network does is, by the request. Must never need the extra `server`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypedDict, assert_never, final

from reportdl.drivers import Driven
from reportdl.transports.memory import MemoryServer, Weather, drive
from reportdl_core.commands import Check, Get, Init, ListFormats, Request, Run
from reportdl_core.download import Download
from reportdl_core.endpoint import Endpoint, SessionView
from reportdl_core.endpoint_messages import Kind, Report
from reportdl_core.job import Job
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Policy
from reportdl_core.switches import Switches

__all__ = ["DOCUMENTED", "Behaviour", "MemoryEndpoint", "MemoryOptions"]

DOCUMENTED: Final = Report(
    element=1042,
    segment=0,
    name="Sales Dashboard",
    kind=Kind.EXTERNAL_REPORT,
    formats=("image", "pdf", "csv"),
    allowed=True,
)
"""The report of the document's own example."""

Generation = Callable[[Report, str], float]

_POLICY: Final = Policy()
_SWITCHES: Final = Switches()
_STATES: Final = ("formats", "init", "run", "check", "get")


class Behaviour(TypedDict):
    """What a server is, as `strategies.behaviours` draws it: keywords of `MemoryEndpoint`, without the network."""

    switches: Switches
    reports: tuple[Report, ...]
    generation_seconds: float | Generation


class MemoryOptions(TypedDict, total=False):
    """The keywords of `MemoryEndpoint`, for those who pass them on."""

    switches: Switches
    reports: Iterable[Report]
    generation_seconds: float | Generation
    network: Mapping[str, Iterable[Weather]]


@final
class MemoryEndpoint:
    """The endpoint, some reports and a network. One thread.

    `generation_seconds` is how long each generation takes, or a function of the report and the format that says so and
    raises ValueError with a message where it fails. `network` is the weather of the first requests of a state, such as
    `{"run": [Weather(loss=Loss.AFTER)]}`; later ones are fair. ValueError for a state that there is not.
    """

    def __init__(
        self,
        *,
        switches: Switches = _SWITCHES,
        reports: Iterable[Report] = (DOCUMENTED,),
        generation_seconds: float | Generation = 1.0,
        network: Mapping[str, Iterable[Weather]] | None = None,
    ) -> None:
        known = {(report.element, report.segment): report for report in reports}
        self._coming: dict[str, deque[Weather]] = {state: deque() for state in _STATES}
        for state, weathers in (network or {}).items():
            self.forecast(state, *weathers)
        self.server: Final = MemoryServer(
            endpoint=Endpoint(switches=switches),
            report=lambda element, segment: known.get((element, segment)),
            generation=_taking(generation_seconds),
            weather=self._weather,
        )
        self._now = 0.0

    @property
    def now(self) -> float:
        """The virtual time in seconds: when the last job ended."""
        return self._now

    @property
    def saw(self) -> list[str]:
        """The states of all requests that reached the endpoint, in order."""
        return list(self.server.asked)

    @property
    def sessions(self) -> tuple[SessionView, ...]:
        """The endpoint's sessions, oldest first, as they are now."""
        return self.server.endpoint.sessions

    def forecast(self, state: str, *weathers: Weather) -> None:
        """The weather of the next requests of this state, one each."""
        if state not in self._coming:
            raise ValueError(f"no such state: {state!r:.40}; there are {', '.join(_STATES)}")
        self._coming[state].extend(weathers)

    def sleep(self, seconds: float) -> None:
        """Let time pass with nobody asking anything."""
        until = self._now + seconds
        while (when := self.server.next_at()) <= until:
            self._now = max(self._now, when)
            self.server.pass_time(now=self._now)
        self._now = until

    def download(
        self, element: int, *, segment: int = 0, format: str, policy: Policy = _POLICY, seed: int = 0
    ) -> Outcome:
        """Do one job from `formats` to the file, or to the reason why there is none. Never raises for the latter."""
        job = Job(element=element, segment=segment, format=format)
        download = Download(job, policy=policy, seed=seed, now=self._now)
        self.drive(download)
        assert download.outcome is not None
        return download.outcome

    def drive(self, driven: Driven) -> None:
        """Drive a `Session`, a `Download` or something of your own to its end, from `now` on."""
        self._now = drive(driven, self.server, now=self._now)

    def _weather(self, request: Request, nth: int) -> Weather:
        coming = self._coming[_state(request)]
        return coming.popleft() if coming else Weather()


def _taking(seconds: float | Generation) -> Generation:
    if callable(seconds):
        return seconds
    return lambda _report, _format: seconds


def _state(request: Request) -> str:
    match request:
        case ListFormats():
            return "formats"
        case Init():
            return "init"
        case Run():
            return "run"
        case Check():
            return "check"
        case Get():
            return "get"
        case _:
            assert_never(request)
