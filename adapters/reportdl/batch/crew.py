"""Decides what the process does that leads a crew of workers: sends jobs, collects their ends, misses the dead.

The ledger is its own: workers never see it. It may be killed and started again like any other. Must never send a job
that is with a worker already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, final

from reportdl.batch.bring import Brought, Failed, Kept, Undelivered
from reportdl.batch.celery import QUEUES, first_record, row_of, send, settled
from reportdl.batch.engine import Watch
from reportdl.batch.flights import Flights
from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import Breakers, Budget, Lanes, Reading, State, tried_again
from reportdl.batch.rows import Collided, Row, Wished
from reportdl_core.errors import Reason

__all__ = ["Crew"]

_CHUNK: Final = 500
_LOOK: Final = 0.5
_BEAT: Final = 1.0
_REAP: Final = 2.0
_LOST: Final = "begun again: the broker has lost what it held of it"


@final
class Crew:
    """Leads the workers of one batch. One thread; `sleep` and `clock` are for tests."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        flights: Flights,
        lanes: Lanes,
        servers: Iterable[str],
        settings: dict[str, Any],
        budget: Budget,
        watch: Watch,
        lines: Iterator[Wished | BadLine] | None = None,
        reading: Reading = Reading.REST,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger, self._flights, self._settings = ledger, flights, settings
        self._batch: str = settings["id"]
        self._budget, self._watch, self._sleep = budget, watch, sleep
        self._lines, self._reading = lines, reading
        self._servers = tuple(servers)
        self._breakers = Breakers(self._servers)
        self._lanes = lanes
        self._out: dict[int, str] = {}

    @property
    def stopped(self) -> dict[str, Reason]:
        """The servers of which not all was tried, and why."""
        return self._breakers.stopped

    def run(self, taken_up: Iterator[Row]) -> None:
        """Lead until every row has come to its end. Raises BrokerUnusable; what was sent goes on all the same."""
        with self._flights.led():
            self._flights.keep_paths(self._ledger.paths())
            for row in taken_up:
                self._watch.began(row)
                lost = _LOST if row.state is State.RUNNING else None
                if self._send(row, lost) and lost is not None:
                    self._ledger.append_note(row.id, lost)
            self._lead()

    def _lead(self) -> None:
        self._read()
        beat = reap = time.monotonic()
        while True:
            self._collect()
            self._send_waiting()
            going = (name for name in self._servers if not self._breakers.tripped(name))
            if not self._out and all(self._ledger.next_due(name) is None for name in going):
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
        lines = self._lines
        if lines is None:
            return
        reading = self._ledger.next_reading(self._reading)
        collided = Collided()
        while chunk := list(islice(lines, _CHUNK)):
            self._watch.added(collided.take(self._ledger.add(chunk, reading=reading)))
        whole = self._reading is Reading.WHOLE
        if whole:
            collided.refuse()
        self._ledger.all_read()
        self._watch.all_read(self._ledger.forget(reading) if whole else {})

    # -- out ----------------------------------------------------------------------------------------------------------

    def _send_waiting(self) -> None:
        for name in self._servers:
            if (most := self._lanes.free(name)) and not self._breakers.tripped(name):
                for row in self._ledger.next_waiting(name, now=time.time(), most=most, but=frozenset()):
                    self._watch.began(row)
                    self._send(row)
                    self._ledger.update(row.id, state=State.RUNNING.value)

    def _send(self, row: Row, note: str | None = None) -> bool:
        """Send a job, unless it is with the workers since before this process; its record comes back with `note`."""
        record = first_record(row, self._settings)
        if note is not None:
            record["note"] = f"{row.note}; {note}" if row.note else note
        number = self._flights.begin(row.id, record)
        self._out[row.id] = row.server
        self._lanes.take(row.server)
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
            if (server := self._out.pop(number, None)) is not None:
                self._lanes.give(server)
            self._ended(row_of(record))
        if results:
            self._flights.collected(results)

    def _ended(self, row: Row) -> None:
        brought = _brought(row)
        again_at: float | None = None
        match brought:
            case Failed(reason=reason, retryable=retryable):
                self._breakers.ended(row.server, reason)
                wanted = retryable and self._breakers.tripped(row.server) is None
                again_at = self._budget.next_at(attempts=row.attempts, retryable=wanted, now=time.time())
                if again_at is not None:
                    self._ledger.append_note(row.id, tried_again(reason))
                    self._ledger.update(row.id, state=State.WAITING.value, due=again_at)
            case Undelivered():
                self._breakers.ended(row.server, Reason.NOT_KEPT)
            case Kept():
                self._breakers.ended(row.server, Reason.DELIVERED)
        self._watch.ended(row, brought, again_at=again_at)


def _brought(row: Row) -> Brought:
    if row.state is State.DONE:
        return Kept(path=row.path or "", size=row.size)
    if row.state is State.HELD:
        return Undelivered(error=row.error or "")
    return Failed(reason=Reason(row.reason), error=row.error or "", retryable=row.retryable)
