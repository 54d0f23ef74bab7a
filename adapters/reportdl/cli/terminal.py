"""Decides what a person sees on stderr while a job goes on: on a terminal a live line, elsewhere a line per move.

Must never write to stdout, and never leave a half-drawn line behind.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, final

import click

from reportdl_core.lifecycle import State

if TYPE_CHECKING:
    from reportdl.progress import Progress

__all__ = ["Display", "display"]

_SAID = {
    State.INIT: "asking",
    State.RUNNING: "generating",
    State.READY: "downloading",
    State.CONSUMED: "done",
    State.ERROR: "failed",
    State.EXPIRED: "expired",
}


class Display(Protocol):
    """A context manager that is called with each `Progress`."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing half drawn."""
        ...

    def __call__(self, progress: Progress) -> None:
        """Show where the job stands."""
        ...


def display(label: str) -> Display:
    """The display that fits where stderr goes; NO_COLOR and TERM=dumb are honoured."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _Live(label)
    return _Lines(label)


@final
class _Lines:
    """One line on each move: for logs and pipes."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._last: tuple[State, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        state = (progress.state, progress.sessions)
        if state != self._last and progress.state not in (State.ERROR, State.EXPIRED):
            self._last = state
            again = f", session {progress.sessions}" if progress.sessions > 1 else ""
            click.echo(f"{self._label}: {_SAID[progress.state]} ({progress.elapsed:.1f} s{again})", err=True)


@final
class _Live:
    """A line that rich redraws: a spinner and the time while generating, a bar and the rate while downloading."""

    def __init__(self, label: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Drawn

        console = Console(stderr=True)
        self._drawing = threading.Lock()
        self._waiting = Drawn(
            SpinnerColumn("line"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._transfer = Drawn(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._label, self._console = label, console
        self._task: Any = None
        self._drawn: Any = None

    def __enter__(self) -> Self:
        self._switch(self._waiting, _SAID[State.INIT])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._drawing:
            if self._drawn is not None:
                self._drawn.stop()
                self._drawn = None

    def _switch(self, drawn: Any, said: str) -> None:
        with self._drawing:
            if self._drawn is drawn and self._task is not None:
                drawn.update(self._task, description=f"{self._label}: {said}")
                return
            if self._drawn is not None:
                self._drawn.stop()
            self._drawn = drawn
            self._task = drawn.add_task(f"{self._label}: {said}", total=None)
            drawn.start()

    def __call__(self, progress: Progress) -> None:
        if progress.received:
            self._switch(self._transfer, _SAID[progress.state])
            self._transfer.update(self._task, completed=progress.received, total=progress.total)
        elif progress.state in (State.INIT, State.RUNNING, State.READY):
            again = f", session {progress.sessions}" if progress.sessions > 1 else ""
            self._switch(self._waiting, _SAID[progress.state] + again)
