"""Decides whether and how words are dressed for a terminal: colours, unless NO_COLOR or TERM=dumb say otherwise; width.

Colours repeat what words say already, and come from the terminal's own palette, so that they fit light and dark.
"""

from __future__ import annotations

import os
import sys
import textwrap
from enum import Enum
from typing import TextIO

import click

__all__ = ["Ink", "coloured", "failure", "folded", "paint", "width"]

_NARROWEST = 40
_WIDEST = 120
_UNKNOWN = 80


class Ink(Enum):
    """What a colour means."""

    GOOD = "green"
    BAD = "red"
    DOUBTFUL = "yellow"
    HEAD = "bold"
    FAINT = "dim"


def coloured(stream: TextIO | None = None) -> bool:
    """Whether `stream`, stdout by default, takes colours."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    taking = sys.stdout if stream is None else stream
    return taking is not None and taking.isatty()


def paint(text: str, ink: Ink | None, stream: TextIO | None = None) -> str:
    """`text` in its ink where `stream`, stdout by default, takes colours."""
    if ink is None or not coloured(stream):
        return text
    match ink:
        case Ink.HEAD:
            return click.style(text, bold=True)
        case Ink.FAINT:
            return click.style(text, dim=True)
        case _:
            return click.style(text, fg=ink.value)


def width(stream: TextIO | None = None) -> int:
    """The columns that a table on `stream` (stdout) may take: as many as can be read, at most the terminal's."""
    taking = sys.stdout if stream is None else stream
    if taking is None or not taking.isatty():
        return _WIDEST
    return max(_NARROWEST, min(_WIDEST, _columns(taking)))


def _columns(stream: TextIO) -> int:
    """The width of this terminal: stdout may be a pipe while stderr is one."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _UNKNOWN
    except (OSError, ValueError):
        return _UNKNOWN


def folded(text: str) -> str:
    """For stderr: lines that a terminal would break in the middle of a word, broken between words instead.

    What is dressed already, and a JSON object, stay as they are; so does everything in a pipe.
    """
    if sys.stderr is None or not sys.stderr.isatty() or text.startswith("{") or "\x1b" in text:
        return text
    columns = max(_NARROWEST, _columns(sys.stderr))
    return "\n".join(_fold(line, columns) for line in text.split("\n"))


def _fold(line: str, columns: int) -> str:
    if len(line) <= columns:
        return line
    margin = line[: len(line) - len(line.lstrip())]
    words = textwrap.wrap(
        line.lstrip(),
        columns,
        initial_indent=margin,
        subsequent_indent=margin + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(words)


def failure(message: str) -> str:
    """The last words of a command that failed: one line in a pipe; between words on a terminal, where it is wide."""
    if sys.stderr is None or not sys.stderr.isatty():
        return f"reportdl: {message}"
    columns = max(_NARROWEST, _columns(sys.stderr) - 1)
    lines = textwrap.wrap(message, columns, initial_indent="reportdl: ", break_long_words=False, break_on_hyphens=False)
    text = "\n".join(lines) or "reportdl:"
    mark = click.style("reportdl:", fg=Ink.BAD.value) if coloured(sys.stderr) else "reportdl:"
    return mark + text.removeprefix("reportdl:")
