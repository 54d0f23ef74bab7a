"""Decides what a paragraph for people is: a text, how far it is set in, and its tone. Who shows it decides the rest."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import Enum

__all__ = ["BLANK", "Told", "Tone", "counted"]


class Tone(Enum):
    """What a paragraph is, for whoever has colours."""

    GOOD = "good"
    BAD = "bad"
    HEAD = "head"
    PLAIN = "plain"
    FAINT = "faint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One paragraph: `indent` columns in, its further lines `hang` more."""

    text: str
    tone: Tone = Tone.PLAIN
    indent: int = 0
    hang: int = 0

    def wrapped(self, width: int) -> list[str]:
        """Its lines; a word that is longer than a line is not broken: it may be a path."""
        first = " " * self.indent
        return textwrap.wrap(
            self.text,
            width,
            initial_indent=first,
            subsequent_indent=first + " " * self.hang,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


BLANK = Told(text="")
"""What keeps paragraphs apart."""


def counted(count: int, what: str) -> str:
    """A number of things in words."""
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"
