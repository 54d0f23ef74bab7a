"""Decides how many rows are under way at a time, on one event loop in one thread: reads, dispatches, ends.

What a row needs is `bring`'s; which may begin, and when to give all up, is `plan`'s. Must never hold more than a
handful of rows in memory, and never begin one that another process has done.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, Protocol, TypeAlias, final

import anyio
from anyio.from_thread import BlockingPortal

from reportdl.batch.bring import Bringer, Brought, Failed, Undelivered
from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import Breakers, Budget, Lanes, Reading, State, tried_again
from reportdl.batch.rows import Added, Collided, Row, Wished
from reportdl.batch.servers import Server
from reportdl_core.errors import Reason

__all__ = ["Engine", "Watch"]

_CHUNK: Final = 500
_AHEAD: Final = 5_000  # waiting rows beyond which an endless input is left alone for a while
_BEAT: Final = 1.0
_PATIENCE: Final = 0.5


Gone: TypeAlias = tuple[str, State]


class Watch(Protocol):
    """Who is told how the batch goes, in the loop's thread."""

    def added(self, added: Added) -> None:
        """Lines were taken."""

    def all_read(self, gone: Mapping[Gone, int]) -> None:
        """No more lines will come; `gone` are the jobs that are not on the list any more, by server and state."""

    def began(self, row: Row) -> None:
        """A row is under way."""

    def ended(self, row: Row, brought: Brought, *, again_at: float | None) -> None:
        """A row came to an end, or is to be tried again at `again_at`."""

    def beat(self) -> None:
        """A second has passed."""


def _some(lines: Iterator[Wished | BadLine]) -> list[Wished | BadLine]:
    """The next few; not many where each takes its time, so that what is known is begun."""
    some: list[Wished | BadLine] = []
    until = time.monotonic() + _PATIENCE
    for one in lines:
        some.append(one)
        if len(some) == _CHUNK or time.monotonic() > until:
            break
    return some


async def _apart(work: Callable[[], list[Wished | BadLine]]) -> list[Wished | BadLine]:
    """Do it in a thread that nobody waits for once this is cancelled: the next job may never be said (D38)."""
    over, done = anyio.Event(), Future[list[Wished | BadLine]]()

    def perform() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised to whoever waits
            done.set_exception(error)
        with suppress(RuntimeError):  # nobody does any more
            portal.start_task_soon(over.set)

    async with BlockingPortal() as portal:
        threading.Thread(target=perform, daemon=True, name="reportdl-jobs").start()
        await over.wait()
    return done.result()


@final
class Engine:
    """Runs one batch in this process. `lines` is the input that is still to be read, if there is any."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        servers: Mapping[str, Server],
        bringer: Bringer,
        lanes: Lanes,
        budget: Budget,
        watch: Watch,
        lines: Iterator[Wished | BadLine] | None = None,
        reading: Reading = Reading.REST,
    ) -> None:
        self._ledger, self._servers, self._bringer = ledger, servers, bringer
        self._lanes, self._budget, self._watch = lanes, budget, watch
        self._lines, self._reading = lines, reading
        self._breakers = Breakers(servers)
        self._turns = deque(servers)
        self._busy: set[int] = set()
        self._first: dict[str, deque[Row]] = {name: deque() for name in servers}
        self._wake = anyio.Event()
        self._failure: Exception | None = None

    @property
    def stopped(self) -> dict[str, Reason]:
        """The servers of which not all was tried: what would have condemned every other of their jobs too."""
        return self._breakers.stopped

    async def run(self, taken_up: Iterable[Row] = ()) -> None:
        """Bring every row to its end; those that another process had begun come first."""
        for row in taken_up:
            self._first[row.server].append(row)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._beats)
            if self._lines is not None and self._reading is Reading.WHOLE:
                await self._read(self._lines)  # before anything is begun: it may be that the list cannot be used
            elif self._lines is not None:
                tasks.start_soon(self._read, self._lines)
            while self._failure is None and await self._dispatch(tasks.start_soon):
                self._wake = anyio.Event()
                with anyio.move_on_after(_BEAT):
                    await self._wake.wait()
            tasks.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    # -- rows come in ---------------------------------------------------------------------------------------------

    async def _read(self, lines: Iterator[Wished | BadLine]) -> None:
        reading, whole = self._ledger.next_reading(self._reading), self._reading is Reading.WHOLE
        collided = Collided()
        try:
            while chunk := await _apart(functools.partial(_some, lines)):
                self._watch.added(collided.take(self._ledger.add(chunk, reading=reading)))
                self._wake.set()
                if self._reading is Reading.AS_NEEDED and not await self._needed():
                    break
            else:
                if whole:
                    collided.refuse()
                self._ledger.all_read()
                self._watch.all_read(self._ledger.forget(reading) if whole else {})
        except Exception as error:  # noqa: BLE001 - raised by `run`, once what is under way has been stopped
            self._fail(error)
        self._lines = None
        self._wake.set()

    async def _needed(self) -> bool:
        """Wait until more jobs are needed; False where none will be: every server was given up."""
        while (going := self._going()) and self._ledger.waiting(going) > _AHEAD:  # noqa: ASYNC110 - rows end often
            await anyio.sleep(_BEAT)
        return bool(going)

    def _going(self) -> list[str]:
        return [name for name in self._servers if self._breakers.tripped(name) is None]

    async def _beats(self) -> None:
        try:
            while True:
                await anyio.sleep(_BEAT)
                self._ledger.flush(time.time())
                self._watch.beat()
        except Exception as error:  # noqa: BLE001 - as in `_bring`
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._wake.set()

    # -- rows go out ----------------------------------------------------------------------------------------------

    async def _dispatch(self, start: Callable[..., object]) -> bool:
        """Begin what may begin; whether there is anything left to wait for."""
        idle = 0
        while idle < len(self._turns):
            name = self._turns[0]
            self._turns.rotate(-1)
            rows = [] if self._breakers.tripped(name) else self._ready(name)
            idle = 0 if rows else idle + 1
            for row in rows:
                self._busy.add(row.id)
                self._lanes.take(name)
                self._watch.began(row)
                start(self._bring, row, self._servers[name])
        if self._busy or self._lines is not None:
            return True
        return any(self._ledger.next_due(name) is not None for name in self._going())

    def _ready(self, server: str) -> list[Row]:
        free = self._lanes.turn(server)
        ready: list[Row] = []
        while self._first[server] and len(ready) < free:
            ready.append(self._first[server].popleft())
        if len(ready) < free:
            most = free - len(ready)
            ready += self._ledger.next_waiting(server, now=time.time(), most=most, but=frozenset(self._busy))
        return ready

    async def _bring(self, row: Row, server: Server) -> None:
        try:
            self._ended(row, await self._bringer.bring(row, server))
        except Exception as error:  # noqa: BLE001 - a bug, the ledger's disk, a reader that left: nothing is lost
            self._fail(error)
        self._busy.discard(row.id)
        self._lanes.give(row.server)
        self._wake.set()

    def _ended(self, row: Row, brought: Brought) -> None:
        again_at: float | None = None
        match brought:
            case Failed(reason=reason, retryable=retryable):
                self._breakers.ended(row.server, reason)
                wanted = retryable and self._breakers.tripped(row.server) is None
                again_at = self._budget.next_at(attempts=row.attempts + 1, retryable=wanted, now=time.time())
                if again_at is not None:
                    self._ledger.append_note(row.id, tried_again(reason))
                    self._ledger.update(row.id, state=State.WAITING.value, due=again_at)
            case Undelivered():
                self._breakers.ended(row.server, Reason.NOT_KEPT)
            case _:
                self._breakers.ended(row.server, Reason.DELIVERED)
        self._watch.ended(row, brought, again_at=again_at)
