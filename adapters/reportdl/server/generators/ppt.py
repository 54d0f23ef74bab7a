"""Decides how a report becomes slides (R7): the chart first, then the table, at most fourteen rows to a slide.

The chart is a picture with its alternative text, since the library's native charts do not follow the schema. Sixteen
by nine. Must never shrink a table until it cannot be read, and never leave rows out without saying so on the slide.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, assert_never

from reportdl.server.generators.package import settle
from reportdl.server.generators.pages import byline, chart_picture
from reportdl.server.generators.table import Align, Table, moment
from reportdl.server.generators.widths import shares

__all__ = ["generate"]

# The library types itself in part only, and its tables not as what they are: the names stand for its objects.
Presentation = Any
Slide = Any
Picture = Any
GridCell = Any
Frame = Any
Paragraph = Any

_WIDTH: Final = 338.6  # millimetres: 13.33 by 7.5 inches
_HEIGHT: Final = 190.5
_MARGIN: Final = 18.0
_TOP: Final = 44.0  # where a slide's content begins
_ROW: Final = 9.4
_ROWS: Final = 14
_MOST_ROWS: Final = 279  # twenty slides with the line of totals
_INK: Final = "1B2733"
_FAINT: Final = "55616D"
_BLUE: Final = "1F5A94"


def generate(table: Table, path: Path) -> None:
    """Write the report as a presentation: at most 279 rows, and a line that says so where there are more."""
    slides: Presentation = importlib.import_module("pptx").Presentation()
    _shed(slides)
    slides.slide_width, slides.slide_height = _mm(_WIDTH), _mm(_HEIGHT)
    _describe(slides, table)
    _first(slides, table)
    lines = _lines(table)
    for start, end in _spread(len(lines)):
        _grid(slides, table, lines, start, end)
    if len(table.rows) > _MOST_ROWS:
        _foot(slides.slides[len(slides.slides) - 1], f"The first {_MOST_ROWS} of {len(table.rows):,} rows.")
    package = io.BytesIO()
    slides.save(package)
    settle(package, path)


def _spread(lines: int) -> list[tuple[int, int]]:
    """Where each slide's lines begin and end: as few slides as it takes, evenly filled."""
    slides = -(-lines // _ROWS)
    return [(lines * number // slides, lines * (number + 1) // slides) for number in range(slides)]


def _mm(value: float) -> int:
    from pptx.util import Mm

    return Mm(value)


def _shed(slides: Presentation) -> None:
    """Leave out what the library's template brings along: a picture of its first page, its author's printer."""
    package = slides.part.package
    for relation in tuple(package.iter_rels()):
        if relation.reltype.endswith("/thumbnail"):
            package.drop_rel(relation.rId)
        elif relation.reltype.endswith("/printerSettings"):
            slides.part.drop_rel(relation.rId)


def _describe(slides: Presentation, table: Table) -> None:
    properties = slides.core_properties
    # The library refuses more than 255 characters in a property.
    properties.title, properties.subject = table.title[:255], table.subtitle[:255]
    properties.author = properties.last_modified_by = table.author[:255]
    properties.language, properties.comments, properties.keywords = table.language, "", ""
    # The library wants instants without a zone and writes them as UTC.
    properties.created = properties.modified = moment(table).replace(tzinfo=None)
    properties.revision = 1


def _slide(slides: Presentation, title: str, size: float) -> Slide:
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.util import Pt

    slide: Slide = slides.slides.add_slide(slides.slide_layouts.get_by_name("Title Only"))
    holder = slide.shapes.title
    # The template's layouts are four by three: its places would leave a wide slide half empty.
    holder.left, holder.top = _mm(_MARGIN), _mm(10)
    holder.width, holder.height = _mm(_WIDTH - 2 * _MARGIN), _mm(18)
    frame = holder.text_frame
    frame.text, frame.word_wrap, frame.vertical_anchor = " ".join(title.split()), True, MSO_ANCHOR.BOTTOM
    frame.paragraphs[0].alignment = PP_ALIGN.LEFT
    font = frame.paragraphs[0].font
    font.size, font.bold, font.color.rgb = Pt(size), True, _colour(_INK)
    return slide


def _colour(name: str) -> object:
    colours: Any = importlib.import_module("pptx.dml.color")
    return colours.RGBColor.from_string(name)


def _first(slides: Presentation, table: Table) -> None:
    slide = _slide(slides, table.title, 32 if len(table.title) <= 50 else 22)
    line = " \N{EM DASH} ".join(part for part in (table.subtitle, byline(table)) if part)
    _text(slide, line, 29, 14, _FAINT)
    picture = chart_picture(table)
    if picture is not None:
        data, chart = picture
        shape = slide.shapes.add_picture(io.BytesIO(data), _mm(_MARGIN), _mm(_TOP))
        _fit(shape, _WIDTH - 2 * _MARGIN, _HEIGHT - _TOP - 24)
        # The library has no public name for the alternative text.
        shape._element.nvPicPr.cNvPr.set("descr", chart.alt)
    elif not table.rows:
        _text(slide, "No data.", _TOP, 16, _INK)
    if table.notes:
        _foot(slide, " ".join(table.notes))


def _fit(shape: Picture, width: float, height: float) -> None:
    room_wide, room_high = _mm(width), _mm(height)
    scale = min(room_wide / shape.width, room_high / shape.height)
    shape.width, shape.height = int(shape.width * scale), int(shape.height * scale)
    shape.left += (room_wide - shape.width) // 2


def _text(slide: Slide, text: str, top: float, size: float, colour: str) -> None:
    from pptx.util import Pt

    box = slide.shapes.add_textbox(_mm(_MARGIN), _mm(top), _mm(_WIDTH - 2 * _MARGIN), _mm(10))
    box.text_frame.word_wrap = True
    for paragraph, line in _paragraphs(box.text_frame, text):
        run = paragraph.add_run()
        run.text, run.font.size, run.font.color.rgb = line, Pt(size), _colour(colour)


def _paragraphs(frame: Frame, text: str) -> Iterator[tuple[Paragraph, str]]:
    """A paragraph for each line of the text: a run takes no line end, and the break beside it has no size."""
    for number, line in enumerate(text.split("\n")):
        yield (frame.add_paragraph() if number else frame.paragraphs[0]), line


def _foot(slide: Slide, text: str) -> None:
    size = 11 if len(text) <= 300 else 8
    _text(slide, text, _HEIGHT - (7 + 5 * -(-len(text) // 150)), size, _FAINT)


def _lines(table: Table) -> list[tuple[str, ...]]:
    kept = table.rows[:_MOST_ROWS]
    lines = [tuple(column.show(cell) for column, cell in zip(table.columns, row, strict=True)) for row in kept]
    totals = table.shown_totals()
    return lines if totals is None else [*lines, totals]


def _grid(slides: Presentation, table: Table, every: list[tuple[str, ...]], start: int, end: int) -> None:
    lines = every[start:end]
    place = "" if len(lines) == len(every) else f" ({start + 1}\N{EN DASH}{end} of {len(every)})"
    slide = _slide(slides, f"{table.title}{place}", 22)
    size = (_mm(_WIDTH - 2 * _MARGIN), _mm(_ROW * (1 + len(lines))))
    frame = slide.shapes.add_table(1 + len(lines), len(table.columns), _mm(_MARGIN), _mm(36), *size)
    frame._element.nvGraphicFramePr.cNvPr.set("descr", f"Table: {table.title}{place}")
    grid = frame.table
    heading = tuple(column.heading for column in table.columns)
    for column, share in zip(grid.columns, shares(table), strict=True):
        column.width = _mm((_WIDTH - 2 * _MARGIN) * share)
    points = 12.0 if len(table.columns) <= 7 else 8.0
    totals = end == len(every) and table.shown_totals() is not None
    grid.first_row, grid.last_row, grid.horz_banding = True, totals, True
    for row, line in zip(grid.rows, [heading, *lines], strict=True):
        row.height = _mm(_ROW)
        for cell, text, column in zip(row.cells, line, table.columns, strict=True):
            _write(cell, text, column.aligned, points)
    for row in [grid.rows[0], *([grid.rows[len(lines)]] if totals else [])]:
        for cell in row.cells:
            _stress(cell)


def _write(cell: GridCell, text: str, align: Align, size: float) -> None:
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.util import Pt

    cell.vertical_anchor = MSO_ANCHOR.MIDDLE
    cell.margin_top = cell.margin_bottom = Pt(2)
    if size < 10:
        cell.margin_left = cell.margin_right = Pt(3)
    for paragraph, line in _paragraphs(cell.text_frame, text):
        run = paragraph.add_run()
        run.text, run.font.size = line, Pt(size)
        match align:
            case Align.LEFT:
                paragraph.alignment = PP_ALIGN.LEFT
            case Align.CENTER:
                paragraph.alignment = PP_ALIGN.CENTER
            case Align.RIGHT:
                paragraph.alignment = PP_ALIGN.RIGHT
            case _:
                assert_never(align)


def _stress(cell: GridCell) -> None:
    # The theme's own blue leaves white text a contrast of 4 to 1; this one has 7.
    cell.fill.solid()
    cell.fill.fore_color.rgb = _colour(_BLUE)
    for run in (run for paragraph in cell.text_frame.paragraphs for run in paragraph.runs):
        run.font.bold, run.font.color.rgb = True, _colour("FFFFFF")
