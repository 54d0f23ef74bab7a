"""Decides who watches the client: the oracle's model of a job, stepped beside the real one.

After each event the model says what the rules permit, and what the core shows must be among it. The set of readings
that are still possible belongs to the state that is explored; under the small clock each is told without what makes
no difference there (`forgetful`), so that there are fewer of them. Must never know why something is permitted.
"""

from __future__ import annotations

from collections.abc import Hashable
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from reportdl_core import Command, Event, Policy, State
from reportdl_core.outcome import Outcome
from tests.oracle import job_model, session_model, session_state
from tests.oracle.job_model import JobState
from tests.oracle.session_state import Seen, Slot, replace
from tests.oracle.session_state import State as Reading
from tests.oracle.vocabulary import Policy as Told
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
    """What is still possible. `model` is one of the oracle's two, with the same functions.

    `forgetful`: the clock is small, and neither growth nor jitter makes two pauses differ.
    """

    model: Any
    __slots__ = ("_at", "_keyed", "forgetful", "possible")

    def __init__(self, possible: frozenset[Any], *, forgetful: bool = False) -> None:
        self.possible, self.forgetful, self._at = possible, forgetful, 0.0
        self._keyed: tuple[float, Hashable] | None = None

    def copied(self) -> Self:
        new = type(self)(self.possible, forgetful=self.forgetful)
        new._keyed, new._at = self._keyed, self._at
        return new

    def agree(self, shown: Shown, now: float) -> None:
        """Keep the readings that agree with what the core shows; Broken where none does."""
        told = seen(shown)
        agreed = self.model.agree(self.possible, told, now)
        if not agreed:
            raise Broken(self.explain(told))
        self.possible, self._keyed = agreed, None
        self._forget(now)

    def heard(self, event: Event, shown: Shown, now: float) -> None:
        """The core has taken an event."""
        if now != self._at:
            self._forget(now)  # time has passed: more of it is long ago
        self.possible = self.model.step(self.possible, event_of(event), now)
        self.agree(shown, now)

    def _forget(self, now: float) -> None:
        self._at = now
        if self.forgetful:
            self.possible = frozenset(_without(one, now) for one in self.possible)

    def explain(self, told: Seen) -> str:
        raise NotImplementedError

    def key(self, now: float) -> Hashable:
        """The readings, wherever the clock and the numbers stand; of a forgetful referee alone."""
        if self._at != now:
            self._forget(now)
        if self._keyed is None or self._keyed[0] != now:
            self._keyed = now, frozenset(_key(one, now) for one in self.possible)
        return self._keyed[1]


class JobReferee(_Referee):
    """Watches a Download."""

    model = job_model

    @classmethod
    def begun(cls, shown: Shown, job: Any, policy: Policy, now: float, **constants: float) -> Self:
        """`constants` are those of a small clock."""
        begun = job_model.begin(job_of(job), policy_of(policy, **constants), now=now)
        referee = cls(begun, forgetful=bool(constants))
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
        begun = session_model.begin(job_of(job), policy_of(policy, **constants), now=now, end=end)
        referee = cls(begun, forgetful=bool(constants))
        referee.agree(shown, now)
        return referee

    def explain(self, told: Seen) -> str:
        return session_state.explain(self.possible, told)


_Of = TypeVar("_Of", JobState, Reading)


class _Long(NamedTuple):
    """From when on a moment is long ago: for a token, for silence, for a `run` that was just sent."""

    token: float
    silence: float
    young: float


def _long(policy: Told, now: float) -> _Long:
    return _Long(
        token=now - policy.ttl - policy.expiry_margin - policy.request_timeout - 1.0,
        silence=now - max(policy.silence, policy.first_contact),
        young=now - max(policy.early_error, policy.early_loss, policy.early_refusal) - 1.0,
    )


def _without(one: _Of, now: float) -> _Of:
    """The same reading, without what makes no difference to what may follow under the small clock.

    Without growth and jitter, how often something was repeated, and for what, changes no pause. A moment that is longer
    ago than every limit that is counted from it is long ago. Renewals make older credentials, however many they were.
    """
    if isinstance(one, JobState):
        return replace(one, session=_without(one.session, now))
    policy, renewals = one.setting.policy, one.credential
    ago = _long(policy, now)
    run, sent = _run(one, ago.young)
    heard, lost, told = _silent(one, ago.silence, now)
    return replace(
        one,
        slots=tuple(_slot_without(slot, renewals, ago) for slot in one.slots),
        init_sent=None if one.token is None or one.init_sent is None else max(one.init_sent, ago.token),
        run=run,
        run_sent=sent,
        errors=min(one.errors, 1) if sent is not None else 0,
        unreadable=min(one.unreadable, 1),
        lost_gets=min(one.lost_gets, 2),
        silent_heard=heard,
        silent_lost=lost,
        silent_told=told,
        contact=one.contact or policy.silence == policy.first_contact,
        credential=0,
        waits=0,
        streak=0,
        cause="",
        insured=min(one.insured, 1),
        rested=0,
        not_before=one.not_before if one.not_before > now else 0.0,
    )


def _silent(one: Reading, over: float, now: float) -> tuple[float, float, float]:
    """The moments that a silence may be counted from, none of them longer ago than makes a difference.

    One that began at `over` may be too long, and if each began before that it must be. A transfer that is out may yet
    prove to have been no silence: what it takes counts for nothing until it is answered. While `run` is alive nobody
    asks, and its end is the latest moment by itself, but for a Retry-After that is on.
    """
    get = one.slot("Get")
    before = over if get is None else over - (now - get.issued)
    heard = max(one.silent_heard, before)
    if one.alive:
        return heard, heard, one.silent_told if one.silent_told > now else heard
    if get is None and max(one.silent_lost, one.silent_told) <= over:  # only the later of the two is asked for
        latest = max(one.silent_lost, one.silent_told, over - 1.0)
        return heard, latest, latest
    return heard, max(one.silent_lost, over - 1.0), max(one.silent_told, before - 1.0)


def _run(one: Reading, young: float) -> tuple[str, float | None]:
    """What became of `run`, and when it was sent: the insurance asks that, and an ERROR that may be too early (D18)."""
    if one.run_sent is None:
        return one.run, None
    if one.alive or (one.run in {"unsent", "refused"} and one.state == "RUNNING"):
        return one.run, max(one.run_sent, young)
    if one.state != "RUNNING":
        return ("done" if one.run in {"lost", "answered"} else one.run), None
    if one.run == "lost":
        return ("lost", one.run_sent) if one.run_sent > young else ("answered", None)
    return one.run, None


def _slot_without(slot: Slot, renewals: int, ago: _Long) -> Slot:
    older = max(slot.credential - renewals, -1)
    match slot.kind:
        case "Init" | "Check" | "Get":  # a token's age, whether a check was D1's, a transfer that was no silence
            return replace(slot, credential=older, rules=(), issued=max(slot.issued, ago.token))
        case "Run":
            return replace(slot, credential=older, rules=(), issued=max(slot.issued, ago.young))
        case "Wait":
            return replace(slot, credential=0, rules=(), issued=0.0)
        case _:
            return replace(slot, credential=older, rules=(), issued=0.0)


def _key(one: JobState | Reading, now: float) -> Hashable:
    """A reading `_without` what makes no difference, with times from `now`."""
    if isinstance(one, JobState):
        return _key(one.session, now), one.sessions, one.lost, one.unheld, one.unproven, one.over
    return (
        one.state,
        one.end,
        one.setting.end - now,
        tuple(
            (
                slot.kind,
                slot.hi - now,
                0.0 if slot.kind in {"Wait", "RenewCredentials"} else slot.issued - now,
                slot.credential,
                slot.then,
            )
            for slot in one.slots
        ),
        (one.listed is not None, one.naming, one.put_off, one.token is not None),
        None if one.init_sent is None else one.init_sent - now,
        (one.run, one.run_repeated, one.unproven),
        None if one.run_sent is None else one.run_sent - now,
        (one.errors, one.unreadable, one.lost_gets, one.kept_by_server, one.away_expired),
        tuple(since - now for since in one.silent_since),
        (one.contact, one.armed, one.owed),
        one.not_before - now if one.not_before else None,
    )
