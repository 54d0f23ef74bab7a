"""Decides what a caller types for a batch: `run` for a list of jobs, `resume` for a ledger. Puts the pieces together.

A batch is its ledger: the same call again goes on where it was. Must never leave a ledger behind that a corrected call
could not go on with.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Protocol, final

from reportdl.batch.begun import Settings, begun
from reportdl.batch.bring import Bringer, Brought
from reportdl.batch.destinations import Destination, Folder, destination_of, refuse_password
from reportdl.batch.engine import Engine
from reportdl.batch.holding import Holding
from reportdl.batch.inputs import BadLine, Jobs
from reportdl.batch.ledger import Ledger, LedgerUnusable
from reportdl.batch.ledger_file import LedgerUnwritable
from reportdl.batch.plan import Again, Budget, Lanes, Reading, Start, State, start_of
from reportdl.batch.progress import Board
from reportdl.batch.roster import Roster
from reportdl.batch.rows import Added, NamesCollide, Row, Wished
from reportdl.batch.servers import Server
from reportdl.batch.summary import Summary, summed_up
from reportdl.batch.traces import Traces
from reportdl.batch.wishes import wishes
from reportdl.progress import Progress
from reportdl.seal import Seal

__all__ = ["Night", "Viewer"]

_AHEAD: Final = (State.HELD, State.RUNNING)
_WITH_WORKERS: Final = 1_000  # jobs in the queue at a time: the ledger keeps the rest


class Viewer(Protocol):
    """Who is told of what happens; `Board` has the numbers."""

    def ended(self, row: Row, brought: Brought, *, again_at: float | None) -> None:
        """A row came to an end, or will be tried again."""
        ...

    def beat(self) -> None:
        """A second has passed."""
        ...


@final
class _Watch:
    """Keeps the board and tells the viewer."""

    def __init__(self, board: Board, viewer: Viewer | None) -> None:
        self._board, self._viewer = board, viewer

    def added(self, added: Added) -> None:
        self._board.added(added)

    def all_read(self, gone: Mapping[tuple[str, State], int]) -> None:
        self._board.reading = False
        self._board.forgot(gone)

    def began(self, row: Row) -> None:
        self._board.began(row)

    def moved(self, row: Row, progress: Progress) -> None:
        self._board.moved(row, progress)

    def ended(self, row: Row, brought: Brought, *, again_at: float | None) -> None:
        self._board.ended(row, brought, again_at=again_at)
        if self._viewer is not None:
            self._viewer.ended(row, brought, again_at=again_at)

    def beat(self) -> None:
        self._board.beat()
        if self._viewer is not None:
            self._viewer.beat()


@final
class Night:
    """One batch in one ledger, for one process. Use it in a `with`.

    `settings` begin a batch in a new ledger; None goes on with what stands there. `moved` are the servers that have
    another URL from now on: old, new. Raises LedgerUnusable, ServersUnusable, TargetUnusable, TemplateUnusable,
    KeyUnusable; nothing was sent then. Left by an error of SQLite, raises LedgerUnwritable.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Settings | None, *, roster: Roster) -> None:
        if settings is not None:
            refuse_password(settings.to)
        self.ledger: Ledger = Ledger(path, must_exist=settings is None)
        try:
            found = begun(self.ledger, settings, roster, path=self.ledger.path)
            self.id: str = found.id
            self.began: datetime = found.began
            self.settings: Settings = found.settings
            self.roster: Roster = found.roster
            self.moved: tuple[tuple[str, str], ...] = found.moved
            self.seal: Seal = Seal.from_key_file(f"{self.ledger.path}.key")
        except sqlite3.Error as error:
            self.ledger.close()
            raise LedgerUnusable(f"{self.ledger.path!r} cannot be used as a ledger: {error}") from error
        except BaseException:
            self.ledger.close()
            raise

    def __enter__(self) -> Night:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.ledger.close()
        if isinstance(error, sqlite3.Error):
            raise LedgerUnwritable(
                f"the ledger {self.ledger.path!r} cannot be read or written any more: {error}; what is here stays, and "
                "the same command goes on once that is mended"
            ) from error

    def destination(self, options: dict[str, Any] | None = None) -> tuple[Destination, Holding]:
        """Where the files go, and where they wait for it; both made and tried. Raises TargetUnusable."""
        settings = self.settings
        destination = destination_of(settings.to, clash=settings.clash, options=options)
        # Beside their final names, so that nothing is copied; for a store, beside the ledger.
        folder = (
            os.path.join(destination.root, f".reportdl-held-{self.id}") if isinstance(destination, Folder) else None
        )
        holding = Holding(folder or f"{self.ledger.path}.held")
        destination.prepare()
        holding.prepare()
        return destination, holding

    def lines(self, jobs: Jobs | None) -> Iterator[Wished | BadLine] | None:
        """What is still to be read of the input; None where all of it stands in the ledger."""
        last = self.ledger.last_line
        source = jobs if jobs is not None else self.settings.source
        if source is None or (jobs is None and last is None):
            return None
        if jobs is not None:
            self.ledger.forget_refused()
        # What is given is read anew, since it may have been mended; what stands there already is not added again.
        return wishes(
            source,
            template=self.settings.name,
            format=self.settings.format,
            began=self.began,
            roster=self.roster,
            after=0 if jobs is not None else last or 0,
        )

    def taken_up(self, again: Again) -> Iterator[Row]:
        """The rows that another process had under way; failed ones that are to be tried again wait from now on."""
        failed = (row for row in self.ledger.rows(State.FAILED) if row.server in self.roster.origins)
        wanted = [row.id for row in failed if start_of(row.state, retryable=row.retryable, again=again) is Start.BEGIN]
        self.ledger.begin_again(wanted)
        return iter([row for state in _AHEAD for row in self.ledger.rows(state)])

    def lead(
        self,
        *,
        jobs: Jobs | None = None,
        again: Again = Again.RETRYABLE,
        own: Mapping[str, int],
        budget: Budget,
        viewer: Callable[[Board], Viewer] | None = None,
    ) -> Summary:
        """The same by a crew of workers, which this process leads. Raises ImportError without the extra `celery`.

        `own` says how many jobs of a server may be with the workers; of the others as many as there are.
        """
        from reportdl.batch.crew import Crew
        from reportdl.batch.environment import broker
        from reportdl.batch.flights import Flights

        taken_up = self.taken_up(again)
        lines = self.lines(jobs)
        board = self._board(reading=lines is not None)
        flights = Flights(broker(), self.id)
        try:
            crew = Crew(
                ledger=self.ledger,
                flights=flights,
                lanes=self._with_workers(own),
                servers=self.roster.origins,
                settings=self.ledger.settings,
                budget=budget,
                watch=_Watch(board, None if viewer is None else viewer(board)),
                lines=lines,
                reading=self._reading(jobs),
            )
            with self._anew_if_names_collide():
                crew.run(taken_up)
        finally:
            flights.close()
        return summed_up(self.ledger, board, stopped=crew.stopped)

    def _with_workers(self, own: Mapping[str, int]) -> Lanes:
        known = {self.roster.key(name): number for name, number in own.items()}
        return Lanes(per_server=max(1, _WITH_WORKERS // len(self.roster.origins)), own=known)

    @contextmanager
    def _anew_if_names_collide(self) -> Generator[None]:
        """A new ledger stays new: `resume` has nothing to go on with."""
        new = self.ledger.last_line == 0
        try:
            yield
        except NamesCollide:
            if new:
                self.ledger.begin_anew()
            raise

    def _reading(self, jobs: Jobs | None) -> Reading:
        if jobs is None:
            return Reading.REST
        if not isinstance(jobs, str | os.PathLike):
            return Reading.AS_NEEDED
        return Reading.WHOLE if os.path.abspath(jobs) == self.settings.source else Reading.ONCE

    def _board(self, *, reading: bool) -> Board:
        none = dict.fromkeys(State, 0)
        known = self.ledger.counts()
        return Board(counts={name: known.get(name, dict(none)) for name in self.roster.origins}, reading=reading)

    async def run(
        self,
        servers: Mapping[str, Server],
        *,
        jobs: Jobs | None = None,
        again: Again = Again.RETRYABLE,
        at_once: int,
        in_all: int | None = None,
        budget: Budget,
        options: dict[str, Any] | None = None,
        traces: Traces | None = None,
        viewer: Callable[[Board], Viewer] | None = None,
    ) -> Summary:
        """Bring every job to its end, and say how it went. Cancelled, it can be resumed.

        `at_once` is for each server that does not say itself how much it takes at a time, `in_all` for all of them.
        """
        known = {name: one for one in servers.values() for name, at in self.roster.origins.items() if at == one.origin}
        own = {name: one.at_once for name, one in known.items() if one.at_once is not None}
        destination, holding = self.destination(options)
        if traces is not None:
            traces.prepare()
        holding.clear()
        taken_up = self.taken_up(again)
        lines = self.lines(jobs)
        board = self._board(reading=lines is not None)
        watch = _Watch(board, None if viewer is None else viewer(board))
        bringer = Bringer(
            store=self.ledger,
            seal=self.seal,
            holding=holding,
            destination=destination,
            watch=watch.moved,
            traces=traces,
        )
        engine = Engine(
            ledger=self.ledger,
            servers=known,
            bringer=bringer,
            lanes=Lanes(per_server=at_once, in_all=in_all, own=own),
            budget=budget,
            watch=watch,
            lines=lines,
            reading=self._reading(jobs),
        )
        try:
            with self._anew_if_names_collide():
                await engine.run(taken_up)
        finally:
            holding.put_away()
        return summed_up(self.ledger, board, stopped=engine.stopped)
