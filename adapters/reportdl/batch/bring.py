"""Decides how one row comes to its end: from its checkpoint or from `init`, over a held file, to its destination.

Whatever it is killed in, the next process finds the ledger saying where to go on. Must never ask for a file that is
held already, and never call a row done before its file is under its final name.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final

import anyio
import anyio.from_thread
import anyio.to_thread

from reportdl.batch.destinations import Delivered, Destination, NotDelivered
from reportdl.batch.holding import Held, Holding, held_from
from reportdl.batch.keeper import Keeper, Store
from reportdl.batch.learning import Learning
from reportdl.batch.plan import Begun, Start, State
from reportdl.batch.rows import Row
from reportdl.batch.servers import Server, seed
from reportdl.batch.traces import Traces
from reportdl.calls import InTurn
from reportdl.checkpoints import Checkpoint, CheckpointUnusable, gone_on, taken_up
from reportdl.drivers.asynchronous import drive
from reportdl.errors import describe
from reportdl.logs import bound
from reportdl.progress import Progress, Reporter
from reportdl.seal import Seal
from reportdl_core.download import Download
from reportdl_core.errors import Reason
from reportdl_core.names import file_name
from reportdl_core.outcome import Outcome
from reportdl_core.secret import Secret

__all__ = ["Bringer", "Brought", "Failed", "Kept", "Undelivered"]

_TRIES: Final = 3  # of one delivery in the life of a process
_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The file is at its destination."""

    path: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no file. `error` is for people."""

    reason: Reason
    error: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """The file is whole and held here; the destination did not take it."""

    error: str


Brought: TypeAlias = Kept | Failed | Undelivered


class Watcher(Protocol):
    """Who is told of a row's moves, in the loop's thread and, while bytes come, from another."""

    def __call__(self, row: Row, progress: Progress) -> None: ...


@final
class Bringer:
    """Brings rows, one call each, any number at once on one event loop."""

    def __init__(
        self,
        *,
        store: Store,
        seal: Seal,
        holding: Holding,
        destination: Destination,
        watch: Watcher,
        traces: Traces | None = None,
        pause: float = _PAUSE,
    ) -> None:
        self._store, self._seal = store, seal
        self._holding, self._destination, self._watch = holding, destination, watch
        self._traces, self._pause = traces, pause
        self._held = holding.waiting()

    async def bring(self, row: Row, server: Server, *, start: Start = Start.TAKE_UP) -> Brought:
        """Bring one row to its end, and write that end down. Cancelled, the row stays as it was last written.

        `start` says how a checkpoint is gone on from, where the row has one.
        """
        path = self._held.pop(row.id, None)
        if path is not None:
            return await self._deliver(row, await anyio.to_thread.run_sync(self._holding.held, path))
        if row.state is State.HELD and await self._arrived(row):
            return self._done(row, Delivered(path=row.path or ""), None)
        standing = await self._standing(row.name) if row.name else None
        if standing is not None and self._store.choose(row.id, standing):  # not what another job has brought there
            return self._done(row, Delivered(path=standing, standing=True), None)
        outcome = await self._outcome(row, server, start)
        if outcome.receipt is None:
            return self._failed(row, outcome)
        held = held_from(outcome.receipt, row.job)
        values = {"size": held.size, "sha256": held.sha256, "checkpoint": None}
        self._store.update(row.id, state=State.HELD.value, **values)
        return await self._deliver(row, held)

    async def _arrived(self, row: Row) -> bool:
        """Whether the file that was held is under its name: the process died between that and writing it down."""
        if row.path is None or row.size is None or row.sha256 is None:
            return False
        question = functools.partial(self._destination.has, row.path, size=row.size, sha256=row.sha256)
        try:
            arrived = await anyio.to_thread.run_sync(question)
        except NotDelivered:
            arrived = False
        if not arrived:
            self._note(row, "begun again: the file that was held is neither there any more nor at its destination")
        return arrived

    async def _standing(self, name: str) -> str | None:
        try:
            return await anyio.to_thread.run_sync(self._destination.standing, name)
        except NotDelivered:
            return None  # the delivery will say it

    # -- from the server ------------------------------------------------------------------------------------------

    async def _outcome(self, row: Row, server: Server, start: Start) -> Outcome:
        learning = Learning(row, server, self._store)
        try:
            download, begun, cookies = self._restored(row, server, start)
            if download is None:
                self._store.update(row.id, attempts=row.attempts + 1, began=time.time())
                formats, now = await learning.known(), anyio.current_time()
                download = Download(row.job, policy=server.policy, seed=seed(), now=now, formats=formats)
            await self._drive(download, row, server, begun, learning, cookies)
        finally:
            learning.over()
        assert download.outcome is not None
        return download.outcome

    async def _drive(
        self,
        download: Download,
        row: Row,
        server: Server,
        begun: Begun,
        learning: Learning,
        cookies: Mapping[str, Secret],
    ) -> None:
        sink = self._holding.sink(row.id)
        reporter = Reporter(
            download,
            clock=anyio.current_time,
            log=bound(element=row.job.element, segment=row.job.segment, format=row.job.format, line=row.line),
            on_progress=functools.partial(self._watch, row),
        )
        errands = server.errands(sink=sink, progress=reporter.received, cookies=cookies)
        keeper = Keeper(
            download,
            errands,
            store=self._store,
            row=row.id,
            runs=row.runs,
            begun=begun,
            seal=self._seal,
            origin=server.origin,
            reporter=reporter,
        )
        traced = None if self._traces is None else self._traces.begin(row)
        recording = () if traced is None else traced.of(download)
        observer = InTurn((keeper, *recording, learning.of(download)))
        try:
            await drive(download, errands=errands, transport=server.transport, observer=observer)
        finally:
            sink.discard()
            if traced is not None:
                traced.end(well=download.outcome is not None and download.outcome.receipt is not None)

    def _restored(self, row: Row, server: Server, start: Start) -> tuple[Download | None, Begun, Mapping[str, Secret]]:
        """The download as it was left, with its session's cookies. What was in flight is lost, perhaps sent (D43)."""
        if row.checkpoint is None:
            return None, Begun.HERE, {}
        now = anyio.current_time()
        try:
            checkpoint = Checkpoint.opened(row.checkpoint, seal=self._seal)
            takes = gone_on if start is Start.GO_ON else taken_up
            download = takes(checkpoint, origin=server.origin, policy=server.policy, now=now)
        except CheckpointUnusable as error:
            self._note(row, f"begun again: {error}")
            return None, Begun.HERE, {}
        if start is Start.GO_ON:
            return download, Begun.HERE, checkpoint.cookies
        return download, Begun.TAKEN_UP if row.got is None else Begun.SERVED, checkpoint.cookies

    # -- to the destination ---------------------------------------------------------------------------------------

    async def _deliver(self, row: Row, held: Held) -> Brought:
        name = row.name or file_name(held.filename, job=row.job)
        # Called from a worker thread, while this one waits: the ledger has one user at a time all the same.
        chosen = row.path

        def choose(path: str) -> bool:
            nonlocal chosen
            free = anyio.from_thread.run_sync(self._store.choose, row.id, path)
            chosen = path if free else chosen
            return free

        for number in range(1, _TRIES + 1):
            task: Callable[[], Delivered] = functools.partial(
                self._destination.deliver, held, name, chosen=chosen, choose=choose
            )
            try:
                return self._done(row, await anyio.to_thread.run_sync(task), held)
            except NotDelivered as error:
                said = f"{error}; its {held.size:,} bytes are held as {held.path}"
                values = {"reason": Reason.NOT_KEPT.value, "error": said, "size": held.size, "sha256": held.sha256}
                self._store.update(row.id, state=State.HELD.value, checkpoint=None, **values)
                if number == _TRIES:
                    return Undelivered(error=said)
            await anyio.sleep(self._pause * 2 ** (number - 1))
        raise AssertionError("the last try returns")

    def _done(self, row: Row, delivered: Delivered, held: Held | None) -> Kept:
        size, sha256 = (row.size, row.sha256) if held is None else (held.size, held.sha256)
        if delivered.standing:
            size = sha256 = None
            self._note(row, "a file of this name was already there and was left as it was")
        self._store.update(
            row.id,
            state=State.DONE.value,
            path=delivered.path,
            size=size,
            sha256=sha256,
            ended=time.time(),
            checkpoint=None,
            reason=None,
            error=None,
            retryable=None,
        )
        return Kept(path=delivered.path, size=size)

    def _failed(self, row: Row, outcome: Outcome) -> Failed:
        failed = Failed(
            reason=outcome.reason, error=describe(outcome, row.job), retryable=outcome.retryable or _worth_it(outcome)
        )
        self._store.update(
            row.id,
            state=State.FAILED.value,
            reason=failed.reason.value,
            error=failed.error,
            retryable=failed.retryable,
            ended=time.time(),
            checkpoint=None,
        )
        return failed

    def _note(self, row: Row, note: str) -> None:
        self._store.append_note(row.id, note)


def _worth_it(outcome: Outcome) -> bool:
    """What a person puts right between two starts of the batch: a new credential, room on the disk."""
    return outcome.reason in (Reason.CREDENTIALS, Reason.NOT_KEPT)
