"""Decides how a catalog file becomes a source: its elements are the reports, its tables go through the generators.

The source holds no file open and no state but the catalog, so that any number of threads may use it. Data is read anew
for each generation. Must never offer a format that the catalog does not advertise (R10, R11).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reportdl.server.generators import generate
from reportdl.server.generators.table import InvalidTable, NotRendered, Table
from reportdl.server.sources.catalog import Catalog, Element, Report, Segment
from reportdl.server.sources.catalog_file import read
from reportdl.server.sources.plugin import GenerationError, ReportInfo
from reportdl.server.sources.problems import InvalidCatalog
from reportdl.server.sources.rows import BadData, examine, fetch
from reportdl_core.formats import FORMATS

__all__ = ["CatalogSource", "demo", "open_catalog"]

_WHOLE: Final = Segment(id=0, name="", value="")


class CatalogSource:
    """A source plugin over one catalog (the members are those of `ReportSource`)."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._elements = {element.id: element for element in catalog.elements}
        self._listed = tuple(info for element in catalog.elements for info in element.listed())

    @property
    def name(self) -> str:
        """What the catalog calls itself."""
        return self._catalog.name

    def reports(self) -> tuple[ReportInfo, ...]:
        """Every element and segment of the catalog, in its order."""
        return self._listed

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        """The formats that the catalog advertises for this element (R8); () for one that is not in it."""
        element = self._elements.get(report.element)
        return element.formats if element else ()

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        """Read the rows and write `report.<extension>` into `directory` (R18).

        Raises GenerationError, and leaves no file then.
        """
        element, found = self._found(report)
        if format not in element.formats:
            raise GenerationError("this report is not offered in this format")  # R10
        path = directory / f"report.{FORMATS[format].extension}"
        try:
            generate(format, self._table(found, _segment(element, report)), path)
        except (BadData, InvalidTable, NotRendered, OSError) as error:
            path.unlink(missing_ok=True)
            raise GenerationError(_told(error)) from error
        return path

    def _found(self, report: ReportInfo) -> tuple[Element, Report]:
        element = self._elements.get(report.element)
        if element is None or element.report is None:
            raise GenerationError("there is no such report")
        return element, element.report

    def _table(self, report: Report, segment: Segment) -> Table:
        subtitle = " \N{MIDDLE DOT} ".join(part for part in (segment.name, report.subtitle) if part)
        return Table(
            title=report.title,
            subtitle=subtitle,
            notes=report.notes,
            author=self._catalog.name,
            issued=report.issued,
            language=report.language,
            columns=report.columns,
            rows=fetch(report, segment.value),
            chart=report.chart,
        )


def open_catalog(file: Path) -> CatalogSource:
    """Read a catalog file, check that its data is there, and return its source. Raises InvalidCatalog."""
    catalog = read(file)
    for element in catalog.elements:
        if element.report is not None:
            _examine(catalog, element, element.report)
    return CatalogSource(catalog)


def demo() -> CatalogSource:
    """The source over the catalog that is shipped with the reference endpoint."""
    return open_catalog(Path(__file__).parents[1] / "catalog" / "catalog.toml")


def _examine(catalog: Catalog, element: Element, report: Report) -> None:
    try:
        examine(report)
    except BadData as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise InvalidCatalog(catalog.file, f"element {element.id}, report", f"{error}{cause}") from error


def _segment(element: Element, report: ReportInfo) -> Segment:
    for segment in element.segments or (_WHOLE,):
        if segment.id == report.segment:
            return segment
    raise GenerationError("there is no such segment")


def _told(error: Exception) -> str:
    """What the caller may know: neither paths of this machine nor values of the data (D40)."""
    match error:
        case NotRendered():
            return str(error)
        case OSError():
            return "the file could not be written"
        case _:
            return "the report's data is not what its catalog says"
