"""Decides what is told while a job goes on: a state, the time, the bytes; to a callback and to the log.

Must never break a transfer: what a callback raises while bytes come is raised to the caller at the next move, or it
would pass for a fault of the network or the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from reportdl.logs import Log
from reportdl_core.commands import Command, Finish
from reportdl_core.download import Download
from reportdl_core.events import Event
from reportdl_core.lifecycle import State

__all__ = ["OnProgress", "Progress", "Reporter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a job stands.

    `elapsed` is seconds since it began; `received` counts the file's bytes so far, `total` is their number where the
    server said it. `sessions` is 1 until the job had to begin again.
    """

    state: State
    elapsed: float
    received: int = 0
    total: int | None = None
    sessions: int = 1


OnProgress = Callable[[Progress], None]
"""Called on every move, and for each chunk of the file from the thread that receives it."""


@final
class Reporter:
    """Observes one download: one log event per move, one progress value per move or chunk."""

    __slots__ = ("_began", "_broken", "_clock", "_download", "_log", "_on_progress", "_state")

    def __init__(
        self, download: Download, *, clock: Callable[[], float], log: Log, on_progress: OnProgress | None
    ) -> None:
        self._download, self._clock, self._log, self._on_progress = download, clock, log, on_progress
        self._began = clock()
        self._state: tuple[State, int] | None = None
        self._broken: Exception | None = None

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """The driver's report of one event (see `drivers.Observer`)."""
        if self._broken is not None:
            raise self._broken
        state = (self._download.state, len(self._download.restarts))
        if state != self._state:
            self._state = state
            self._log.info("moved", state=state[0].value, session=state[1] + 1, seconds=round(now - self._began, 3))
            self._tell(now=now, received=0, total=None)
        if new and isinstance(new[-1], Finish):
            outcome = new[-1].outcome
            self._log.info("finished", reason=outcome.reason.value, retryable=outcome.retryable)

    def received(self, received: int, total: int | None) -> None:
        """Bytes of the file have come."""
        if self._broken is None:
            try:
                self._tell(now=self._clock(), received=received, total=total)
            except Exception as error:  # noqa: BLE001 - the callback is the user's own; it is raised at the next move
                self._broken = error

    def _tell(self, *, now: float, received: int, total: int | None) -> None:
        if self._on_progress is not None:
            sessions = 1 + len(self._download.restarts)
            self._on_progress(
                Progress(
                    state=self._download.state,
                    elapsed=now - self._began,
                    received=received,
                    total=total,
                    sessions=sessions,
                )
            )
