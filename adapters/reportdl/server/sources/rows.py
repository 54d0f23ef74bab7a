"""Decides how rows are read: from CSV or SQLite, into the types of the report's columns.

What is wrong with the data is told apart from what is wrong with the catalog: `examine` complains before anything is
served, `fetch` while a report is generated. Must never write to a database, and never let a value change the query: a
segment is always bound, never pasted.
"""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, assert_never

from reportdl.server.generators.table import Cell, Column, Kind, legible, settled
from reportdl.server.sources.catalog import CsvRows, Fails, FileDatabase, LoadedDatabase, Report, SqlRows
from reportdl.server.sources.plugin import GenerationError
from reportdl_core.errors import ReportdlError

__all__ = ["BadData", "examine", "fetch"]

_PLAIN: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")  # what SQLite holds without loss


class BadData(ReportdlError):
    """Data that is not what the catalog says of it. The message is for the operator: it names files and values."""


def examine(report: Report) -> None:
    """Check that the data is there and has the report's columns, without reading the rows. Raises BadData."""
    match report.origin:
        case CsvRows(path=path, segment_column=segment_column):
            with _csv(path) as lines:
                _places(_head(lines), (*report.reads, *([segment_column] if segment_column else [])))
        case SqlRows() as origin:
            # The query is the catalog's, and the catalog is the operator's own file. It may end in a comment, which
            # would take the parenthesis if that stood on the same line.
            bare = f"SELECT * FROM ({origin.query.rstrip().rstrip(';')}\n) LIMIT 0"  # noqa: S608
            with _answer(origin, bare, "") as cursor:
                _places(_names(cursor), report.reads)
        case Fails():
            return
        case _:
            assert_never(report.origin)


def fetch(report: Report, value: str) -> tuple[tuple[Cell, ...], ...]:
    """The report's rows in the order of its columns; `value` is the segment's in the data, "" for the whole element.

    Raises BadData, and GenerationError for a report that always fails.
    """
    match report.origin:
        case CsvRows(path=path, segment_column=segment_column):
            return tuple(_read_csv(report, path, segment_column, value))
        case SqlRows() as origin:
            return tuple(_read_sql(report, origin, value))
        case Fails(message=message):
            raise GenerationError(message)
    assert_never(report.origin)


def _read_csv(report: Report, path: Path, segment_column: str, value: str) -> Iterator[tuple[Cell, ...]]:
    with _csv(path) as lines:
        head = _head(lines)
        places = _places(head, report.reads)
        where = _places(head, (segment_column,))[0] if segment_column and value else None
        for number, line in enumerate(lines, 2):
            if not line:
                continue
            if len(line) != len(head):
                raise BadData(f"{path.name}, record {number}: {len(line)} fields for {len(head)} columns")
            if where is None or line[where] == value:
                yield _row(report, [line[place] for place in places], f"{path.name}, record {number}")


def _read_sql(report: Report, origin: SqlRows, value: str) -> Iterator[tuple[Cell, ...]]:
    with _answer(origin, origin.query, value) as cursor:
        places = _places(_names(cursor), report.reads)
        for number, row in enumerate(cursor, 1):
            yield _row(report, [row[place] for place in places], f"row {number} of the query")


def _row(report: Report, values: list[object], where: str) -> tuple[Cell, ...]:
    return tuple(_cell(column, value, where) for column, value in zip(report.columns, values, strict=True))


def _cell(column: Column, value: object, where: str) -> Cell:
    if value is None or value == "":
        return None
    cell = _converted(column.kind, value)
    if cell is None or not column.accepts(cell):
        raise BadData(f"{where}, column {column.key!r}: {value!r:.40} is no {column.kind.value}")
    return cell


def _converted(kind: Kind, value: object) -> Cell:
    match kind:
        case Kind.TEXT:
            return legible(str(value)) if isinstance(value, str | int | float) else None
        case Kind.NUMBER | Kind.PERCENT:
            try:
                # A float by its shortest writing: 0.1 is meant, not its fifty binary digits.
                return settled(Decimal(str(value).strip())) if isinstance(value, str | int | float) else None
            except InvalidOperation:
                return None
        case Kind.DATE:
            try:
                return date.fromisoformat(value.strip()) if isinstance(value, str) else None
            except ValueError:
                return None
    assert_never(kind)


def _places(head: list[str], wanted: tuple[str, ...]) -> list[int]:
    for name in wanted:
        if name not in head:
            raise BadData(f"the data has no column {name!r}; it has {', '.join(head) or 'none'}")
    return [head.index(name) for name in wanted]


def _head(lines: Iterator[list[str]]) -> list[str]:
    for line in lines:
        return line
    return []


@contextmanager
def _csv(path: Path) -> Generator[Iterator[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield csv.reader(file, strict=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path.name} cannot be read as CSV") from error


@contextmanager
def _answer(origin: SqlRows, query: str, value: str) -> Generator[sqlite3.Cursor]:
    try:
        with closing(_connected(origin.database)) as connection:
            yield connection.execute(query, {"segment": value})
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise BadData("the query cannot be answered") from error


def _connected(database: FileDatabase | LoadedDatabase) -> sqlite3.Connection:
    match database:
        case FileDatabase(path=path):
            return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        case LoadedDatabase(tables=tables):
            connection = sqlite3.connect(":memory:")
            for name, path in tables.items():
                _load(connection, name, path)
            connection.execute("PRAGMA query_only = ON")
            return connection
    assert_never(database)


def _load(connection: sqlite3.Connection, name: str, path: Path) -> None:
    with _csv(path) as lines:
        head = _head(lines)
        # Without a type a column keeps each value as it is given.
        connection.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(map(_quoted, head))})")
        insert = f"INSERT INTO {_quoted(name)} VALUES ({', '.join('?' * len(head))})"  # noqa: S608 - names, quoted
        connection.executemany(insert, ([_stored(field) for field in line] for line in lines if line))


def _stored(field: str) -> str | int | float | None:
    """Nothing for an empty field, a number for one written plainly, else text: 007 and 1e5 may be somebody's keys."""
    if not field:
        return None
    if not _PLAIN.fullmatch(field):
        return field
    return float(field) if "." in field else int(field)


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _names(cursor: sqlite3.Cursor) -> list[str]:
    return [str(column[0]) for column in cursor.description or ()]
