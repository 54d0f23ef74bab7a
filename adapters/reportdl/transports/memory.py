"""Executes commands against the endpoint's core, with no HTTP and no socket, under a virtual clock.

The client's and the server's end of one table speak to each other in one thread; time jumps to the next thing that
happens. What a network may do is said by the test: each request can be delayed, lost before it took effect, or lost
after. Must never decide anything that either core decides.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Final, assert_never, final
from urllib.parse import quote, unquote

from reportdl.drivers import Driven
from reportdl_core.commands import Check, Finish, Get, Init, ListFormats, LookUp, RenewCredentials, Request, Run, Wait
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import (
    AbandonGeneration,
    Answer,
    Called,
    Discard,
    Disconnected,
    EndpointCommand,
    FileSent,
    Formats,
    Generate,
    Generated,
    GenerationFailed,
    Refuse,
    Reply,
    Report,
    SendBroken,
    SendFile,
    StatusIs,
    Token,
)
from reportdl_core.events import (
    CredentialsRenewed,
    Event,
    FileReceived,
    FormatsListed,
    Lost,
    Refused,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
)
from reportdl_core.formats import known
from reportdl_core.outcome import Receipt
from reportdl_core.secret import Secret

__all__ = ["Loss", "MemoryServer", "Weather", "drive"]

_STATES: Final = {ListFormats: "formats", Init: "init", Run: "run", Check: "check", Get: "get"}


class Loss(Enum):
    """Where a request or its answer gets lost."""

    NONE = "none"
    NOT_SENT = "before it left, and known"
    BEFORE = "on its way there"
    AFTER = "on its way back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What the network does to one request: seconds there and back, and what gets lost."""

    there: float = 0.01
    back: float = 0.01
    loss: Loss = Loss.NONE


@dataclass(order=True, slots=True)
class _Happening:
    at: float
    order: int
    do: Callable[[float], None] = field(compare=False)


@final
class MemoryServer:
    """The endpoint, its reports and its network, in memory.

    `report(element, segment)` is the catalog; `generation(report, format)` says how many seconds generating takes, and
    raises ValueError with a message where it fails; `weather(request, nth)` is asked for the nth request of all.
    `asked` lists every request that reached the server, by state word. Calls have numbers of the server's own, so that
    jobs which number their commands alike may follow each other.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        report: Callable[[int, int], Report | None],
        generation: Callable[[Report, str], float] = lambda _report, _format: 1.0,
        content: Callable[[Report, str], bytes] = lambda report, format: f"{report.name} {format}".encode(),
        weather: Callable[[Request, int], Weather] = lambda _request, _nth: Weather(),
    ) -> None:
        self.endpoint: Endpoint = endpoint
        self.asked: list[str] = []
        self._report, self._generation, self._content, self._weather = report, generation, content, weather
        self._happenings: list[_Happening] = []
        self._order = 0
        self._inbox: list[tuple[int, Event]] = []
        self._calls: dict[int, tuple[Request, Weather]] = {}
        self._awaited: dict[int, int] = {}  # the client's commands that wait for an answer, and their calls

    def send(self, command: Request | RenewCredentials, *, now: float) -> None:
        """Begin to carry out a command."""
        self._order += 1
        number = self._awaited[command.number] = self._order
        if isinstance(command, RenewCredentials):
            self._at(now, lambda _now: self._inbox.append((number, CredentialsRenewed(number=command.number))))
            return
        weather = self._weather(command, number)
        self._calls[number] = (command, weather)
        match weather.loss:
            case Loss.NOT_SENT | Loss.BEFORE:
                sent = Sent.NOT_SENT if weather.loss is Loss.NOT_SENT else Sent.UNKNOWN
                self._at(now + weather.there, lambda _now: self._lose(number, command, sent))
            case Loss.NONE | Loss.AFTER:
                self._at(now + weather.there, lambda at: self._arrive(number, command, at))
            case _:
                assert_never(weather.loss)

    def cancel(self, number: int, *, now: float) -> None:
        """The client does not wait for this command's answer any more; nothing where it has had it.

        It hangs up, which the server hears of as late as of anything, and does with as it is told to (D7).
        """
        call = self._awaited.pop(number, None)
        if call is not None and call in self._calls:
            left = Disconnected(number=call)
            self._at(now + self._calls[call][1].there, lambda at: self._obey(self.endpoint.receive(left, now=at), at))

    def next_at(self) -> float:
        """When the next thing happens; infinity where nothing will."""
        alarm = self.endpoint.alarm
        first = self._happenings[0].at if self._happenings else math.inf
        return min(first, math.inf if alarm is None else alarm)

    def pass_time(self, *, now: float) -> list[Event]:
        """Let happen what is due; returns the answers that arrived, in order."""
        alarm = self.endpoint.alarm
        if alarm is not None and alarm <= now:
            self._obey(self.endpoint.sweep(now=now), now)
        while self._happenings and self._happenings[0].at <= now:
            heapq.heappop(self._happenings).do(now)
        arrived, self._inbox = self._inbox, []
        # An answer may find its client gone, and the next one waiting under the same number (I7).
        wanted = [event for call, event in arrived if self._awaited.get(event.number) == call]
        for event in wanted:
            del self._awaited[event.number]
        return wanted

    def _at(self, when: float, do: Callable[[float], None]) -> None:
        self._order += 1
        heapq.heappush(self._happenings, _Happening(when, self._order, do))

    def _lose(self, number: int, command: Request, sent: Sent) -> None:
        self._inbox.append((number, Lost(number=command.number, sent=sent, message="lost on the way")))

    def _arrive(self, number: int, command: Request, now: float) -> None:
        job = command.job
        self.asked.append(_STATES[type(command)])
        token = None if isinstance(command, ListFormats | Init) else unquote(command.token.reveal())
        fresh = Secret(sha256(f"token {number}".encode()).hexdigest() + "+/=")
        call = Called(
            number=number,
            user="user",
            element=job.element,
            segment=job.segment,
            state=_STATES[type(command)],
            token=token,
            format=job.format if isinstance(command, Run | Get) else None,
            report=self._report(job.element, job.segment),
            fresh_token=fresh,
        )
        self._obey(self.endpoint.receive(call, now=now), now)

    def _obey(self, commands: tuple[EndpointCommand, ...], now: float) -> None:
        for command in commands:
            match command:
                case Answer():
                    asked, _ = self._calls[command.number]
                    self._reply(command.number, _event(asked, command.answer), now)
                case Generate():
                    self._generate(command, now)
                case SendFile():
                    self._send_file(command, now)
                case AbandonGeneration() | Discard():
                    pass  # there is no file to remove: it is made when it is sent
                case _:
                    assert_never(command)

    def _generate(self, command: Generate, now: float) -> None:
        try:
            ended: Generated | GenerationFailed = Generated(session=command.session)
            seconds = self._generation(command.report, command.format)
        except ValueError as error:
            ended, seconds = GenerationFailed(session=command.session, message=str(error)), 0.0
        self._at(now + seconds, lambda at: self._obey(self.endpoint.receive(ended, now=at), at))

    def _send_file(self, command: SendFile, now: float) -> None:
        asked, weather = self._calls[command.number]
        body = self._content(command.report, command.format)
        row = known(command.format)
        receipt = Receipt(
            path=None,
            filename=f"{command.report.name}.{command.format if row is None else row.extension}",
            content_type="" if row is None else row.media_types[0],
            size=len(body),
            sha256=sha256(body).hexdigest(),
            length_verified=True,
        )
        broken = weather.loss is Loss.AFTER
        sent = SendBroken(number=command.number, sent=len(body) // 2) if broken else FileSent(number=command.number)
        self._at(now, lambda at: self._obey(self.endpoint.receive(sent, now=at), at))
        self._reply(command.number, FileReceived(number=asked.number, receipt=receipt), now)

    def _reply(self, number: int, event: Event, now: float) -> None:
        asked, weather = self._calls[number]
        if weather.loss is Loss.AFTER:
            event = Lost(number=asked.number, sent=Sent.UNKNOWN, message="lost on the way back")
        self._at(now + weather.back, lambda _now: self._inbox.append((number, event)))


def _event(asked: Request, reply: Reply) -> Event:
    number = asked.number
    match reply:
        case Formats():
            return FormatsListed(number=number, formats=reply.formats)
        case Token():
            return TokenIssued(number=number, token=Secret(quote(reply.token.reveal(), safe="")))
        case StatusIs():
            if isinstance(asked, Run) and reply.status is Status.OK:
                return RunFinished(number=number)
            return StatusReported(number=number, status=reply.status, message=reply.message)
        case Refuse():
            return Refused(number=number, refusal=reply.refusal, message=reply.message, retry_after=reply.retry_after)
        case _:
            assert_never(reply)


def drive(driven: Driven, server: MemoryServer, *, now: float = 0.0) -> float:
    """Execute commands until there is an outcome; returns the virtual time at which it came.

    Whatever still runs then is cancelled, and also where `driven` raises (D38).
    """
    running: set[int] = set()
    try:
        while driven.outcome is None:
            outstanding = {command.number: command for command in driven.outstanding}
            for number in sorted(running - outstanding.keys()):
                server.cancel(number, now=now)
            for number in sorted(outstanding.keys() - running):
                command = outstanding[number]
                if not isinstance(command, Wait | Finish | LookUp):  # a look-up is no matter of the endpoint
                    server.send(command, now=now)
            running = set(outstanding)
            when, late = driven.alarm
            now = max(now, min(server.next_at(), when))
            for event in server.pass_time(now=now) or ([late] if now >= when else []):
                driven.receive(event, now=now)
    finally:
        for number in sorted(running):
            server.cancel(number, now=now)
    return now
