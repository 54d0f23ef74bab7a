"""Decides what a list of jobs may look like: CSV in a spreadsheet's dialect, JSON Lines, or an iterator of jobs.

One line at a time, so that a million are never a list. A line that cannot be used becomes a `BadLine` that says why in
words for whoever wrote it; it stops nothing. Must never guess an id: `1.042` could be 1042 or 1 (D32).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from functools import lru_cache
from typing import Final, TypeAlias, cast

from reportdl.batch.roster import Roster, UnknownServer, masked
from reportdl.batch.texts import InputUnusable, lines_of
from reportdl_core.errors import InvalidJob
from reportdl_core.job import Job, identifier

__all__ = ["BadLine", "Jobs", "Line", "Wanted", "read_jobs"]

_ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("element", "elementid", "id", "report", "reportid"), "element"),
    **dict.fromkeys(("segment", "segmentid", "segmentvalueid", "dimensionid", "dimensionvalueid"), "segment"),
    **dict.fromkeys(("format", "formatkey"), "format"),
    **dict.fromkeys(("name", "filename", "file", "output"), "name"),
    **dict.fromkeys(("server", "servername", "serverurl", "url"), "server"),
}
_POSITIONS: Final = ("element", "segment", "format", "name")  # of a file without a header
_OURS: Final = frozenset(_ALIASES.values())
_DELIMITERS: Final = ",;\t|"
_SHOWN: Final = 80
_TALLEST: Final = 50  # lines: beyond it a cell is no text that somebody wrote, but a quotation mark too many


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One line that asks for a report. `line` counts from 1; `fields` are its further columns, for name templates.

    `name` is the file's name as the line itself says it, relative to the destination; None leaves it to the template.
    `server` is a server's name in this batch or its URL; empty for the one that all go to which name none.
    """

    job: Job
    line: int = 0
    name: str | None = None
    fields: Mapping[str, str] = field_of(default_factory=dict[str, str])
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What lines are completed by: the format of those that name none, and the servers that there are."""

    format: str | None
    roster: Roster | None
    fields: Fields | None

    def server(self, said: str) -> str:
        return said if self.roster is None else self.roster.key(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be used: what stands there, shortened, and what is wrong with it."""

    line: int
    text: str
    problem: str


Fields: TypeAlias = Callable[[tuple[str, ...]], None]
Line: TypeAlias = Wanted | BadLine
Jobs: TypeAlias = "str | os.PathLike[str] | Iterable[Job | Wanted | Mapping[str, object]]"
"""A file of jobs (`-` for stdin), or the jobs themselves, one after the other."""


def read_jobs(
    jobs: Jobs, *, format: str | None = None, roster: Roster | None = None, fields: Fields | None = None
) -> Iterator[Line]:
    """The lines, lazily and in order; `format` is for those that name none, `roster` tells whose server each one is.

    `fields` is told which further columns a table has, before its first line. Raises what that raises, and
    InputUnusable where the whole is none: no such file, a header without an element.
    """
    reading = _Reading(format=format, roster=roster, fields=fields)
    if isinstance(jobs, str | os.PathLike):
        lines = lines_of(os.fspath(jobs))
        number, first = next((one for one in lines if not _is_remark(one[1])), (0, ""))
        if not number:
            return
        if first.lstrip().startswith("{"):
            yield from _from_json(_again(number, first, lines), reading)
        else:
            yield from _from_csv(number, first, lines, reading)
        return
    for number, one in enumerate(jobs, 1):
        yield _from_object(number, one, reading)


def _is_remark(text: str) -> bool:
    return text.lstrip().startswith("#")


def _again(number: int, first: str, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield number, first
    yield from lines


def _from_object(number: int, one: Job | Wanted | Mapping[str, object], reading: _Reading) -> Line:
    if not isinstance(one, Job | Wanted):
        return _wanted(number, str(dict(one)), _plain(one), reading)
    wanted = one if isinstance(one, Wanted) else Wanted(job=one)
    try:
        return replace(wanted, line=wanted.line or number, server=reading.server(wanted.server))
    except UnknownServer as error:
        return _bad(wanted.line or number, f"{wanted.server};{wanted.job.element};{wanted.job.format}", str(error))


def _from_json(lines: Iterator[tuple[int, str]], reading: _Reading) -> Iterator[Line]:
    for number, text in lines:
        if not text.strip() or _is_remark(text):
            continue
        try:
            value: object = json.loads(text, object_pairs_hook=_once)
        except _Twice as error:
            yield _bad(number, text, str(error))
            continue
        except ValueError as error:
            yield _bad(number, text, f"not JSON: {getattr(error, 'msg', None) or error}")
            continue
        except RecursionError:
            yield _bad(number, text, "not JSON that anybody would write: nested too deeply")
            continue
        if not isinstance(value, dict):
            yield _bad(number, text, 'must be one JSON object a line, such as {"element": 1042, "format": "pdf"}')
            continue
        yield _wanted(number, text, _plain(cast("Mapping[str, object]", value)), reading)


class _Twice(ValueError):
    """A line that says two things of one: which of them was meant cannot be known."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(f"names the {next(name for name in names if names.count(name) > 1)!r:.60} twice")
    return values


def _plain(values: Mapping[str, object]) -> dict[str, str]:
    """The values as the texts that a cell would hold; null is an empty one."""
    return {str(key): "" if value is None else _text(value) for key, value in values.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _from_csv(number: int, first: str, lines: Iterator[tuple[int, str]], reading: _Reading) -> Iterator[Line]:
    delimiter = _delimiter(first)
    if first.lower().startswith("sep="):  # how Excel is told the delimiter
        delimiter, (number, first) = first.strip()[4:5] or delimiter, next(lines, (0, ""))
    texts = _again(number, first, lines)
    counted = _Counted(texts)
    reader = csv.reader(counted, delimiter=delimiter, skipinitialspace=True)
    columns: tuple[str, ...] | None = None
    while True:
        counted.begin()
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield _bad(counted.first, counted.text, f"not CSV: {error}")
            continue
        start = counted.first
        if counted.over or counted.number - start > _TALLEST or not _is_closed(counted.row, delimiter):
            yield _bad(start, cells[0], f"a quotation mark is opened here and not closed before line {counted.number}")
            continue
        if not any(cells) or cells[0].startswith("#"):
            continue
        if columns is None:
            columns, is_header = _columns(cells)
            if reading.fields is not None:
                reading.fields(tuple(name for name in columns if name not in _OURS))
            if is_header:
                continue
        yield _row(start, delimiter.join(cells), columns, cells, reading)


def _is_closed(row: list[str], delimiter: str) -> bool:
    """Whether a row of several lines is one: not where its mark is closed by the one that opens a later line's cell."""
    if len(row) < 2:
        return True
    try:
        list(csv.reader(iter(row), delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error:
        return False
    return True


class _Counted:
    """Hands texts on, and knows the numbers of a row's first and last: a quoted cell may hold line ends.

    A line that begins with `#` is passed over, except in a quoted cell. `over` where the lines ended within a row:
    one whose quotation marks are closed ends with its line.
    """

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self.number = 0
        self.over = False
        self.begin()

    def begin(self) -> None:
        """The next line is a row's first."""
        self.first = 0
        self.row: list[str] = []

    @property
    def text(self) -> str:
        return self.row[-1] if self.row else ""

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        try:
            self.number, text = next(one for one in self._lines if self.first or not _is_remark(one[1]))
        except StopIteration:
            self.over = True
            raise
        self.first = self.first or self.number
        if len(self.row) <= _TALLEST:
            self.row.append(text)
        return text


def _delimiter(first: str) -> str:
    """What stands most often in the first line; a comma where none does."""
    return max(_DELIMITERS, key=first.count)


def _columns(cells: list[str]) -> tuple[tuple[str, ...], bool]:
    """The columns' names, and whether the line said them: a first cell of digits is a job already."""
    if cells[0].isdigit():
        if len(cells) == 2:
            return ("element", "format"), False
        return _POSITIONS, False
    named = _canonical(tuple(cells))
    if "element" not in named:
        shown = ", ".join(repr(cell) for cell in cells if cell)
        raise InputUnusable(
            f"the first line names no column `element`; it has {shown}. Columns: {', '.join(_POSITIONS)}"
        )
    if twice := next((name for name in named if name and named.count(name) > 1), None):
        raise InputUnusable(f"the first line names the column {twice!r} twice")
    return named, True


@lru_cache(maxsize=64)  # asked for each line
def _canonical(names: tuple[str, ...]) -> tuple[str, ...]:
    """What columns are called here. One that is called `server` leaves `url` and its like to be mere fields."""
    named = [(name, "".join(one for one in name.lower() if one.isalnum())) for name in names]
    taken = {letters for _, letters in named} & _OURS
    found: list[str] = []
    for name, letters in named:
        ours = _ALIASES.get(letters)
        found.append(name.strip() if ours is None or (ours == "server" != letters and ours in taken) else ours)
    return tuple(found)


def _row(line: int, text: str, columns: tuple[str, ...], cells: list[str], reading: _Reading) -> Line:
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        return _bad(line, text, f"has {len(cells)} cells, and there are {len(columns)} columns")
    return _wanted(line, text, dict(zip(columns, cells, strict=False)), reading)


def _wanted(line: int, text: str, values: dict[str, str], reading: _Reading) -> Line:
    names = _canonical(tuple(values))
    if twice := next((name for name in names if name in _OURS and names.count(name) > 1), None):
        return _bad(line, text, f"names the {twice} twice")
    said = dict(zip(names, values.values(), strict=True))
    element, segment = said.pop("element", ""), said.pop("segment", "") or "0"
    key, name = said.pop("format", "") or reading.format, said.pop("name", "") or None
    try:
        if not element:
            raise InvalidJob("has no element")
        if key is None:
            raise InvalidJob("has no format, and no --format was given for all")
        job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format=key)
        server = reading.server(said.pop("server", ""))
    except (InvalidJob, UnknownServer) as error:
        return _bad(line, text, str(error))
    return Wanted(line=line, job=job, name=name, fields=said, server=server)


def _bad(line: int, text: str, problem: str) -> BadLine:
    shown = " ".join("".join(one if one.isprintable() else " " for one in masked(text)).split())
    return BadLine(line=line, text=shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}...", problem=problem)
