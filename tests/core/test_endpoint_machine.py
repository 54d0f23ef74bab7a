"""The server's end under every order of events: a Hypothesis machine with a plain model of the rules beside it.

The model keeps one record per session and looks at all of them each time; it knows neither heap nor table. A second
endpoint gets the same events and is never swept: heeding the alarm must make no difference but to when.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
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
    Formats,
    Generate,
    Generated,
    GenerationFailed,
    Kind,
    Refuse,
    Report,
    SendBroken,
    SendFile,
    StatusIs,
    Token,
    Unsuccessful,
)
from reportdl_core.lifecycle import MOVES, Move, State
from reportdl_core.secret import Secret
from reportdl_core.switches import (
    AbortOnDisconnect,
    BeforeRun,
    ConsumeOn,
    FailedRun,
    FailedSession,
    RunSaysOk,
    Switches,
    TtlPolicy,
)

USERS = ("ann", "bob")
REPORT = Report(element=1, segment=0, name="Sales", kind=Kind.EXTERNAL_REPORT, formats=("pdf", "csv"), allowed=True)

# What a server reaches: it has no reason to fail a session that has not run.
REACHABLE = {(source, target) for move, source, target in MOVES if (move, source) != (Move.FAIL, State.INIT)}
CALLER = st.sampled_from([None, None, None, "ann", "bob"])  # None: whose session it is
FORMAT = st.sampled_from(["pdf", "pdf", "csv"])
FINAL = {"ERROR", "CONSUMED", "EXPIRED"}

SWITCHES = st.builds(
    Switches,
    ttl_policy=st.sampled_from(TtlPolicy),
    consume_on=st.sampled_from(ConsumeOn),
    abort_on_disconnect=st.sampled_from(AbortOnDisconnect),
    failed_session=st.sampled_from(FailedSession),
    failed_run=st.sampled_from(FailedRun),
    run_says_ok=st.sampled_from(RunSaysOk),
    before_run=st.sampled_from(BeforeRun),
    ttl=st.sampled_from([4.0, 6.5]),
    run_timeout=st.sampled_from([3.0, 50.0, 50.0]),
    max_age=st.sampled_from([9.0, 20.0]),
    remember=st.sampled_from([2.0, 30.0]),
    live_per_user=st.sampled_from([2, 50]),
    live_in_all=st.sampled_from([3, 50]),
    remembered=st.sampled_from([2, 50]),
)


@dataclass
class Known:
    """One session as the rules have it."""

    user: str
    token: str
    born: float
    expires: float
    state: str = "INIT"
    format: str | None = None
    timeout: float = float("inf")
    ended: float | None = None
    quiet: bool = False  # failed in the sense of R30: a refusal, never a status
    sending: int | None = None
    waiting: list[int] = field(default_factory=list)


class Conversation(RuleBasedStateMachine):
    """Calls, files and time in any order."""

    seen: Counter[tuple[State, State]]

    @initialize(switches=SWITCHES)
    def begin(self, switches: Switches) -> None:
        self.switches = switches
        self.endpoint, self.lazy = Endpoint(switches=switches), Endpoint(switches=switches)
        self.now, self.calls = 100.0, 0
        self.known: dict[int, Known] = {}
        self.forgotten: list[int] = []
        self.issued = 0
        self.over: list[int] = []
        self.expected: dict[int, str] = {}  # answers due at once, by call
        self.answered: dict[int, str] = {}
        self.lazily: dict[int, str] = {}
        self.asked: set[int] = set()
        self.generating: set[int] = set()
        self.files: set[int] = set()
        self.delivered: list[int] = []
        self.sent_from: dict[int, int] = {}

    # ---- the model

    def due(self, one: Known) -> float:
        if one.sending is not None:
            return float("inf")
        if one.ended is not None:
            return one.ended + self.switches.remember
        return min(one.expires, one.timeout) if one.state == "RUNNING" else one.expires

    def to(self, number: int, state: str, when: float) -> None:
        one = self.known[number]
        self.seen[State[one.state], State[state]] += 1
        one.state = state
        if state in FINAL:
            one.ended = when
            for call in one.waiting:
                self.expected[call] = self.of_run(one, when)
            one.waiting = []
            self.retire(number)
        elif state == "READY":
            for call in one.waiting:
                self.expected[call] = "OK"
            one.waiting = []

    def retire(self, number: int) -> None:
        if self.known[number].sending is None and self.known[number].ended is not None and number not in self.over:
            self.over.append(number)
            if len(self.over) > self.switches.remembered:
                self.drop(self.over[0])

    def drop(self, number: int) -> None:
        del self.known[number]
        self.over.remove(number)
        self.forgotten.append(number)

    def pass_time(self, now: float) -> None:
        while self.known:
            when, number = min((self.due(one), number) for number, one in self.known.items())
            if when > now:
                return
            one = self.known[number]
            if one.ended is not None:
                self.drop(number)
            elif one.state == "RUNNING" and one.timeout < one.expires:
                self.to(number, "ERROR", when)
            else:
                self.to(number, "EXPIRED", when)

    def of_run(self, one: Known, when: float) -> str:
        said = self.switches.failed_run is FailedRun.STATUS and one.state == "ERROR" and when < one.expires
        return "ERROR" if said else "400 Download failed"

    def of_check(self, one: Known) -> str:
        if one.state == "INIT":
            return "ERROR" if self.switches.before_run is BeforeRun.ERROR else "IN PROGRESS"
        if one.state in ("RUNNING", "READY"):
            return {"RUNNING": "IN PROGRESS", "READY": "READY"}[one.state]
        said = self.switches.failed_session is FailedSession.STATUS and not one.quiet
        return "ERROR" if said and one.state == "ERROR" and self.now < one.expires else "400 Download failed"

    def slide(self, one: Known) -> None:
        if self.switches.ttl_policy is TtlPolicy.SLIDING and one.state not in FINAL:
            one.expires = min(self.now + self.switches.ttl, one.born + self.switches.max_age)

    # ---- feeding both endpoints

    def feed(self, event: EndpointEvent) -> None:
        for command in self.endpoint.receive(event, now=self.now):
            self.execute(command)
        self.note_lazily(self.lazy.receive(event, now=self.now))

    def note_lazily(self, commands: tuple[EndpointCommand, ...]) -> None:
        for command in commands:
            if isinstance(command, Answer | SendFile):
                assert command.number not in self.lazily
                self.lazily[command.number] = self.spoken(command)

    @staticmethod
    def spoken(command: Answer | SendFile) -> str:
        if isinstance(command, SendFile):
            return "file"
        match command.answer:
            case Formats():
                return "formats"
            case Token():
                return "token"
            case StatusIs(status=status):
                return status.value
            case Refuse(refusal=refusal):
                return f"400 {refusal.value}"

    def execute(self, command: EndpointCommand) -> None:
        match command:
            case Answer():
                assert command.number not in self.answered, "answered twice"
                self.answered[command.number] = self.spoken(command)
            case Generate():
                assert command.session not in self.asked, "generated twice (D8)"
                self.asked.add(command.session)
                self.generating.add(command.session)
            case AbandonGeneration():
                assert command.session in self.generating
            case SendFile():
                assert command.number not in self.answered
                assert command.session in self.files, "a file that does not exist (I12)"
                self.answered[command.number] = "file"
                self.sent_from[command.number] = command.session
            case Discard():
                self.files.discard(command.session)

    def call(self, state: str, user: str, token: str | None = None, format: str | None = None) -> int:
        self.calls += 1
        self.pass_time(self.now)
        self.feed(
            Called(
                number=self.calls,
                user=user,
                element=1,
                segment=0,
                state=state,
                token=token,
                format=format,
                report=REPORT,
                fresh_token=Secret(f"t{self.issued + 1}"),
            )
        )
        return self.calls

    # ---- what users do

    @rule(seconds=st.sampled_from([0.5, 0.5, 1.0, 1.0, 2.5, 4.0, 10.0, 40.0]))
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (alarm := self.endpoint.alarm) is not None and alarm <= until:
            assert alarm > self.now, "an alarm that has come already would ring for ever (I13)"
            self.now = alarm
            for command in self.endpoint.sweep(now=alarm):
                self.execute(command)
        self.now = until
        self.pass_time(until)

    @rule(user=st.sampled_from(USERS))
    def init(self, user: str) -> None:
        self.pass_time(self.now)
        live = [one for number, one in self.known.items() if number not in self.over]
        mine = [one for one in live if one.user == user]
        full = len(mine) >= self.switches.live_per_user or len(live) >= self.switches.live_in_all
        number = self.call("init", user)
        self.expected[number] = "400 busy" if full else "token"
        if not full:
            self.issued += 1
            expires = self.now + self.switches.ttl
            self.known[self.issued] = Known(user=user, token=f"t{self.issued}", born=self.now, expires=expires)

    @rule(user=st.sampled_from(USERS), format=FORMAT, way=st.sampled_from(["run", "file", "get"]))
    def come_far(self, user: str, format: str, way: str) -> None:
        """What a purposeful user does; by single steps alone, few sessions would come that far."""
        before = self.issued
        self.init(user)
        if self.issued > before:
            self.do_run(self.issued, user, format)
            if way != "run":
                self.do_generated(self.issued)
            if way == "get":
                self.do_get(self.issued, user, format)

    @precondition(lambda self: self.issued)
    @rule(data=st.data(), user=CALLER, format=FORMAT)
    def run(self, data: st.DataObject, user: str | None, format: str) -> None:
        number = self.pick(data, user)
        self.do_run(number, self.caller(number, user), format)

    def do_run(self, number: int, user: str, format: str) -> None:
        one = self.found(number, user)
        call = self.call("run", user, f"t{number}", format)
        if one is None:
            self.expected[call] = "400 Invalid token"
        elif one.format not in (None, format):
            self.expected[call] = "400 Invalid format"
        else:
            self.slide(one)
            self.ran(number, one, call, format)

    def ran(self, number: int, one: Known, call: int, format: str) -> None:
        if one.state == "INIT":
            self.to(number, "RUNNING", self.now)
            one.format = format
            one.timeout = self.now + self.switches.run_timeout
            if self.switches.ttl_policy is TtlPolicy.START:
                one.expires = one.born + self.switches.max_age
        if one.state == "RUNNING" and self.switches.run_says_ok is RunSaysOk.WHEN_READY:
            one.waiting.append(call)
        elif one.state in ("RUNNING", "READY"):
            self.expected[call] = "OK"
        else:
            self.expected[call] = self.of_run(one, self.now)

    @precondition(lambda self: self.issued)
    @rule(data=st.data(), user=CALLER)
    def check(self, data: st.DataObject, user: str | None) -> None:
        number = self.pick(data, user)
        user = self.caller(number, user)
        one = self.found(number, user)
        call = self.call("check", user, f"t{number}")
        if one is not None:
            self.slide(one)
        self.expected[call] = "400 Invalid token" if one is None else self.of_check(one)

    @precondition(lambda self: self.issued)
    @rule(data=st.data(), user=CALLER, format=FORMAT)
    def get(self, data: st.DataObject, user: str | None, format: str) -> None:
        number = self.pick(data, user)
        self.do_get(number, self.caller(number, user), format)

    def do_get(self, number: int, user: str, format: str) -> None:
        one = self.found(number, user)
        call = self.call("get", user, f"t{number}", format)
        if one is None:
            self.expected[call] = "400 Invalid token"
        elif one.format not in (None, format):
            self.expected[call] = "400 Invalid format"
        elif one.state == "READY" and one.sending is not None:
            self.expected[call] = "IN PROGRESS"
        elif one.state == "READY":
            self.expected[call] = "file"
            one.sending = call
            if self.switches.consume_on is ConsumeOn.START:
                self.to(number, "CONSUMED", self.now)
        else:
            self.expected[call] = self.of_check(one)

    def pick(self, data: st.DataObject, user: str | None) -> int:
        """A session's number: a live one, but for callers who try any."""
        self.pass_time(self.now)
        live = [number for number in self.known if number not in self.over]
        return data.draw(st.sampled_from(live)) if live and user is None else data.draw(st.integers(1, self.issued))

    def caller(self, number: int, user: str | None) -> str:
        return user or (self.known[number].user if number in self.known else "ann")

    def found(self, number: int, user: str) -> Known | None:
        self.pass_time(self.now)
        one = self.known.get(number)
        return one if one is not None and one.user == user else None

    # ---- what happens to files

    @precondition(lambda self: self.generating)
    @rule(data=st.data())
    def generated(self, data: st.DataObject) -> None:
        self.do_generated(data.draw(st.sampled_from(sorted(self.generating))))

    def do_generated(self, number: int) -> None:
        self.generating.discard(number)
        self.files.add(number)
        self.pass_time(self.now)
        if number in self.known and self.known[number].state == "RUNNING":
            self.to(number, "READY", self.now)
        self.feed(Generated(session=number))

    @precondition(lambda self: self.generating)
    @rule(data=st.data(), how=st.sampled_from(Unsuccessful))
    def failed(self, data: st.DataObject, how: Unsuccessful) -> None:
        number = data.draw(st.sampled_from(sorted(self.generating)))
        self.generating.discard(number)
        self.pass_time(self.now)
        if number in self.known and self.known[number].state == "RUNNING":
            self.known[number].quiet = how is Unsuccessful.NO_FILE
            self.to(number, "ERROR", self.now)
        self.feed(GenerationFailed(session=number, message="no", how=how))

    @precondition(lambda self: self.sent_from)
    @rule(data=st.data(), end=st.sampled_from([FileSent, SendBroken]))
    def sent(self, data: st.DataObject, end: type[FileSent | SendBroken]) -> None:
        self.do_end(data.draw(st.sampled_from(sorted(self.sent_from))), end)

    @precondition(lambda self: self.sent_from)
    @rule(data=st.data())
    def missing(self, data: st.DataObject) -> None:
        self.do_end(data.draw(st.sampled_from(sorted(self.sent_from))), FileMissing)

    def do_end(self, call: int, end: type[FileSent | SendBroken | FileMissing]) -> None:
        number = self.sent_from.pop(call)
        one = self.known[number]
        self.pass_time(self.now)
        one.sending = None
        if end is FileMissing:
            self.files.discard(number)
            del self.answered[call]
            del self.lazily[call]
            self.expected[call] = "400 Download failed"
            one.quiet = True
        if end is FileSent:
            self.delivered.append(number)
        if one.state == "READY" and end is not SendBroken:
            self.to(number, "CONSUMED" if end is FileSent else "ERROR", self.now)
        self.retire(number)
        self.pass_time(self.now)
        self.feed(SendBroken(number=call, sent=1) if end is SendBroken else end(number=call))  # type: ignore[call-arg]

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def disconnected(self, data: st.DataObject) -> None:
        self.pass_time(self.now)
        waiting = [call for one in self.known.values() for call in one.waiting]
        call = data.draw(st.sampled_from(waiting) if waiting else st.integers(1, self.calls))
        for number, one in self.known.items():
            if call in one.waiting:
                one.waiting.remove(call)
                self.expected[call] = self.answered[call] = self.lazily[call] = "nobody"
                if not one.waiting and self.switches.abort_on_disconnect is AbortOnDisconnect.ON:
                    one.quiet = True
                    self.to(number, "ERROR", self.now)
                break
        self.feed(Disconnected(number=call))

    # ---- what holds always

    @invariant()
    def every_call_was_answered_once_and_as_the_model_says(self) -> None:
        self.settle()
        waiting = {call for one in self.known.values() for call in one.waiting}
        assert self.answered == self.expected
        assert self.answered.keys() | waiting == set(range(1, self.calls + 1))

    @invariant()
    def every_session_is_where_the_model_has_it(self) -> None:
        self.settle()
        views = {view.number: view for view in self.endpoint.sessions}
        assert {number: (view.state.name, view.user, view.format) for number, view in views.items()} == {
            number: (one.state, one.user, one.format) for number, one in self.known.items()
        }
        assert all(view.generations == (view.number in self.asked) for view in views.values())

    @invariant()
    def a_file_exists_while_it_can_be_asked_for_and_no_longer(self) -> None:
        self.settle()
        ready = {number for number, one in self.known.items() if one.state == "READY" or one.sending is not None}
        assert self.files == ready

    @invariant()
    def the_alarm_is_the_earliest_deadline(self) -> None:
        self.settle()
        earliest = min((self.due(one) for one in self.known.values()), default=float("inf"))
        assert self.endpoint.alarm == (None if earliest == float("inf") else earliest)

    @invariant()
    def a_file_is_delivered_once(self) -> None:
        assert len(self.delivered) == len(set(self.delivered))

    @invariant()
    def only_moves_of_the_table(self) -> None:
        assert self.seen.keys() <= REACHABLE

    @invariant()
    def an_endpoint_that_nobody_sweeps_says_the_same(self) -> None:
        self.settle()
        self.note_lazily(self.lazy.sweep(now=self.now))
        assert self.lazily == self.answered
        assert self.lazy.sessions == self.endpoint.sessions

    def settle(self) -> None:
        """Let the model and the endpoint reach the same instant."""
        self.pass_time(self.now)
        for command in self.endpoint.sweep(now=self.now):
            self.execute(command)


@pytest.mark.rules("I1", "I2", "I5", "I7", "I9", "I11", "I12")
@pytest.mark.rules("D1", "D2", "D5", "D6", "D7", "D8", "D13", "D20", "D21", "D36", "D42")
def test_the_endpoint_agrees_with_the_rules_and_reaches_every_move_of_a_server() -> None:
    Conversation.seen = Counter()
    run_state_machine_as_test(
        Conversation, settings=settings(max_examples=300, stateful_step_count=40, deadline=None, derandomize=True)
    )
    assert Conversation.seen.keys() == REACHABLE
