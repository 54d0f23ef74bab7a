"""Decides how a report becomes slides (R7): the chart first, then the table, at most fourteen rows to a slide.

Fewer where rows are higher than a line, since programs let a row grow with its text and show nothing below the slide;
heights and widths are reckoned in the widest usual font, since the reader's machine has its own. The chart is a picture
with its alternative text: the library's native charts do not follow the schema. Sixteen by nine. Must never shrink a
table until it cannot be read, and never leave rows or columns out without saying so on the slide.
"""

from __future__ import annotations

import importlib
import io
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, assert_never

from reportdl.server.generators.package import settle
from reportdl.server.generators.pages import byline, chart_picture
from reportdl.server.generators.table import Align, NotRendered, Table, moment
from reportdl.server.generators.widths import OFFICE_DIGIT, Group, grouped, lines

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
_GRID: Final = 36.0  # and its table, which needs no more than the title above it
_ROW: Final = 9.4
_ROWS: Final = 14
_ROOM: Final = _ROW * (1 + _ROWS)  # for a table with its heading
_POINT: Final = 25.4 / 72
_LETTER: Final = 0.58  # of the type's size, on average over a text
_LINE: Final = 1.22  # of the type's size, from line to line
_UPRIGHT_PADDING: Final = 4.0  # points of a cell, both its ends together
_MANY_COLUMNS: Final = 7  # more of them are set smaller
_MOST_ROWS: Final = 279  # twenty slides with the line of totals
_INK: Final = "1B2733"
_FAINT: Final = "55616D"
_BLUE: Final = "1F5A94"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Type:
    """The size of a table's type, and what its cells keep free at their two sides together, in points."""

    size: float
    padding: float

    def height(self, texts: tuple[str, ...], widths: list[float]) -> float:
        """What the row takes in the widest usual font, in millimetres."""
        letter, padding = self.size * _LETTER * _POINT, self.padding * _POINT
        most = max(lines(text, width - padding, letter=letter) for text, width in zip(texts, widths, strict=True))
        return max(_ROW, (most * self.size * _LINE + _UPRIGHT_PADDING) * _POINT)


_LARGE: Final = _Type(size=12, padding=14.4)
_SMALL: Final = _Type(size=8, padding=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Columns that stand side by side, with the texts and heights of their heading and their lines."""

    face: _Type
    group: Group
    texts: list[tuple[str, ...]]
    heights: list[float]


def generate(table: Table, path: Path) -> None:
    """Write the report as a presentation: at most 279 rows, and a line that says so where there are more.

    Columns that do not fit side by side go to slides of their own, the first of them to each. Raises NotRendered for a
    table with a row that does not fit on a slide.
    """
    slides: Presentation = importlib.import_module("pptx").Presentation()
    _shed(slides)
    slides.slide_width, slides.slide_height = _mm(_WIDTH), _mm(_HEIGHT)
    _describe(slides, table)
    _first(slides, table)
    for part in _parts(table) if table.rows else ():
        for start, end in _spread(part.heights[1:], _ROOM - part.heights[0]):
            _grid(slides, table, part, start, end)
    if len(table.rows) > _MOST_ROWS:
        _foot(slides.slides[len(slides.slides) - 1], f"The first {_MOST_ROWS} of {len(table.rows):,} rows.")
    package = io.BytesIO()
    slides.save(package)
    settle(package, path)


def _parts(table: Table) -> list[_Part]:
    """The whole table in the larger type or in the smaller; where that is too wide as well, its columns in groups."""
    if len(table.columns) <= _MANY_COLUMNS and len(large := _set(table, _LARGE)) == 1:
        return large
    return _set(table, _SMALL)


def _set(table: Table, face: _Type) -> list[_Part]:
    every = _texts(table)
    parts: list[_Part] = []
    digit, padding = face.size * OFFICE_DIGIT * _POINT, face.padding * _POINT
    for group in grouped(table, _WIDTH - 2 * _MARGIN, digit=digit, padding=padding):
        texts = [tuple(line[at] for at in group.columns) for line in every]
        heights = [face.height(line, group.widths) for line in texts]
        parts.append(_Part(face=face, group=group, texts=texts, heights=heights))
    return parts


def _spread(heights: list[float], room: float) -> list[tuple[int, int]]:
    """Where each slide's lines begin and end: about as few slides as it takes, evenly filled."""
    if max(heights, default=0) > room:
        raise NotRendered("the report has a row that is too high for a slide")
    # In micrometres, so that sums are exact and lines of one height are shared out by their count.
    whole, most = [round(height * 1000) for height in heights], round(room * 1000)
    ends = list(accumulate(whole))
    slides = -(-len(heights) // _ROWS)
    while True:
        cuts = [bisect_right(ends, ends[-1] * number // slides) for number in range(slides + 1)]
        spread = [(start, end) for start, end in pairwise(cuts) if start < end]
        if all(end - start <= _ROWS and sum(whole[start:end]) <= most for start, end in spread):
            return spread
        slides += 1


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


def _texts(table: Table) -> list[tuple[str, ...]]:
    """The heading, then every line of the table; nothing after the heading where there is no row."""
    kept = table.rows[:_MOST_ROWS]
    rows = [tuple(column.show(cell) for column, cell in zip(table.columns, row, strict=True)) for row in kept]
    totals = table.shown_totals()
    return [tuple(column.heading for column in table.columns), *rows, *([] if totals is None else [totals])]


def _grid(slides: Presentation, table: Table, part: _Part, start: int, end: int) -> None:
    every = len(part.texts) - 1
    shown = [0, *range(start + 1, end + 1)]
    name = f"{table.title}{_place(table, part, start, end)}"
    slide = _slide(slides, name, 22)
    size = (_mm(_WIDTH - 2 * _MARGIN), _mm(sum(part.heights[at] for at in shown)))
    frame = slide.shapes.add_table(len(shown), len(part.group.columns), _mm(_MARGIN), _mm(_GRID), *size)
    frame._element.nvGraphicFramePr.cNvPr.set("descr", f"Table: {name}")
    grid = frame.table
    for column, width in zip(grid.columns, part.group.widths, strict=True):
        column.width = _mm(width)
    totals = end == every and table.shown_totals() is not None
    grid.first_row, grid.last_row, grid.horz_banding = True, totals, True
    for row, at in zip(grid.rows, shown, strict=True):
        row.height = _mm(part.heights[at])
        for cell, text, column in zip(row.cells, part.texts[at], part.group.columns, strict=True):
            _write(cell, text, table.columns[column].aligned, part.face)
            if at == 0 or (totals and at == every):
                _stress(cell)


def _place(table: Table, part: _Part, start: int, end: int) -> str:
    """Which rows and which columns stand on this slide, where they are not all of them."""
    every, many = len(part.texts) - 1, len(table.columns)
    rows = "" if end - start == every else f"{start + 1}\N{EN DASH}{end} of {every}"
    columns = ""
    if len(part.group.columns) < many:
        columns = f"columns {part.group.columns[1] + 1}\N{EN DASH}{part.group.columns[-1] + 1} of {many}"
    said = ", ".join(one for one in (rows, columns) if one)
    return f" ({said})" if said else ""


def _write(cell: GridCell, text: str, align: Align, face: _Type) -> None:
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.util import Pt

    cell.vertical_anchor = MSO_ANCHOR.MIDDLE
    cell.margin_top = cell.margin_bottom = Pt(_UPRIGHT_PADDING / 2)
    cell.margin_left = cell.margin_right = Pt(face.padding / 2)
    for paragraph, line in _paragraphs(cell.text_frame, text):
        run = paragraph.add_run()
        run.text, run.font.size = line, Pt(face.size)
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
