"""Decides which source has which element, and what the core is told of it for one user.

Asks the sources anew for every call: access and capabilities may change while a session lives (D27, R11). A source
that answers with the very tuple that it gave before has said that nothing changed, for a tuple cannot; only then is
its index still good. Where two sources know the same element, the first one has it. Must never know how a file is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reportdl.server.sources import ElementType, ReportInfo, ReportSource
from reportdl_core.endpoint_messages import Kind, Report
from reportdl_core.errors import ReportdlError

__all__ = ["Catalog", "Entry", "NoFile"]


class NoFile(ReportdlError):
    """Generation ended and there is no file where it should be (R30)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One element or segment, and the source that has it."""

    info: ReportInfo
    source: ReportSource

    def told(self, user: str) -> Report:
        """What the core is told of it. A plugin is asked for the formats of External Reports alone (R3, R8)."""
        external = self.info.type is ElementType.EXTERNAL_REPORT
        return Report(
            element=self.info.element,
            segment=self.info.segment,
            name=self.info.name,
            kind=Kind.EXTERNAL_REPORT if external else Kind.OTHER,
            formats=self.source.capabilities(self.info) if external else (),
            allowed=self.info.visible_to(user),
        )


Place = tuple[int | None, int | None]


class _Shelf:
    """One source, and where its elements stand in the tuple that it gave last."""

    def __init__(self, source: ReportSource) -> None:
        self.source: Final = source
        self._known: tuple[tuple[ReportInfo, ...], Mapping[Place, ReportInfo]] = ((), {})

    def at(self, place: Place) -> ReportInfo | None:
        """The first of the source's elements with these ids."""
        listed = self.source.reports()
        if not isinstance(listed, tuple):  # it may change under our hands: no index of it can be trusted
            return next((info for info in listed if (info.element, info.segment) == place), None)
        known, index = self._known  # taken together, since generations look up from their own threads
        if listed is not known:
            index = _indexed(listed)
            self._known = (listed, index)
        return index.get(place)


def _indexed(listed: Iterable[ReportInfo]) -> Mapping[Place, ReportInfo]:
    index: dict[Place, ReportInfo] = {}
    for info in listed:
        index.setdefault((info.element, info.segment), info)
    return index


class Catalog:
    """The elements of all sources."""

    def __init__(self, sources: Sequence[ReportSource]) -> None:
        self.sources: tuple[ReportSource, ...] = tuple(sources)
        self._shelves = tuple(_Shelf(source) for source in self.sources)

    def __iter__(self) -> Iterator[Entry]:
        for source in self.sources:
            for info in source.reports():
                yield Entry(info=info, source=source)

    def entry(self, element: int | None, segment: int | None) -> Entry | None:
        """The entry with these ids (R4); None if there is none (R5)."""
        for shelf in self._shelves:
            if (info := shelf.at((element, segment))) is not None:
                return Entry(info=info, source=shelf.source)
        return None

    def find(self, *, user: str, element: int | None, segment: int | None) -> Report | None:
        """What the core is told of the element for this user."""
        entry = self.entry(element, segment)
        return None if entry is None else entry.told(user)

    def generate(self, report: Report, format: str, directory: Path) -> Path:
        """Let the source make the file in a new directory; blocking. Raises NoFile, and whatever the source raises."""
        entry = self.entry(report.element, report.segment)
        if entry is None:
            raise NoFile("the element is not there any more")
        directory.mkdir(mode=0o700)
        path = entry.source.generate(entry.info, format, directory)
        # A plugin that hands over a file of somebody else would have it deleted, or worse, sent.
        if not path.resolve().is_relative_to(directory.resolve()) or not path.is_file():
            raise NoFile("the source left no file in its directory")
        return path
