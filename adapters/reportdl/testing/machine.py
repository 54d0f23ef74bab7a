"""Decides how Hypothesis drives a job that somebody has embedded: a state machine to subclass.

What may happen is `journey`'s, what must hold the `auditor`'s; here stands how one is drawn, and how often. Hypothesis
leaves out about half of the rules of each machine, and most machines are mutants of another: so what matters most may
follow on every rule, or few jobs would come to their file. Needs the extra `testing`. Must never be imported by what
runs without Hypothesis, nor leave an ended job without a rule that can run: Hypothesis throws such a machine away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from reportdl.testing.answering import FORGIVEN, POLICIES, UNGENERATED
from reportdl.testing.journey import PLAIN, Embedded, Journey
from reportdl_core.commands import Check, Get, Run
from reportdl_core.job import Job
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret

__all__ = ["DownloadMachine"]

Then = Literal["well", "lost", "failed"] | None

_SECONDS: Final = st.one_of(st.floats(0.0, 6.0), st.sampled_from([5.0, 10.0, 60.0, 300.0]))
_THEN: Final = st.sampled_from([None, None, "well", "well", "well", "lost", "failed"])


class DownloadMachine(RuleBasedStateMachine):
    """One job under every order of events. Subclass it, say how your job is begun, and run `YourMachine.TestCase`.

    `begin` and `again` are what `Embedding` says; `job` and `policies` may be set too. Rules and invariants of your own
    find the job in `self.journey.download` and the time in `self.journey.now`. What a rule does `then`, in the same
    step: one more command is answered well, loses its answer, or hears that the generation failed. Once the job has
    ended, only late answers come.
    """

    job: ClassVar[Job] = Job(element=1042, segment=3, format="pdf")
    policies: ClassVar[Sequence[Policy]] = POLICIES

    def __init__(self) -> None:
        super().__init__()
        self._picks: st.DataObject | None = None
        self._journey: Journey | None = None

    @property
    def journey(self) -> Journey:
        """The job and its clock; AssertionError before the first rule."""
        assert self._journey is not None, "no rule has run yet"
        return self._journey

    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        """A new job: to be overridden."""
        return PLAIN.begin(job, policy=policy, seed=seed, now=now)

    def again(
        self, snapshot: Mapping[str, Any], *, job: Job, policy: Policy, token: Secret | None, now: float, elapsed: float
    ) -> Embedded:
        """The job of a snapshot: to be overridden where `begin` is."""
        return PLAIN.again(snapshot, job=job, policy=policy, token=token, now=now, elapsed=elapsed)

    @initialize(data=st.data(), seed=st.integers(0, 2**64), depth=st.sampled_from((0, 1, 2, 3, 4)))
    def a_job_begins(self, data: st.DataObject, seed: int, depth: int) -> None:
        """One of `policies`, any seed; so many answers are good at first."""
        policy = data.draw(st.sampled_from(self.policies))
        self._journey = Journey(self.job, self._choose, policy=policy, seed=seed, embedding=self)
        for _ in range(depth):
            self._and(data, "well")

    def _choose(self, among: Sequence[Any]) -> Any:
        assert self._picks is not None
        return self._picks.draw(st.sampled_from(among))

    def _going_on(self, picks: st.DataObject) -> bool:
        self._picks = picks
        return not self.journey.over

    def _and(self, picks: st.DataObject, then: Then) -> None:
        if then is None or not self._going_on(picks):
            return
        if then == "well":
            self.journey.go_on()
        elif then == "lost":
            self.journey.answer(well=False, kinds=FORGIVEN[:1])
        elif any(isinstance(one, Run | Check | Get) for one in self.journey.download.outstanding):
            self.journey.answer(well=False, kinds=UNGENERATED)

    @rule(picks=st.data(), well=st.sampled_from([True, True, True, False]), then=_THEN)
    def answers(self, picks: st.DataObject, well: bool, then: Then) -> None:
        """A command is answered, three times out of four as a server in order would."""
        if self._going_on(picks):
            self.journey.answer(well=well)
        self._and(picks, then)

    @rule(picks=st.data(), then=_THEN)
    def answers_badly(self, picks: st.DataObject, then: Then) -> None:
        """A command fails in any way."""
        if self._going_on(picks):
            self.journey.answer(well=False)
        self._and(picks, then)

    @rule(picks=st.data(), then=_THEN)
    def answers_that_are_forgiven(self, picks: st.DataObject, then: Then) -> None:
        """A command fails in a way that no session ends of."""
        if self._going_on(picks):
            self.journey.answer(well=False, kinds=FORGIVEN)
        self._and(picks, then)

    @rule(picks=st.data(), seconds=_SECONDS, then=_THEN)
    def time_passes(self, picks: st.DataObject, seconds: float, then: Then) -> None:
        """Nobody sleeps past an alarm."""
        if self._going_on(picks):
            self.journey.wait(seconds)
        self._and(picks, then)

    @rule(picks=st.data(), late=st.sampled_from([0.0, 0.0, 0.0, 2.0**-20, 0.3, 40.0]), then=_THEN)
    def the_alarm_rings(self, picks: st.DataObject, late: float, then: Then) -> None:
        """In time, or late."""
        if self._going_on(picks):
            self.journey.ring(late)
        self._and(picks, then)

    @rule(picks=st.data(), then=_THEN)
    def a_late_answer(self, picks: st.DataObject, then: Then) -> None:
        """To a command that is not outstanding any more (I7)."""
        self._picks = picks
        self.journey.late()
        self._and(picks, then)

    @rule(picks=st.data(), then=_THEN)
    def a_caller_s_mistake(self, picks: st.DataObject, then: Then) -> None:
        """Refused, and nothing moves (D37)."""
        if self._going_on(picks):
            self.journey.misuse()
        self._and(picks, then)

    @rule(picks=st.data(), then=_THEN)
    def written_down_and_read_back(self, picks: st.DataObject, then: Then) -> None:
        """With no time between (I9)."""
        if self._going_on(picks):
            self.journey.reload()
        self._and(picks, then)

    @rule(picks=st.data(), away=st.sampled_from([0.0, 0.0, 10.0, 10.0, 299.0, 300.0, 86_400.0]), then=_THEN)
    def the_process_dies(self, picks: st.DataObject, away: float, then: Then) -> None:
        """And another one takes the job up, so many seconds later (D43)."""
        if self._going_on(picks):
            self.journey.die(away)
        self._and(picks, then)
