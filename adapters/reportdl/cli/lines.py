"""Decides how a job reads in a log: what each state is called, and one line on each move.

A repeated failure is shown, so that a wrong URL does not look like a long generation; the same one not again and
again. Must never write to stdout, nor end a job because stderr cannot be written.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, final

from reportdl.cli.speech import tell
from reportdl_core.lifecycle import State

if TYPE_CHECKING:
    from reportdl.progress import Progress

__all__ = ["SAID", "Lines", "concluded"]

SAID: Final = {
    State.INIT: "asking",
    State.RUNNING: "generating",
    State.READY: "downloading",
    State.CONSUMED: "done",
    State.ERROR: "failed",
    State.EXPIRED: "expired",
}

_AGAIN: Final = 10.0  # seconds before the same trouble is worth another line


def concluded(label: str, progress: Progress, received: int) -> str:
    """The line that stays when the file is here."""
    size = f", {received:,} bytes" if received else ""
    return f"{label}: done{size} ({progress.elapsed:.1f} s)"


@final
class Lines:
    """One line on each move: for logs and pipes."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._last: tuple[State, int] | None = None
        self._received = 0
        self._pending: tuple[str, str] | None = None
        self._shown: tuple[str, str] | None = None
        self._shown_at = 0.0
        self._times = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        """A line, if the state is another one."""
        self._received = progress.received or self._received
        state = (progress.state, progress.sessions)
        if state == self._last or progress.state in (State.ERROR, State.EXPIRED):
            return  # how it failed is told once, as the error
        self._last = state
        if progress.state is State.CONSUMED:
            tell(concluded(self._label, progress, self._received))
            return
        again = f", session {progress.sessions}" if progress.sessions > 1 else ""
        tell(f"{self._label}: {SAID[progress.state]} ({progress.elapsed:.1f} s{again})")

    def asks(self, state: str) -> None:
        """The job goes on: only now is it certain that the last trouble was not its end, which the error tells."""
        now = time.monotonic()
        with self._lock:
            trouble, self._pending = self._pending, None
            if trouble is None or (trouble == self._shown and now - self._shown_at < _AGAIN):
                return
            times = f", {self._times} times" if trouble == self._shown else ""
            self._shown, self._shown_at = trouble, now
        tell(f"{self._label}: {trouble[0]}: {trouble[1]}{times}; going on ({now - self._began:.1f} s)")

    def ends(self, state: str, trouble: str | None) -> None:
        """Remember a trouble until the job goes on."""
        with self._lock:
            if trouble is None:
                self._shown, self._times = None, 0
                return
            self._times = self._times + 1 if (state, trouble) in (self._pending, self._shown) else 1
            self._pending = (state, trouble)
