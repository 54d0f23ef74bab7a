"""Decides what can happen between the client's core and the endpoint's core: every order, every fault, in small steps.

A world is both ends, the requests and answers in the air between them, and what is left of a number of faults. The
source may end a generation at any moment, or never. Without a fault a request arrives and its answer comes back within
the second, but nobody says in which order those of two connections do. A fault is: a loss before or after the request
took effect, a delay without end (past every deadline; it may arrive long after), a refusal by something in between, a
transfer that breaks, a file that vanishes or cannot be kept, a process that dies. Must never decide what an end does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from enum import Enum
from typing import Any, Final

from reportdl_core import (
    Check,
    Command,
    CredentialsRenewed,
    Download,
    Event,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
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
    TokenIssued,
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
    FileMissing,
    FileSent,
    Formats,
    Generate,
    Generated,
    GenerationFailed,
    Kind,
    Refuse,
    Reply,
    Report,
    SendBroken,
    SendFile,
    StatusIs,
    Token,
    Unsuccessful,
)
from reportdl_core.policy import Policy
from reportdl_core.switches import RunSaysOk, Switches
from tests.proof.copying import copy_download, copy_endpoint
from tests.proof.keys import download_key, served_key
from tests.proof.referee import JobReferee
from tests.proof.small_clock import CONSTANTS, EARLY, OLDEST
from tests.proof.strangers import refused, thieves

__all__ = ["JOB", "RECEIPT", "REPORT", "Fault", "World", "answered"]

JOB: Final = Job(element=1042, segment=0, format="pdf")
REPORT: Final = Report(
    element=1042, segment=0, name="Sales", kind=Kind.EXTERNAL_REPORT, formats=("pdf", "csv"), allowed=True
)
RECEIPT: Final = Receipt(
    path=None, filename="Sales.pdf", content_type="application/pdf", size=1, sha256="0" * 64, length_verified=True
)
_STATES: Final = {"ListFormats": "formats", "Init": "init", "Run": "run", "Check": "check", "Get": "get"}
_BETWEEN: Final = (Refusal.CREDENTIALS, Refusal.UNAVAILABLE, Refusal.BUSY)


class Fault(Enum):
    """What a world may do to its two ends, as long as it has faults left."""

    LOSSES = "lost before or after it took effect"
    DELAYS = "delayed past every deadline"
    REFUSALS = "refused by something in between"
    FILES = "a transfer that breaks, a file that vanishes or cannot be kept"
    DEATHS = "the client's process dies and another one takes the job up"


class Phase(Enum):
    """Where a request is."""

    ASKED = "asked"  # on its way there
    HELD = "held"  # a `run` that waits at the endpoint
    SENDING = "sending"  # a file on its way
    ANSWERED = "answered"  # the answer is on its way back


class Flight:
    """One request. `gone`: nobody waits for it any more. `slow`: it need not come within the second."""

    __slots__ = ("call", "command", "event", "gone", "phase", "slow")

    def __init__(self, call: int, command: Command, phase: Phase = Phase.ASKED) -> None:
        self.call, self.command, self.phase = call, command, phase
        self.slow = self.gone = False
        self.event: Event | None = None

    def copied(self) -> Flight:
        new = Flight(self.call, self.command, self.phase)
        new.slow, new.gone, new.event = self.slow, self.gone, self.event
        return new


class World:
    """Both ends and what is between them, at one moment of a clock of whole seconds."""

    __slots__ = (
        "allowed",
        "calls",
        "download",
        "endpoint",
        "faults",
        "files",
        "flights",
        "generating",
        "log",
        "now",
        "policy",
        "referee",
        "runs",
        "tokens",
        "wholes",
    )

    def __init__(
        self, policy: Policy, switches: Switches, *, faults: int, allowed: frozenset[Fault] = frozenset(Fault)
    ) -> None:
        self.now, self.policy, self.faults, self.allowed = 0.0, policy, faults, allowed
        self.endpoint = Endpoint(switches=switches)
        self.download = Download(JOB, policy=policy, now=0.0)
        self.flights: list[Flight] = []
        self.calls = 0
        self.tokens: dict[str, int] = {}  # text to the endpoint's session
        self.generating: frozenset[int] = frozenset()
        self.files: frozenset[int] = frozenset()
        self.runs: frozenset[int] = frozenset()  # sessions whose `run` has passed the check of credentials
        self.wholes: frozenset[int] = frozenset()  # sessions whose file was sent whole
        self.log: list[tuple[object, ...]] = []  # told when somebody asks
        self.referee = JobReferee.begun(self.download, JOB, policy, 0.0, **CONSTANTS)
        self._started(self.download.outstanding)

    # ---- a model, to an explorer

    def copied(self) -> World:
        new = World.__new__(World)
        new.now, new.policy, new.faults, new.allowed = self.now, self.policy, self.faults, self.allowed
        new.endpoint, new.download = copy_endpoint(self.endpoint), copy_download(self.download)
        new.flights = [one.copied() for one in self.flights]
        new.calls, new.tokens = self.calls, self.tokens
        new.generating, new.files, new.runs, new.wholes = self.generating, self.files, self.runs, self.wholes
        new.referee = self.referee.copied()
        new.log = []
        return new

    def key(self) -> Hashable:
        ranks = self._ranks()
        return (
            download_key(self.download, self.now, name=lambda token: int(token is not None), early=EARLY),
            self._served(self.endpoint, ranks),
            tuple(
                (
                    type(one.command),
                    ranks[self._of(one)],
                    one.phase,
                    one.slow,
                    one.gone,
                    None if one.event is None else _shown(one.event),
                )
                for one in self.flights
            ),
            self.faults,
            None if self.over() else self.referee.key(self.now),
        )

    def _ranks(self) -> dict[int, int]:
        present = self._name(self.download.token)
        return {number: rank for rank, number in enumerate([present, *sorted(self._concerned() - {present})])}

    def _served(self, endpoint: Endpoint, ranks: dict[int, int]) -> Hashable:
        calls, served = {flight.call: rank for rank, flight in enumerate(self.flights)}, []
        for number, rank in ranks.items():
            session = endpoint._register.get(number)
            if session is not None:
                served.append(
                    (
                        rank,
                        served_key(session, self.now, calls=lambda call: calls.get(call, -1), oldest=OLDEST),
                        (number in self.generating, number in self.files, number in self.runs, number in self.wholes),
                    )
                )
        return tuple(served)

    def over(self) -> bool:
        return self.download.outcome is not None

    def told(self) -> Iterable[str]:
        return [f"{self.now:6g}  {' '.join(map(str, one))}" for one in self.log]

    def _thieves(self) -> None:
        """Whoever has a token that is not theirs is refused and changes nothing: no moves, but made in every state."""
        ranks, there = self._ranks(), copy_endpoint(self.endpoint)
        before = self._served(self.endpoint, ranks)
        for token, session in self.tokens.items():
            if session in ranks:
                for call in thieves(token, self.calls + 1, JOB, REPORT):
                    done = there.receive(call, now=self.now)
                    assert refused(call, done), f"{call} is told {done} (I2)"
        assert self._served(there, ranks) == before, "a call without a right changed something (I2)"

    def moves(self) -> list[Any]:
        self._thieves()
        labels: list[Any] = []
        busy = False
        for flight in self.flights:
            labels += self._moves_of(flight)
            busy = busy or not (flight.slow or flight.gone or flight.phase is Phase.HELD)
        if self.over():
            return labels
        for session in sorted(self.generating & self._concerned()):
            labels += [("generated", session), ("failed", session, "FAILED")]
        if self.download.alarm[0] <= self.now:
            labels.append(("alarm",))
        elif not busy:
            labels.append(("second",))
        if self.faults and Fault.DEATHS in self.allowed:
            labels.append(("dies", 0.0))
        return labels

    def _moves_of(self, flight: Flight) -> Iterable[Any]:
        call, faults = flight.call, bool(self.faults) and not flight.gone
        lossy, files = faults and Fault.LOSSES in self.allowed, faults and Fault.FILES in self.allowed
        delays = faults and Fault.DELAYS in self.allowed and not flight.slow
        match flight.phase:
            case Phase.ASKED:
                yield "arrives", call
                if flight.gone:
                    yield "vanishes", call
                if lossy and not flight.slow:
                    yield "lost", call, "NOT_SENT"
                    yield "lost", call, "UNKNOWN"
                if faults and Fault.REFUSALS in self.allowed and not flight.slow:
                    for refusal in _BETWEEN:
                        yield "refused", call, refusal.name
            case Phase.HELD:
                if lossy:
                    yield "cut", call
            case Phase.SENDING:
                yield "sent", call
                if flight.gone:
                    yield "broken", call
                if files:
                    yield from (("broken", call), ("missing", call), ("unkept", call))
                if lossy:
                    yield "silent", call  # the client's side broke, and the server does not know yet
            case Phase.ANSWERED:
                yield "comes", call
                if isinstance(flight.event, RunFinished):
                    yield "told", call  # by a driver to which every envelope is a status
                if lossy and not flight.slow:
                    yield "lost", call, "UNKNOWN"
                if faults and Fault.REFUSALS in self.allowed and not flight.slow:
                    yield "mangled", call
        if delays and flight.phase is not Phase.HELD:
            yield "late", call

    def make(self, label: Any) -> None:
        self.log.clear()
        self.log.append(tuple(label))
        match label:
            case ("second",):
                self._second()
            case ("alarm",):
                self._client(self.download.alarm[1])
            case ("dies", away):
                self.faults -= 1
                self._die(away)
            case ("generated" | "failed" as end, session, *how):
                self._generation(session, end, *how)
            case (what, call, *more):
                self._fly(next(one for one in self.flights if one.call == call), what, *more)
            case _:
                raise LookupError(label)
        self.flights.sort(key=_order)

    # ---- time

    def _second(self) -> None:
        self.now += 1.0
        self.log.append(("--", self.now, "s"))
        alarm = self.endpoint.alarm
        if alarm is not None and alarm <= self.now:
            self._obey(self.endpoint.sweep(now=self.now))

    def _generation(self, session: int, end: str, how: str = "") -> None:
        self.generating -= {session}
        if end == "generated":
            self.files |= {session}
            self._obey(self.endpoint.receive(Generated(session=session), now=self.now))
        else:
            event = GenerationFailed(session=session, message="no", how=Unsuccessful[how])
            self._obey(self.endpoint.receive(event, now=self.now))

    # ---- the network

    def _fly(self, flight: Flight, what: str, *more: str) -> None:
        number = flight.command.number
        if what in _FAULTS or (what == "broken" and not flight.gone):
            self.faults -= 1
        match what:
            case "arrives":
                self._arrive(flight)
            case "vanishes":
                self.flights.remove(flight)
            case "late":
                flight.slow = True
            case "lost":
                self.flights.remove(flight)
                self._client(Lost(number=number, sent=Sent[more[0]]))
            case "refused":
                self.flights.remove(flight)
                after = 1.0 if more[0] == "BUSY" else None
                self._client(Refused(number=number, refusal=Refusal[more[0]], retry_after=after))
            case "mangled":
                self.flights.remove(flight)
                self._client(Refused(number=number, refusal=Refusal.NO_ENVELOPE))
            case "cut":
                self.flights.remove(flight)
                self._obey(self.endpoint.receive(Disconnected(number=flight.call), now=self.now))
                self._client(Lost(number=number, sent=Sent.UNKNOWN))
            case "comes":
                self.flights.remove(flight)
                assert flight.event is not None
                self._client(flight.event)
            case "told":
                self.flights.remove(flight)
                self._client(StatusReported(number=number, status=Status.OK))
            case _:
                self._file(flight, what)

    def _file(self, flight: Flight, what: str) -> None:
        number, session = flight.command.number, self._session(flight.command)
        match what:
            case "silent":
                flight.gone = True
                self._client(Lost(number=number, sent=Sent.UNKNOWN))
                return
            case "sent" | "unkept":
                assert session not in self.wholes, "the file was sent whole twice (I5)"
                self.wholes |= {session}
                ended: FileSent | SendBroken | FileMissing = FileSent(number=flight.call)
                flight.event = FileReceived(number=number, receipt=RECEIPT)
                if what == "unkept":
                    flight.event = FileNotKept(number=number, why=Kept.FAILED, message="disk full")
            case "broken":
                ended = SendBroken(number=flight.call, sent=1)
                flight.event = Lost(number=number, sent=Sent.UNKNOWN)
            case _:
                ended = FileMissing(number=flight.call)
                self.files -= {session}
        flight.phase = Phase.ANSWERED
        gone = flight.gone
        self._obey(self.endpoint.receive(ended, now=self.now))
        if gone:
            self.flights.remove(flight)

    def _arrive(self, flight: Flight) -> None:
        command = flight.command
        if isinstance(command, RenewCredentials):
            flight.phase, flight.event = Phase.ANSWERED, CredentialsRenewed(number=command.number)
            return
        assert isinstance(command, ListFormats | Init | Run | Check | Get)
        session = self._session(command)
        if isinstance(command, Run):
            assert session not in self.runs, "two `run` of one token reached the server (I3)"
            self.runs |= {session}
        held = isinstance(command, Run)
        flight.phase = Phase.HELD if held else Phase.ANSWERED
        call = Called(
            number=flight.call,
            user="ann",
            element=JOB.element,
            segment=JOB.segment,
            state=_STATES[type(command).__name__],
            token=None if isinstance(command, ListFormats | Init) else command.token.reveal(),
            format=command.job.format if isinstance(command, Run | Get) else None,
            report=REPORT,
            fresh_token=Secret(f"t{flight.call}"),
        )
        self._obey(self.endpoint.receive(call, now=self.now))

    def _obey(self, commands: tuple[EndpointCommand, ...]) -> None:
        for command in commands:
            self.log.append(("   endpoint:", command))
            match command:
                case Answer():
                    self._answer(command)
                case SendFile():
                    assert command.session in self.files, "a file that is not there (I12)"
                    self._flight(command.number).phase = Phase.SENDING
                case Generate():
                    self.generating |= {command.session}
                case AbandonGeneration():
                    self.generating -= {command.session}
                case Discard():
                    self.files -= {command.session}

    def _answer(self, command: Answer) -> None:
        flight = next((one for one in self.flights if one.call == command.number), None)
        if flight is None:
            return  # a `run` whose caller went away
        if isinstance(command.answer, Token):
            issued = max(session.number for session in self.endpoint.sessions)
            self.tokens = {**self.tokens, command.answer.token.reveal(): issued}
        flight.event, flight.phase = answered(flight.command, command.answer), Phase.ANSWERED
        if _says_ready(flight.event) and self.endpoint.switches.run_says_ok is RunSaysOk.WHEN_READY:
            served = self.endpoint._register[self._session(flight.command)]
            assert served.cell.state is State.READY, "READY from an endpoint that is not (I12)"
        if flight.gone:
            self.flights.remove(flight)

    # ---- the client

    def _client(self, event: Event) -> None:
        self.log.append((">>", event))
        before = self.download.outcome
        new = self.download.receive(event, now=self.now)
        self.log.extend(("<<", command) for command in new)
        self.referee.heard(event, self.download, self.now)
        outcome = self.download.outcome
        if outcome is not None and before is None and outcome.state is State.CONSUMED:
            assert self._name(self.download.token) in self.wholes, "CONSUMED, and never sent whole (I12)"
        self._started(new)

    def _started(self, new: tuple[Command, ...]) -> None:
        waited = {command.number for command in self.download.outstanding}
        for flight in list(self.flights):
            if not flight.gone and flight.command.number not in waited:
                self._leave(flight)
        for command in new:
            if not isinstance(command, Wait | Finish):
                self.calls += 1
                self.flights.append(Flight(self.calls, command))

    def _leave(self, flight: Flight) -> None:
        """The client waits for this one no more: its connection is closed."""
        flight.gone = True
        match flight.phase:
            case Phase.ANSWERED:
                self.flights.remove(flight)
                assert flight.event is not None
                if not self.over():
                    self._client(flight.event)  # it comes all the same, and changes nothing (I7)
            case Phase.HELD:
                self.flights.remove(flight)
                self._obey(self.endpoint.receive(Disconnected(number=flight.call), now=self.now))
            case Phase.ASKED:
                if isinstance(flight.command, Init | ListFormats | RenewCredentials):
                    self.flights.remove(flight)  # whether it arrives makes no difference to any other session
            case Phase.SENDING:
                pass

    def _die(self, away: float) -> None:
        """The process that held the job is gone; another one restores the last snapshot (D43)."""
        written = self.download.snapshot(now=self.now)
        self.download = Download.restore(
            written, job=JOB, policy=self.policy, token=self.download.token, now=self.now, elapsed=away
        )
        for command in self.download.outstanding:
            if not isinstance(command, Wait) and any(command.number == one.number for one in self.download.outstanding):
                self._client(Lost(number=command.number, sent=Sent.UNKNOWN))

    # ---- names

    def _flight(self, call: int) -> Flight:
        return next(one for one in self.flights if one.call == call)

    def _name(self, token: Secret | None) -> int:
        return 0 if token is None else self.tokens[token.reveal()]

    def _session(self, command: Command) -> int:
        token = getattr(command, "token", None)
        return self._name(token)

    def _concerned(self) -> set[int]:
        return {self._of(flight) for flight in self.flights} | {self._name(self.download.token)}

    def _of(self, flight: Flight) -> int:
        """The endpoint's session that a flight is about; 0 where there is none yet."""
        if isinstance(flight.event, TokenIssued):
            return self._name(flight.event.token)
        return self._session(flight.command)


_FAULTS: Final = frozenset({"lost", "late", "refused", "mangled", "cut", "missing", "unkept", "silent"})


def _order(flight: Flight) -> tuple[str, str, bool, int]:
    # In one state they stand in one order, whatever the order they came in.
    return type(flight.command).__name__, flight.phase.value, flight.slow, flight.call


def _shown(event: Event) -> tuple[object, ...]:
    match event:
        case StatusReported():
            return type(event), event.status
        case Refused():
            return type(event), event.refusal
        case Lost():
            return type(event), event.sent
        case _:
            return (type(event),)


def _says_ready(event: Event) -> bool:
    return isinstance(event, RunFinished) or (isinstance(event, StatusReported) and event.status is Status.READY)


def answered(asked: Command, reply: Reply) -> Event:
    """What a client is told where the endpoint replies so: the two wires between them, without the bytes."""
    number = asked.number
    match reply:
        case Formats():
            return FormatsListed(number=number, formats=reply.formats)
        case Token():
            return TokenIssued(number=number, token=reply.token)
        case StatusIs():
            if isinstance(asked, Run) and reply.status is Status.OK:
                return RunFinished(number=number)
            return StatusReported(number=number, status=reply.status, message=reply.message)
        case Refuse():
            return Refused(number=number, refusal=reply.refusal, message=reply.message, retry_after=reply.retry_after)
