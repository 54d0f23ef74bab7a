"""Decides how a report becomes a page: picture, PDF and accessible PDF (R7), and the chart's picture for other formats.

All are one typst document. Text reaches it as JSON, never as markup. It uses the fonts inside the library, so that
the same table gives the same bytes on every machine; only text that they cannot show asks for the machine's fonts.
Every sheet is compiled as PDF/UA-1 first: that refuses a character without a glyph, which a picture would show as a
box. A table that is too wide for A4 gets a larger sheet of the same type size, up to A0. Must never show less than the
table holds without saying so, and never put a character into a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from reportdl.server.generators.chart import Figure, figure
from reportdl.server.generators.table import Kind, NotRendered, Table, moment
from reportdl.server.generators.widths import divided

if TYPE_CHECKING:
    import typst

__all__ = ["apdf", "byline", "chart_picture", "image", "pdf"]

Sheet = Literal["page", "picture", "chart"]

_PICTURE_ROWS: Final = 60  # a picture has one sheet: more rows would make it a ribbon that no viewer opens
_PICTURE_PPI: Final = 144.0
_CHART_PPI: Final = 220.0  # shown on slides and paper
_POINTS: Final = 72 / 25.4  # to a millimetre
_MARGIN: Final = 20  # millimetres
_UPRIGHT: Final = ("a4", 210)
_LYING: Final = (("a4", 297), ("a3", 420), ("a2", 594), ("a1", 841), ("a0", 1189))  # each with its longer side
_MANY_COLUMNS: Final = 7  # more of them turn the page
_MORE_COLUMNS: Final = 9  # and more of these are set smaller
_DIGIT: Final = 0.48  # of the type's size: those of the library's font have 0.465
_PADDING: Final = 12  # points; the template's insets
_INVISIBLE: Final = "\ufeff"  # the byte order mark: PDF/UA forbids it, and it shows nothing


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
    kept = table.rows if rows is None else table.rows[:rows]
    language, _, region = table.language.partition("-")
    cut = [] if len(kept) == len(table.rows) else [f"The first {len(kept)} of {len(table.rows):,} rows."]
    payload = json.dumps(
        {
            "title": table.title,
            "subtitle": table.subtitle,
            "byline": byline(table),
            "author": table.author,
            "description": chart.alt if chart else table.subtitle,
            "language": language,
            "region": region if len(region) == 2 else None,
            "columns": [
                {"head": column.heading, "align": column.aligned.value, "wraps": column.kind is Kind.TEXT}
                for column in table.columns
            ],
            "rows": [[column.show(cell) for column, cell in zip(table.columns, row, strict=True)] for row in kept],
            "totals": table.shown_totals(),
            "notes": [*cut, *table.notes],
            "sheet": _sheet(table, empty=not kept),
            "chart": None if chart is None else asdict(chart) | {"kind": chart.kind.value},
        },
        ensure_ascii=False,
    )
    return payload.replace(_INVISIBLE, "")


def _sheet(table: Table, *, empty: bool) -> Mapping[str, object]:
    """The smallest paper that the columns can be read on, and their widths; raises NotRendered where there is none."""
    many = len(table.columns)
    size = 8 if many > _MORE_COLUMNS else 9.5
    for paper, side in (*((_UPRIGHT,) if many <= _MANY_COLUMNS else ()), *_LYING):
        room = (side - 2 * _MARGIN) * _POINTS
        widths = [] if empty else divided(table, room, digit=size * _DIGIT, padding=_PADDING)
        if widths is not None:
            return {"paper": paper, "flipped": side != _UPRIGHT[1], "room": room, "size": size, "widths": widths}
    raise NotRendered(f"the report's {many} columns do not fit side by side on the largest sheet, which is A0")


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
