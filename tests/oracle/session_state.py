"""What the reference model of a client's session remembers, and how it is compared with what a client shows.

Must decide nothing about what follows what: that is `session_model` and `session_ask`. A state of the model is one
reading of the rules still in play; a set of them is what a client may be doing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from tests.oracle.vocabulary import WITH_TOKEN, Command, Job, Outcome, Policy

__all__ = ["NEAR", "End", "Seen", "Setting", "Slot", "State", "agree", "explain", "relative", "replace", "without_run"]

# A client may round times to a grid of its own: two readings nearer than this are one.
NEAR = 0.002

_Reading = TypeVar("_Reading", bound=NamedTuple)


def replace(one: _Reading, **changes: Any) -> _Reading:
    """The same but for these. Readings are tuples because millions of them are made: it is several times faster."""
    return one._replace(**changes)


class Setting(NamedTuple):
    """What does not change while a session lives. `end` is the job's deadline; `number` counts the job's sessions."""

    job: Job
    policy: Policy
    end: float
    number: int = 1


class Slot(NamedTuple):
    """A command that must be outstanding: bound to the client's once it has a number.

    The deadline is anything from `lo` to `hi`, or one of `also`; once bound, all of that is the client's own deadline.
    `then` is what a Wait or a renewal is for; `rules` is why it must be there.
    """

    kind: str
    number: int | None = None
    lo: float = 0.0
    hi: float = 0.0
    also: frozenset[float] = frozenset()
    issued: float = 0.0
    credential: int = 0
    then: str = ""
    rules: tuple[str, ...] = ()

    def permits(self, deadline: float | None, now: float) -> bool:
        """A deadline that has come already would make a Wait of no length, for ever."""
        if deadline is None or deadline <= now:
            return False
        return self.lo - NEAR <= deadline <= self.hi + NEAR or any(abs(deadline - at) <= NEAR for at in self.also)


class End(NamedTuple):
    """How a session may have ended: each field holds every value that the rules permit.

    `restart` names the budgets that the job may draw on (D21); None among them: it may end here.
    """

    state: str
    reasons: frozenset[str]
    ended_in: frozenset[str]
    unproven: frozenset[bool] = frozenset({False})
    unheld: frozenset[bool] = frozenset({False})
    restart: frozenset[str | None] = frozenset({None})
    rules: tuple[str, ...] = ()

    def permits(self, outcome: Outcome) -> bool:
        return (
            outcome.state == self.state
            and outcome.reason in self.reasons
            and outcome.ended_in in self.ended_in
            and outcome.run_unproven in self.unproven
            and outcome.unheld in self.unheld
        )


class State(NamedTuple):
    """The facts of one session, in one reading."""

    setting: Setting
    state: str = "INIT"
    slots: tuple[Slot, ...] = ()
    end: End | None = None
    known: int = 0  # the highest number that the client has shown

    listed: tuple[str, ...] | None = None
    spelled: str | None = None  # the format as the server lists it (D11)
    naming: bool = False  # asking for the alternatives only (D12)
    put_off: bool = False  # and a renewal, or a Retry-After, came before the question
    token: str | None = None
    init_sent: float | None = None

    # none: not issued; alive; lost: `check` decides; unsent: proven not sent; refused: 401 or 412, to be repeated;
    # answered: said no, or not yet, and `check` decides; done.
    run: str = "none"
    run_sent: float | None = None
    run_repeated: bool = False  # I3's one repeat is spent
    unproven: bool = False

    errors: int = 0  # D18: ERRORs that wait to be confirmed
    unreadable: int = 0
    lost_gets: int = 0
    kept_by_server: bool = False  # D1's check has been answered
    away_expired: bool = False  # D43: the 300 s ended while nobody held the session

    # D19's silence is counted from one of these: the last valid answer, which is the first of them, or the loss of
    # `run` or a `get`, or when one was told to come back at a time.
    silent_heard: float = 0.0
    silent_lost: float = 0.0
    silent_told: float = 0.0
    contact: bool = False

    credential: int = 0  # renewals so far
    armed: bool = True  # D16: a success has come since the last renewal
    owed: bool = False  # the credential has been refused, and no renewal has come since
    unpaused: bool = False  # I13: a renewal has failed, and no wait is over since

    waits: int = 0  # answers that were no success so far, and pauses in a row for one cause
    streak: int = 0
    cause: str = ""
    insured: int = 0  # waits of the 5 s kind since `run` was sent
    rested: int = 0  # all waits since then, while it is alive
    not_before: float = 0.0  # Retry-After

    def slot(self, *kinds: str) -> Slot | None:
        """The outstanding command of one of these kinds."""
        return next((slot for slot in self.slots if slot.kind in kinds), None)

    def other(self) -> Slot | None:
        """The one that is outstanding beside `run`."""
        return next((slot for slot in self.slots if slot.kind != "Run"), None)

    def without(self, *kinds: str) -> State:
        return replace(self, slots=tuple(slot for slot in self.slots if slot.kind not in kinds))

    def only_run(self) -> State:
        return replace(self, slots=tuple(slot for slot in self.slots if slot.kind == "Run"))

    @property
    def silent_since(self) -> tuple[float, float, float]:
        return self.silent_heard, self.silent_lost, self.silent_told

    def heard(self, now: float) -> State:
        """A valid answer has come: any silence is over. Freedom: to wait as one was told is none (D19 says both)."""
        told = max(self.not_before, now)
        return replace(self, silent_heard=now, silent_lost=now, silent_told=told, contact=True)

    @property
    def alive(self) -> bool:
        """The connection of `run` is."""
        return self.run == "alive"

    @property
    def expiry(self) -> float | None:
        """R15 from the moment `init` was sent (D1)."""
        return None if self.init_sent is None or self.token is None else self.init_sent + self.setting.policy.ttl

    @property
    def format(self) -> str:
        return self.spelled if self.spelled is not None else self.setting.job.format


def without_run(state: State, now: float) -> State:
    """`run` is not alive any more. Freedom: the silence is counted from now, or from the last valid answer (D19)."""
    return replace(state, silent_lost=now, silent_told=max(state.silent_told, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a client shows: its state, what is outstanding (without Finish), and how it ended, if it has."""

    state: str
    outstanding: tuple[Command, ...] = ()
    outcome: Outcome | None = None


def _bound(state: State, slot: Slot, command: Command, now: float) -> Slot | None:
    """The slot with the client's number and deadline, or None where it is another command."""
    job = state.setting.job
    if slot.number is None:
        if command.number <= state.known or not slot.permits(command.deadline, now):
            return None
    elif slot.number != command.number or command.deadline is None or abs(command.deadline - slot.hi) > NEAR:
        return None
    if slot.kind not in {"Wait", "RenewCredentials"} and (command.element, command.segment) != (
        job.element,
        job.segment,
    ):
        return None  # I2
    if slot.kind in WITH_TOKEN and command.token != state.token:
        return None  # I2
    if slot.kind in {"Run", "Get"} and command.format != state.format:
        return None  # D9, D10, D11
    assert command.deadline is not None
    return replace(slot, number=command.number, lo=command.deadline, hi=command.deadline, also=frozenset())


def _agreed(state: State, seen: Seen, now: float) -> State | None:
    if state.end is not None:
        ended = seen.outcome is not None and not seen.outstanding and seen.state == state.end.state
        return state if ended and seen.outcome is not None and state.end.permits(seen.outcome) else None
    if seen.outcome is not None or seen.state != state.state:
        return None
    shown = {command.kind: command for command in seen.outstanding}
    if len(shown) != len(seen.outstanding) or shown.keys() != {slot.kind for slot in state.slots}:
        return None
    bound = tuple(_bound(state, slot, shown[slot.kind], now) for slot in state.slots)
    if None in bound:
        return None
    known = max(state.known, *(command.number for command in seen.outstanding))
    return replace(state, slots=tuple(slot for slot in bound if slot is not None), known=known)


def agree(possible: Iterable[State], seen: Seen, now: float) -> frozenset[State]:
    """Those that agree with what a client shows, with its numbers and deadlines filled in."""
    agreed = (_agreed(state, seen, now) for state in possible)
    return frozenset(state for state in agreed if state is not None)


def explain(possible: Iterable[State], seen: Seen) -> str:
    """What was permitted, with the rules that say so, where `agree` left nothing."""
    lines = [
        f"seen: {seen.state} {seen.outcome or ''}",
        *(f"  {command}" for command in seen.outstanding),
        "permitted:",
    ]
    for state in possible:
        if state.end is not None:
            lines.append(f"- {state.end}")
            continue
        lines.append(f"- {state.state}, token={state.token}, format={state.format}, run={state.run}")
        for slot in state.slots:
            also = f" or {sorted(slot.also)}" if slot.also else ""
            known = "new" if slot.number is None else slot.number
            lines.append(f"    {slot.kind} {known} until [{slot.lo:g}, {slot.hi:g}]{also} {' '.join(slot.rules)}")
    return "\n".join(lines)


# Fields that hold clock readings, and those that only name commands.
_TIMES = {"init_sent", "run_sent", "silent_heard", "silent_lost", "silent_told", "not_before", "lo", "hi", "issued"}


def _relative(value: Any, name: str, now: float, rank: dict[int, int]) -> Any:
    if name == "number" and isinstance(value, int) and value in rank:
        return rank[value]
    if name in _TIMES and value is not None:
        return round(value - now, 6)
    if isinstance(value, Setting):
        return (value.job, value.policy, round(value.end - now, 6), value.number)
    if isinstance(value, Slot | State):
        return tuple(
            (name, _relative(getattr(value, name), name, now, rank)) for name in value._fields if name != "known"
        )
    if isinstance(value, tuple):
        return tuple(_relative(item, "", now, rank) for item in value)
    return value


def relative(possible: Iterable[State], now: float) -> frozenset[Any]:
    """The same possibilities wherever the clock and the numbers stand: times from `now`, numbers as ranks."""
    found = set()
    for state in possible:
        numbers = sorted({slot.number for slot in state.slots if slot.number is not None})
        found.add(_relative(state, "", now, {number: place for place, number in enumerate(numbers)}))
    return frozenset(found)
