"""Decides who watches the client: the oracle's model of a job, stepped beside the real one.

After each event the model says what the rules permit, and what the core shows must be among it. The set of readings
that are still possible belongs to the state that is explored. Must never know why something is permitted.
"""

from __future__ import annotations

from collections.abc import Hashable
from types import SimpleNamespace
from typing import Any, Final, Protocol, Self

from reportdl_core import Command, Event, Policy, State
from reportdl_core.outcome import Outcome
from tests.oracle import job_model, session_model, session_state
from tests.oracle.session_state import Seen
from tests.proof.bridge import command_of, event_of, job_of, outcome_of, policy_of

__all__ = ["Broken", "JobReferee", "SessionReferee", "Shown"]


class Broken(AssertionError):
    """What the core did is permitted by no reading of the rules."""


class Shown(Protocol):
    """What a Session and a Download show alike."""

    @property
    def state(self) -> State: ...
    @property
    def outcome(self) -> Outcome | None: ...
    @property
    def outstanding(self) -> tuple[Command, ...]: ...


def seen(shown: Shown) -> Seen:
    """What the core shows, in the oracle's words."""
    outcome = shown.outcome
    return Seen(
        state=shown.state.name,
        outstanding=tuple(command_of(command) for command in shown.outstanding),
        outcome=None if outcome is None else outcome_of(outcome),
    )


class _Referee:
    """What is still possible. `model` is one of the oracle's two, with the same functions."""

    model: Any
    __slots__ = ("_keyed", "possible")

    def __init__(self, possible: frozenset[Any]) -> None:
        self.possible = possible
        self._keyed: tuple[float, Hashable] | None = None

    def copied(self) -> Self:
        new = type(self)(self.possible)
        new._keyed = self._keyed
        return new

    def agree(self, shown: Shown, now: float) -> None:
        """Keep the readings that agree with what the core shows; Broken where none does."""
        told = seen(shown)
        agreed = self.model.agree(self.possible, told, now)
        if not agreed:
            raise Broken(self.explain(told))
        self.possible, self._keyed = agreed, None

    def heard(self, event: Event, shown: Shown, now: float) -> None:
        """The core has taken an event."""
        self.possible = self.model.step(self.possible, event_of(event), now)
        self.agree(shown, now)

    def explain(self, told: Seen) -> str:
        raise NotImplementedError

    def key(self, now: float) -> Hashable:
        if self._keyed is None or self._keyed[0] != now:
            self._keyed = now, frozenset(map(_without_counts, self.model.relative(self.possible, now)))
        return self._keyed[1]


class JobReferee(_Referee):
    """Watches a Download."""

    model = job_model

    @classmethod
    def begun(cls, shown: Shown, job: Any, policy: Policy, now: float, **constants: float) -> Self:
        referee = cls(job_model.begin(job_of(job), policy_of(policy, **constants), now=now))
        referee.agree(shown, now)
        return referee

    def restored(self, *, saved: float, now: float, elapsed: float) -> None:
        """Another process has taken the job up, on its own clock (D43); `agree` comes next."""
        self.possible = job_model.restored(self.possible, saved=saved, now=now, elapsed=elapsed)

    def explain(self, told: Seen) -> str:
        return job_model.explain(self.possible, told)


class SessionReferee(_Referee):
    """Watches a Session."""

    model = SimpleNamespace(step=session_model.step, agree=session_state.agree, relative=session_state.relative)

    @classmethod
    def begun(cls, shown: Shown, job: Any, policy: Policy, now: float, end: float, **constants: float) -> Self:
        referee = cls(session_model.begin(job_of(job), policy_of(policy, **constants), now=now, end=end))
        referee.agree(shown, now)
        return referee

    def explain(self, told: Seen) -> str:
        return session_state.explain(self.possible, told)


# How often something was repeated: without growth and jitter it makes no difference to how long the next pause is.
_COUNTS: Final = frozenset({"waits", "streak", "insured"})


def _without_counts(value: Any) -> Hashable:
    if isinstance(value, tuple):
        if len(value) == 2 and isinstance(value[0], str) and value[0] in _COUNTS:
            return value[0]
        return tuple(_without_counts(one) for one in value)
    return value
