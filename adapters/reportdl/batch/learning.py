"""Decides which job of an element asks it for its formats: the first, for all of them, as long as they are not known.

The others wait for that one answer, not for its report; where it fails, the next asks for itself (D12). Must never let
a job wait for one that has ended.
"""

from __future__ import annotations

from typing import final

from reportdl.batch.keeper import Store
from reportdl.batch.rows import Row
from reportdl.batch.servers import Server
from reportdl_core.commands import Command
from reportdl_core.download import Download
from reportdl_core.events import Event
from reportdl_core.policy import Preflight

__all__ = ["Learning"]


@final
class Learning:
    """What one job learns of its element's formats, and keeps for the others."""

    def __init__(self, row: Row, server: Server, store: Store) -> None:
        self._row, self._server, self._store = row, server, store
        self._download: Download | None = None
        self._known: tuple[str, ...] | None = None
        self._lock = server.asking(row.job.element)
        self._asks = False

    async def known(self) -> tuple[str, ...] | None:
        """What the element offers, as soon as that is known; None where this job is the one to ask, or nobody is."""
        if self._server.policy.preflight is Preflight.ON and self._look() is None:
            await self._lock.acquire()
            self._asks = True
            if self._look() is not None:
                self.over()
        return self._known

    def _look(self) -> tuple[str, ...] | None:
        self._known = self._store.formats(self._row.server, self._row.job.element)
        return self._known

    def of(self, download: Download) -> Learning:
        """This, as the observer of a download."""
        self._download = download
        self._known = download.formats
        return self

    def moved(self, event: Event | None, new: tuple[Command, ...], *, now: float) -> None:
        """Keep what the element offers once it has said so (`drivers.Observer`)."""
        download = self._download
        if self._known is None and download is not None and download.formats is not None:
            self._known = download.formats
            self._store.keep_formats(self._row.server, self._row.job.element, self._known)
            self._server.answered(self._row.job.element)
            self.over()

    def over(self) -> None:
        """Nobody has to wait for this job any more."""
        if self._asks:
            self._asks = False
            self._lock.release()
