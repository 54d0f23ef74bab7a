"""Decides whether what goes to stdout has colours: on a terminal, unless NO_COLOR or TERM=dumb say otherwise.

Colours repeat what words say already, and come from the terminal's own palette, so that they fit light and dark.
"""

from __future__ import annotations

import os
import sys
from enum import Enum

import click

__all__ = ["Ink", "coloured", "paint", "width"]

_NARROWEST = 40
_WIDEST = 120


class Ink(Enum):
    """What a colour means."""

    GOOD = "green"
    BAD = "red"
    DOUBTFUL = "yellow"
    HEAD = "bold"
    FAINT = "dim"


def coloured() -> bool:
    """Whether stdout takes colours."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()


def paint(text: str, ink: Ink | None) -> str:
    """`text` in its ink where stdout takes colours."""
    if ink is None or not coloured():
        return text
    match ink:
        case Ink.HEAD:
            return click.style(text, bold=True)
        case Ink.FAINT:
            return click.style(text, dim=True)
        case _:
            return click.style(text, fg=ink.value)


def width() -> int:
    """The columns that a table may take: the terminal's, within what can be read; the widest elsewhere."""
    import shutil

    if sys.stdout is None or not sys.stdout.isatty():
        return _WIDEST
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
