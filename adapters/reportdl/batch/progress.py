"""Decides what a person is told of how a batch goes: counts by state, rate, time remaining, the slowest job.

Numbers and words alone; who shows them is the command line's. Must never need the whole batch in memory.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
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
    """The numbers of a batch as it goes. `counts`, by server, are the ledger's at its start, and kept up to date."""

    counts: dict[str, dict[State, int]]
    clock: Callable[[], float] = time.monotonic
    reading: bool = False
    refused: int = 0
    repeated: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    repeats: int = 0
    forgotten: int = 0
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
        for server, new in added.new.items():
            self.counts[server][State.WAITING] += new
        self.refused += added.refused
        self.repeats += len(added.repeated)
        self.repeated += added.repeated[: max(0, 5 - len(self.repeated))]

    def forgot(self, gone: Mapping[tuple[str, State], int]) -> None:
        """These are not on the list any more."""
        for (server, state), count in gone.items():
            self.forgotten += count
            if server in self.counts:  # else it is one that was not given this time
                self.counts[server][state] -= count

    def began(self, row: Row) -> None:
        """A row is under way."""
        self.counts[row.server][row.state] -= 1
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
        counts = self.counts[row.server]
        match brought:
            case Kept(size=size):
                counts[State.DONE] += 1
                self.done_here += 1
                self.bytes_here += size or 0
            case Failed():
                counts[State.FAILED if again_at is None else State.WAITING] += 1
                self.retries += again_at is not None
            case Undelivered():
                counts[State.HELD] += 1
            case _:
                assert_never(brought)

    def beat(self) -> None:
        """Time has passed: remember how far it is."""
        self._samples.append((self.clock(), self.ended_here))

    # -- what is told -------------------------------------------------------------------------------------------------

    def count(self, *states: State) -> int:
        """How many jobs are in one of these states."""
        return sum(counts[state] for counts in self.counts.values() for state in states)

    @property
    def total(self) -> int:
        """All jobs known so far."""
        return self.count(*State) + len(self._running)

    @property
    def elapsed(self) -> float:
        """Seconds since this process began."""
        return self.clock() - self._began

    def phases(self, server: str | None = None) -> Counter[str]:
        """How many jobs are asking, generating, downloading, of all servers or of one."""
        return Counter(one.phase for one in self._running.values() if server in (None, one.row.server))

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
        return (
            None
            if self.reading or rate <= 0
            else (self.total - self.count(State.DONE, State.FAILED, State.HELD)) / rate
        )

    @property
    def slowest(self) -> tuple[Row, str, float] | None:
        """The job that has been under way for longest: what it is doing, and for how many seconds."""
        if not self._running:
            return None
        one = min(self._running.values(), key=lambda running: running.since)
        return one.row, one.phase, self.clock() - one.since

    def line(self) -> str:
        """All of it in one line."""
        parts = [self._counted({state: self.count(state) for state in State}, self.phases())]
        if (rate := self.rate) > 0:
            parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min")
        if (left := self.remaining) is not None and self.count(State.WAITING):
            parts.append(f"{lasting(left)} left")
        if (slow := self.slowest) is not None and slow[2] >= 10:
            parts.append(f"slowest: {slow[0].label} {slow[1]} for {lasting(slow[2])}")
        return ", ".join(parts)

    def lines(self) -> list[str]:
        """The same, and below it a line for each server where there are several."""
        if len(self.counts) < 2:
            return [self.line()]
        each = [f"  {name}: {self._counted(counts, self.phases(name))}" for name, counts in self.counts.items()]
        return [self.line(), *each]

    def _counted(self, counts: Mapping[State, int], phases: Counter[str]) -> str:
        total = sum(counts.values()) + phases.total()
        parts = [f"{counts[State.DONE]:,} of {total:,}{'+' if self.reading else ''} done"]
        parts += [f"{counts[state]:,} {state.value}" for state in (State.FAILED, State.HELD) if counts[state]]
        under_way = (Phase.ASKING, Phase.GENERATING, Phase.DOWNLOADING)
        parts += [f"{phases[phase]:,} {phase}" for phase in under_way if phases[phase]]
        if counts[State.WAITING]:
            parts.append(f"{counts[State.WAITING]:,} waiting")
        return ", ".join(parts)


def lasting(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"
