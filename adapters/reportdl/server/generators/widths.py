"""Decides how the columns of a table share a width, and how many lines a text takes in one of them.

Numbers and dates get what they need, since a broken number is misread; text and headings may wrap, down to a width that
can still be read. Where that is more than there is, the caller takes a wider sheet, or the columns in groups. Must
never measure with a font: the reader's machine may have another one. Widths are in the unit that is asked in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from unicodedata import east_asian_width

from reportdl.server.generators.table import Kind, Table

__all__ = ["OFFICE_DIGIT", "Group", "divided", "grouped", "lines"]

OFFICE_DIGIT: Final = 0.64  # of the type's size: the widest digits among the fonts that stand in for a missing one

_WIDEST_TEXT: Final = 36  # characters; longer text wraps
_NARROWEST_TEXT: Final = 12  # of words there, and of a heading's over numbers
_NARROWEST: Final = 5
_NEARLY: Final = 1.000001  # what sums of fractions may be out by
_BOLD: Final = 1.15  # what bold type adds to the widths of its characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Columns that stand side by side, by their places in the table, and their widths."""

    columns: list[int]
    widths: list[float]


def divided(table: Table, room: float, *, digit: float, padding: float) -> list[float] | None:
    """Each column's width, together `room`; None where that is too little for the table to be read.

    `digit` is the width of one digit, `padding` what a cell keeps free on both its sides together.
    """
    found = grouped(table, room, digit=digit, padding=padding)
    return found[0].widths if len(found) == 1 and sum(found[0].widths) <= room * _NEARLY else None


def grouped(table: Table, room: float, *, digit: float, padding: float) -> list[Group]:
    """The columns in groups that fit side by side, the first column in each: it says what a row is about.

    A group of two is never parted: it may have more than `room`.
    """
    needs = [(digit * least + padding, digit * wanted + padding) for least, wanted in _needs(table)]
    groups, taken = [[0]], needs[0][0]
    for at, (least, _) in enumerate(needs[1:], 1):
        if taken + least > room and len(groups[-1]) > 1:
            groups, taken = [*groups, [0]], needs[0][0]
        groups[-1].append(at)
        taken += least
    return [Group(columns=group, widths=_shared([needs[at] for at in group], room)) for group in groups]


def _shared(needs: list[tuple[float, float]], room: float) -> list[float]:
    least, wanted = sum(low for low, _ in needs), sum(want for _, want in needs)
    if wanted <= room:
        return [want * room / wanted for _, want in needs]
    more = max(0, (room - least) / (wanted - least)) if wanted > least else 0
    return [low + (want - low) * more for low, want in needs]


def lines(text: str, room: float, *, letter: float) -> int:
    """The lines that the text takes where a letter of it is so wide on average."""
    across = max(1, int(room / letter))
    return sum(_wrapped(line, across) for line in text.split("\n"))


def _wrapped(line: str, across: int) -> int:
    """A word that a line has no room for goes to the next, and is broken only where it is longer than that."""
    count, used = 1, 0
    for word in line.split():
        length = _across(word)
        if used and used + 1 + length > across:
            count, used = count + 1, 0
        used += length + (1 if used else 0)
        more = max(0, used - 1) // across
        count, used = count + more, used - more * across
    return count


def _across(word: str) -> int:
    # A Chinese character is as wide as two letters.
    return len(word) if word.isascii() else sum(2 if east_asian_width(one) in "WF" else 1 for one in word)


def _needs(table: Table) -> list[tuple[float, float]]:
    totals = table.shown_totals() or ("",) * len(table.columns)
    return [_needed(table, at, total) for at, total in enumerate(totals)]


def _needed(table: Table, at: int, total: str) -> tuple[float, float]:
    """The characters that the column must have, and those that it would like to have."""
    column = table.columns[at]
    words = max((len(word) * _BOLD for word in column.heading.split()), default=0)
    narrow = min(words, _NARROWEST_TEXT)
    cells = max((_weight(column.show(row[at]), column.kind) for row in table.rows), default=0)
    cells = max(cells, _BOLD * _weight(total, column.kind))
    if column.kind is Kind.TEXT:
        cells = min(cells, _WIDEST_TEXT)
        return max(min(cells, _NARROWEST_TEXT), narrow, _NARROWEST), max(cells, min(words, _WIDEST_TEXT), _NARROWEST)
    return max(cells, narrow, _NARROWEST), max(cells, min(words, _WIDEST_TEXT), _NARROWEST)


def _weight(text: str, kind: Kind) -> float:
    # The points and commas of a number are half as wide as its digits in every font.
    return len(text) if kind is Kind.TEXT else len(text) - (text.count(",") + text.count(".")) / 2
