"""Decides what a person is told of how a batch goes: counts by state, rate, time remaining, the slowest job.

Numbers and words alone; who shows them is the command line's. Must never need the whole batch in memory.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, assert_never, final

from reportdl.batch.bring import Brought, Failed, Kept, Undelivered
from reportdl.batch.plan import State
from reportdl.batch.rows import Added, Row
from reportdl.progress import Progress
from reportdl_core.lifecycle import State as SessionState

__all__ = ["Board", "Phase", "lasting"]

_WINDOW: Final = 300.0
_SAMPLES: Final = 600


class Phase:
    """What a job that is under way is doing, in the words that people are shown."""

    ASKING = "asking"
    GENERATING = "generating"
    DOWNLOADING = "downloading"


_PHASES: Final = {SessionState.RUNNING: Phase.GENERATING, SessionState.READY: Phase.DOWNLOADING}


@dataclass(slots=True)
class _Running:
    row: Row
    since: float
    phase: str = Phase.ASKING


@final
@dataclass(slots=True)
class Board:
    """The numbers of a batch as it goes. `counts` are the ledger's at its start, kept up to date from then on."""

    counts: dict[State, int]
    clock: Callable[[], float] = time.monotonic
    reading: bool = False
    refused: int = 0
    repeated: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    repeats: int = 0
    retries: int = 0
    ended_here: int = 0
    done_here: int = 0
    bytes_here: int = 0
    _running: dict[int, _Running] = field(default_factory=dict[int, _Running])
    _samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._samples.append((self._began, 0))

    # -- what happens -------------------------------------------------------------------------------------------------

    def added(self, added: Added) -> None:
        """Lines were taken."""
        self.counts[State.WAITING] += added.new
        self.refused += added.refused
        self.repeats += len(added.repeated)
        self.repeated += added.repeated[: max(0, 5 - len(self.repeated))]

    def began(self, row: Row) -> None:
        """A row is under way."""
        self.counts[row.state] -= 1
        self._running[row.id] = _Running(row, self.clock())

    def moved(self, row: Row, progress: Progress) -> None:
        """A row's session moved."""
        running = self._running.get(row.id)
        if running is not None:
            running.phase = _PHASES.get(progress.state, running.phase)

    def ended(self, row: Row, brought: Brought, *, again_at: float | None) -> None:
        """A row is under way no more."""
        self._running.pop(row.id, None)
        self.ended_here += again_at is None
        match brought:
            case Kept(size=size):
                self.counts[State.DONE] += 1
                self.done_here += 1
                self.bytes_here += size or 0
            case Failed():
                self.counts[State.FAILED if again_at is None else State.WAITING] += 1
                self.retries += again_at is not None
            case Undelivered():
                self.counts[State.HELD] += 1
            case _:
                assert_never(brought)

    def beat(self) -> None:
        """Time has passed: remember how far it is."""
        self._samples.append((self.clock(), self.ended_here))

    # -- what is told -------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> int:
        return self.counts[State.DONE] + self.counts[State.FAILED] + self.counts[State.HELD]

    @property
    def total(self) -> int:
        """All jobs known so far."""
        return sum(self.counts.values()) + len(self._running)

    @property
    def elapsed(self) -> float:
        """Seconds since this process began."""
        return self.clock() - self._began

    @property
    def phases(self) -> Counter[str]:
        """How many jobs are asking, generating, downloading."""
        return Counter(one.phase for one in self._running.values())

    @property
    def rate(self) -> float:
        """Jobs that ended in a second, over the last minutes."""
        now = self.clock()
        when, ended = next(
            sample for sample in self._samples if now - sample[0] <= _WINDOW or sample == self._samples[-1]
        )
        return (self.ended_here - ended) / (now - when) if now > when else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds until the rest is done, at this rate; None while that cannot be said."""
        rate = self.rate
        return None if self.reading or rate <= 0 else (self.total - self._over) / rate

    @property
    def slowest(self) -> tuple[Row, str, float] | None:
        """The job that has been under way for longest: what it is doing, and for how many seconds."""
        if not self._running:
            return None
        one = min(self._running.values(), key=lambda running: running.since)
        return one.row, one.phase, self.clock() - one.since

    def line(self) -> str:
        """All of it in one line."""
        phases, counts = self.phases, self.counts
        parts = [f"{counts[State.DONE]:,} of {self.total:,}{'+' if self.reading else ''} done"]
        if counts[State.FAILED]:
            parts.append(f"{counts[State.FAILED]:,} failed")
        if counts[State.HELD]:
            parts.append(f"{counts[State.HELD]:,} held")
        parts += [
            f"{phases[phase]:,} {phase}"
            for phase in (Phase.ASKING, Phase.GENERATING, Phase.DOWNLOADING)
            if phases[phase]
        ]
        parts.append(f"{counts[State.WAITING]:,} waiting")
        if (rate := self.rate) > 0:
            parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min")
        if (left := self.remaining) is not None and counts[State.WAITING]:
            parts.append(f"{lasting(left)} left")
        if (slow := self.slowest) is not None and slow[2] >= 10:
            parts.append(f"slowest: {slow[0].label} {slow[1]} for {lasting(slow[2])}")
        return ", ".join(parts)


def lasting(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"
