"""Decides what can be told to the server's end alone: every call of one session, and all that can happen to its file.

Callers come twice at once, ask for the wrong format, break off; generation ends or does not, late too. The oracle's
model of the server is stepped beside it. Must never decide what the endpoint does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any, Final

from reportdl_core import Secret
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
    Formats,
    Generate,
    Generated,
    GenerationFailed,
    SendBroken,
    SendFile,
    Unsuccessful,
)
from reportdl_core.lifecycle import FINAL
from reportdl_core.switches import Switches
from tests.oracle import endpoint_model
from tests.oracle import endpoint_words as w
from tests.proof.copying import copy_endpoint
from tests.proof.keys import served_key
from tests.proof.product import JOB, REPORT
from tests.proof.recording import says
from tests.proof.referee import Broken
from tests.proof.small_clock import FORGOTTEN, OLDEST
from tests.proof.strangers import refused, strangers, thieves, visitors

__all__ = ["EndpointAlone", "EndpointReferee"]

_TOKEN: Final = "t"
_CALLERS: Final = 2  # at once
_SWITCHES: Final = [field.name for field in fields(w.Switches)]


def switches_of(switches: Switches) -> w.Switches:
    """The readings, in the oracle's words."""
    chosen = {name: getattr(switches, name) for name in _SWITCHES}
    return w.Switches(**{name: getattr(value, "name", value) for name, value in chosen.items()})


class EndpointReferee:
    """The oracle's readings of one endpoint. `tokens` names the sessions."""

    __slots__ = ("possible", "tokens")

    def __init__(self, switches: Switches) -> None:
        self.possible = frozenset({w.Endpoint(switches=switches_of(switches))})
        self.tokens: dict[int, str] = {}

    def copied(self) -> EndpointReferee:
        new = EndpointReferee.__new__(EndpointReferee)
        new.possible, new.tokens = self.possible, self.tokens
        return new

    def heard(self, event: EndpointEvent | None, commands: tuple[EndpointCommand, ...], now: float) -> None:
        """The endpoint took an event, or time alone, and this is what it did."""
        expected = endpoint_model.step(self.possible, self._happened(event), now)
        done = [self._effect(command) for command in commands]
        agreed = endpoint_model.agree(expected, done)
        if not agreed:
            raise Broken(endpoint_model.explain(expected, done))
        self.possible = agreed

    def _happened(self, event: EndpointEvent | None) -> w.Happening:
        match event:
            case None:
                return w.Happens(kind="Tick")
            case Called():
                report = event.report
                return w.Call(
                    number=event.number,
                    state=event.state,
                    user=event.user,
                    element=event.element,
                    segment=event.segment,
                    token=event.token,
                    format=event.format,
                    report=None if report is None else w.Report(allowed=report.allowed, formats=report.formats),
                    fresh=event.fresh_token.reveal(),
                )
            case Generated():
                return w.Happens(kind="Generated", token=self.tokens[event.session])
            case GenerationFailed():
                return w.Happens(kind="GenerationFailed", token=self.tokens[event.session], how=event.how.name)
            case FileSent() | SendBroken() | FileMissing() | Disconnected():
                return w.Happens(kind=type(event).__name__, number=event.number)

    def _effect(self, command: EndpointCommand) -> w.Effect:
        match command:
            case Answer():
                formats = command.answer.formats if isinstance(command.answer, Formats) else ()
                return w.Answer(number=command.number, says=says(command.answer), formats=formats)
            case SendFile():
                return w.SendFile(number=command.number, token=self.tokens[command.session])
            case Generate():
                return w.Generate(token=self.tokens[command.session], format=command.format.lower())
            case AbandonGeneration():
                return w.Stop(token=self.tokens[command.session])
            case Discard():
                return w.Discard(token=self.tokens[command.session])

    def key(self, now: float) -> Hashable:
        """Times from `now`, calls as ranks."""
        found = set()
        for endpoint in self.possible:
            for session in endpoint.sessions:
                calls = sorted({*session.waiting, *(() if session.sending is None else (session.sending,))})
                rank = {number: place for place, number in enumerate(calls)}
                found.add(
                    (
                        session.token,
                        max(session.began - now, -OLDEST),
                        max(session.renewed - now, -OLDEST),
                        session.state,
                        session.format,
                        None if session.run_began is None else max(session.run_began - now, -OLDEST),
                        tuple(sorted(rank[number] for number in session.waiting)),
                        None if session.sending is None else rank[session.sending],
                        session.generating,
                        session.how,
                        None if session.ended is None else max(session.ended - now, -OLDEST),
                    )
                )
        return frozenset(found)


class EndpointAlone:
    """One session of one endpoint, from its `init` until it is forgotten."""

    __slots__ = ("calls", "delivered", "endpoint", "files", "generating", "log", "now", "referee", "waiting")

    def __init__(self, switches: Switches) -> None:
        self.now, self.calls, self.delivered = 0.0, 0, 0
        self.log: list[tuple[object, ...]] = []  # told when somebody asks
        self.endpoint = Endpoint(switches=switches)
        self.referee = EndpointReferee(switches)
        self.referee.tokens = {1: _TOKEN}
        self.waiting: tuple[int, ...] = ()  # `run`s and `get`s that are not answered to their end
        self.generating = self.files = False
        self._call("init")

    # ---- a model, to an explorer

    def copied(self) -> EndpointAlone:
        new = EndpointAlone.__new__(EndpointAlone)
        new.now, new.calls, new.delivered, new.log = self.now, self.calls, self.delivered, []
        new.endpoint, new.referee = copy_endpoint(self.endpoint), self.referee.copied()
        new.waiting, new.generating, new.files = self.waiting, self.generating, self.files
        return new

    def key(self) -> Hashable:
        if self.over():
            return "forgotten", self.generating
        rank = {call: place for place, call in enumerate(self.waiting)}
        served = self.endpoint._register[1]
        own = served_key(served, self.now, calls=lambda call: rank.get(call, -1), oldest=FORGOTTEN)
        return own, self.generating, self.files, self.delivered, self.referee.key(self.now)

    def over(self) -> bool:
        return not self.endpoint.sessions

    def told(self) -> Iterable[str]:
        return [f"{self.now:6g}  {' '.join(map(str, one))}" for one in self.log]

    def moves(self) -> list[Any]:
        if self.over():
            return [("generated",)] if self.generating else []
        self._visited()
        labels: list[Any] = [("second",), ("check",), ("formats",), ("nonsense",), ("check", "foreign")]
        if len(self.waiting) < _CALLERS:
            labels += [("run", "pdf"), ("run", "csv"), ("run", None), ("get", "pdf"), ("get", "csv"), ("get", None)]
        if self.generating:
            labels += [("generated",), ("failed", "FAILED"), ("failed", "NO_FILE")]
        sending = set(self.endpoint._sending)
        for call in self.waiting:
            labels += [("sent", call), ("broken", call), ("missing", call)] if call in sending else [("left", call)]
        return labels

    def _visited(self) -> None:
        """Whoever calls without a right to it is told so, and changes nothing: no moves, but made in every state."""
        there = self.copied()
        for calls in (thieves, strangers, visitors):
            for call in calls(_TOKEN, there.calls + 1, JOB, REPORT):
                there.calls = call.number
                done = there.endpoint.receive(call, now=there.now)
                there.referee.heard(call, done, there.now)
                assert calls is visitors or refused(call, done), f"{call} is told {done} (I2)"
        assert there.key() == self.key(), "a call without a right changed something (I2)"

    def make(self, label: Any) -> None:
        self.log = [tuple(label)]
        match label:
            case ("second",):
                self.now += 1.0
                self._obey(None, self.endpoint.sweep(now=self.now))
            case ("generated",):
                self.generating, self.files = False, True
                self._tell(Generated(session=1))
            case ("failed", how):
                self.generating = False
                self._tell(GenerationFailed(session=1, message="no", how=Unsuccessful[how]))
            case ("sent", call):
                self.delivered += 1
                assert self.delivered == 1, "delivered twice (I5)"
                self._end(call, FileSent(number=call))
            case ("broken", call):
                self._end(call, SendBroken(number=call, sent=1))
            case ("missing", call):
                self.files = False
                self._end(call, FileMissing(number=call))
            case ("left", call):
                self._end(call, Disconnected(number=call))
            case (state, *what):
                self._call(state, *what)
            case _:
                raise LookupError(label)

    def _end(self, call: int, event: EndpointEvent) -> None:
        self.waiting = tuple(one for one in self.waiting if one != call)
        self._tell(event)

    def _call(self, state: str, what: str | None = None) -> None:
        self.calls += 1
        call = Called(
            number=self.calls,
            user="ann",
            element=JOB.element,
            segment=JOB.segment,
            state=state,
            token="foreign" if what == "foreign" else _TOKEN if state in ("run", "check", "get") else None,
            format=what if state in ("run", "get") else None,
            report=REPORT,
            fresh_token=Secret(_TOKEN if state == "init" else f"{_TOKEN}{self.calls}"),
        )
        self._tell(call)

    def _tell(self, event: EndpointEvent) -> None:
        self.log.append((">>", event))
        if isinstance(event, Called) and event.state in ("run", "get"):
            self.waiting += (event.number,)
        self._obey(event, self.endpoint.receive(event, now=self.now))

    def _obey(self, event: EndpointEvent | None, commands: tuple[EndpointCommand, ...]) -> None:
        self.log.extend(("<<", command) for command in commands)
        self.referee.heard(event, commands, self.now)
        for command in commands:
            match command:
                case Answer():
                    self.waiting = tuple(one for one in self.waiting if one != command.number)
                case Generate():
                    self.generating = True
                case SendFile():
                    assert self.files, "a file that is not there (I12)"
                case Discard():
                    self.files = False
                case AbandonGeneration():
                    pass  # it goes on all the same, and its file is discarded when it comes
        for view in self.endpoint.sessions:
            assert view.generations <= 1
            assert view.state in FINAL or not self.delivered or self.endpoint._sending
