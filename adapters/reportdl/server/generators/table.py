"""Decides what a report is before it has a format: a title, typed columns, rows, at most one chart.

Every generator reads this one value, so that the nine formats say the same thing. It holds what is true of all of
them: what a cell may be, how a number is shown to people, what is added up. Must never know a format, read a file, or
hold text that a format could not carry: control characters are refused here once, not nine times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import Enum
from functools import reduce
from typing import Final, assert_never

from reportdl_core.errors import ReportdlError

__all__ = [
    "Align",
    "Cell",
    "Chart",
    "ChartKind",
    "Column",
    "InvalidTable",
    "Kind",
    "NotRendered",
    "Table",
    "Total",
    "legible",
    "moment",
    "settled",
]

Cell = str | Decimal | date | None

# What XML 1.0 cannot carry, which four of the nine formats are made of; and all that Unicode says is no character.
_NO_CHARACTER: Final = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_ILLEGIBLE: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff{_NO_CHARACTER}]")
_LINE_END: Final = re.compile("\r\n?")  # of Windows, and of old machines: each format breaks a line at \n alone
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MOST_DIGITS: Final = 18  # what every reader of the schema type `decimal` must take; nor is 1E+999999 written out
_ROOM: Final = Context(prec=_MOST_DIGITS * 2)
_MOST_SERIES: Final = 4  # more cannot be told apart by colour and dash


class InvalidTable(ReportdlError, ValueError):
    """A table that contradicts itself: the message says where."""


class NotRendered(ReportdlError):
    """A table that is sound, and that this format cannot show; the message is fit for the person who asked."""


class Kind(Enum):
    """What a column holds: `str`, `Decimal`, `Decimal` as a fraction of one, `date`; None is an empty cell in all."""

    TEXT = "text"
    NUMBER = "number"
    PERCENT = "percent"
    DATE = "date"


class Align(Enum):
    """Where a column's text stands. The values are the words that HTML and typst use."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


class Total(Enum):
    """What stands under a column."""

    NONE = "none"
    SUM = "sum"


class ChartKind(Enum):
    """How a chart draws its series."""

    BAR = "bar"
    LINE = "line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `key` names it for machines, `label` for people; `unit` stands in its heading, not in its cells.

    `align` None means: numbers and dates to the right, the rest to the left. `decimals` are digits shown after the
    point (of the percentage, where it is one); they never change a value.
    """

    key: str
    label: str
    kind: Kind = Kind.TEXT
    unit: str = ""
    decimals: int = 0
    align: Align | None = None
    total: Total = Total.NONE

    def __post_init__(self) -> None:
        if not 0 <= self.decimals <= 9:
            raise InvalidTable(f"column {self.key!r}: decimals must be 0 to 9, not {self.decimals}")
        if self.total is not Total.NONE and self.kind is not Kind.NUMBER:
            raise InvalidTable(f"column {self.key!r}: only numbers can be added up")

    @property
    def heading(self) -> str:
        """The label, with the unit where there is one."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def aligned(self) -> Align:
        """The alignment in force."""
        if self.align is not None:
            return self.align
        return Align.LEFT if self.kind is Kind.TEXT else Align.RIGHT

    def show(self, value: Cell) -> str:
        """The cell as people read it: grouped by comma, with a true minus sign; dates YYYY-MM-DD; lines end in LF."""
        match value:
            case None:
                return ""
            case Decimal():
                return self._number(value)
            case date():
                return value.isoformat()
            case str():
                return _LINE_END.sub("\n", value)
        assert_never(value)

    def _number(self, value: Decimal) -> str:
        percent = self.kind is Kind.PERCENT
        # Halves away from zero, as spreadsheets show them: two formats of one report must not differ in a digit.
        hundredfold = value.scaleb(2, _ROOM) if percent else value
        rounded = hundredfold.quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP, _ROOM)
        text = f"{rounded:,f}"
        if text.startswith("-"):
            # A negative amount that rounds to nothing shows no sign.
            text = text[1:] if not text.strip("-0.,") else f"\N{MINUS SIGN}{text[1:]}"
        return f"{text}%" if percent else text

    def accepts(self, value: object) -> bool:
        """Whether the value is one that this column's kind holds; anything may be asked, it comes from plugins."""
        match value:
            case None:
                return True
            case Decimal():
                return self.kind in (Kind.NUMBER, Kind.PERCENT) and _fits(value)
            case date():
                return self.kind is Kind.DATE and not isinstance(value, datetime)
            case str():
                return self.kind is Kind.TEXT
            case _:
                return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart over the table's own rows: `x` and `y` are column keys, `y` at most four, all of them numbers."""

    kind: ChartKind
    x: str
    y: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A report.

    `issued` is the date that its content stands for; no generator reads a clock, so that the same table gives the same
    bytes. `language` is a BCP 47 tag for readers aloud; it translates nothing. Raises InvalidTable.
    """

    title: str
    subtitle: str = ""
    notes: tuple[str, ...] = ()
    author: str = ""
    issued: date
    language: str = "en"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chart: Chart | None = None

    def __post_init__(self) -> None:
        _check_words(self)
        _check_columns(self.columns)
        _check_rows(self)
        if self.chart is not None:
            _check_chart(self, self.chart)

    def index(self, key: str) -> int:
        """Where the column with this key stands; raises InvalidTable if there is none."""
        for at, column in enumerate(self.columns):
            if column.key == key:
                return at
        raise InvalidTable(f"no column {key!r}")

    def totals(self) -> tuple[Cell, ...] | None:
        """A row of sums, None in the columns without; None if no column is added up or there is no row."""
        if not self.rows or all(column.total is Total.NONE for column in self.columns):
            return None
        return tuple(self._total(at, column) for at, column in enumerate(self.columns))

    def _total(self, at: int, column: Column) -> Decimal | None:
        match column.total:
            case Total.NONE:
                return None
            case Total.SUM:
                numbers = (cell for row in self.rows if isinstance(cell := row[at], Decimal))
                return reduce(_ROOM.add, numbers, Decimal(0))
        assert_never(column.total)

    def shown_totals(self) -> tuple[str, ...] | None:
        """`totals` as people read it, with the word Total in the first column, if that is free."""
        totals = self.totals()
        if totals is None:
            return None
        shown = [column.show(cell) for column, cell in zip(self.columns, totals, strict=True)]
        return (shown[0] or "Total", *shown[1:])


def legible(text: str) -> str:
    """The text with every character that no format could carry replaced by U+FFFD."""
    return _ILLEGIBLE.sub("\N{REPLACEMENT CHARACTER}", text)


def settled(value: Decimal) -> Decimal | None:
    """The number with at most 18 digits, rounded if its fraction is longer; None if its whole part alone has more.

    A binary fraction such as 0.1 + 0.2 has no end in sight, and no format shows that much of it.
    """
    if not value.is_finite() or value.adjusted() >= _MOST_DIGITS:
        return None
    if _fits(value):
        return value
    places = _MOST_DIGITS - max(0, value.adjusted() + 1)
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _ROOM)
    return rounded if _fits(rounded) else None


def _fits(value: Decimal) -> bool:
    """Whether the number, written without an exponent, has at most 18 digits."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and max(0, value.adjusted() + 1) + max(0, -exponent) <= _MOST_DIGITS


def moment(table: Table) -> datetime:
    """The instant that stands for the table's date wherever a format wants one: midnight UTC."""
    return datetime.combine(table.issued, time(), tzinfo=UTC)


def _check_words(table: Table) -> None:
    if not table.title.strip():
        raise InvalidTable("a report needs a title")
    if not _LANGUAGE.fullmatch(table.language):
        raise InvalidTable(f"language must be a tag such as 'en' or 'pt-BR', not {table.language!r:.40}")
    labels = [word for column in table.columns for word in (column.label, column.unit, column.key)]
    chart = [table.chart.title] if table.chart else []
    for word in (table.title, table.subtitle, table.author, *table.notes, *labels, *chart):
        if _ILLEGIBLE.search(word):
            raise InvalidTable(f"{word!r:.60} holds a control character")


def _check_columns(columns: tuple[Column, ...]) -> None:
    keys = [column.key for column in columns]
    if not keys or len(set(keys)) != len(keys):
        raise InvalidTable("a report needs at least one column, and no key twice")


def _check_rows(table: Table) -> None:
    for number, row in enumerate(table.rows, 1):
        if len(row) != len(table.columns):
            raise InvalidTable(f"row {number} has {len(row)} cells for {len(table.columns)} columns")
        for column, cell in zip(table.columns, row, strict=True):
            if not column.accepts(cell):
                raise InvalidTable(f"row {number}, column {column.key!r}: {cell!r:.40} is no {column.kind.value}")
            if isinstance(cell, str) and _ILLEGIBLE.search(cell):
                raise InvalidTable(f"row {number}, column {column.key!r}: a control character")


def _check_chart(table: Table, chart: Chart) -> None:
    table.index(chart.x)
    if not 1 <= len(chart.y) <= _MOST_SERIES or len(set(chart.y)) != len(chart.y):
        raise InvalidTable(f"a chart has 1 to {_MOST_SERIES} series, each once")
    for key in chart.y:
        if table.columns[table.index(key)].kind not in (Kind.NUMBER, Kind.PERCENT):
            raise InvalidTable(f"chart: column {key!r} is not a number")
