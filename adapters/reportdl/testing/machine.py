"""Decides how Hypothesis drives a job that somebody has embedded: a state machine to subclass.

What may happen is `journey`'s, what must hold the `auditor`'s; here stands how one is drawn. Needs the extra `testing`.
Must never be imported by what runs without Hypothesis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from reportdl.testing.answering import FORGIVEN, POLICIES
from reportdl.testing.journey import PLAIN, Embedded, Journey
from reportdl_core.job import Job
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret

__all__ = ["DownloadMachine"]


def _going_on(machine: Any) -> bool:
    return not machine.journey.over


class DownloadMachine(RuleBasedStateMachine):
    """One job under every order of events. Subclass it, say how your job is begun, and run `YourMachine.TestCase`.

    `begin` and `again` are what `Embedding` says; `job` and `policies` may be set too. Rules and invariants of your own
    find the job in `self.journey.download` and the time in `self.journey.now`.
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

    @initialize(data=st.data(), seed=st.integers(0, 2**64))
    def a_job_begins(self, data: st.DataObject, seed: int) -> None:
        """One of `policies`, any seed."""
        policy = data.draw(st.sampled_from(self.policies))
        self._journey = Journey(self.job, self._choose, policy=policy, seed=seed, embedding=self)

    def _choose(self, among: Sequence[Any]) -> Any:
        assert self._picks is not None
        return self._picks.draw(st.sampled_from(among))

    @precondition(_going_on)
    @rule(picks=st.data(), well=st.sampled_from([True, True, True, False]))
    def answers(self, picks: st.DataObject, well: bool) -> None:
        """A command is answered, three times out of four as a server in order would."""
        self._picks = picks
        self.journey.answer(well=well)

    @precondition(_going_on)
    @rule(picks=st.data())
    def answers_that_are_forgiven(self, picks: st.DataObject) -> None:
        """A command fails in a way that no session ends of."""
        self._picks = picks
        self.journey.answer(well=False, kinds=FORGIVEN)

    @precondition(_going_on)
    @rule(seconds=st.one_of(st.floats(0.0, 6.0), st.sampled_from([5.0, 10.0, 60.0, 300.0])))
    def time_passes(self, seconds: float) -> None:
        """Nobody sleeps past an alarm."""
        self.journey.wait(seconds)

    @precondition(_going_on)
    @rule(late=st.sampled_from([0.0, 0.0, 0.0, 2.0**-20, 0.3, 40.0]))
    def the_alarm_rings(self, late: float) -> None:
        """In time, or late."""
        self.journey.ring(late)

    @rule(picks=st.data())
    def a_late_answer(self, picks: st.DataObject) -> None:
        """To a command that is not outstanding any more (I7)."""
        self._picks = picks
        self.journey.late()

    @precondition(_going_on)
    @rule(picks=st.data())
    def a_caller_s_mistake(self, picks: st.DataObject) -> None:
        """Refused, and nothing moves (D37)."""
        self._picks = picks
        self.journey.misuse()

    @precondition(_going_on)
    @rule()
    def written_down_and_read_back(self) -> None:
        """With no time between (I9)."""
        self.journey.reload()

    @precondition(_going_on)
    @rule(away=st.sampled_from([0.0, 10.0, 299.0, 300.0, 86_400.0]))
    def the_process_dies(self, away: float) -> None:
        """And another one takes the job up, so many seconds later (D43)."""
        self.journey.die(away)
