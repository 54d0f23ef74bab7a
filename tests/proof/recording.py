"""Decides how a simulated run is written down for the oracle, and for people: records in its words, or a transcript.

The trace has one clock, the simulation's: what a client reads on a clock of its own is put back. Must never leave out
what happened, and never judge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from reportdl_core import Command, Download, Event, FileReceived, State
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import (
    AbandonGeneration,
    Answer,
    Called,
    Discard,
    EndpointCommand,
    EndpointEvent,
    FileMissing,
    FileSent,
    Formats,
    Generate,
    Generated,
    GenerationFailed,
    Refuse,
    Reply,
    SendBroken,
    SendFile,
    StatusIs,
    Token,
)
from reportdl_core.lifecycle import FINAL
from tests.oracle import traces as t
from tests.oracle.vocabulary import Command as Told
from tests.oracle.vocabulary import Policy
from tests.proof.bridge import command_of, event_of, job_of, outcome_of, policy_of
from tests.proof.simulator import Onlooker, Simulation

__all__ = ["Recorder", "Transcript", "says"]


def says(reply: Reply) -> str:
    """What an answer says, in the oracle's words."""
    match reply:
        case Formats():
            return "FORMATS"
        case Token():
            return "TOKEN"
        case StatusIs():
            return reply.status.name
        case Refuse():
            return reply.refusal.name
        case _:
            assert_never(reply)


class Recorder(Onlooker):
    """Writes a trace."""

    def __init__(self) -> None:
        self.trace: list[t.Record] = []
        self._offset = 0.0
        self._session = 1
        self._state: State | None = None
        self._known: dict[int, Command] = {}
        self._tokens: dict[int, str] = {}
        self._server: dict[int, State] = {}
        self._asked: dict[int, str] = {}  # the token of each call
        self._over = False
        self._blind = False  # to the server's end: where something else answers in its name, nobody can compare the two

    # ---- the client

    def began(self, simulation: Simulation) -> None:
        self._blind = simulation.dealt.rogue > 0
        policy: Policy = policy_of(simulation.dealt.policy)
        job = job_of(simulation.download.job)
        self.trace.append(t.Began(at=0.0, job=job, policy=policy, user="ann"))
        self.shown(simulation.download, 0.0)

    def heard(self, event: Event, now: float) -> None:
        if self._over:
            return  # the simulation itself sees to it that nothing follows
        if isinstance(event, FileReceived) and event.number in self._known:
            self.trace.append(t.Published(at=now, whole=True))  # a transfer that was let go publishes nothing
        self.trace.append(t.Received(at=now, event=event_of(event)))
        self._known.pop(event.number, None)

    def shown(self, download: Download, now: float) -> None:
        session, add = 1 + len(download.restarts), self.trace.append
        outstanding = {command.number: command for command in download.outstanding}
        for number in self._known.keys() - outstanding.keys():
            add(t.Superseded(at=now, number=number))
        if session != self._session:
            ended = _ended_by(download)
            if self._state not in FINAL:
                add(t.Moved(at=now, state=ended, session=self._session))
            self._session, self._state = session, None
        if self._state is None:
            add(t.Moved(at=now, state="INIT", session=session))
            self._state = State.INIT
        if download.state is not self._state:
            self._state = download.state
            add(t.Moved(at=now, state=download.state.name, session=session))
        for number in outstanding.keys() - self._known.keys():
            add(t.Issued(at=now, command=self._told(outstanding[number]), session=session))
        self._known = outstanding
        if download.outcome is not None and not self._over:
            self._over = True
            add(t.Ended(at=now, outcome=outcome_of(download.outcome)))

    def sent(self, command: Command, now: float) -> None:
        self.trace.append(t.Asked(at=now, number=command.number))

    def saved(self, now: float) -> None:
        self.trace.append(t.Saved(at=now, outstanding=tuple(map(self._told, self._known.values()))))

    def restored(self, download: Download, elapsed: float, offset: float, now: float) -> None:
        self._offset = offset
        self._known = {command.number: command for command in download.outstanding}
        told = tuple(map(self._told, self._known.values()))
        self.trace.append(t.Restored(at=now, elapsed=elapsed, outstanding=told))

    def _told(self, command: Command) -> Told:
        told = command_of(command)
        assert told.deadline is not None
        return replace(told, deadline=told.deadline - self._offset) if self._offset else told

    # ---- the server

    def called(self, call: Called, number: int, credential: int | None, now: float) -> None:
        if self._blind:
            return
        assert call.element is not None
        assert call.segment is not None
        self._asked[call.number] = call.token or ""
        self.trace.append(
            t.Called(
                at=now,
                call=call.number,
                user=call.user,
                element=call.element,
                segment=call.segment,
                state=call.state,
                token=call.token or "",
                format=call.format,
                credential=credential,
                number=number,
            )
        )
        if credential is not None:
            self.trace.append(t.Answered(at=now, call=call.number, says="CREDENTIALS"))

    def served(self, event: EndpointEvent, now: float) -> None:
        if self._blind:
            return
        match event:
            case FileSent() | SendBroken():
                self.trace.append(t.SentFile(at=now, call=event.number, whole=isinstance(event, FileSent)))
            case Generated() | GenerationFailed():
                token = self._tokens[event.session]
                self.trace.append(t.GenerationEnded(at=now, token=token, file=isinstance(event, Generated)))
            case FileMissing():
                pass  # its answer follows
            case _:
                pass

    def replied(self, commands: tuple[EndpointCommand, ...], endpoint: Endpoint, now: float) -> None:
        if self._blind:
            return
        for command in commands:
            if isinstance(command, Answer) and isinstance(command.answer, Token):
                self._tokens[max(view.number for view in endpoint.sessions)] = command.answer.token.reveal()
        for view in endpoint.sessions:
            if self._server.get(view.number) is not view.state and view.number in self._tokens:
                self._server[view.number] = view.state
                self.trace.append(t.ServerMoved(at=now, token=self._tokens[view.number], state=view.state.name))
        for command in commands:
            match command:
                case Answer(answer=Token() as issued):
                    text = issued.token.reveal()
                    self.trace.append(t.Answered(at=now, call=command.number, says="TOKEN", token=text))
                case Answer():
                    self._answered(command.number, says(command.answer), now)
                case SendFile():
                    self.trace.append(t.Answered(at=now, call=command.number, says="FILE"))
                case Generate():
                    self.trace.append(t.GenerationStarted(at=now, token=self._tokens[command.session]))
                case AbandonGeneration() | Discard():
                    pass

    def _answered(self, call: int, said: str, now: float) -> None:
        # "OK before the file exists" is a lie that was asked for (D42).
        number = next((number for number, token in self._tokens.items() if token == self._asked[call]), 0)
        lie = said == "OK" and self._server.get(number) is not State.READY
        self.trace.append(t.Answered(at=now, call=call, says=said, fault=lie))


def _ended_by(download: Download) -> str:
    """The state in which the session before the present one ended: by what the restart was for (D21)."""
    cause = download.restarts[-1].name
    return "ERROR" if cause == "LOST" else "EXPIRED"


class Transcript(Onlooker):
    """Writes what a person reads: `<<` a command, `>>` an event, `~~` the weather, `..` the server's end."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: set[int] = set()

    def _line(self, now: float, sign: str, what: object) -> None:
        self.lines.append(f"{now:12.6f} {sign} {what}")

    def began(self, simulation: Simulation) -> None:
        self.lines += [f"seed {simulation.seed}", f"{simulation.dealt}"]
        self.shown(simulation.download, 0.0)

    def heard(self, event: Event, now: float) -> None:
        self._line(now, ">>", event)

    def shown(self, download: Download, now: float) -> None:
        waited = {command.number for command in download.outstanding}
        if gone := self._known - waited:
            self._line(now, "--", f"no longer wanted: {sorted(gone)}")
        for command in download.outstanding:
            if command.number not in self._known:
                self._line(now, "<<", command)
        self._known = waited
        if download.outcome is not None:
            self._line(now, "<<", download.outcome)

    def restored(self, download: Download, elapsed: float, offset: float, now: float) -> None:
        self._line(now, "**", f"another process, {elapsed:g} s later, its clock {offset:+g} s")

    def called(self, call: Called, number: int, credential: int | None, now: float) -> None:
        refused = "" if credential is None else f" ({credential})"
        self._line(now, "..", f"call {call.number} of command {number}: {call.state}{refused}")

    def served(self, event: EndpointEvent, now: float) -> None:
        self._line(now, "..", event)

    def replied(self, commands: tuple[EndpointCommand, ...], endpoint: Endpoint, now: float) -> None:
        for command in commands:
            self._line(now, "..", command)

    def weather(self, number: int, what: str, now: float) -> None:
        self._line(now, "~~", f"{what}: {number}")
