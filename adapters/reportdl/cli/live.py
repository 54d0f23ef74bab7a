"""Decides how a job looks on a terminal: one live line, and one more where something goes wrong. rich draws it.

While generating: state and time; while downloading: bytes, rate, time left. Must leave nothing behind but its final
line, and take every text literally: what a user or a server said is no markup.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

from reportdl.cli.lines import SAID, concluded
from reportdl.cli.speech import tell
from reportdl_core.lifecycle import State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reportdl.progress import Progress

__all__ = ["Live", "clock"]

_WIDEST: Final = 100
_NARROW: Final = 72  # below it a bar has no room, and a row that wraps could not be taken back
_MARGIN: Final = 4  # a terminal echoes ^C after the row: it must not wrap either
_FRAMES: Final = 8  # a second


def clock(seconds: float) -> str:
    """Minutes and seconds, as a stop-watch shows them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@final
class Live:
    """A display that is redrawn in place. Called from the driver's thread and from the one that receives the file."""

    def __init__(self, label: str) -> None:
        from rich.console import Console
        from rich.live import Live as Drawing
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Transfer
        from rich.spinner import Spinner

        self._label = label
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._now: Progress | None = None
        self._received = 0
        self._trouble: tuple[str, str] | None = None
        self._times = 0
        self._spinner = Spinner("line")
        # Used as a picture and a measure of the rate alone: it is never started, the drawing below redraws all.
        said, size = TextColumn("{task.description}", markup=False), DownloadColumn()
        self._narrow = (said, size)
        self._wide = (said, BarColumn(bar_width=None), size, TransferSpeedColumn(), TimeRemainingColumn())
        self._transfer = Transfer(auto_refresh=False)
        self._task = self._transfer.add_task(f"{label}: {SAID[State.READY]}", total=None)
        self._console = Console(stderr=True)
        self._drawing = Drawing(
            get_renderable=self._picture, console=self._console, transient=True, refresh_per_second=_FRAMES
        )

    def __enter__(self) -> Self:
        try:
            self._drawing.start()
        except BaseException:  # a signal in the middle of it: the cursor must come back
            self._drawing.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing.stop()
        if kind is None and self._now is not None and self._now.state is State.CONSUMED:
            tell(concluded(self._label, self._now, self._received))

    def __call__(self, progress: Progress) -> None:
        """Take what the next picture shows."""
        with self._lock:
            if progress.received:
                if progress.received < self._received:  # the file comes a second time, from its start (D21)
                    self._transfer.reset(self._task)
                self._received = progress.received
                self._transfer.update(self._task, completed=progress.received, total=progress.total)
            self._now = progress

    def asks(self, state: str) -> None:
        """Nothing new to see."""

    def ends(self, state: str, trouble: str | None) -> None:
        """A trouble is shown until a request ends well."""
        with self._lock:
            new = None if trouble is None else (state, trouble)
            self._times = self._times + 1 if new is not None and new == self._trouble else 1
            self._trouble = new

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.constrain import Constrain
        from rich.text import Text

        with self._lock:
            rows: list[RenderableType] = [self._row()]
            if self._trouble is not None:
                times = f" ({self._times} times)" if self._times > 1 else ""
                words = f"  {self._trouble[0]}: {self._trouble[1]}{times}; going on"
                rows.append(Text(words, style="yellow", no_wrap=True, overflow="ellipsis"))
            return Constrain(Group(*rows), max(1, min(_WIDEST, self._console.width - _MARGIN)))

    def _row(self) -> RenderableType:
        from rich.text import Text

        now = self._now
        if now is not None and now.received:
            self._transfer.columns = self._wide if self._console.width >= _NARROW else self._narrow
            return self._transfer.get_renderable()
        state = State.INIT if now is None else now.state
        again = f", session {now.sessions}" if now is not None and now.sessions > 1 else ""
        elapsed = clock(time.monotonic() - self._began)
        words = f"{self._label}: {SAID[state]}{again}  {elapsed}"
        self._spinner.update(text=Text(words, no_wrap=True, overflow="ellipsis"))
        return self._spinner
