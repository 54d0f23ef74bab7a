"""Decides how an end is told: the outcome of a session or a job, its evidence, and the receipt of a kept file.

Values only. Must never hold a token, and never decide whether to try again by itself: `retryable` is advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportdl_core.errors import Reason
from reportdl_core.lifecycle import State

if TYPE_CHECKING:
    from pathlib import Path  # a type only: the core opens nothing

__all__ = ["Evidence", "Outcome", "Receipt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a kept file is known by.

    `path` is None where the file went to a stream. `filename` is the name published, `offered` the name that the
    server suggested, as it came (R25, D24). `size` in bytes, `sha256` in lower-case hex. `length_verified` is False
    where only the format's end mark vouches for the whole (D22). `warnings` are for people (D25).
    """

    path: Path | None
    filename: str
    content_type: str
    size: int
    sha256: str
    length_verified: bool
    offered: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One answer that led to the end: what was asked, what came, `age` seconds after the session began."""

    asked: str
    answer: str
    message: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a session or a job ended.

    `state` is final (CONSUMED, ERROR, EXPIRED), `reason` says why, `ended_in` is the state before. `run_unproven`:
    nothing ever proved that `run` reached the server. `unheld`: the token's five minutes ended while no process held
    it (D43). `receipt` stands with CONSUMED alone; `alternatives` are the formats offered, with INVALID_FORMAT;
    `kept` is what was kept of a file that could not be published. `sessions` counts the tokens that the job used.
    """

    state: State
    reason: Reason
    ended_in: State
    evidence: tuple[Evidence, ...] = ()
    run_unproven: bool = False
    unheld: bool = False
    receipt: Receipt | None = None
    alternatives: tuple[str, ...] = ()
    kept: str | None = None
    sessions: int = 1

    @property
    def retryable(self) -> bool:
        """Whether doing the whole job again can help.

        An expiry during generation is not called retryable: trying again would generate and expire again (D41).
        """
        match self.reason:
            case Reason.TIMED_OUT | Reason.UNREACHABLE | Reason.SERVER_ERROR | Reason.TRANSFER_LOST:
                return True
            case Reason.EXPIRED:
                return self.run_unproven or self.unheld or self.ended_in is not State.RUNNING
            case _:
                return False
