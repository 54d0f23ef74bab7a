"""Decides what the process does that leads a crew of workers: sends jobs, collects their ends, misses the dead.

The ledger is its own: workers never see it. It may be killed and started again like any other. Must never send a job
that is with a worker already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, final

from reportdl.batch.bring import Brought, Failed, Kept, Undelivered
from reportdl.batch.celery import QUEUES, first_record, row_of, send, settled
from reportdl.batch.engine import Watch
from reportdl.batch.flights import Flights
from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import Breaker, Budget, State, tried_again
from reportdl.batch.rows import Row, Wished
from reportdl_core.errors import Reason

__all__ = ["Crew"]

_CHUNK: Final = 500
_AHEAD: Final = 1_000  # jobs in the queue at a time: the ledger keeps the rest
_LOOK: Final = 0.5
_BEAT: Final = 1.0
_REAP: Final = 2.0


@final
class Crew:
    """Leads the workers of one batch. One thread; `sleep` and `clock` are for tests."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        flights: Flights,
        settings: dict[str, Any],
        budget: Budget,
        watch: Watch,
        lines: Iterator[Wished | BadLine] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger, self._flights, self._settings = ledger, flights, settings
        self._batch: str = settings["id"]
        self._budget, self._watch, self._lines, self._sleep = budget, watch, lines, sleep
        self._breaker = Breaker()
        self._out: set[int] = set()

    @property
    def stopped(self) -> Reason | None:
        """Why not all was tried."""
        return self._breaker.tripped

    def run(self, taken_up: Iterator[Row]) -> None:
        """Lead until every row has come to its end."""
        for row in taken_up:
            self._watch.began(row)
            if self._send(row) and row.state is State.RUNNING:
                self._ledger.append_note(row.id, "begun again: the broker has lost what it held of it")
        self._read()
        beat = reap = time.monotonic()
        while True:
            self._collect()
            self._send_waiting()
            if not self._out and (self.stopped is not None or self._ledger.next_due() is None):
                break
            now = time.monotonic()
            if now - reap >= _REAP:
                reap = now
                self._reap()
            if now - beat >= _BEAT:
                beat = now
                self._ledger.flush(time.time())
                self._watch.beat()
            self._sleep(_LOOK)
        self._flights.forget()

    def _read(self) -> None:
        lines, since = self._lines, self._ledger.newest()
        if lines is None:
            return
        while chunk := list(islice(lines, _CHUNK)):
            self._watch.added(self._ledger.add(chunk, since=since))
        self._ledger.all_read()
        self._watch.all_read()

    # -- out ----------------------------------------------------------------------------------------------------------

    def _send_waiting(self) -> None:
        most = _AHEAD - len(self._out)
        if most <= 0 or self.stopped is not None:
            return
        for row in self._ledger.next_waiting("", now=time.time(), most=most, but=frozenset()):
            self._watch.began(row)
            self._send(row)
            self._ledger.update(row.id, state=State.RUNNING.value)

    def _send(self, row: Row) -> bool:
        """Send a job, unless it is with the workers since before this process."""
        record = first_record(row, self._settings)
        number = self._flights.begin(row.id, record)
        self._out.add(row.id)
        if number is None:
            return False
        send(self._batch, row.id, number, record)
        self._flights.sent(row.id, number)
        return True

    def _reap(self) -> None:
        """Send again what a dead worker held. The broker does so too, but not before its visibility timeout."""
        for row, number, record in self._flights.stranded(*QUEUES):
            send(self._batch, row, number, record)
            self._flights.sent(row, number)

    # -- in -----------------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        results = self._flights.results()
        for number, record in results.items():
            self._ledger.update(number, **settled(record))
            self._out.discard(number)
            self._ended(row_of(record))
        if results:
            self._flights.collected(results)

    def _ended(self, row: Row) -> None:
        brought = _brought(row)
        again_at: float | None = None
        match brought:
            case Failed(reason=reason, retryable=retryable):
                self._breaker.ended(reason)
                wanted = retryable and self.stopped is None
                again_at = self._budget.next_at(attempts=row.attempts, retryable=wanted, now=time.time())
                if again_at is not None:
                    self._ledger.append_note(row.id, tried_again(reason))
                    self._ledger.update(row.id, state=State.WAITING.value, due=again_at)
            case Undelivered():
                self._breaker.ended(Reason.NOT_KEPT)
            case Kept():
                self._breaker.ended(Reason.DELIVERED)
        self._watch.ended(row, brought, again_at=again_at)


def _brought(row: Row) -> Brought:
    if row.state is State.DONE:
        return Kept(path=row.path or "", size=row.size)
    if row.state is State.HELD:
        return Undelivered(error=row.error or "")
    return Failed(reason=Reason(row.reason), error=row.error or "", retryable=row.retryable)
