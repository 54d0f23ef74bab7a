"""Decides how one session is simulated: the client's real core against the endpoint's, under a virtual clock.

A seed gives a scenario and all that happens in it, on every version of Python alike. The network loses, delays,
reorders and forges; credentials and processes die; files break. What both ends say of one file is compared as it goes,
and a referee, if there is one, must permit each step of the client. Must never decide what an end does.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from math import floor, inf
from typing import Any, Final

from reportdl_core import (
    Cancelled,
    Check,
    Command,
    CredentialsRenewed,
    Download,
    Event,
    FileNotKept,
    FileReceived,
    Finish,
    Get,
    Init,
    Job,
    Kept,
    ListFormats,
    Lost,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Run,
    RunFinished,
    Secret,
    Sent,
    State,
    Status,
    StatusReported,
    Wait,
)
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import (
    AbandonGeneration,
    Answer,
    Called,
    Discard,
    Disconnected,
    EndpointCommand,
    EndpointEvent,
    FileMissing,
    FileSent,
    Generate,
    Generated,
    GenerationFailed,
    Kind,
    Report,
    SendBroken,
    SendFile,
    Token,
    Unsuccessful,
)
from reportdl_core.switches import RunSaysOk
from tests.proof.product import answered
from tests.proof.referee import JobReferee
from tests.proof.scenarios import Dice, Scenario, deal

__all__ = ["JOB", "Onlooker", "Simulation"]

JOB: Final = Job(element=1042, segment=3, format="pdf")
RECEIPT: Final = Receipt(
    path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="0" * 64, length_verified=True
)


def _report(allowed: bool) -> Report:
    formats = ("pdf", "csv")
    kind = Kind.EXTERNAL_REPORT
    return Report(element=1042, segment=3, name="Sales", kind=kind, formats=formats, allowed=allowed)


_REPORTS: Final = {True: _report(True), False: _report(False)}
_WORDS: Final[dict[type[Command], str]] = {ListFormats: "formats", Init: "init", Run: "run", Get: "get"}

# What may become of a request and of its answer; how often, of a hundred bad ones.
_WEATHER: Final = (
    ("not sent", 10),
    ("lost before", 10),
    ("silent before", 8),
    ("lost after", 12),
    ("silent after", 8),
    ("late there", 10),
    ("late back", 10),
    ("unavailable", 8),
    ("unavailable after", 6),
    ("busy", 8),
    ("no envelope", 4),
    ("unreadable", 3),
    ("cancelled", 3),
)
_BAD: Final = tuple(name for name, weight in _WEATHER for _ in range(weight))
_REFUSALS: Final = tuple(Refusal)
_STATUSES: Final = tuple(Status)
_LONGEST: Final = 4 * 100_000  # commands and events of one job: a wait of no length would follow another for ever
TICK: Final = 2.0**-20  # the core's own grid: on it both count the same
_AWAY: Final = (0.0, 0.0, 1.0, 30.0, 299.0, 301.0, 5000.0)

# What stands for a thing in the trace that is hashed: a number that no version of Python chooses.
_CODES: Final = {
    kind: float(code)
    for code, kind in enumerate(
        (ListFormats, Init, Run, RenewCredentials, Get, Wait, Finish, Cancelled, Lost, Refused, StatusReported)
    )
}
_INNER: Final = {one: float(code) for code, one in enumerate((*Refusal, *Status, *Sent, *Kept, *State))}


class Onlooker:
    """Sees everything, in order, on the clock of the simulation. Does nothing by itself."""

    def began(self, simulation: Simulation) -> None: ...
    def heard(self, event: Event, now: float) -> None: ...
    def shown(self, download: Download, now: float) -> None: ...
    def sent(self, command: Command, now: float) -> None: ...
    def saved(self, now: float) -> None: ...
    def restored(self, download: Download, elapsed: float, offset: float, now: float) -> None: ...
    def called(self, call: Called, number: int, credential: int | None, now: float) -> None: ...
    def served(self, event: EndpointEvent, now: float) -> None: ...
    def replied(self, commands: tuple[EndpointCommand, ...], endpoint: Endpoint, now: float) -> None: ...
    def weather(self, number: int, what: str, now: float) -> None: ...


class Flight:
    """One request on its way. `gone`: nobody waits for it any more."""

    __slots__ = ("bad", "call", "command", "done", "gone", "version")

    def __init__(self, call: int, command: Command, bad: str, version: int) -> None:
        self.call, self.command, self.bad, self.version = call, command, bad, version
        self.gone = self.done = False


class Simulation:
    """One job, from its first command to its end, and what is left of it at the server."""

    def __init__(self, seed: int, *, referee: bool = False, onlooker: Onlooker | None = None) -> None:
        self.seed, self.onlooker = seed, onlooker
        self.dice = Dice(seed)
        self.dealt: Scenario = deal(self.dice)
        self.now = self.offset = self.snooze = 0.0
        self.happenings: list[tuple[float, float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.order = self.calls = 0
        self.endpoint = Endpoint(switches=self.dealt.switches)
        self.flights: dict[int, Flight] = {}  # by call
        self.asked: dict[int, Flight] = {}  # by the number of the command
        self.credentials = [self.dealt.credential]  # until when each is good
        self.tokens: dict[str, int] = {}
        self.runs: set[int] = set()
        self.wholes: set[int] = set()
        self.files: set[int] = set()
        self.trace = array("d")
        self.met: Counter[object] = Counter()
        self.death = False
        self.download = Download(JOB, policy=self.dealt.policy, seed=seed, now=0.0)
        self.end = self.dealt.policy.job_timeout
        self.referee = JobReferee.begun(self.download, JOB, self.dealt.policy, 0.0) if referee else None
        if onlooker is not None:
            onlooker.began(self)
        self._begin(self.download.outstanding)

    @property
    def digest(self) -> bytes:
        """What tells this run from every other."""
        return blake2b(self.trace.tobytes(), digest_size=16).digest()

    # ---- time

    def run(self) -> Simulation:
        """To the end; AssertionError, LocalProtocolError or whatever a core raises where something is wrong."""
        while self.download.outcome is None:
            self._next()
            assert len(self.trace) < _LONGEST, "a job that goes on and on (I8, I13)"
        # An answer may end a job as well as its alarm does, and then nobody else asks when it came.
        assert self.now <= self._latest(), "ended past the job's deadline (I8)"
        self._after()
        return self

    def _latest(self) -> float:
        return self.end + self.dealt.late + 0.001

    def _next(self) -> None:
        ring, event = self.download.alarm
        ring = max(ring - self.offset, self.snooze)
        first = self.happenings[0][0] if self.happenings else inf
        alarm = self.endpoint.alarm
        sweep = inf if alarm is None else alarm
        if sweep <= first and sweep <= ring:
            self.now = max(self.now, sweep)
            self._obey(self.endpoint.sweep(now=self.now))
        elif first < ring or (first == ring and self.dice.chance(0.5)):
            self._happen()
        elif self.dealt.late and not self.snooze and self.dice.chance(0.3):
            # A driver that is not quite on time.
            self.snooze = floor((ring + self.dice.between(0.0, self.dealt.late)) / TICK) * TICK
        else:
            self.now = max(self.now, ring)
            assert self.now <= self._latest(), "alive past the job's deadline (I8)"
            self._hear(event)

    def _happen(self) -> None:
        at, _, _, do, arguments = heappop(self.happenings)
        self.now = max(self.now, at)
        do(*arguments)

    def _at(self, delay: float, do: Callable[..., None], *arguments: Any) -> None:
        grid = self.dealt.grid
        when, tie = floor((self.now + delay) / (grid or TICK)) * (grid or TICK), 0.0
        if grid:
            tie = self.dice.fraction()
        self.order += 1
        heappush(self.happenings, (max(when, self.now), tie, self.order, do, arguments))

    def _latency(self) -> float:
        return self.dealt.latency * (0.5 + self.dice.fraction())

    def _after(self) -> None:
        """What is still in the air comes down, and must break nothing (I5, I7)."""
        outcome = self.download.outcome
        assert outcome is not None
        for flight in list(self.flights.values()):
            if not flight.gone:
                self._leave(flight)
        if outcome.state is State.CONSUMED:
            token = self.download.token
            assert token is not None
            assert self.tokens.get(token.reveal()) in self.wholes, "CONSUMED, and never sent whole (I12)"
        self.met.update((outcome.reason, outcome.state, ("sessions", outcome.sessions), *self.download.restarts))
        while self.happenings:
            self._happen()
        self.trace.extend((self.now, -9.0, float(outcome.sessions), _INNER[outcome.state]))

    # ---- the client

    def _hear(self, event: Event) -> None:
        clock = self.now + self.offset
        if self.onlooker is not None:
            self.onlooker.heard(event, self.now)
        over = self.download.outcome
        new = self.download.receive(event, now=clock)
        assert over is None or (new == () and self.download.outcome is over), (
            "an answer after the end did something (I7)"
        )
        self.snooze = 0.0
        self.trace.extend((self.now, _CODES.get(type(event), -1.0), float(event.number), _detail(event)))
        if self.referee is not None:
            self.referee.heard(event, self.download, clock)
        if self.onlooker is not None:
            self.onlooker.shown(self.download, self.now)
        self._let_go()
        if self.download.outcome is None:
            if self.dealt.reloads and self.dice.chance(self.dealt.reloads):
                self._reload()
            if self.dealt.deaths and self.dice.chance(self.dealt.deaths) and not self.death:
                self._die()
                return
        self._begin(new)

    def _let_go(self) -> None:
        waited = {command.number for command in self.download.outstanding}
        for number, flight in list(self.asked.items()):
            if number not in waited:
                self._leave(flight)

    def _begin(self, new: tuple[Command, ...]) -> None:
        if self.onlooker is not None and self.dealt.deaths and self.download.outcome is None:
            self.onlooker.saved(self.now)  # before anything that it shows is done (D43)
        for command in new:
            self.trace.extend((self.now, 100.0 + _CODES.get(type(command), -1.0), float(command.number), 0.0))
            self.met[type(command)] += 1
            if not isinstance(command, Wait | Finish):
                self._send(command)

    def _leave(self, flight: Flight) -> None:
        """Nobody waits for this one any more: its connection is closed, and the server may notice."""
        flight.gone = True
        self.asked.pop(flight.command.number, None)
        if flight.call in self.flights and not flight.done:
            self._at(self._latency(), self._noticed, flight)

    def _noticed(self, flight: Flight) -> None:
        if flight.call in self.flights and isinstance(flight.command, Run):
            self._serve(Disconnected(number=flight.call))

    def _written(self) -> dict[str, Any]:
        text = json.dumps(self.download.snapshot(now=self.now + self.offset), allow_nan=False)
        written: dict[str, Any] = json.loads(text)
        return written

    def _reload(self) -> None:
        """Written down and read back with no time between: exactly the same (I9)."""
        before = (self.download.outstanding, self.download.state, self.download.alarm, self._written())
        self._restore(0.0, self.now + self.offset)
        after = (self.download.outstanding, self.download.state, self.download.alarm, self._written())
        assert before == after, "restoring changed something (I9)"

    def _restore(self, elapsed: float, clock: float) -> None:
        self.download = self._read(self._written(), elapsed, clock)

    def _read(self, written: dict[str, Any], elapsed: float, clock: float) -> Download:
        return Download.restore(
            written, job=JOB, policy=self.dealt.policy, token=self.download.token, now=clock, elapsed=elapsed
        )

    def _die(self) -> None:
        """The process is gone before it sends what it was told to; another one takes the job up, on its own clock."""
        self.death = True
        self.met["death"] += 1
        away = self.dice.one(_AWAY)
        saved, clock = self.now + self.offset, floor(self.dice.between(0.0, 1e6))
        for flight in list(self.asked.values()):
            self._leave(flight)
        if self.onlooker is not None:
            self.onlooker.saved(self.now)
        self._restore(away, clock)
        until = self.now + away
        while self.happenings and self.happenings[0][0] <= until:
            self._happen()
        self.now, self.end = until, self.end + away
        self.offset = clock - self.now
        if self.onlooker is not None:
            self.onlooker.restored(self.download, away, self.offset, self.now)
        if self.referee is not None:
            self.referee.restored(saved=saved, now=clock, elapsed=away)
            self.referee.agree(self.download, clock)
        twin = self._read(self._written(), 0.0, clock)
        for command in self.download.outstanding:
            waited = {one.number for one in self.download.outstanding}
            if not isinstance(command, Wait) and command.number in waited and self.download.outcome is None:
                # What `recover` does, one event at a time, so that the referee sees each.
                self._hear(Lost(number=command.number, sent=Sent.UNKNOWN, message="the process that asked is gone"))
        self.death = False
        assert twin.recover(now=clock) == self.download.outstanding, "`recover` does something else (I3, D43)"
        assert twin.outcome == self.download.outcome, "`recover` ends otherwise (I3, D43)"
        assert twin.snapshot(now=clock) == self.download.snapshot(now=clock), "`recover` leaves other facts (D43)"

    # ---- the network

    def _send(self, command: Command) -> None:
        dealt, dice = self.dealt, self.dice
        bad = dice.one(_BAD) if dealt.bad and dice.chance(dealt.bad) else ""
        if dealt.rogue and dice.chance(dealt.rogue):
            bad = "rogue"
        if self.onlooker is not None:
            self.onlooker.sent(command, self.now)
        self.calls += 1
        flight = Flight(self.calls, command, bad, len(self.credentials) - 1)
        self.flights[flight.call] = self.asked[command.number] = flight
        if bad:
            self.met[bad] += 1
            if self.onlooker is not None:
                self.onlooker.weather(command.number, bad, self.now)
        there = self._latency()
        match bad:
            case "not sent":
                self._back(flight, Lost(number=command.number, sent=Sent.NOT_SENT), 0.0)
            case "lost before":
                self._back(flight, Lost(number=command.number, sent=Sent.UNKNOWN), there)
            case "silent before":
                pass
            case "late there":
                self._at(dice.between(0.0, dice.one((40.0, 700.0, 4000.0))), self._arrive, flight)
            case "unavailable" | "busy" | "no envelope" | "rogue":
                self._back(flight, self._forged(flight), there)
            case _:
                self._at(there, self._arrive, flight)
                if bad == "cancelled":
                    self._back(flight, Cancelled(number=command.number), dice.between(0.0, 20.0))

    def _forged(self, flight: Flight) -> Event:
        """An answer of something in between, or of a server that is out of its mind."""
        number, dice, command = flight.command.number, self.dice, flight.command
        match flight.bad:
            case "unavailable":
                return Refused(number=number, refusal=Refusal.UNAVAILABLE)
            case "no envelope":
                return Refused(number=number, refusal=Refusal.NO_ENVELOPE)
            case "busy":
                after = dice.one((None, 0.0, 1.0, 7.0, 400.0, 1e9))
                return Refused(number=number, refusal=Refusal.BUSY, retry_after=after)
            case _:
                if not isinstance(command, RenewCredentials) and dice.chance(0.4):
                    return StatusReported(number=number, status=dice.one(_STATUSES))
                return Refused(number=number, refusal=dice.one(_REFUSALS))

    def _back(self, flight: Flight, event: Event, delay: float) -> None:
        self._at(delay, self._come, flight, event)

    def _come(self, flight: Flight, event: Event) -> None:
        """An answer reaches the client, or what is left of it: a late one must change nothing (I7)."""
        if not self.death and (not flight.gone or self.dice.chance(0.2)):
            flight.done = True
            self._hear(event)

    def _arrive(self, flight: Flight) -> None:
        command, now = flight.command, self.now
        if isinstance(command, RenewCredentials):
            self._renew(flight)
            return
        assert isinstance(command, ListFormats | Init | Run | Check | Get)
        dead = now >= self.credentials[flight.version]
        token = None if isinstance(command, ListFormats | Init) else command.token.reveal()
        session = self.tokens.get(token or "", 0)
        call = Called(
            number=flight.call,
            user="ann",
            element=command.job.element,
            segment=command.job.segment,
            state=_WORDS.get(type(command), "check"),
            token=token,
            format=command.job.format if isinstance(command, Run | Get) else None,
            report=_REPORTS[now < self.dealt.revoked],
            fresh_token=Secret(f"t{flight.call}"),
        )
        if self.onlooker is not None:
            self.onlooker.called(call, command.number, 412 if dead else None, now)
        if dead:
            self.met["credential died"] += 1
            flight.done = True
            self._answer(flight, Refused(number=command.number, refusal=Refusal.CREDENTIALS))
            return
        if isinstance(command, Run):
            assert session not in self.runs, "two `run` of one token passed the check of credentials (I3)"
            self.runs.add(session)
        self._serve(call)

    def _renew(self, flight: Flight) -> None:
        number = flight.command.number
        flight.done = True
        if not self.dealt.renewable:
            self._answer(flight, Refused(number=number, refusal=Refusal.CREDENTIALS))
            return
        self.credentials.append(self.now + self.dealt.credential)
        self._answer(flight, CredentialsRenewed(number=number))

    def _answer(self, flight: Flight, event: Event) -> None:
        """The server's answer sets out on its way back."""
        flight.done = True
        number = flight.command.number
        match flight.bad:
            case "lost after":
                self._back(flight, Lost(number=number, sent=Sent.UNKNOWN), self._latency())
            case "silent after" | "cancelled":
                pass
            case "late back":
                self._back(flight, event, self.dice.between(0.0, self.dice.one((40.0, 700.0))))
            case "unavailable after":
                self._back(flight, Refused(number=number, refusal=Refusal.UNAVAILABLE), self._latency())
            case "unreadable":
                self._back(flight, Refused(number=number, refusal=Refusal.UNREADABLE), self._latency())
            case _:
                self._back(flight, event, self._latency())

    # ---- the endpoint

    def _serve(self, event: EndpointEvent) -> None:
        if self.onlooker is not None and not isinstance(event, Called):
            self.onlooker.served(event, self.now)
        self._obey(self.endpoint.receive(event, now=self.now))

    def _obey(self, commands: tuple[EndpointCommand, ...]) -> None:
        if self.onlooker is not None:
            self.onlooker.replied(commands, self.endpoint, self.now)
        for command in commands:
            match command:
                case Answer():
                    self._reply(command)
                case SendFile():
                    assert command.session in self.files, "a file that is not there (I12)"
                    self._transfer(command)
                case Generate():
                    low, high = self.dealt.generation
                    self._at(self.dice.between(low, high), self._generated, command.session)
                case AbandonGeneration():
                    pass  # the source does not notice: what it makes all the same is discarded
                case Discard():
                    self.files.discard(command.session)

    def _generated(self, session: int) -> None:
        if self.dealt.fails:
            self.met[self.dealt.fails] += 1
            self._serve(GenerationFailed(session=session, message="no", how=Unsuccessful[self.dealt.fails]))
        else:
            self.files.add(session)
            self._serve(Generated(session=session))

    def _reply(self, command: Answer) -> None:
        flight = self.flights[command.number]
        if isinstance(command.answer, Token):
            self.tokens[command.answer.token.reveal()] = max(view.number for view in self.endpoint.sessions)
        event = answered(flight.command, command.answer)
        if self.dealt.switches.run_says_ok is RunSaysOk.WHEN_READY and _says_ready(event):
            assert self._session(flight) in self.files, "READY, and there is no file (I12)"
        if self.dealt.plain and isinstance(event, RunFinished):
            event = StatusReported(number=event.number, status=Status.OK)
        self._answer(flight, event)

    def _session(self, flight: Flight) -> int:
        token: Secret = flight.command.token  # type: ignore[union-attr]
        return self.tokens[token.reveal()]

    def _transfer(self, command: SendFile) -> None:
        flight, dice = self.flights[command.number], self.dice
        seconds = dice.between(0.0, dice.one((0.0, 1.0, 30.0, 400.0)))
        flight.done = True
        broken = flight.gone or flight.bad in ("lost after", "cancelled")
        if not broken and self.dealt.bad and dice.chance(self.dealt.bad / 3):
            accident = dice.one(("broken", "missing", "not kept", "unverified"))
            self.met[accident] += 1
            if accident == "missing":
                self.files.discard(command.session)
                self._serve(FileMissing(number=flight.call))
                return
            if accident == "broken":
                broken = True
            else:
                self._at(seconds, self._sent, flight, True)
                why = Kept.FAILED if accident == "not kept" else Kept.UNVERIFIED
                self._back(flight, FileNotKept(number=flight.command.number, why=why, message="no"), seconds)
                return
        if broken:
            # The client sees it at once; the server when it next writes, or believes that all of it went out.
            notices = seconds + dice.one((0.0, 30.0))
            self._at(notices, self._sent, flight, dice.chance(0.2))
            self._back(flight, Lost(number=flight.command.number, sent=Sent.UNKNOWN), seconds)
            return
        self._at(seconds, self._sent_whole, flight)

    def _sent(self, flight: Flight, whole: bool) -> None:
        session = self._session(flight)
        if whole:
            assert session not in self.wholes, "the file was sent whole twice (I5)"
            self.wholes.add(session)
        self._serve(FileSent(number=flight.call) if whole else SendBroken(number=flight.call, sent=1))

    def _sent_whole(self, flight: Flight) -> None:
        if flight.gone and self.dice.chance(0.8):
            self._sent(flight, False)  # the client had gone in the meantime
            return
        self._sent(flight, True)
        self._answer(flight, FileReceived(number=flight.command.number, receipt=RECEIPT))


def _detail(event: Event) -> float:
    match event:
        case Refused():
            return _INNER[event.refusal]
        case StatusReported():
            return _INNER[event.status]
        case Lost():
            return _INNER[event.sent]
        case FileNotKept():
            return _INNER[event.why]
        case _:
            return 0.0


def _says_ready(event: Event) -> bool:
    return isinstance(event, RunFinished) or (isinstance(event, StatusReported) and event.status is Status.READY)
