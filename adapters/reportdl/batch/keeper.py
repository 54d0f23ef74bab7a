"""Decides what of a job is written down, and when: its checkpoint before the commands that it shows are executed (D43).

Must never let a request leave that the store does not know of; a mere wait says nothing new and is not written.
"""

from __future__ import annotations

import time
from typing import Protocol, final

from reportdl.batch.plan import Begun, State, notes_of
from reportdl.checkpoints import Checkpoint
from reportdl.errands import Errands
from reportdl.origin import Origin
from reportdl.progress import Reporter
from reportdl.seal import Seal
from reportdl_core.commands import Command, Get, Run, Wait
from reportdl_core.download import Download
from reportdl_core.events import Event

__all__ = ["Keeper", "Store"]


class Store(Protocol):
    """Where rows are remembered: the ledger, or a worker's message on its way. What it raises ends the job there."""

    def update(self, row: int, **values: object) -> None:
        """Write some columns of a row, so that a kill in the next moment does not lose them."""
        ...

    def choose(self, row: int, path: str) -> bool:
        """Write where a row's file is about to be, if no other row of the batch has that path; whether it was free.

        A row of the same name, which the list had before, is no other.
        """
        ...

    def append_note(self, row: int, note: str) -> None:
        """Say something more about a row."""
        ...

    def formats(self, server: str, element: int) -> tuple[str, ...] | None:
        """What an element offers, if that was asked before."""
        ...

    def keep_formats(self, server: str, element: int, formats: tuple[str, ...]) -> None:
        """Remember what an element offers."""
        ...


@final
class Keeper:
    """Observes one download of one row (see `drivers.Observer`): writes first, then tells the reporter."""

    __slots__ = (
        "_begun",
        "_download",
        "_errands",
        "_origin",
        "_reporter",
        "_restarts",
        "_row",
        "_runs",
        "_seal",
        "_store",
    )

    def __init__(
        self,
        download: Download,
        errands: Errands,
        *,
        store: Store,
        row: int,
        runs: int,
        begun: Begun,
        seal: Seal,
        origin: Origin,
        reporter: Reporter,
    ) -> None:
        self._download, self._store, self._row, self._runs = download, store, row, runs
        self._seal, self._origin, self._reporter = seal, str(origin), reporter
        self._errands = errands
        self._begun, self._restarts = begun, len(download.restarts)

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """Write what must be known after a kill."""
        self._note()
        leaving = event is None or not all(isinstance(command, Wait) for command in new)
        if self._download.outcome is None and leaving:
            self._store.update(self._row, **self._shown(new, now))
        self._reporter.moved(event, new, now=now)

    def _note(self) -> None:
        """Say why the job begins again when it does: at its end, a kill in between would have left it unsaid."""
        restarts = self._download.restarts
        for note in notes_of(restarts, before=self._restarts, begun=self._begun):
            self._store.append_note(self._row, note)
        if len(restarts) > self._restarts:
            self._restarts, self._begun = len(restarts), Begun.HERE

    def _shown(self, new: tuple[Command, ...], now: float) -> dict[str, object]:
        download, wall = self._download, time.time()
        checkpoint = Checkpoint(
            origin=self._origin,
            job=download.job,
            state=download.state,
            snapshot=download.snapshot(now=now),
            token=download.token,
            written=wall,
            cookies=self._errands.cookies,
        )
        values: dict[str, object] = {"state": State.RUNNING.value, "checkpoint": checkpoint.sealed(self._seal)}
        if any(isinstance(command, Run) for command in new):
            self._runs += 1
            values |= {"runs": self._runs, "ran": wall, "got": None}
        if any(isinstance(command, Get) for command in new):
            values["got"] = wall
        return values
