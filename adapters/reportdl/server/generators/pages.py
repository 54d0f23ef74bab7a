"""Decides how a report becomes a page: picture, PDF and accessible PDF (R7), and the chart's picture for other formats.

All are one typst document. Text reaches it as JSON, never as markup. It uses the fonts inside the library, so that
the same table gives the same bytes on every machine; only text that they cannot show asks for the machine's fonts.
Every sheet is compiled as PDF/UA-1 first: that refuses a character without a glyph, which a picture would show as a
box. Must never show less than the table holds without saying so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from reportdl.server.generators.chart import Figure, figure
from reportdl.server.generators.table import NotRendered, Table, moment
from reportdl.server.generators.widths import longest

if TYPE_CHECKING:
    import typst

__all__ = ["apdf", "byline", "chart_picture", "image", "pdf"]

Sheet = Literal["page", "picture", "chart"]

_PICTURE_ROWS: Final = 60  # a picture has one sheet: more rows would make it a ribbon that no viewer opens
_PICTURE_PPI: Final = 144.0
_CHART_PPI: Final = 220.0  # shown on slides and paper
_PORTRAIT: Final = 95  # characters of the table's type across a page; the template turns it from 8 columns on
_LANDSCAPE: Final = 140
_LABELS: Final = 100  # and of a chart's labels, with some air between them
_LONGEST_WORD: Final = 24


def image(table: Table, path: Path) -> None:
    """A PNG of the whole report on one sheet: at most 60 rows, and a line that says so where there are more."""
    path.write_bytes(_png(_payload(table, rows=_PICTURE_ROWS), "picture", _PICTURE_PPI))


def pdf(table: Table, path: Path) -> None:
    """A PDF on A4, with running page numbers and the table's heading on every page."""
    payload = _payload(table)
    path.write_bytes(_compiled(payload, "page", _fonts_for(payload, "page"), moment_of=table))


def apdf(table: Table, path: Path) -> None:
    """An accessible PDF (PDF/UA-1): tagged, with title, language, heading, header cells, the chart's alternative."""
    payload = _payload(table)
    fonts = _fonts_for(payload, "page")
    path.write_bytes(_compiled(payload, "page", fonts, moment_of=table, standard="ua-1"))


def chart_picture(table: Table) -> tuple[bytes, Figure] | None:
    """The chart as PNG, 180 mm wide, with its figure; None where the report has no chart."""
    chart = figure(table)
    if chart is None:
        return None
    return _png(_payload(table, rows=0), "chart", _CHART_PPI), chart


def byline(table: Table) -> str:
    """The date and the author, as they stand under the title in every format that has a page."""
    return " \N{MIDDLE DOT} ".join(part for part in (table.issued.isoformat(), table.author) if part)


def _payload(table: Table, rows: int | None = None) -> str:
    chart = figure(table)
    language, _, region = table.language.partition("-")
    kept = table.rows if rows is None else table.rows[:rows]
    cut = [] if len(kept) == len(table.rows) else [f"The first {len(kept)} of {len(table.rows):,} rows."]
    return json.dumps(
        {
            "title": table.title,
            "heading": _breakable(table.title),
            "subtitle": _breakable(table.subtitle),
            "byline": _breakable(byline(table)),
            "author": table.author,
            "description": chart.alt if chart else table.subtitle,
            "language": language,
            "region": region if len(region) == 2 else None,
            "columns": [
                {"head": _breakable(column.heading), "align": column.aligned.value} for column in table.columns
            ],
            "rows": [
                [_breakable(column.show(cell)) for column, cell in zip(table.columns, row, strict=True)] for row in kept
            ],
            "totals": table.shown_totals(),
            "notes": [_breakable(note) for note in (*cut, *table.notes)],
            "shares": _shares(table),
            "chart": None if chart is None else _drawn(chart),
        }
    )


def _breakable(text: str, run: int = _LONGEST_WORD) -> str:
    """The text with places to break in words of more than `run` characters, which would leave their column."""
    return re.sub(rf"\S{{{run}}}(?=\S)", "\\g<0>\N{ZERO WIDTH SPACE}", text)


def _drawn(chart: Figure) -> Mapping[str, object]:
    run = max(4, _LABELS // len(chart.labels) * chart.label_every)
    labels = [_breakable(label, run) for label in chart.labels]
    return asdict(chart) | {"kind": chart.kind.value, "labels": labels, "title": _breakable(chart.title)}


def _shares(table: Table) -> list[int] | None:
    """How columns share the page's width, by their longest cells; None where it is short and typst weighs them."""
    needs = [max(8, len(column.heading), longest(table, at)) + 2 for at, column in enumerate(table.columns)]
    return needs if sum(needs) <= (_PORTRAIT if len(needs) <= 7 else _LANDSCAPE) else None


def _png(payload: str, sheet: Sheet, ppi: float) -> bytes:
    fonts = _fonts_for(payload, sheet)
    return _one(_compiler(payload, sheet, fonts).compile(format="png", ppi=ppi))


def _compiled(
    payload: str, sheet: Sheet, fonts: typst.Fonts, *, moment_of: Table, standard: Literal["1.7", "ua-1"] = "1.7"
) -> bytes:
    compiler = _compiler(payload, sheet, fonts)
    return _one(compiler.compile(format="pdf", pdf_standards=standard, timestamp=moment(moment_of)))


def _fonts_for(payload: str, sheet: Sheet) -> typst.Fonts:
    """The fonts inside the library where they show everything, else the machine's as well; raises NotRendered."""
    import typst

    reason = ""
    for fonts in (_own_fonts, _all_fonts):
        try:
            _compiler(payload, sheet, fonts()).compile(format="pdf", pdf_standards="ua-1", timestamp=0)
        except typst.TypstError as error:
            reason = error.message
        else:
            return fonts()
    raise NotRendered(f"the report cannot be laid out: {reason}")


def _compiler(payload: str, sheet: Sheet, fonts: typst.Fonts) -> typst.Compiler:
    # One each time: the library's compiler forgets its input after the first compilation.
    import typst

    inputs = {"report": payload, "sheet": sheet}
    return typst.Compiler(_template(), font_paths=fonts, ignore_system_fonts=True, sys_inputs=inputs)


def _one(made: bytes | list[bytes] | None) -> bytes:
    # Sheets of one page give bytes, several give a list: only a PDF has several, and it is one file.
    if not isinstance(made, bytes):
        raise NotRendered("the report does not fit on one sheet")
    return made


@cache
def _template() -> bytes:
    return files("reportdl.server.generators").joinpath("report.typ").read_bytes()


@cache
def _own_fonts() -> typst.Fonts:
    import typst

    return typst.Fonts(include_system_fonts=False)


@cache
def _all_fonts() -> typst.Fonts:
    import typst

    return typst.Fonts()
