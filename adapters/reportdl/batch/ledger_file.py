"""Decides what a ledger is on disk: its tables, and that one process has it at a time.

A lock beside it, which the system lets go of when the process dies. Must never touch a file that is no ledger.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from typing import Final, final
from urllib.parse import quote

from reportdl.spooling import reason_of
from reportdl_core.errors import ReportdlError

if sys.platform != "win32":
    import fcntl

__all__ = ["LedgerFile", "LedgerUnusable", "LedgerUnwritable", "copied"]

_VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE batch (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    line INTEGER NOT NULL,
    reading INTEGER NOT NULL,                -- the reading of the list that found it there last
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
    UNIQUE (name, server, element, segment, format)  -- by name first: two jobs must not have one
);
CREATE INDEX jobs_waiting ON jobs (server, due, id) WHERE state = 'waiting';
CREATE TABLE refused (line INTEGER PRIMARY KEY, text TEXT NOT NULL, problem TEXT NOT NULL);
CREATE TABLE formats (server TEXT, element TEXT, formats TEXT NOT NULL, PRIMARY KEY (server, element)) WITHOUT ROWID;
"""

_TABLES: Final = {"batch", "jobs", "refused", "formats"}  # since the first version


class LedgerUnusable(ReportdlError, ValueError):
    """A ledger that cannot be used: another batch's, in use by another process, or no ledger at all."""


class LedgerUnwritable(ReportdlError):
    """The disk of a ledger said no in the middle of a batch, which was stopped and has lost nothing."""


@final
class LedgerFile:
    """The file, opened and locked; made if it is not there, readable by its owner alone. Raises LedgerUnusable."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = _locked(path)
        try:
            self.rows: sqlite3.Connection = self._opened()
        except sqlite3.Error as error:
            self._unlock()
            raise LedgerUnusable(f"{path!r} cannot be used as a ledger: {error}") from error
        except BaseException:
            self._unlock()
            raise

    def _opened(self) -> sqlite3.Connection:
        rows = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            new = _is_new(rows, self._path)  # before anything is written: the journal's mode is, and stays
            rows.execute("PRAGMA journal_mode = WAL")
            rows.execute("PRAGMA synchronous = NORMAL")  # `flush` makes it durable against a power cut, once a second
            if new:
                rows.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            rows.execute("CREATE INDEX IF NOT EXISTS jobs_path ON jobs (path) WHERE path IS NOT NULL")
        except BaseException:
            rows.close()
            raise
        return rows

    def close(self) -> None:
        """Let go of it."""
        self.rows.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def copied(path: str, to: str) -> None:
    """Copy a ledger as it stands now; nothing where there is none. Not a file is touched beside it.

    Raises LedgerUnusable.
    """
    if not os.path.exists(path):
        return
    # Without a log there is nothing but the file: even a mere reader would make one.
    how = "mode=ro" if os.path.exists(f"{path}-wal") else "immutable=1"
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(os.fsencode(path))}?{how}", uri=True)) as there,
            closing(sqlite3.connect(to)) as here,
        ):
            if not _is_new(there, path):
                there.backup(here)
    except sqlite3.Error as error:
        raise LedgerUnusable(f"{path!r} cannot be used as a ledger: {error}") from error


def _is_new(rows: sqlite3.Connection, path: str) -> bool:
    """Whether there is nothing in it yet. Raises LedgerUnusable where there is something else than a ledger."""
    (version,) = rows.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and _TABLES - tables:
        raise LedgerUnusable(f"{path!r} is another program's database, and no ledger")
    if version not in (0, _VERSION):
        raise LedgerUnusable(f"{path!r} was written by another version of reportdl (its number is {version})")
    return not tables


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
