"""Decides what of a job is written down, and when: its snapshot before the commands that it shows are executed (D43).

Must never let a request leave that the ledger does not know of; a mere wait says nothing new and is not written.
"""

from __future__ import annotations

import time
from typing import Final, final

from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import State
from reportdl.batch.rows import Snapshot, packed
from reportdl.progress import Reporter
from reportdl.seal import Seal
from reportdl_core.commands import Command, Get, Run, Wait
from reportdl_core.download import Download
from reportdl_core.events import Event

__all__ = ["Keeper"]

_TOLD: Final = (Run, Get)


@final
class Keeper:
    """Observes one download of one row (see `drivers.Observer`): writes first, then tells the reporter."""

    __slots__ = ("_batch", "_download", "_ledger", "_reporter", "_row", "_runs", "_seal")

    def __init__(
        self,
        download: Download,
        *,
        ledger: Ledger,
        row: int,
        runs: int,
        seal: Seal,
        batch: str,
        reporter: Reporter,
    ) -> None:
        self._download, self._ledger, self._row, self._runs = download, ledger, row, runs
        self._seal, self._batch, self._reporter = seal, batch, reporter

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """Write what must be known after a kill."""
        download, wall = self._download, time.time()
        ran, asked = (any(isinstance(command, kind) for command in new) for kind in _TOLD)
        leaving = event is None or not all(isinstance(command, Wait) for command in new)
        if download.outcome is None and leaving:
            values = packed(
                Snapshot(download.snapshot(now=now), download.token, wall),
                seal=self._seal,
                batch=self._batch,
                row=self._row,
            )
            if ran:
                self._runs += 1
                values |= {"runs": self._runs, "ran": wall, "got": None}
            if asked:
                values["got"] = wall
            self._ledger.update(self._row, state=State.RUNNING.value, **values)
        self._reporter.moved(event, new, now=now)
