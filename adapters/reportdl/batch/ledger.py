"""Decides how a batch is remembered: one SQLite file (WAL), one row a job, written before what it says is done (D43).

A process may be killed at any moment and loses nothing; a power cut loses at most the last seconds, never the file.
One process has it at a time. Must never hold a token in clear: they are sealed, each to its own row (D39).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Final, Self, final

from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger_file import LedgerFile, LedgerUnusable
from reportdl.batch.plan import Reading, State
from reportdl.batch.rows import Added, Collision, Row, Wished, label
from reportdl_core.job import Job

__all__ = ["Ledger", "LedgerUnusable"]

_COLUMNS: Final = (
    "id, line, server, element, segment, format, name, state, attempts, runs, path, size, sha256, reason, error, "
    "retryable, note, checkpoint, began, ran, got, ended"
)
_INSERT: Final = (
    "INSERT OR IGNORE INTO jobs (line, reading, name, server, element, segment, format) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_KEY: Final = "name = ? AND server = ? AND element = ? AND segment = ? AND format = ?"
_NAMESAKE: Final = (
    "SELECT line, server, element, segment, format FROM jobs WHERE name = ? AND reading = ? "
    "AND NOT (server = ? AND element = ? AND segment = ? AND format = ?) LIMIT 1"
)
_FOUND: Final = f"UPDATE jobs SET line = ?, reading = ? WHERE {_KEY} AND reading < ?"  # noqa: S608
_CHOOSE: Final = (
    "UPDATE jobs SET path = ?1 WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM jobs AS other "
    "WHERE other.path = ?1 AND other.id != ?2 AND (other.name = '' OR other.name != jobs.name))"
)
_SAME: Final = f"SELECT line FROM jobs WHERE {_KEY}"  # noqa: S608


@final
class Ledger:
    """The rows of one batch. One thread; close it, or use it in a `with`.

    `path` is made if it is not there, readable by its owner alone. Raises LedgerUnusable.
    """

    def __init__(self, path: str | os.PathLike[str], *, must_exist: bool = False) -> None:
        self.path: str = os.path.abspath(path)
        if must_exist and not os.path.exists(self.path):
            raise LedgerUnusable(f"there is no ledger {self.path!r}")
        self._file = LedgerFile(self.path)
        self._rows = self._file.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Make everything durable and let go of the file."""
        with suppress(sqlite3.Error):
            self._rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._file.close()

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

    def next_reading(self, reading: Reading) -> int:
        """The number of a reading of the list that begins now; the first is 1. Its rest has the number of the last."""
        found = self._rows.execute("SELECT value FROM batch WHERE name = 'reading'").fetchone()
        number = 1 if found is None else int(found[0]) + (reading is not Reading.REST)
        self._keep("reading", str(number))
        return number

    def add(self, wished: Iterable[Wished | BadLine], *, reading: int = 1) -> Added:
        """Take some lines, in one transaction. A job that stands here already is not added again.

        It is called repeated only where the same reading has found it before.
        """
        new, repeated, refused, last = Counter[str](), list[tuple[int, int]](), 0, 0
        collided: list[Collision] = []
        with self._transaction():
            for one in wished:
                last = one.line
                if isinstance(one, Wished) and (twin := self._namesake(one, reading)) is not None:
                    collided.append(twin)
                    problem = f"would be called {twin.name}, as line {twin.other_line} is: {twin.way_out}"
                    one = BadLine(line=one.line, text=label(one.server, one.job), problem=problem)
                if isinstance(one, BadLine):
                    values = (one.line, one.text, one.problem)
                    self._rows.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", values)
                    refused += 1
                elif self._is_new(one, reading):
                    new[one.server] += 1
                elif (earlier := self._earlier(one, reading)) is not None:
                    repeated.append((one.line, earlier))
            if last:
                self._keep("read", str(last))
        return Added(new=new, repeated=tuple(repeated), refused=refused, collided=tuple(collided))

    def _namesake(self, one: Wished, reading: int) -> Collision | None:
        """Another job that this reading has found, and whose file would have the same name."""
        if not one.name:
            return None
        found = self._rows.execute(_NAMESAKE, (one.name, reading, *_key(one)[1:])).fetchone()
        if found is None:
            return None
        line, server, element, segment, key = found
        other = Job(element=element, segment=segment, format=key)
        return Collision(
            name=one.name,
            line=one.line,
            job=one.job,
            server=one.server,
            other_line=line,
            other_job=other,
            other_server=server,
        )

    def begin_anew(self) -> None:
        """Forget everything: the list could not be used, and nothing of it had begun."""
        with self._transaction():
            for table in ("jobs", "refused", "formats", "batch"):
                self._rows.execute(f"DELETE FROM {table}")  # noqa: S608

    def _is_new(self, one: Wished, reading: int) -> bool:
        return self._rows.execute(_INSERT, (one.line, reading, *_key(one))).rowcount == 1

    def _earlier(self, one: Wished, reading: int) -> int | None:
        """The earlier line of this reading that asks for the same; None where the row is of an earlier one."""
        if self._rows.execute(_FOUND, (one.line, reading, *_key(one), reading)).rowcount:
            return None
        found: tuple[int] = self._rows.execute(_SAME, _key(one)).fetchone()
        return found[0]

    def forget(self, reading: int) -> Counter[tuple[str, State]]:
        """Remove what the whole list does not have any more, where it waits or failed; how many by server and state."""
        which = "reading < ? AND state IN ('waiting', 'failed')"
        gone: Counter[tuple[str, State]] = Counter()
        with self._transaction():
            query = f"SELECT server, state, COUNT(*) FROM jobs WHERE {which} GROUP BY 1, 2"  # noqa: S608
            for server, state, count in self._rows.execute(query, (reading,)):
                gone[server, State(state)] = count
            if gone:
                self._rows.execute(f"DELETE FROM jobs WHERE {which}", (reading,))  # noqa: S608
        return gone

    def cost_nothing(self, server: str | None = None) -> bool:
        """Whether nothing was generated, and no session is under way: for the jobs of one server, or all of them."""
        query = "SELECT 1 FROM jobs WHERE (runs > 0 OR checkpoint IS NOT NULL OR state IN ('running', 'held'))"
        found = self._rows.execute(f"{query} AND (?1 IS NULL OR server = ?1) LIMIT 1", (server,))
        return found.fetchone() is None

    def begin_at_another(self, server: str) -> None:
        """A server has another URL: what failed and what elements offer was the old one's word."""
        self._rows.execute("DELETE FROM formats WHERE server = ?", (server,))
        self.begin_again([row.id for row in self.rows(State.FAILED) if row.server == server])

    def state_of(self, one: Wished) -> tuple[State, bool] | None:
        """Where the row of a line stands, and whether trying again can help if it failed; None where there is none."""
        found = self._rows.execute(f"SELECT state, retryable FROM jobs WHERE {_KEY}", _key(one)).fetchone()  # noqa: S608
        return None if found is None else (State(found[0]), bool(found[1]))

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

    def choose(self, row: int, path: str) -> bool:
        """Write where a row's file is about to be, unless another row's is there; whether it was free.

        Not a row of the same name: a mended list may give it to another job, which is then what was asked for.
        """
        return self._rows.execute(_CHOOSE, (path, row)).rowcount == 1

    def paths(self) -> Iterator[tuple[int, str, str]]:
        """Each path that a row has: row, its name, path."""
        return iter(self._rows.execute("SELECT id, name, path FROM jobs WHERE path IS NOT NULL"))

    def append_note(self, row: int, note: str) -> None:
        """Say something more about a row; what was said before stays."""
        self._rows.execute("UPDATE jobs SET note = COALESCE(note || '; ', '') || ? WHERE id = ?", (note, row))

    def next_waiting(self, server: str, *, now: float, most: int, but: frozenset[int]) -> list[Row]:
        """Rows of a server that may begin now, the longest waiting first."""
        # `+` keeps the planner from the index of the whole table, which it would have to sort.
        found = self._rows.execute(
            f"SELECT {_COLUMNS} FROM jobs WHERE state = 'waiting' AND server = ? AND due <= ? "  # noqa: S608
            "ORDER BY due, id LIMIT ?",
            (server, now, most + len(but)),
        )
        return list(islice((row for row in map(Row.of, found) if row.id not in but), most))

    def next_due(self, server: str) -> float | None:
        """When the next waiting row of a server may begin, by wall-clock time; None where none waits."""
        query = "SELECT MIN(due) FROM jobs WHERE state = 'waiting' AND server = ?"
        return self._rows.execute(query, (server,)).fetchone()[0]  # type: ignore[no-any-return]

    def waiting(self, servers: Iterable[str]) -> int:
        """How many rows of these servers wait."""
        query = "SELECT COUNT(*) FROM jobs WHERE state = 'waiting' AND server = ?"
        return sum(self._rows.execute(query, (server,)).fetchone()[0] for server in servers)

    def rows(self, *states: State) -> Iterator[Row]:
        """The rows in these states, in the order of their lines; each is read when it is wanted."""
        marks = ", ".join("?" for _ in states)
        query = f"SELECT {_COLUMNS} FROM jobs WHERE state IN ({marks}) ORDER BY id"  # noqa: S608
        return map(Row.of, self._rows.execute(query, [state.value for state in states]))

    def every(self) -> Iterator[Row]:
        """All rows, in the order of their lines."""
        return map(Row.of, self._rows.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY id"))  # noqa: S608

    def begin_again(self, rows: Iterable[int]) -> None:
        """Rows that failed are to be tried again; what their elements offer is asked anew where that was the reason."""
        with self._transaction():
            values = [(row,) for row in rows]
            which = "SELECT server, element FROM jobs WHERE id = ? AND reason = 'invalid format'"
            self._rows.executemany(f"DELETE FROM formats WHERE (server, element) IN ({which})", values)  # noqa: S608
            self._rows.executemany(
                "UPDATE jobs SET state = 'waiting', attempts = 0, due = 0, reason = NULL, error = NULL, "
                "retryable = NULL, checkpoint = NULL WHERE id = ?",
                values,
            )

    # -- what it knows --------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, dict[State, int]]:
        """How many rows of each server are in each state; a server without rows is not among them."""
        counts: dict[str, dict[State, int]] = {}
        for server, state, count in self._rows.execute("SELECT server, state, COUNT(*) FROM jobs GROUP BY 1, 2"):
            counts.setdefault(server, dict.fromkeys(State, 0))[State(state)] = count
        return counts

    def open(self, server: str) -> int:
        """How many rows of a server are neither done nor failed."""
        query = "SELECT COUNT(*) FROM jobs WHERE server = ? AND state NOT IN ('done', 'failed')"
        return self._rows.execute(query, (server,)).fetchone()[0]  # type: ignore[no-any-return]

    def causes(self) -> list[tuple[str, str, int]]:
        """The failures by server and cause, the most frequent first: server, reason, how many."""
        query = "SELECT server, reason, COUNT(*) FROM jobs WHERE state = 'failed' GROUP BY 1, 2"
        return self._rows.execute(f"{query} ORDER BY 3 DESC, MIN(line)").fetchall()

    def failed(self, server: str, reason: str, most: int) -> list[Row]:
        """The first rows of a server that failed for this reason."""
        which = "state = 'failed' AND server = ? AND reason = ? ORDER BY line LIMIT ?"
        query = f"SELECT {_COLUMNS} FROM jobs WHERE {which}"  # noqa: S608
        return [Row.of(row) for row in self._rows.execute(query, (server, reason, most))]

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


def _key(one: Wished) -> tuple[str, ...]:
    return (one.name, one.server, str(one.job.element), str(one.job.segment), one.job.format)
