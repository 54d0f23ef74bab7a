"""A job under every order of events, started at a drawn depth, with the oracle's model of a job stepped beside it.

From the start alone, few walks come as far as a lost transfer or a second session. What was reached is asserted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from reportdl.testing.answering import FAILURES, FORGIVEN, POLICIES, STATUSES, bad, good
from reportdl.testing.auditor import DIAGRAM
from reportdl.testing.journey import Journey
from reportdl_core import (
    Check,
    Command,
    Event,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Lost,
    Policy,
    Reason,
    Refusal,
    Refused,
    Restart,
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
from tests.proof.referee import JobReferee

JOB = Job(element=1042, segment=3, format="pdf")


class Watched(Journey):
    """A journey as it is handed out in `reportdl.testing`, with the oracle beside its auditor."""

    def __init__(self, policy: Policy, choose: Callable[[Sequence[Any]], Any], *, seed: int, reached: Counter[object]):
        super().__init__(JOB, choose, policy=policy, seed=seed, reached=reached)
        self.referee = JobReferee.begun(self.download, JOB, policy, 0.0)

    def hear(self, event: Event) -> None:
        known = {command.number: command for command in self.download.outstanding}
        super().hear(event)
        if event.number in known:  # a late answer is the auditor's: nothing may change
            self.referee.heard(event, self.download, self.now)

    def answer(self, *, well: bool, kinds: Sequence[Callable[[int], Event]] = (*FAILURES, *STATUSES)) -> None:
        if all(isinstance(command, Wait) for command in self.download.outstanding):
            self.ring()  # a Wait is answered at its deadline, and never before
            return
        command: Command = self.choose([one for one in self.download.outstanding if not isinstance(one, Wait)])
        self.fresh += 1
        self.hear(good(command, self.choose, self.fresh) if well else bad(command, self.choose, kinds))

    def number(self, kind: type[Any]) -> int:
        return next(command.number for command in self.download.outstanding if isinstance(command, kind))

    def rings(self, kind: type[Any]) -> None:
        """The alarm rings until a command of this kind is outstanding."""
        while not any(isinstance(command, kind) for command in self.download.outstanding):
            assert any(isinstance(command, Wait) for command in self.download.outstanding)
            self.ring()


def fresh(journey: Watched) -> None:
    pass


def running(journey: Watched) -> None:
    if any(isinstance(command, ListFormats) for command in journey.download.outstanding):
        journey.hear(FormatsListed(number=journey.number(ListFormats), formats=("pdf", "csv")))
    journey.rings(Init)
    journey.hear(TokenIssued(number=journey.number(Init), token=Secret(f"token-{journey.now:g}")))


def lost(journey: Watched) -> None:
    running(journey)
    journey.hear(Lost(number=journey.number(Run), sent=Sent.UNKNOWN))


def ready(journey: Watched) -> None:
    running(journey)
    journey.wait(4.0)
    journey.hear(RunFinished(number=journey.number(Run)))


def broken_once(journey: Watched) -> None:
    ready(journey)
    journey.hear(Lost(number=journey.number(Get), sent=Sent.UNKNOWN))


def broken_twice(journey: Watched) -> None:
    broken_once(journey)
    journey.rings(Check)
    journey.hear(StatusReported(number=journey.number(Check), status=Status.READY))
    journey.hear(Lost(number=journey.number(Get), sent=Sent.UNKNOWN))


def refused(journey: Watched) -> None:
    running(journey)
    journey.rings(Check)
    journey.hear(Refused(number=journey.number(Check), refusal=Refusal.CREDENTIALS))


def stale(journey: Watched) -> None:
    """A token that is old when it comes, where `init` may take that long."""
    if any(isinstance(command, ListFormats) for command in journey.download.outstanding):
        journey.hear(FormatsListed(number=journey.number(ListFormats), formats=("pdf", "csv")))
    journey.wait(310.0)
    if journey.download.alarm[0] > journey.now:
        journey.hear(TokenIssued(number=journey.number(Init), token=Secret("token-stale")))


DEPTHS = (fresh, stale, running, lost, ready, broken_once, broken_twice, refused)


class Proven(RuleBasedStateMachine):
    reached: ClassVar[Counter[object]] = Counter()
    journey: Watched
    picks: Any

    @initialize(policy=st.sampled_from(POLICIES[:4]), seed=st.integers(0, 2**32), depth=st.sampled_from(DEPTHS))
    def begin(self, policy: Policy, seed: int, depth: Callable[[Watched], None]) -> None:
        self.journey = Watched(policy, self.choose, seed=seed, reached=self.reached)
        depth(self.journey)
        self.reached[depth] += 1

    def choose(self, among: Sequence[Any]) -> Any:
        return self.picks.draw(st.sampled_from(among))

    @precondition(lambda self: not self.journey.over)
    @rule(picks=st.data(), well=st.sampled_from([True, True, True, False]))
    def answers(self, picks: Any, well: bool) -> None:
        self.picks = picks
        self.journey.answer(well=well, kinds=(*FAILURES, *STATUSES))

    @precondition(lambda self: not self.journey.over)
    @rule(picks=st.data())
    def answers_that_are_forgiven(self, picks: Any) -> None:
        self.picks = picks
        self.journey.answer(well=False, kinds=FORGIVEN)

    @precondition(lambda self: not self.journey.over)
    @rule(picks=st.data(), refusal=st.sampled_from(Refusal))
    def is_refused(self, picks: Any, refusal: Refusal) -> None:
        self.picks = picks
        self.journey.answer(well=False, kinds=[lambda number: Refused(number=number, refusal=refusal)])

    @precondition(lambda self: not self.journey.over)
    @rule(seconds=st.sampled_from([0.125, 1.0, 5.0, 60.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        self.journey.wait(seconds)

    @precondition(lambda self: not self.journey.over)
    @rule()
    def the_alarm_rings(self) -> None:
        self.journey.ring()

    @rule(picks=st.data())
    def a_late_answer(self, picks: Any) -> None:
        self.picks = picks
        self.journey.late()


def walked(examples: int) -> Counter[object]:
    Proven.reached.clear()
    steps = settings(max_examples=examples, stateful_step_count=25, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(Proven, settings=steps)
    return Proven.reached


@pytest.mark.rules("I1", "I3", "I4", "I5", "I6", "I7", "I8", "I13", "D21")
def test_the_oracle_permits_every_order_of_events_at_every_depth() -> None:
    reached = walked(40)
    assert not (missing := {*DEPTHS, *(state for state in State if state is not State.CONSUMED)} - reached.keys()), (
        missing
    )


@pytest.mark.deep
@pytest.mark.rules("I1", "I3", "I4", "I5", "I6", "I7", "I8", "I13", "D21")
def test_every_state_move_and_refusal_is_reached() -> None:
    reached = walked(6_000)  # the rarest move ten times: every version of the core draws anew
    wanted: set[object] = {*State, *DIAGRAM, *Refusal, *DEPTHS, Restart.LOST, Reason.DELIVERED, Reason.TRANSFER_LOST}
    assert not (missing := wanted - reached.keys()), missing
