"""Decides how a report becomes CSV (R7): its columns and rows and nothing else, values rather than their appearance.

UTF-8 with a byte order mark: a spreadsheet that opens the file by a double click takes it for the machine's old code
page otherwise, while readers of data know the mark (in Python: `utf-8-sig`). Lines end in CRLF, fields are quoted where
RFC 4180 asks for it. Numbers are plain digits with a point, percentages fractions of one, dates YYYY-MM-DD.

Must never write text that a spreadsheet would run: text that begins with = + - @, their full-width forms, a tab or a
line end, with or without spaces before it, gets an apostrophe in front. That is the one change made to a value; numbers
are never text here, so that -5 stays -5.
"""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, assert_never

from reportdl.server.generators.table import Cell, Table

__all__ = ["generate", "inert"]

_STARTS_FORMULA: Final = tuple(
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


def generate(table: Table, path: Path) -> None:
    """Write a heading line and one line per row; totals and notes are left to the formats that people read."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([inert(column.heading) for column in table.columns])
        writer.writerows([_field(cell) for cell in row] for row in table.rows)


def inert(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) or text.lstrip().startswith(_STARTS_FORMULA) else text


def _field(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return inert(cell)
        case Decimal():
            return f"{cell:f}"
        case date():
            return cell.isoformat()
    assert_never(cell)
