"""Decides what the server's end does: for each call, for each thing that happened to a file, and when time passes.

The other end of the protocol that `session.py` speaks, over the same table of moves. A session is READY only while
its file exists (I12); it has one generation and delivers its file once (D8, I5). The clock is looked at first, always,
so that nothing is answered for a session that has expired. Must never do I/O, read a clock or keep a token (D39).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from reportdl_core.endpoint_admission import AskCheck, AskFormats, AskGet, AskInit, AskRun, admit, spelled
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
    Unsuccessful,
)
from reportdl_core.endpoint_register import Register
from reportdl_core.endpoint_session import FAILED, Served, ran, readable, standing
from reportdl_core.errors import LocalProtocolError, Refusal
from reportdl_core.events import Status
from reportdl_core.guard import Guard
from reportdl_core.lifecycle import Move, State
from reportdl_core.switches import AbortOnDisconnect, ConsumeOn, RunSaysOk, Switches

__all__ = ["Endpoint", "SessionView"]

_DEFAULT: Final = Switches()
_TIMED_OUT: Final = "Generation took too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One session, for tests and for people. `generations` is 0 or 1, whatever was called (D8)."""

    number: int
    state: State
    user: str
    element: int
    segment: int
    format: str | None
    generations: int


class Endpoint:
    """The five states for all users, elements and sessions (R1-R32).

    `now` is in seconds on any clock that does not run backwards. Misuse by the caller raises LocalProtocolError and
    moves nothing; whatever users send is answered. One caller at a time (D37).
    """

    def __init__(self, *, switches: Switches = _DEFAULT) -> None:
        self.switches: Final = switches
        self._register: Final = Register(switches)
        self._held: Final[dict[int, int]] = {}  # calls of `run` that wait, and their sessions
        self._sending: Final[dict[int, int]] = {}  # calls of `get` that are being sent, and their sessions
        self._guard: Final = Guard()
        self._seen = -math.inf

    @property
    def alarm(self) -> float | None:
        """When `sweep` is due: the earliest expiry, timeout or forgetting. None where nothing is known."""
        with self._guard:
            return self._register.alarm()

    @property
    def sessions(self) -> tuple[SessionView, ...]:
        """Every session that is still known, oldest first."""
        with self._guard:
            return tuple(_view(session) for session in self._register)

    def receive(self, event: EndpointEvent, *, now: float) -> tuple[EndpointCommand, ...]:
        """Take what happened and return what to do, in order. LocalProtocolError where the event cannot be."""
        with self._guard:
            now = self._clock(now)
            self._judge(event)
            return (*self._elapse(now), *self._handle(event, now), *self._elapse(now))

    def sweep(self, *, now: float) -> tuple[EndpointCommand, ...]:
        """Let time pass: expire, time out, forget (R15, R16, D28, D36)."""
        with self._guard:
            return tuple(self._elapse(self._clock(now)))

    # ---- misuse: judged before anything moves

    def _clock(self, now: float) -> float:
        if not math.isfinite(now):
            raise LocalProtocolError(f"not a time in seconds: {now!r}")
        if now < self._seen:
            raise LocalProtocolError(f"the clock ran backwards by {self._seen - now:g} s")
        return now

    def _judge(self, event: EndpointEvent) -> None:
        match event:
            case Called():
                self._judge_call(event)
            case Generated() | GenerationFailed():
                session = self._register.get(event.session)
                state = None if session is None else session.cell.state
                if not self._register.issued(event.session) or state in (State.INIT, State.READY):
                    raise LocalProtocolError(f"nothing is being generated for session {event.session}")
            case FileSent() | SendBroken() | FileMissing():
                if event.number not in self._sending:
                    raise LocalProtocolError(f"call {event.number} is not being sent a file")
            case Disconnected():
                pass  # an answer and a disconnect may cross: never a mistake
            case _:
                assert_never(event)

    def _judge_call(self, call: Called) -> None:
        if call.number in self._held or call.number in self._sending:
            raise LocalProtocolError(f"call {call.number} is still being answered")
        report = call.report
        if report is not None and (report.element, report.segment) != (call.element, call.segment):
            raise LocalProtocolError("the report is not the one that was called for (I2)")
        if call.state == "init" and (not call.fresh_token.reveal() or self._register.taken(call.fresh_token)):
            raise LocalProtocolError("fresh_token has been used before, or is empty (D39)")

    # ---- what follows

    def _handle(self, event: EndpointEvent, now: float) -> Iterator[EndpointCommand]:
        match event:
            case Called():
                yield from self._called(event, now)
            case Generated():
                yield from self._generated(event.session, now)
            case GenerationFailed():
                session = self._register.get(event.session)
                if session is not None and session.cell.state is State.RUNNING:
                    yield from self._fail(session, event.how, event.message, now)
            case FileSent() | SendBroken() | FileMissing():
                yield from self._sent(event, now)
            case Disconnected():
                yield from self._disconnected(event.number, now)
            case _:
                assert_never(event)

    def _called(self, call: Called, now: float) -> Iterator[EndpointCommand]:
        asked = admit(call, self._register, self.switches.format_keys)
        match asked:
            case Refusal():
                yield _refuse(call.number, asked)
            case AskFormats():
                listed = tuple(spelled(key, self.switches.format_keys) for key in asked.report.formats)
                yield Answer(number=call.number, answer=Formats(formats=listed))
            case AskInit():
                yield Answer(number=call.number, answer=self._init(call, asked, now))
            case AskRun():
                yield from self._run(call.number, asked, now)
            case AskCheck():
                yield self._check(call.number, asked.session, now)
            case AskGet():
                yield self._get(call.number, asked, now)
            case _:
                assert_never(asked)

    def _init(self, call: Called, asked: AskInit, now: float) -> Reply:
        if self._register.full(call.user):  # D36
            return Refuse(refusal=Refusal.BUSY, message="Too many sessions", retry_after=self.switches.retry_after)
        report = asked.report
        self._register.open(call.fresh_token, user=call.user, element=report.element, segment=report.segment, now=now)
        return Token(token=call.fresh_token)

    def _run(self, number: int, asked: AskRun, now: float) -> Iterator[EndpointCommand]:
        session = asked.session
        session.renew(self.switches, now=now)
        if session.cell.state is State.INIT:
            session.cell.move(Move.RUN)
            session.begin(asked.format, self.switches, now=now)
            self._register.settle(session)
            yield Generate(session=session.number, report=asked.report, format=asked.format)
        if session.cell.state is not State.RUNNING:
            yield Answer(number=number, answer=ran(session, self.switches, now=now))
        elif self.switches.run_says_ok is RunSaysOk.AT_ONCE:
            yield Answer(number=number, answer=StatusIs(status=Status.OK))
        else:
            session.waiting.append(number)
            self._held[number] = session.number

    def _check(self, number: int, session: Served, now: float) -> EndpointCommand:
        session.renew(self.switches, now=now)
        return Answer(number=number, answer=standing(session, self.switches, now=now))

    def _get(self, number: int, asked: AskGet, now: float) -> EndpointCommand:
        session = asked.session
        if session.cell.state is not State.READY:
            return Answer(number=number, answer=standing(session, self.switches, now=now))
        if session.sending is not None:  # its client may be dead (D42)
            return Answer(number=number, answer=StatusIs(status=Status.IN_PROGRESS))
        session.sending = number
        self._sending[number] = session.number
        if self.switches.consume_on is ConsumeOn.START:
            self._end(session, Move.CONSUME, now)
        return SendFile(number=number, session=session.number, report=asked.report, format=asked.format)

    def _generated(self, number: int, now: float) -> Iterator[EndpointCommand]:
        session = self._register.get(number)
        if session is None or session.cell.state is not State.RUNNING:
            yield Discard(session=number)  # too late: it was abandoned (R16)
            return
        session.cell.move(Move.BECOME_READY)
        yield from self._release(session, now)

    def _sent(self, event: FileSent | SendBroken | FileMissing, now: float) -> Iterator[EndpointCommand]:
        session = self._register[self._sending.pop(event.number)]
        session.sending = None
        if isinstance(event, FileMissing):
            yield Answer(number=event.number, answer=FAILED)
        if session.cell.state is State.READY:  # not so where the first byte consumed it (D21)
            yield from self._outcome_of(event, session, now)
        self._register.settle(session)
        if session.over():
            yield Discard(session=session.number)

    def _outcome_of(
        self, event: FileSent | SendBroken | FileMissing, session: Served, now: float
    ) -> Iterator[EndpointCommand]:
        match event:
            case FileSent():
                self._end(session, Move.CONSUME, now)
            case FileMissing():
                yield from self._fail(session, Unsuccessful.NO_FILE, "", now)
            case SendBroken():
                pass  # it may be asked for once more while the token lives (R27)
            case _:
                assert_never(event)

    def _disconnected(self, number: int, now: float) -> Iterator[EndpointCommand]:
        if number not in self._held:
            return
        session = self._register[self._held.pop(number)]
        session.waiting.remove(number)
        if self.switches.abort_on_disconnect is AbortOnDisconnect.ON and not session.waiting:
            yield AbandonGeneration(session=session.number)
            yield from self._fail(session, Unsuccessful.NO_FILE, "", now)  # "generation aborted" (R30)

    # ---- ends

    def _elapse(self, now: float) -> Iterator[EndpointCommand]:
        self._seen = now
        while (session := self._register.overdue(now)) is not None:
            yield from self._lapsed(session, session.filed)

    def _lapsed(self, session: Served, when: float) -> Iterator[EndpointCommand]:
        # `when`, not the clock: sweeping late must not make a difference to what is answered afterwards.
        match session.cell.state:
            case State.INIT:
                self._end(session, Move.EXPIRE, when)
            case State.RUNNING:
                yield AbandonGeneration(session=session.number)
                if when < session.expires:
                    yield from self._fail(session, Unsuccessful.FAILED, _TIMED_OUT, when)  # D28
                else:
                    self._end(session, Move.EXPIRE, when)
                    yield from self._release(session, when)
            case State.READY:
                self._end(session, Move.EXPIRE, when)
                yield Discard(session=session.number)  # R16
            case State.ERROR | State.CONSUMED | State.EXPIRED:
                self._register.forget(session)
            case _:
                assert_never(session.cell.state)

    def _fail(self, session: Served, how: Unsuccessful, message: str, when: float) -> Iterator[EndpointCommand]:
        session.how, session.message = how, readable(message)
        self._end(session, Move.FAIL, when)
        yield from self._release(session, when)

    def _end(self, session: Served, move: Move, when: float) -> None:
        session.cell.move(move)
        session.ended = when
        self._register.settle(session)

    def _release(self, session: Served, when: float) -> Iterator[EndpointCommand]:
        """Answer every `run` that waited for this generation (D6, D8)."""
        waiting, session.waiting = session.waiting, []
        for number in waiting:
            del self._held[number]
            yield Answer(number=number, answer=ran(session, self.switches, now=when))


def _refuse(number: int, refusal: Refusal) -> Answer:
    return Answer(number=number, answer=Refuse(refusal=refusal, message=refusal.value))


def _view(session: Served) -> SessionView:
    return SessionView(
        number=session.number,
        state=session.cell.state,
        user=session.user,
        element=session.element,
        segment=session.segment,
        format=session.format,
        generations=session.generations,
    )
