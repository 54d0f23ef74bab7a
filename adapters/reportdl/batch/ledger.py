"""Decides how a batch is remembered: one SQLite file (WAL), one row a job, written before what it says is done (D43).

A process may be killed at any moment and loses nothing; a power cut loses at most the last seconds, never the file.
One process has it at a time. Must never hold a token in clear: they are sealed, each to its own row (D39).
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Self, final

from reportdl.batch.inputs import BadLine
from reportdl.batch.plan import State
from reportdl.batch.rows import Added, Row, Wished
from reportdl.spooling import reason_of
from reportdl_core.errors import ReportdlError

if sys.platform != "win32":
    import fcntl

__all__ = ["Ledger", "LedgerUnusable"]

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE batch (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    line INTEGER NOT NULL,
    server TEXT NOT NULL,
    element TEXT NOT NULL,
    segment TEXT NOT NULL,
    format TEXT NOT NULL,
    name TEXT NOT NULL,                      -- where it goes, relative to the destination; '' as the server calls it
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    runs INTEGER NOT NULL DEFAULT 0,         -- how many `run` were sent, each perhaps a generation
    due REAL NOT NULL DEFAULT 0,
    path TEXT, size INTEGER, sha256 TEXT,
    reason TEXT, error TEXT, retryable INTEGER, note TEXT,
    checkpoint TEXT,                         -- its token sealed; gone once the job is over
    began REAL, ran REAL, got REAL, ended REAL,
    UNIQUE (server, element, segment, format, name)
);
CREATE INDEX jobs_waiting ON jobs (due, id, server) WHERE state = 'waiting';
CREATE TABLE refused (line INTEGER PRIMARY KEY, text TEXT NOT NULL, problem TEXT NOT NULL);
CREATE TABLE formats (server TEXT, element TEXT, formats TEXT NOT NULL, PRIMARY KEY (server, element)) WITHOUT ROWID;
"""
_COLUMNS: Final = (
    "id, line, server, element, segment, format, name, state, attempts, runs, path, size, sha256, reason, error, "
    "retryable, note, checkpoint, began, ran, got, ended"
)
_INSERT: Final = "INSERT OR IGNORE INTO jobs (line, server, element, segment, format, name) VALUES (?, ?, ?, ?, ?, ?)"
_SAME: Final = "SELECT id, line FROM jobs WHERE server = ? AND element = ? AND segment = ? AND format = ? AND name = ?"


class LedgerUnusable(ReportdlError, ValueError):
    """A ledger that cannot be used: another batch's, in use by another process, or no ledger at all."""


@final
class Ledger:
    """The rows of one batch. One thread; close it, or use it in a `with`.

    `path` is made if it is not there, readable by its owner alone. Raises LedgerUnusable.
    """

    def __init__(self, path: str | os.PathLike[str], *, must_exist: bool = False) -> None:
        self.path: str = os.path.abspath(path)
        if must_exist and not os.path.exists(self.path):
            raise LedgerUnusable(f"there is no ledger {self.path!r}")
        self._lock = _locked(self.path)
        try:
            self._rows = self._opened()
        except sqlite3.Error as error:
            self._unlock()
            raise LedgerUnusable(f"{self.path!r} cannot be used as a ledger: {error}") from error
        except BaseException:
            self._unlock()
            raise

    def _opened(self) -> sqlite3.Connection:
        rows = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            rows.execute("PRAGMA journal_mode = WAL")
            rows.execute("PRAGMA synchronous = NORMAL")  # `flush` makes it durable against a power cut, once a second
            (version,) = rows.execute("PRAGMA user_version").fetchone()
            if not version:
                rows.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            elif version != _VERSION:
                raise LedgerUnusable(
                    f"{self.path!r} was written by another version of reportdl (its number is {version})"
                )
        except BaseException:
            rows.close()
            raise
        return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Make everything durable and let go of the file."""
        with suppress(sqlite3.Error):
            self._rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._rows.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # -- the batch ------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """What the batch was begun with; empty in a new ledger. No credential is among it."""
        found = self._rows.execute("SELECT value FROM batch WHERE name = 'settings'").fetchone()
        return {} if found is None else json.loads(found[0])

    def keep_settings(self, settings: Mapping[str, Any]) -> None:
        """Remember what the batch was begun with."""
        self._keep("settings", json.dumps(dict(settings)))

    @property
    def last_line(self) -> int | None:
        """The last line that was taken from the input; None once all of them were."""
        found = self._rows.execute("SELECT value FROM batch WHERE name = 'read'").fetchone()
        return 0 if found is None else None if found[0] == "all" else int(found[0])

    def all_read(self) -> None:
        """Every line of the input stands in here."""
        self._keep("read", "all")

    def _keep(self, name: str, value: str) -> None:
        self._rows.execute("INSERT OR REPLACE INTO batch VALUES (?, ?)", (name, value))

    def flush(self, now: float) -> None:
        """Make everything so far outlast a power cut."""
        self._rows.execute("PRAGMA synchronous = FULL")
        self._keep("alive", repr(now))
        self._rows.execute("PRAGMA synchronous = NORMAL")

    # -- rows come in ---------------------------------------------------------------------------------------------

    def newest(self) -> int:
        """The number of the row that was added last; 0 where there is none."""
        return self._rows.execute("SELECT COALESCE(MAX(id), 0) FROM jobs").fetchone()[0]  # type: ignore[no-any-return]

    def add(self, wished: Iterable[Wished | BadLine], *, since: int = 0) -> Added:
        """Take some lines, in one transaction. A job that stands here already is not added again.

        It is called repeated only where the other row is younger than `since`: the same file was not read again.
        """
        new, repeated, refused, last = 0, list[tuple[int, int]](), 0, 0
        with self._transaction():
            for one in wished:
                last = one.line
                if isinstance(one, BadLine):
                    values = (one.line, one.text, one.problem)
                    self._rows.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", values)
                    refused += 1
                elif (earlier := self._added(one)) is None:
                    new += 1
                elif earlier[0] > since:
                    repeated.append((one.line, earlier[1]))
            if last:
                self._keep("read", str(last))
        return Added(new=new, repeated=tuple(repeated), refused=refused)

    def _added(self, one: Wished) -> tuple[int, int] | None:
        """None where it is new, else the row and the line that ask for the same."""
        job = one.job
        asked = (one.server, str(job.element), str(job.segment), job.format, one.name)
        if self._rows.execute(_INSERT, (one.line, *asked)).rowcount:
            return None
        found: tuple[int, int] = self._rows.execute(_SAME, asked).fetchone()
        return found

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._rows.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._rows.execute("ROLLBACK")
            raise
        self._rows.execute("COMMIT")

    # -- rows go through their states -----------------------------------------------------------------------------

    def update(self, row: int, **values: object) -> None:
        """Write some columns of a row, now."""
        shown = ", ".join(f"{name} = ?" for name in values)
        self._rows.execute(f"UPDATE jobs SET {shown} WHERE id = ?", (*values.values(), row))  # noqa: S608 - names are ours

    def append_note(self, row: int, note: str) -> None:
        """Say something more about a row; what was said before stays."""
        self._rows.execute("UPDATE jobs SET note = COALESCE(note || '; ', '') || ? WHERE id = ?", (note, row))

    def next_waiting(self, server: str, *, now: float, most: int, but: frozenset[int]) -> list[Row]:
        """Rows of a server that may begin now, the longest waiting first."""
        # `+` keeps the planner from the index of the whole table, which it would have to sort.
        found = self._rows.execute(
            f"SELECT {_COLUMNS} FROM jobs WHERE state = 'waiting' AND +server = ? AND due <= ? "  # noqa: S608
            "ORDER BY due, id LIMIT ?",
            (server, now, most + len(but)),
        )
        return [row for row in map(Row.of, found) if row.id not in but][:most]

    def next_due(self) -> float | None:
        """When the next waiting row may begin, by wall-clock time; None where none waits."""
        return self._rows.execute("SELECT MIN(due) FROM jobs WHERE state = 'waiting'").fetchone()[0]  # type: ignore[no-any-return]

    def rows(self, *states: State) -> Iterator[Row]:
        """The rows in these states, in the order of their lines; each is read when it is wanted."""
        marks = ", ".join("?" for _ in states)
        query = f"SELECT {_COLUMNS} FROM jobs WHERE state IN ({marks}) ORDER BY id"  # noqa: S608
        return map(Row.of, self._rows.execute(query, [state.value for state in states]))

    def every(self) -> Iterator[Row]:
        """All rows, in the order of their lines."""
        return map(Row.of, self._rows.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY id"))  # noqa: S608

    def begin_again(self, rows: Iterable[int]) -> None:
        """Rows that failed are to be tried again."""
        with self._transaction():
            values = [(row,) for row in rows]
            self._rows.executemany(
                "UPDATE jobs SET state = 'waiting', attempts = 0, due = 0, reason = NULL, error = NULL, "
                "retryable = NULL, checkpoint = NULL WHERE id = ?",
                values,
            )

    # -- what it knows --------------------------------------------------------------------------------------------

    def counts(self) -> dict[State, int]:
        """How many rows are in each state."""
        found = dict(self._rows.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
        return {state: found.get(state.value, 0) for state in State}

    def causes(self) -> list[tuple[str, str, int]]:
        """The failures by cause, the most frequent first: reason, one of its messages, how many."""
        query = "SELECT reason, MIN(error), COUNT(*) FROM jobs WHERE state = 'failed' GROUP BY reason ORDER BY 3 DESC"
        return self._rows.execute(query).fetchall()

    def refused_count(self) -> int:
        """How many lines could not be used."""
        return self._rows.execute("SELECT COUNT(*) FROM refused").fetchone()[0]  # type: ignore[no-any-return]

    def forget_refused(self) -> None:
        """The input is read anew: what was wrong with it may have been put right."""
        self._rows.execute("DELETE FROM refused")

    def refused(self, most: int = -1) -> list[BadLine]:
        """The lines that could not be used."""
        found = self._rows.execute("SELECT line, text, problem FROM refused ORDER BY line LIMIT ?", (most,))
        return [BadLine(line=line, text=text, problem=problem) for line, text, problem in found]

    def formats(self, server: str, element: int) -> tuple[str, ...] | None:
        """What an element offers, if that was asked before."""
        query = "SELECT formats FROM formats WHERE server = ? AND element = ?"
        found = self._rows.execute(query, (server, str(element))).fetchone()
        return None if found is None else tuple(json.loads(found[0]))

    def keep_formats(self, server: str, element: int, formats: tuple[str, ...]) -> None:
        """Remember what an element offers."""
        self._rows.execute(
            "INSERT OR REPLACE INTO formats VALUES (?, ?, ?)", (server, str(element), json.dumps(formats))
        )


def _locked(path: str) -> int:
    """The ledger's lock, which the system lets go of when the process dies; -1 where there are no such locks."""
    if sys.platform == "win32":
        return -1
    try:
        # SQLite's own locks are on the ledger itself, and closing any descriptor of it would drop them: a file beside.
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not os.path.exists(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerUnusable(f"cannot write a ledger at {path!r}: {reason_of(error)}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LedgerUnusable(f"another process is working on {path!r} (wait for it, or end it)") from None
    except OSError:
        pass  # a file system without locks: SQLite's own will have to do
    return descriptor
