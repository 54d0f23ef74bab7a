"""Decides how paragraphs look on stderr: wrapped and in colours on a terminal, elsewhere each in one line for a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from reportdl.batch.words import Told, Tone
from reportdl.cli.paint import Ink, paint, width
from reportdl.cli.speech import tell

__all__ = ["tell_all"]

_ENDLESS: Final = 100_000
_INKS: Final = {Tone.GOOD: Ink.GOOD, Tone.BAD: Ink.BAD, Tone.HEAD: Ink.HEAD, Tone.FAINT: Ink.FAINT, Tone.PLAIN: None}


def tell_all(paragraphs: Iterable[Told]) -> None:
    """Tell them all."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    columns = width(sys.stderr) - 1 if on_terminal else _ENDLESS  # as `tell` folds: once is enough
    for told in paragraphs:
        for line in told.wrapped(columns):
            tell(paint(line, _INKS[told.tone], sys.stderr))
