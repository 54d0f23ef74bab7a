"""Decides what a simulated session is dealt: policy, readings of the document, weather, credentials, accidents.

All of it follows from the seed, through `Random.random` alone: the one method whose sequence Python promises to keep.
Must never look at how a session goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from reportdl_core.policy import Expiry, Policy, Preflight
from reportdl_core.switches import (
    AbortOnDisconnect,
    BeforeRun,
    ConsumeOn,
    FailedRun,
    FailedSession,
    FormatKeys,
    RunSaysOk,
    Switches,
    TtlPolicy,
)

__all__ = ["Dice", "Scenario", "deal"]

_T = TypeVar("_T")


class Dice:
    """Draws of one seed."""

    __slots__ = ("fraction",)

    def __init__(self, seed: int) -> None:
        self.fraction = Random(seed).random

    def one(self, among: Sequence[_T]) -> _T:
        """Any of them alike."""
        return among[int(self.fraction() * len(among))]

    def between(self, low: float, high: float) -> float:
        """A number of an interval."""
        return low + self.fraction() * (high - low)

    def chance(self, probability: float) -> bool:
        """Whether it happens."""
        return self.fraction() < probability


POLICIES: Final = (
    Policy(),
    Policy(),
    Policy(expiry=Expiry.DOCUMENTED),
    Policy(preflight=Preflight.OFF),
    Policy(expiry=Expiry.DOCUMENTED, preflight=Preflight.OFF, first_check=2.0),
    Policy(job_timeout=400.0, request_timeout=400.0),
    Policy(job_timeout=700.0, expiry=Expiry.DOCUMENTED, request_timeout=310.0, silence=60.0, restarts_lost=2),
    Policy(run_timeout=40.0, first_contact=20.0, growth=1.0, first_pause=6.0, expiry_margin=0.0),
    Policy(restarts_lost=0, restarts_unheld=0, restarts_unproven=0, get_timeout=100.0),
    Policy(job_timeout=7200.0, restarts_lost=3, restarts_unheld=2, restarts_unproven=2, longest_pause=60.0),
)
_MEMBERS: Final = {
    "ttl_policy": tuple(TtlPolicy),
    "consume_on": tuple(ConsumeOn),
    "abort_on_disconnect": tuple(AbortOnDisconnect),
    "failed_session": tuple(FailedSession),
    "failed_run": tuple(FailedRun),
    "run_says_ok": (RunSaysOk.WHEN_READY, RunSaysOk.WHEN_READY, RunSaysOk.WHEN_READY, RunSaysOk.AT_ONCE),
    "before_run": tuple(BeforeRun),
    "format_keys": tuple(FormatKeys),
}
_DEFAULT: Final = Switches()
# Generation from nothing to 40 minutes, and the moments around the two limits more often than chance would.
_GENERATION: Final = (
    (0.0, 0.0),
    (0.0, 5.0),
    (4.0, 6.0),
    (5.0, 60.0),
    (60.0, 290.0),
    (298.0, 303.0),
    (303.0, 1790.0),
    (1798.0, 1802.0),
    (1802.0, 2400.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What one session is dealt. Seconds and probabilities.

    `grid` is what times are cut to, so that things happen at the same moment; 0 for none. `credential` is how long one
    lives, `revoked` when access ends. `rogue` is how probable an answer is that no endpoint gives. `plain`: the driver
    reports `run`'s OK as a status like every other.
    """

    policy: Policy
    switches: Switches
    generation: tuple[float, float]
    fails: str  # "", "FAILED", "NO_FILE"
    grid: float
    latency: float
    bad: float
    rogue: float
    credential: float
    renewable: bool
    deaths: float
    reloads: float
    revoked: float
    late: float
    plain: bool


def deal(dice: Dice) -> Scenario:
    """What the seed deals."""
    policy = dice.one(POLICIES)
    switches = _DEFAULT
    if dice.chance(0.7):
        switches = Switches(**{name: dice.one(members) for name, members in _MEMBERS.items()})  # type: ignore[arg-type]
    fails = dice.fraction()
    return Scenario(
        policy=policy,
        switches=switches,
        generation=dice.one(_GENERATION),
        fails="FAILED" if fails < 0.07 else "NO_FILE" if fails < 0.1 else "",
        grid=dice.one((0.0, 0.0, 0.5, 1.0, 5.0)),
        latency=dice.one((0.0, 0.02, 0.02, 0.3, 4.0)),
        bad=dice.one((0.0, 0.05, 0.05, 0.2, 0.2, 0.5, 0.8)),
        rogue=dice.one((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.03, 0.1)),
        credential=dice.between(20.0, 500.0) if dice.chance(0.3) else math.inf,
        renewable=dice.chance(0.9),
        deaths=dice.one((0.0, 0.0, 0.0, 0.0, 0.05, 0.15)),
        reloads=dice.one((0.0, 0.0, 0.0, 0.1)),
        revoked=dice.between(0.0, 900.0) if dice.chance(0.03) else math.inf,
        late=dice.one((0.0, 0.0, 0.0, 0.001)),
        plain=dice.chance(0.2),
    )
