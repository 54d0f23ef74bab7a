"""Decides how long, how often and how many times: polling, deadlines, expiry, the restart budget (D1, D19, D21).

Pure functions of values. All times are seconds. Must never read a clock and never draw a random number: jitter is a
function of seed and number, so that the same events at the same times give the same commands (I9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import Enum
from typing import Final

from reportdl_core.errors import LocalProtocolError

__all__ = [
    "EARLY_ERROR",
    "PROMPT",
    "TOKEN_LIFE",
    "Expiry",
    "Policy",
    "Preflight",
    "instant",
    "insurance",
    "pause",
]

TOKEN_LIFE: Final = 300.0  # R15
PROMPT: Final = 5.0  # within it a refused credential allows one repeat of `run` (I3), and a loss leaves `run` unproven
EARLY_ERROR: Final = 10.0  # within it an ERROR seen by `check` is confirmed by one more (D18)

_TICKS: Final = 2.0**20
# By the field's type. Times stay below 68 years, because beyond 2**32 s the grid of `instant` is not exact.
_LIMITS: Final = {"float": 2.0**31, "int": math.inf}


class Expiry(Enum):
    """What five minutes mean (D1)."""

    CONFIRM = "confirm"  # just after them one `check` asks; IN PROGRESS means that the server keeps the session
    DOCUMENTED = "documented"  # EXPIRED at 300 s by the clock alone

    def __repr__(self) -> str:
        return f"Expiry.{self.name}"


class Preflight(Enum):
    """Whether `formats` is asked before `init` (D12)."""

    ON = "on"
    OFF = "off"

    def __repr__(self) -> str:
        return f"Preflight.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every number that a client may choose. Seconds, bytes or counts; the defaults are those of the rules.

    `job_timeout` bounds the whole job (I8), `run_timeout` one `run` (D28), `request_timeout` each of formats, init,
    check and a renewal, `get_timeout` one transfer; `connect_timeout` and `stall_timeout` (no byte of a body) are
    for transports (D35). `silence` without one valid answer ends a session while `run` is not alive (D19);
    `first_contact` does so sooner, as long as the server has never given a valid answer at all.
    `max_bytes` bounds a file, `max_envelope` an envelope (D36). The restart budget counts sessions beyond the
    first, by cause (D21). `strict` media types are an error, else a warning (D25); `allow_unverified` publishes a
    body whose whole cannot be verified (D22).
    """

    expiry: Expiry = Expiry.CONFIRM
    preflight: Preflight = Preflight.ON
    job_timeout: float = 3600.0
    run_timeout: float = 1800.0
    request_timeout: float = 30.0
    get_timeout: float = 3600.0
    connect_timeout: float = 10.0
    stall_timeout: float = 60.0
    silence: float = 600.0
    first_contact: float = 600.0
    first_check: float = 5.0
    longest_insurance: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 15.0
    growth: float = 1.5
    expiry_margin: float = 1.0
    restarts_lost: int = 1
    restarts_unheld: int = 1
    restarts_unproven: int = 1
    max_bytes: int = 8 * 1024**3
    max_envelope: int = 64 * 1024
    strict: bool = False
    allow_unverified: bool = False

    def __post_init__(self) -> None:
        for spec in fields(self):
            value, limit = getattr(self, spec.name), _LIMITS.get(str(spec.type))
            if limit is not None and not 0 <= value < limit:
                raise LocalProtocolError(f"{spec.name} must be a number from 0 to below {limit:g}, not {value!r}")
        if self.first_pause <= 0 or self.first_check <= 0 or self.growth < 1:
            raise LocalProtocolError("first_pause and first_check must be above 0, growth at least 1 (I13)")


def instant(seconds: float) -> float:
    """`seconds` cut down to 2**-20: on this grid sums and differences are exact, so restoring is too (I9, D43)."""
    if not abs(seconds) < 2.0**32:
        raise LocalProtocolError(f"not a time in seconds: {seconds!r}")
    return math.floor(seconds * _TICKS) / _TICKS


def _fraction(seed: int, number: int) -> float:
    """A fraction in [0, 1), spread evenly over (seed, number): one round of a 64-bit mixing function."""
    mixed = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + 0x8CB92BA72F3D8DD7) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((mixed ^ (mixed >> 31)) >> 11) / 2.0**53


def _grown(first: float, longest: float, growth: float, times: int) -> float:
    # Both are capped before the power is taken: a huge count or growth must neither overflow nor cost.
    return max(first, min(longest, first * min(growth, 1e3) ** min(times, 64)))


def _jittered(seconds: float, seed: int, number: int) -> float:
    # Never below one tick: a Wait of no length would be a hot loop (I13).
    return max(instant(seconds * (1.0 + _fraction(seed, number)) / 2.0), 1.0 / _TICKS)


def pause(policy: Policy, *, seed: int, number: int, times: int) -> float:
    """The wait before the repeat after `times` earlier ones: 0.5 s growing to 15 s, jittered in [d/2, d] (D19)."""
    return _jittered(_grown(policy.first_pause, policy.longest_pause, policy.growth, times), seed, number)


def insurance(policy: Policy, *, seed: int, number: int, times: int) -> float:
    """The wait before the next `check` while `run` is alive: 5 s exactly, then growing to 30 s (D19)."""
    if times == 0:
        return instant(policy.first_check)
    return _jittered(_grown(policy.first_check, policy.longest_insurance, policy.growth, times), seed, number)
