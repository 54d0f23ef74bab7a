"""Decides how the columns of a table share a page's width, for the formats that do not work that out themselves.

Numbers and dates get what they need, since a broken number is misread; text and headings may wrap. Must never measure
with a font: the reader's machine may have another one.
"""

from __future__ import annotations

from typing import Final

from reportdl.server.generators.table import Kind, Table

__all__ = ["longest", "shares"]

_WIDEST_TEXT: Final = 36  # characters; longer text wraps
_NARROWEST: Final = 5
_PADDING: Final = 3  # a cell's own, in characters


def shares(table: Table) -> list[float]:
    """Each column's share of the width; together they are 1."""
    needs = [_needed(table, at) for at in range(len(table.columns))]
    return [need / sum(needs) for need in needs]


def longest(table: Table, at: int) -> int:
    """The characters of the column's longest cell, its total included; 0 where there is none."""
    column, totals = table.columns[at], table.shown_totals()
    cells = [column.show(row[at]) for row in table.rows]
    return max(map(len, [*cells, *([totals[at]] if totals else [])]), default=0)


def _needed(table: Table, at: int) -> int:
    cells = longest(table, at)
    if table.columns[at].kind is Kind.TEXT:
        cells = min(cells, _WIDEST_TEXT)
    # Headings are bold, which makes them wider.
    words = max((len(word) + 1 for word in table.columns[at].heading.split()), default=0)
    return max(cells, min(words, _WIDEST_TEXT), _NARROWEST) + _PADDING
