r"""Decides what a source plugin is: what the endpoint asks of the thing that knows reports and makes their files.

A plugin is any object with the members of `ReportSource`. A package offers one by an entry point in the group
`reportdl.sources`, which names a callable without arguments that returns it:

    [project.entry-points."reportdl.sources"]
    ours = "our_package.reports:source"

    class Source:
        name = "Ours"

        def reports(self):
            return [ReportInfo(element=7, name="Stock")]

        def capabilities(self, report):
            return ("csv",)

        def generate(self, report, format, directory):
            path = directory / "stock.csv"
            path.write_text("item,count\r\n")
            return path

Must never import a generator or read a catalog: plugins that bring their own files need neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol, assert_never, cast, runtime_checkable

from reportdl_core.errors import ReportdlError

__all__ = [
    "GROUP",
    "Access",
    "ElementType",
    "Everyone",
    "GenerationError",
    "OnlyUsers",
    "ReportInfo",
    "ReportSource",
    "SourceError",
    "load",
    "names",
]

GROUP: Final = "reportdl.sources"


class SourceError(ReportdlError):
    """A plugin that cannot be found, or that is none."""


class GenerationError(ReportdlError):
    """A report that could not be generated (R22, R30).

    `message` goes to the caller of the endpoint: it must name no path, query or credential. What may be told to the
    server's operator is the exception's cause.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ElementType(Enum):
    """What kind of element it is, in the words of the element list. Only an External Report has downloads (R3)."""

    EXTERNAL_REPORT = "external report"
    METRIC = "metric"
    REPORT = "report"
    DATASET = "dataset"
    MULTI_METRIC_CHART = "multi-metric chart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Everyone:
    """Every user whom the endpoint knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyUsers:
    """The users with these names; none, if there is no name."""

    users: frozenset[str]


Access = Everyone | OnlyUsers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInfo:
    """One element, or one segment of it, as the endpoint lists it.

    `segment` is a dimension *value* id, 0 where the element is not segmented (R4); `dimension` is the id of the
    dimension that it belongs to, `dimension_name` and `segment_name` are their names. `name` is what the file is called
    after (R25). `access` says who may see it (R6).
    """

    element: int
    segment: int = 0
    name: str
    type: ElementType = ElementType.EXTERNAL_REPORT
    dimension: int = 0
    dimension_name: str = ""
    segment_name: str = ""
    access: Access = Everyone()

    def visible_to(self, user: str) -> bool:
        """Whether this user has view access (R6). User names are compared as they are, letter by letter."""
        match self.access:
            case Everyone():
                return True
            case OnlyUsers(users=users):
                return user in users
        assert_never(self.access)


@runtime_checkable
class ReportSource(Protocol):
    """What knows reports and makes their files. Called from several threads at once."""

    @property
    def name(self) -> str:
        """What the source is called in the list of plugins, such as "Tableau"."""
        ...

    def reports(self) -> Iterable[ReportInfo]:
        """Every element and segment there is, whoever asks; quick, since the endpoint asks on every call."""
        ...

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        """The format keys that this report can be had in, in the order to list them (R8, R11); () for none (R9)."""
        ...

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        """Make the file inside `directory`, which is empty and this call's own, and return its path (R18).

        Blocking, and may take minutes: it runs in a worker thread. Raises GenerationError; any other exception counts
        as one whose message is not told. A path that is no file afterwards is a failure too (R30).
        """
        ...


def names() -> tuple[str, ...]:
    """The names of the plugins that installed packages offer, in alphabetical order; none of them is imported."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load(name: str) -> ReportSource:
    """Import the plugin with this name and make its source. Raises SourceError."""
    points = tuple(entry_points(group=GROUP, name=name))
    if not points:
        known = ", ".join(names()) or "none is installed"
        raise SourceError(f"no source plugin {name!r}; there are: {known}")
    source = _made(points[0])
    if not isinstance(source, ReportSource):
        raise SourceError(f"source plugin {name!r} made {type(source).__name__}, which lacks a member of ReportSource")
    return source


def _made(point: EntryPoint) -> object:
    try:
        # What an entry point names is not known before it is called, which is why the answer is an object.
        return cast(object, point.load()())
    except Exception as error:
        raise SourceError(f"source plugin {point.name!r} ({point.value}) cannot be loaded: {error}") from error
