"""Decides what a catalog holds once it has been read: elements, their reports, where the rows come from.

Values only, each of them already checked by the reader. Must never read a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from reportdl.server.generators.table import Chart, Column
from reportdl.server.sources.plugin import Access, ElementType, ReportInfo

__all__ = [
    "Catalog",
    "CsvRows",
    "Element",
    "Fails",
    "FileDatabase",
    "LoadedDatabase",
    "Origin",
    "Report",
    "Segment",
    "SqlRows",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRows:
    """The rows of a CSV file with a heading line; for a segment those whose `segment_column` holds its value."""

    path: Path
    segment_column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDatabase:
    """An SQLite file, opened for reading only."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDatabase:
    """An SQLite database in memory, one table for each CSV file."""

    tables: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlRows:
    """The answer to one SELECT; `:segment` in it is the segment's value."""

    database: FileDatabase | LoadedDatabase
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """A report whose generation always fails with this message, to show what that looks like (R22)."""

    message: str


Origin = CsvRows | SqlRows | Fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One dimension value: its id (R4), its name, and what it is called in the data. The whole element has id 0."""

    id: int
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an External Report shows. `reads[i]` is the name in the data of the column `columns[i]`."""

    title: str
    subtitle: str
    notes: tuple[str, ...]
    issued: date
    language: str
    columns: tuple[Column, ...]
    reads: tuple[str, ...]
    chart: Chart | None
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element. `report` is None for every type but External Report; `segments` is () where it is not segmented."""

    id: int
    name: str
    type: ElementType
    access: Access
    formats: tuple[str, ...]
    dimension: int
    dimension_name: str
    segments: tuple[Segment, ...]
    report: Report | None

    def listed(self) -> tuple[ReportInfo, ...]:
        """The element as the endpoint lists it: once, or once for each segment."""
        segments = self.segments or (Segment(id=0, name="", value=""),)
        return tuple(self._info(segment) for segment in segments)

    def _info(self, segment: Segment) -> ReportInfo:
        return ReportInfo(
            element=self.id,
            segment=segment.id,
            name=self.name,
            type=self.type,
            dimension=self.dimension,
            dimension_name=self.dimension_name,
            segment_name=segment.name,
            access=self.access,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A whole catalog. `file` is where it was read from."""

    file: Path
    name: str
    elements: tuple[Element, ...]
