"""Decides how a report becomes a workbook (R7): one sheet with the head, the table and a native chart over its cells.

Numbers, percentages and dates are values with a number format, so that people can go on calculating; sums are formulas
that follow the filter, with their results beside them for readers that do not calculate. Text is always written as
text, never as a formula or a link. A spreadsheet keeps fifteen digits of a number: one that would show other digits for
it is written as text, and so is the sum of its column; a chart of such numbers is a picture.

Must never drop what does not fit: what a sheet cannot hold is NotRendered.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final, Protocol, assert_never, cast

from reportdl.server.generators.chart import figure
from reportdl.server.generators.pages import byline, chart_picture
from reportdl.server.generators.table import Cell, Chart, ChartKind, Column, Kind, NotRendered, Table, moment

__all__ = ["generate"]

_SHEET: Final = "Report"
_HEAD: Final = 4  # the row of the table's heading, counted from 0: title, subtitle, byline and a gap stand above
_MOST_ROWS: Final = 1_048_576 - _HEAD - 100
_FIRST_DATE: Final = date(1900, 3, 1)  # earlier days are counted wrongly by spreadsheets: written as text
_KEPT: Final = Context(prec=15)  # of a number's digits; the rest become zeros
_WIDEST: Final = 48
_CHART: Final = (600, 340)  # pixels
_COLOURS: Final = ("#1F5A94", "#B4491F", "#2F6F4F", "#6A4C93")
_DASHES: Final = ("solid", "dash", "round_dot", "dash_dot")


class _Style(Protocol):
    """A cell format."""


class _Drawing(Protocol):
    def add_series(self, options: dict[str, Any]) -> None: ...
    def set_title(self, options: dict[str, Any]) -> None: ...
    def set_legend(self, options: dict[str, Any]) -> None: ...
    def set_x_axis(self, options: dict[str, Any]) -> None: ...
    def set_y_axis(self, options: dict[str, Any]) -> None: ...
    def set_size(self, options: dict[str, Any]) -> None: ...
    def show_blanks_as(self, option: str) -> None: ...


class _Sheet(Protocol):
    def write_string(self, row: int, col: int, string: str, cell_format: _Style | None = None) -> int: ...
    def write_number(self, row: int, col: int, number: float, cell_format: _Style | None = None) -> int: ...
    def write_datetime(self, row: int, col: int, date: date, cell_format: _Style | None = None) -> int: ...
    def write_blank(self, row: int, col: int, blank: None, cell_format: _Style | None = None) -> int: ...
    def write_formula(self, row: int, col: int, formula: str, cell_format: _Style | None, value: float) -> int: ...
    def insert_image(self, row: int, col: int, filename: str, options: dict[str, Any]) -> int: ...
    def insert_chart(self, row: int, col: int, chart: _Drawing, options: dict[str, Any]) -> int: ...
    def set_column(self, first_col: int, last_col: int, width: float) -> int: ...
    def freeze_panes(self, row: int, col: int) -> None: ...
    def autofilter(self, first_row: int, first_col: int, last_row: int, last_col: int) -> object: ...
    def repeat_rows(self, first_row: int, last_row: int) -> None: ...
    def set_landscape(self) -> None: ...
    def set_paper(self, paper_size: int) -> None: ...
    def fit_to_pages(self, width: int, height: int) -> None: ...
    def hide_gridlines(self, option: int) -> None: ...


class _Book(Protocol):
    def add_worksheet(self, name: str) -> _Sheet: ...
    def add_format(self, properties: dict[str, Any]) -> _Style: ...
    def add_chart(self, options: dict[str, Any]) -> _Drawing: ...
    def set_properties(self, properties: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Styles:
    title: _Style
    faint: _Style
    note: _Style
    heads: tuple[_Style, ...]
    cells: tuple[_Style, ...]
    sums: tuple[_Style, ...]


def generate(table: Table, path: Path) -> None:
    """Write the report as a workbook of one sheet; raises NotRendered for more rows or text than a sheet can hold."""
    if len(table.rows) > _MOST_ROWS:
        raise NotRendered(f"a sheet holds {_MOST_ROWS:,} rows, and the report has {len(table.rows):,}")
    book = _book(path)
    book.set_properties(
        # The library writes the clock's time where it is given none.
        {"title": table.title, "subject": table.subtitle, "author": table.author, "created": _naive(table)}
    )
    sheet = book.add_worksheet(_SHEET)
    styles = _styles(book, table.columns)
    _write_head(sheet, table, styles)
    below = _write_rows(sheet, table, styles)
    for number, note in enumerate(table.notes, below + 1):
        _must(sheet.write_string(number, 0, note, styles.note))
    _arrange(sheet, table)
    if table.chart is not None:
        _write_chart(book, sheet, table, table.chart)
    book.close()


def _book(path: Path) -> _Book:
    # The library is typed but does not say so; the protocols above are what is used of it.
    library = importlib.import_module("xlsxwriter")
    return cast(_Book, library.Workbook(str(path), {"in_memory": True}))


def _naive(table: Table) -> datetime:
    return moment(table).replace(tzinfo=None)


def _styles(book: _Book, columns: tuple[Column, ...]) -> _Styles:
    def style(column: Column, **more: Any) -> _Style:
        base = {"align": column.aligned.value, "valign": "top", "num_format": _number_format(column)}
        return book.add_format(base | more)

    text = {"text_wrap": True}
    return _Styles(
        title=book.add_format({"bold": True, "font_size": 18, "font_color": "#1B2733"}),
        faint=book.add_format({"font_color": "#55616D"}),
        note=book.add_format({"font_color": "#55616D", "italic": True}),
        heads=tuple(style(one, bold=True, bg_color="#E6EDF4", bottom=1, **text) for one in columns),
        cells=tuple(style(one, **(text if one.kind is Kind.TEXT else {})) for one in columns),
        sums=tuple(style(one, bold=True, top=1) for one in columns),
    )


def _number_format(column: Column) -> str:
    digits = f"0.{'0' * column.decimals}" if column.decimals else "0"
    match column.kind:
        case Kind.TEXT:
            return "@"
        case Kind.NUMBER:
            return f"#,##{digits}"
        case Kind.PERCENT:
            return f"{digits}%"
        case Kind.DATE:
            return "yyyy-mm-dd"
    assert_never(column.kind)


def _write_head(sheet: _Sheet, table: Table, styles: _Styles) -> None:
    _must(sheet.write_string(0, 0, table.title, styles.title))
    _must(sheet.write_string(1, 0, table.subtitle, styles.faint))
    _must(sheet.write_string(2, 0, byline(table), styles.faint))
    for at, column in enumerate(table.columns):
        _must(sheet.write_string(_HEAD, at, column.heading, styles.heads[at]))


def _write_rows(sheet: _Sheet, table: Table, styles: _Styles) -> int:
    """The table's body and its sums; returns the first free row."""
    for number, row in enumerate(table.rows, _HEAD + 1):
        for at, cell in enumerate(row):
            _write_cell(sheet, number, at, cell, table.columns[at], styles.cells[at])
    free = _HEAD + 1 + len(table.rows)
    totals, shown = table.totals(), table.shown_totals()
    if totals is None or shown is None:
        return free
    for at, cell in enumerate(totals):
        if isinstance(cell, Decimal) and not (_is_kept(table.columns[at], cell) and _are_kept(table, at)):
            _must(sheet.write_string(free, at, _digits(table.columns[at], cell), styles.sums[at]))
        elif isinstance(cell, Decimal):
            name = _letters(at)
            formula = f"=SUBTOTAL(109,{name}{_HEAD + 2}:{name}{free})"
            _must(sheet.write_formula(free, at, formula, styles.sums[at], _plain(cell)))
        else:
            _must(sheet.write_string(free, at, shown[at], styles.sums[at]))
    return free + 1


def _write_cell(sheet: _Sheet, row: int, col: int, cell: Cell, column: Column, style: _Style) -> None:
    match cell:
        case None:
            _must(sheet.write_blank(row, col, None, style))
        case str():
            _must(sheet.write_string(row, col, column.show(cell), style))
        case Decimal():
            if _is_kept(column, cell):
                _must(sheet.write_number(row, col, float(cell), style))
            else:
                _must(sheet.write_string(row, col, _digits(column, cell), style))
        case date():
            if cell < _FIRST_DATE:
                _must(sheet.write_string(row, col, cell.isoformat(), style))
            else:
                _must(sheet.write_datetime(row, col, cell, style))
        case _:
            assert_never(cell)


def _is_kept(column: Column, value: Decimal) -> bool:
    """Whether a spreadsheet shows the number's own digits: a long fraction may end beyond what the column shows."""
    return column.show(_KEPT.plus(value)) == column.show(value)


def _are_kept(table: Table, at: int) -> bool:
    # Of the chart and of a sum: they would take a text for nothing.
    return all(_is_kept(table.columns[at], cell) for row in table.rows if isinstance(cell := row[at], Decimal))


def _digits(column: Column, value: Decimal) -> str:
    return f"{value.scaleb(2):f}%" if column.kind is Kind.PERCENT else f"{value:f}"


def _plain(value: Decimal) -> float:
    return int(value) if value == value.to_integral_value() else float(value)


def _must(result: int) -> None:
    # The library reports by number, and cuts text of more than 32,767 characters short.
    if result != 0:
        raise NotRendered("the report has a text that is too long for a cell")


def _arrange(sheet: _Sheet, table: Table) -> None:
    last = _HEAD + max(1, len(table.rows))
    for at, column in enumerate(table.columns):
        needs = max(len(column.heading) + 3, *(len(column.show(row[at])) for row in table.rows), 8)
        sheet.set_column(at, at, min(needs, _WIDEST) + 2)
    sheet.freeze_panes(_HEAD + 1, 0)
    sheet.autofilter(_HEAD, 0, last, len(table.columns) - 1)
    sheet.repeat_rows(_HEAD, _HEAD)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.hide_gridlines(2)


def _write_chart(book: _Book, sheet: _Sheet, table: Table, chart: Chart) -> None:
    described = figure(table)
    if described is None:
        return
    # Beside the table: below it, the filter's hidden rows would squeeze it.
    place = (_HEAD, len(table.columns) + 1)
    told: dict[str, Any] = {"description": described.alt, "object_position": 3}
    picture = None if all(_are_kept(table, table.index(key)) for key in chart.y) else chart_picture(table)
    if picture is not None:
        scale = _CHART[0] / int.from_bytes(picture[0][16:20])  # where a PNG has its width in pixels
        told |= {"image_data": io.BytesIO(picture[0]), "x_scale": scale, "y_scale": scale}
        _must(sheet.insert_image(*place, "chart.png", told))
        return
    first = table.columns[table.index(chart.y[0])]
    drawing = book.add_chart({"type": "column" if chart.kind is ChartKind.BAR else "line"})
    for number, key in enumerate(chart.y):
        drawing.add_series(_series(table, chart, key, number))
    drawing.set_title({"name": described.title, "overlay": False, "name_font": {"size": 13}})
    drawing.set_legend({"position": "bottom"} if len(chart.y) > 1 else {"none": True})
    drawing.set_x_axis({"name": table.columns[table.index(chart.x)].label, "text_axis": True})
    lines = {"visible": True, "line": {"color": "#C9D1D9"}}
    drawing.set_y_axis({"num_format": _number_format(first), "major_gridlines": lines})
    drawing.set_size({"width": _CHART[0], "height": _CHART[1]})
    drawing.show_blanks_as("gap")
    sheet.insert_chart(*place, drawing, told)


def _series(table: Table, chart: Chart, key: str, number: int) -> dict[str, Any]:
    at, x = table.index(key), table.index(chart.x)
    first, last = _HEAD + 1, _HEAD + len(table.rows)
    colour = _COLOURS[number]
    look: dict[str, Any] = {"fill": {"color": colour}, "gap": 60}
    if chart.kind is ChartKind.LINE:
        look = {"line": {"color": colour, "width": 2.25, "dash_type": _DASHES[number]}, "marker": {"type": "none"}}
    return look | {
        "name": [_SHEET, _HEAD, at],
        "categories": [_SHEET, first, x, last, x],
        "values": [_SHEET, first, at, last, at],
    }


def _letters(column: int) -> str:
    """A column's name: 0 is A, 26 is AA."""
    name = ""
    while column >= 0:
        column, letter = divmod(column, 26)
        name, column = chr(ord("A") + letter) + name, column - 1
    return name
