"""Decides how a catalog is written down: TOML, read whole and checked whole before anything is served.

    name = "Demo BI"                     # what the source is called
    language = "en"                      # of the reports' words

    [[element]]
    id = 1042
    name = "Sales Dashboard"             # the file's name as well (R25)
    type = "external report"             # or "metric", "report", "dataset", "multi-metric chart"; this is the default
    formats = ["pdf", "csv"]             # in the order to list them; [] for no downloads at all (R9)
    access = ["admin"]                   # left out: everyone (R6)

    [element.report]                     # External Reports only
    title, subtitle, notes = [...], issued = 2026-09-30, language
    csv = "sales.csv"                    # or: database = "sales.db" and query = "SELECT ..."
                                         # or: tables = { sales = "sales.csv" } and query = "SELECT ..."
                                         # or: fails = "message"
    [[element.report.columns]]           # read = "revenue", label = "Revenue", type = "text|number|percent|date",
                                         # unit, decimals, align = "left|center|right", total = "none|sum"
    [element.report.chart]               # type = "bar|line", x = "month", y = ["revenue"], title

    [element.segments]                   # dimension = 7, name = "Region", column = "region" (csv only)
    values = [{ id = 71, name = "North", value = "north" }]

Paths are relative to the catalog and may not leave its directory. Must never open the data: whether it is there and has
these columns is for `rows.py` to say.
"""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from typing import assert_never, cast

from reportdl.server.generators import GENERATORS
from reportdl.server.generators.table import Align, Chart, ChartKind, Column, InvalidTable, Kind, Table, Total
from reportdl.server.sources.catalog import (
    Catalog,
    CsvRows,
    Element,
    Fails,
    FileDatabase,
    LoadedDatabase,
    Origin,
    Report,
    Segment,
    SqlRows,
)
from reportdl.server.sources.plugin import Access, ElementType, Everyone, OnlyUsers
from reportdl.server.sources.problems import InvalidCatalog, Section

__all__ = ["read"]


def read(file: Path) -> Catalog:
    """Read and check a catalog file. Raises InvalidCatalog, which names the file, the element and the key."""
    try:
        values = cast(dict[str, object], tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidCatalog(file, "", f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOML's own errors, and bytes that are not UTF-8
        raise InvalidCatalog(file, "", f"is no TOML file: {error}") from error
    with Section(file, "", values) as top:
        name, language = top.text("name"), top.text("language", "en")
        elements = tuple(_element(section, language) for section in top.sections("element"))
    _refuse_twins(file, elements)
    return Catalog(file=file, name=name, elements=elements)


def _refuse_twins(file: Path, elements: tuple[Element, ...]) -> None:
    seen: set[int] = set()
    for element in elements:
        if element.id in seen:
            raise InvalidCatalog(file, f"element {element.id}, id", "is there twice")
        seen.add(element.id)


def _element(section: Section, language: str) -> Element:
    with section:
        number = section.number("id")
        section.rename(f"element {number}")
        kind = section.one_of("type", ElementType, ElementType.EXTERNAL_REPORT)
        segments = section.section("segments") if "segments" in section else None
        column = segments.text("column", "") if segments else ""
        dimension = segments.number("dimension") if segments else 0
        external = kind is ElementType.EXTERNAL_REPORT
        report = _report(section.section("report"), column, language) if external else None
        if segments and report:
            _refuse_unsegmented(section, report.origin)
        return Element(
            id=number,
            name=section.text("name"),
            type=kind,
            access=_access(section),
            formats=_formats(section) if external else (),
            dimension=dimension,
            dimension_name=segments.text("name") if segments else "",
            segments=_segments(segments) if segments else (),
            report=report,
        )


def _refuse_unsegmented(section: Section, origin: Origin) -> None:
    """Every segment would show the whole: rows of other segments, to users who may not see them."""
    match origin:
        case CsvRows(segment_column=""):
            raise section.wrong("segments", "needs `column`, the CSV column that holds the segments' values")
        case SqlRows(query=query) if ":segment" not in query:
            raise section.wrong("segments", "needs `:segment` in the query")
        case CsvRows() | SqlRows() | Fails():
            return
        case _:
            assert_never(origin)


def _access(section: Section) -> Access:
    if "access" not in section:
        return Everyone()
    return OnlyUsers(users=frozenset(section.texts("access")))


def _formats(section: Section) -> tuple[str, ...]:
    formats = section.texts("formats")
    for key in formats:
        if key not in GENERATORS:
            raise section.wrong("formats", f"{key!r:.40} is none of {', '.join(GENERATORS)}")
    if len(set(formats)) != len(formats):
        raise section.wrong("formats", "names a format twice")
    return formats


def _segments(section: Section) -> tuple[Segment, ...]:
    with section:
        segments = tuple(_segment(value) for value in section.sections("values"))
        if not segments or len({segment.id for segment in segments}) != len(segments):
            raise section.wrong("values", "must name at least one segment, and no id twice")
    return segments


def _segment(section: Section) -> Segment:
    with section:
        segment = Segment(id=section.number("id"), name=section.text("name"), value=section.text("value"))
        if segment.id == 0:
            raise section.wrong("id", "0 stands for an element without segments")  # R4
        return segment


def _report(section: Section, segment_column: str, language: str) -> Report:
    with section:
        pairs = tuple(_column(column) for column in section.sections("columns"))
        report = Report(
            title=section.text("title"),
            subtitle=section.text("subtitle", ""),
            notes=section.texts("notes", ()),
            issued=section.day("issued"),
            language=section.text("language", language),
            columns=tuple(column for column, _ in pairs),
            reads=tuple(read for _, read in pairs),
            chart=_chart(section.section("chart")) if "chart" in section else None,
            origin=_origin(section, segment_column),
        )
        _try(section, report)
        return report


def _try(section: Section, report: Report) -> None:
    """Let the table judge what is not a matter of rows: an unknown column in a chart, a key that is there twice."""
    try:
        Table(
            title=report.title,
            subtitle=report.subtitle,
            notes=report.notes,
            issued=report.issued,
            language=report.language,
            columns=report.columns,
            rows=(),
            chart=report.chart,
        )
    except InvalidTable as error:
        raise InvalidCatalog(section.file, section.place, str(error)) from error


def _column(section: Section) -> tuple[Column, str]:
    with section:
        read = section.text("read")
        try:
            column = Column(
                key=read,
                label=section.text("label", read),
                kind=section.one_of("type", Kind, Kind.TEXT),
                unit=section.text("unit", ""),
                decimals=section.number("decimals", 0, below=10),
                align=section.one_of("align", Align) if "align" in section else None,
                total=section.one_of("total", Total, Total.NONE),
            )
        except InvalidTable as error:
            raise InvalidCatalog(section.file, section.place, str(error)) from error
        return column, read


def _chart(section: Section) -> Chart:
    with section:
        return Chart(
            kind=section.one_of("type", ChartKind),
            x=section.text("x"),
            y=section.texts("y"),
            title=section.text("title", ""),
        )


def _origin(section: Section, segment_column: str) -> Origin:
    ways = [key for key in ("csv", "database", "tables", "fails") if key in section]
    if len(ways) != 1:
        raise section.wrong("csv, database, tables, fails", "exactly one of them says where the rows come from")
    match ways[0]:
        case "csv":
            return CsvRows(path=_beside(section, "csv", section.text("csv")), segment_column=segment_column)
        case "fails":
            return Fails(message=section.text("fails"))
        case "database":
            database = FileDatabase(path=_beside(section, "database", section.text("database")))
            return SqlRows(database=database, query=section.text("query"))
        case _:
            tables = section.mapping("tables")
            loaded = LoadedDatabase(tables={name: _beside(section, "tables", at) for name, at in tables.items()})
            return SqlRows(database=loaded, query=section.text("query"))


def _beside(section: Section, key: str, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise section.wrong(key, f"{name!r:.60} must be a path below the catalog's directory")
    return section.file.parent / path
