"""Decides how a report becomes a text document (R7): a heading, the chart as a picture with its alternative, the table.

The table's heading row is marked as such and repeats on every page; rows do not break across pages. The page is A4, or
A3 where the columns need it; where that is too narrow as well, the table comes in parts. Must never carry the library's
own properties: its template names its author and a date of its own.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, assert_never

from reportdl.server.generators.chart import Figure
from reportdl.server.generators.package import settle
from reportdl.server.generators.pages import byline, chart_picture
from reportdl.server.generators.table import Align, Table, moment
from reportdl.server.generators.widths import OFFICE_DIGIT, Group, grouped

__all__ = ["generate"]

# The library types its styles and elements in part only: the names stand for its objects.
Document = Any
Section = Any
Grid = Any
GridCell = Any
Row = Any
Element = Any

_SIDE: Final = 20  # millimetres of margin
_UPRIGHT: Final = (210, 297)  # A4, in millimetres
_LYING: Final = ((297, 210), (420, 297))  # A4, A3; Word knows no page of A2
_POINT: Final = 25.4 / 72
_PADDING: Final = 3.9  # of a cell, both its sides together
_INK: Final = "1B2733"
_FAINT: Final = "55616D"
_MANY_COLUMNS: Final = 7  # more of them turn the page
_MORE_COLUMNS: Final = 9  # and more of these are set smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """A page in millimetres, and which columns stand side by side on it; `size` is the table's type's, in points."""

    wide: int
    high: int
    size: int
    groups: list[Group]


def generate(table: Table, path: Path) -> None:
    """Write the report as a Word document."""
    sheet = _sheet(table)
    document: Document = importlib.import_module("docx").Document()
    _shed(document)
    _describe(document, table)
    _page(document.sections[0], sheet)
    _fonts(document, table.language)
    document.add_heading(table.title, level=1)
    if table.subtitle:
        document.add_paragraph(table.subtitle, style="Subtitle")
    _faint(document, byline(table))
    _picture(document, table, min(sheet.wide, _LYING[0][0]) - 2 * _SIDE)
    if table.rows:
        for group in sheet.groups:
            if len(sheet.groups) > 1:
                first, last = group.columns[1] + 1, group.columns[-1] + 1
                _faint(document, f"Columns {first}\N{EN DASH}{last} of {len(table.columns)}")
            _grid(document, table, group, sheet.size)
    else:
        document.add_paragraph("No data.")
    for note in table.notes:
        _faint(document, note)
    package = io.BytesIO()
    document.save(package)
    settle(package, path)


def _shed(document: Document) -> None:
    """Leave out what the library's template brings along.

    That is a second set of styles, which contradicts the first as soon as that is changed, and a picture of the
    template's own first page.
    """
    for relations in (document.part.rels, document.part.package.rels):
        for name, relation in tuple(relations.items()):
            if relation.reltype.endswith(("/stylesWithEffects", "/thumbnail")):
                del relations[name]


def _describe(document: Document, table: Table) -> None:
    properties = document.core_properties
    # The library refuses more than 255 characters in a property.
    properties.title, properties.subject = table.title[:255], table.subtitle[:255]
    properties.author = properties.last_modified_by = table.author[:255]
    properties.language, properties.comments, properties.keywords = table.language, "", ""
    properties.created = properties.modified = moment(table)
    properties.revision = 1


def _sheet(table: Table) -> _Sheet:
    """The smallest page that the columns can be read on side by side, else the largest."""
    many = len(table.columns)
    size = 8 if many > _MORE_COLUMNS else 9
    first, *others = (_UPRIGHT, *_LYING) if many <= _MANY_COLUMNS else _LYING
    sheet = _shared(table, *first, size)
    for wide, high in others:
        if table.rows and len(sheet.groups) > 1:
            sheet = _shared(table, wide, high, size)
    return sheet


def _shared(table: Table, wide: int, high: int, size: int) -> _Sheet:
    digit = size * OFFICE_DIGIT * _POINT
    groups = grouped(table, wide - 2 * _SIDE, digit=digit, padding=_PADDING)
    return _Sheet(wide=wide, high=high, size=size, groups=groups)


def _page(section: Section, sheet: _Sheet) -> None:
    from docx.enum.section import WD_ORIENT
    from docx.shared import Mm

    section.orientation = WD_ORIENT.LANDSCAPE if sheet.wide > sheet.high else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = Mm(sheet.wide), Mm(sheet.high)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(_SIDE)


def _fonts(document: Document, language: str) -> None:
    from docx.shared import Pt, RGBColor

    for name, size, colour in (("Normal", 10, _INK), ("Heading 1", 20, _INK), ("Subtitle", 12, _FAINT)):
        style = document.styles[name]
        style.font.size, style.font.color.rgb = Pt(size), RGBColor.from_string(colour)
        style.font.italic = False
    # The template's documents say en-US, whatever they hold.
    for element in document.styles.element.iter(_name("w:lang")):
        element.set(_name("w:val"), language)


def _faint(document: Document, text: str) -> None:
    from docx.shared import Pt, RGBColor

    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_before = Pt(6)
    run = paragraph.add_run(text)
    run.font.size, run.font.color.rgb = Pt(9), RGBColor.from_string(_FAINT)


def _picture(document: Document, table: Table, width: int) -> None:
    from docx.shared import Mm

    picture = chart_picture(table)
    if picture is None:
        return
    data, chart = picture
    document.add_picture(io.BytesIO(data), width=Mm(width))
    _speak(document, chart)


def _speak(document: Document, chart: Figure) -> None:
    # The library has no name for a picture's alternative text; it is an attribute of the drawing's properties.
    for properties in document.element.iter(_name("wp:docPr")):
        properties.set("descr", chart.alt)
        properties.set("title", chart.title)


def _grid(document: Document, table: Table, group: Group, size: int) -> None:
    lines = [tuple(column.heading for column in table.columns)]
    lines += [tuple(column.show(cell) for column, cell in zip(table.columns, row, strict=True)) for row in table.rows]
    totals = table.shown_totals()
    strong = {0} if totals is None else {0, len(lines)}
    lines += [] if totals is None else [totals]
    grid = document.add_table(rows=len(lines), cols=len(group.columns))
    grid.autofit = False
    _rules(grid, group.widths)
    aligned = [table.columns[at].aligned for at in group.columns]
    for number, (row, line) in enumerate(zip(grid.rows, lines, strict=True)):
        _keep_whole(row, heading=number == 0)
        # Asked once: the library counts through the row each time.
        texts = [line[at] for at in group.columns]
        for cell, text, align, width in zip(row.cells, texts, aligned, group.widths, strict=True):
            _write(cell, text, align, width, size)
            if number in strong:
                _emphasise(cell, shade=number == 0)


def _write(cell: GridCell, text: str, align: Align, width: float, size: int) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Mm, Pt

    cell.width = Mm(width)
    paragraph = cell.paragraphs[0]
    match align:
        case Align.LEFT:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT
        case Align.CENTER:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        case Align.RIGHT:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        case _:
            assert_never(align)
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(2.5)
    paragraph.add_run(text).font.size = Pt(size)


def _emphasise(cell: GridCell, *, shade: bool) -> None:
    for run in cell.paragraphs[0].runs:
        run.font.bold = True
    if shade:
        cell._tc.get_or_add_tcPr().append(_element("w:shd", val="clear", color="auto", fill="E6EDF4"))


def _keep_whole(row: Row, *, heading: bool) -> None:
    properties = row._tr.get_or_add_trPr()
    properties.append(_element("w:cantSplit"))
    if heading:
        properties.append(_element("w:tblHeader"))


def _rules(grid: Grid, widths: list[float]) -> None:
    """Hairlines between rows, firmer ones above and below; no upright lines."""
    from docx.shared import Mm

    borders = _element("w:tblBorders")
    for side, size, colour in (("top", "8", _INK), ("bottom", "8", _INK), ("insideH", "4", "C9D1D9")):
        borders.append(_element(f"w:{side}", val="single", sz=size, space="0", color=colour))
    # The schema orders what a table says of itself: these come before the layout, which `autofit` has written.
    layout = grid._tbl.tblPr.find(_name("w:tblLayout"))
    # Without an indent the first column's text stands at the margin and the rules stick out by a cell's padding.
    layout.addprevious(_element("w:tblInd", w="108", type="dxa"))
    layout.addprevious(borders)
    for column, share in zip(grid.columns, widths, strict=True):
        column.width = Mm(share)


def _name(name: str) -> str:
    from docx.oxml.ns import qn

    return qn(name)


def _element(name: str, **attributes: str) -> Element:
    element = importlib.import_module("docx.oxml").OxmlElement(name)
    for key, value in attributes.items():
        element.set(_name(f"w:{key}"), value)
    return element
