"""Decides what is shown while a batch goes on: results on stdout as they come, failures and counts on stderr.

On a terminal one live line; elsewhere a line now and then. Must never let stderr end a batch, and take every text
literally.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, assert_never, final

from reportdl.batch.bring import Brought, Failed, Kept, Undelivered
from reportdl.cli.speech import say, tell

if TYPE_CHECKING:
    from reportdl.batch.progress import Board
    from reportdl.batch.rows import Row

__all__ = ["BatchView", "view"]

_FIRST: Final = 2.0  # seconds after which a person wants to see that something happens
_EVERY: Final = 15.0


def view(*, as_json: bool) -> BatchView:
    """The view that fits where stderr goes."""
    live = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return BatchView(as_json=as_json, live=live)


@final
class BatchView:
    """Call it with the board of a batch, inside a `with`; it is the batch's viewer then."""

    def __init__(self, *, as_json: bool, live: bool) -> None:
        self._as_json, self._live = as_json, live
        self._board: Board | None = None
        self._drawing: Any = None
        self._next = time.monotonic() + _FIRST

    def __call__(self, board: Board) -> Self:
        """Show this batch."""
        self._board = board
        return self

    def __enter__(self) -> Self:
        if self._live:
            self._drawing = _drawing(self._lines)
            if self._drawing is not None:
                self._drawing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing is not None:
            self._drawing.stop()

    def ended(self, row: Row, brought: Brought, *, again_at: float | None) -> None:
        """A job ended: its path or object on stdout, its failure on stderr."""
        match brought:
            case Kept(path=path):
                self._said(path, _object(row, state="done", path=path, size=brought.size))
            case Failed(error=error, reason=reason, retryable=retryable):
                later = "" if again_at is None else f" It is tried again in {max(0, again_at - time.time()):.0f} s."
                self._told(f"line {row.line}: {row.label}: {error}{later}")
                state = "failed" if again_at is None else "waiting"
                self._said(None, _object(row, state=state, reason=reason.value, error=error, retryable=retryable))
            case Undelivered(error=error):
                self._told(f"line {row.line}: {row.label}: {error}")
                self._said(None, _object(row, state="held", error=error))
            case _:
                assert_never(brought)

    def beat(self) -> None:
        """A line now and then, where nothing is drawn."""
        if self._drawing is None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            for line in self._lines():
                tell(line)

    def _lines(self) -> list[str]:
        return [] if self._board is None else self._board.lines()

    def _said(self, path: str | None, values: dict[str, object]) -> None:
        if self._as_json:
            self._aside(lambda: say(json.dumps(values)))
        elif path is not None:
            self._aside(lambda: say(path))

    def _told(self, text: str) -> None:
        self._aside(lambda: tell(text))

    def _aside(self, speak: Any) -> None:
        """Something that stays, above the live line."""
        if self._drawing is None:
            speak()
            return
        self._drawing.stop()
        speak()
        self._drawing.start()


def _object(row: Row, **more: object) -> dict[str, object]:
    job = row.job
    asked = {
        "line": row.line,
        "server": row.server,
        "element": job.element,
        "segment": job.segment,
        "format": job.format,
    }
    return {"event": "job", **asked, **more}


def _drawing(lines: Any) -> Any:
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text
    except ModuleNotFoundError:
        return None
    return Live(
        get_renderable=lambda: Text("\n".join(lines()), no_wrap=True, overflow="ellipsis"),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )
