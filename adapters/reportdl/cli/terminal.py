"""Decides what a person sees on stderr while a job goes on: on a terminal a live display, elsewhere a line per move.

Must never end a job because the library that draws is not there.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, final

from reportdl.cli.lines import Lines

if TYPE_CHECKING:
    from reportdl.progress import Progress

__all__ = ["Display", "display"]


class Display(Protocol):
    """A context manager that is called with each `Progress` and watches the requests (`watched.Watcher`)."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __call__(self, progress: Progress) -> None:
        """The job has moved, or bytes have come."""

    def asks(self, state: str) -> None:
        """A request is about to leave."""

    def ends(self, state: str, trouble: str | None) -> None:
        """It ended, well or in trouble."""


@final
class _Nothing:
    """For a program that reads stderr: the one object that it waits for, and nothing before it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        """Shown to nobody."""

    def asks(self, state: str) -> None:
        """Shown to nobody."""

    def ends(self, state: str, trouble: str | None) -> None:
        """Shown to nobody."""


def display(label: str, *, plain: bool = False, as_json: bool = False) -> Display:
    """The display that fits where stderr goes; TERM=dumb is honoured, NO_COLOR by rich.

    `plain` asks for lines in any case: where something else is written to the same terminal. `as_json`: a pipe gets
    nothing but the object that an error is.
    """
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    if as_json and not on_terminal:
        return _Nothing()
    if plain or not on_terminal or os.environ.get("TERM") == "dumb":
        return Lines(label)
    from reportdl.cli.live import Live

    try:
        return Live(label)
    except ModuleNotFoundError:  # click is enough for the command; rich makes it nicer to look at
        return Lines(label)
