"""Decides what can be looked up beside the download endpoint: which reports there are, and which segments.

Questions and answers as values, no HTTP. Must never hold more of a report than a download and a person need.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DimensionValues", "ElementInfo", "Elements", "Found", "ListedReport", "Question", "Segment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Every element, segment by segment, that the server lists for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementInfo:
    """One of them."""

    element: int
    segment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionValues:
    """The values of a dimension, with their names."""

    dimension: int


Question = Elements | ElementInfo | DimensionValues
"""What can be looked up: a closed union."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedReport:
    """One External Report, or one segment of it, as the server lists it.

    `element` and `segment` are what a download takes (R4); `source` names the BI tool. A report that is listed and
    not `accessible` would be refused (R6). `dimension` is None where the server did not say.
    """

    element: int
    segment: int
    name: str
    source: str
    accessible: bool
    segment_name: str = ""
    dimension: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One dimension *value* that a report is segmented by: `id` is what a download takes as `segment` (R4)."""

    id: int
    name: str


Found = tuple[ListedReport, ...] | tuple[Segment, ...]
"""What an answer holds."""
