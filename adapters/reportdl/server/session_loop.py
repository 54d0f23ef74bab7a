"""Decides nothing about sessions: executes what the core endpoint commands, and tells it what happened.

One writer (D37): every event enters on the event loop's thread and is over before the next one. Generation runs in
threads of its own, never on the event loop; a `run` is held by a future until the endpoint answers it. Must never
keep a state of its own that the endpoint has: only futures, files and tasks live here.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, assert_never

from reportdl.server.lookup import Catalog, NoFile
from reportdl.server.sources import GenerationError
from reportdl_core.endpoint import Endpoint
from reportdl_core.endpoint_messages import (
    AbandonGeneration,
    Answer,
    Called,
    Discard,
    Disconnected,
    EndpointCommand,
    EndpointEvent,
    FileMissing,
    Generate,
    Generated,
    GenerationFailed,
    SendBroken,
    SendFile,
    Unsuccessful,
)
from reportdl_core.secret import Secret

__all__ = ["Answering", "OpenFile", "SessionLoop", "fresh_token"]

_LOG: Final = logging.getLogger("reportdl.server")
_LAST_WORK: Final = 5.0  # seconds that a generation in progress may delay the server's end


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file that is to be sent: it stays readable although the session may be discarded meanwhile (D2)."""

    command: SendFile
    file: BinaryIO
    length: int


Answering = Answer | OpenFile


def fresh_token() -> Secret:
    """256 random bits in a text with each of `+ / =`, so that a wrong coding of the query cannot pass (D3, D39)."""
    return Secret("+/" + base64.b64encode(secrets.token_bytes(32)).decode())


class SessionLoop:
    """The driver of one core endpoint. `start` and `stop` enclose its life; all methods belong to one event loop.

    `seconds` is how long a generation takes at least, `at_once` how many may run at a time. `clock` is monotonic.
    Raises ValueError for numbers that leave nothing to run.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        catalog: Catalog,
        *,
        seconds: float = 0.0,
        at_once: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if at_once < 1:
            raise ValueError(f"generations_at_once must be 1 or more, not {at_once}")
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"generation_seconds must be 0 or more, not {seconds:g}")
        self.endpoint: Final = endpoint
        self._catalog = catalog
        self._seconds = seconds
        self._at_once = at_once
        self._clock = clock
        self._numbers = itertools.count(1)
        self._held: dict[int, asyncio.Future[Answering]] = {}
        self._generations: dict[int, asyncio.Task[None]] = {}
        self._working: set[asyncio.Future[Path]] = set()
        self._files: dict[int, Path] = {}
        self._alarm: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Make the spool."""
        self._spool = tempfile.TemporaryDirectory(prefix="reportdl-", ignore_cleanup_errors=True)
        self._slots = asyncio.Semaphore(self._at_once)

    async def stop(self) -> None:
        """End the generations, remove the spool, drop what is held."""
        if self._alarm is not None:
            self._alarm.cancel()
        tasks = set(self._generations.values())
        for task in tasks:
            task.cancel()
        unfinished = tasks | self._working
        if unfinished:
            await asyncio.wait(unfinished, timeout=_LAST_WORK)
        self._spool.cleanup()
        for future in self._held.values():
            future.cancel()

    def number(self) -> int:
        """A number for the next call."""
        return next(self._numbers)

    def call(self, called: Called) -> asyncio.Future[Answering]:
        """Put a call to the endpoint. The future is done at once but for a `run`; `withdraw` it to give up."""
        future: asyncio.Future[Answering] = asyncio.get_running_loop().create_future()
        self._held[called.number] = future
        self.tell(called)
        return future

    def withdraw(self, number: int, future: asyncio.Future[Answering]) -> None:
        """The caller has gone: what it waited for, or was about to be given, is not wanted any more (D7)."""
        if not future.done():
            self.tell(Disconnected(number=number))
            self._held.pop(number, None)
        elif not future.cancelled() and isinstance(answering := future.result(), OpenFile):
            answering.file.close()
            self.tell(SendBroken(number=number, sent=0))

    def tell(self, event: EndpointEvent) -> None:
        """Something happened: let the endpoint take it, and do what it says."""
        for command in self.endpoint.receive(event, now=self._clock()):
            self._execute(command)
        self._set_alarm()

    def _sweep(self) -> None:
        for command in self.endpoint.sweep(now=self._clock()):
            self._execute(command)
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        due = self.endpoint.alarm
        self._alarm = None if due is None else asyncio.get_running_loop().call_later(due - self._clock(), self._sweep)

    def _execute(self, command: EndpointCommand) -> None:
        match command:
            case Answer(number=number):
                self._reply(number, command)
            case SendFile():
                self._send(command)
            case Generate(session=session):
                self._generations[session] = asyncio.create_task(self._generate(command))
            case AbandonGeneration(session=session):
                if (task := self._generations.get(session)) is not None:
                    task.cancel()
            case Discard(session=session):
                self._files.pop(session, None)
                self._remove(session)
            case _:
                assert_never(command)

    def _reply(self, number: int, answering: Answering) -> None:
        future = self._held.pop(number, None)
        if future is not None and not future.done():
            future.set_result(answering)

    def _send(self, command: SendFile) -> None:
        try:
            path = self._files[command.session]
            length = path.stat().st_size
            file = path.open("rb")
        except (KeyError, OSError):
            _LOG.warning("the file of session %d is gone", command.session)
            self.tell(FileMissing(number=command.number))
            return
        self._reply(command.number, OpenFile(command=command, file=file, length=length))

    async def _generate(self, command: Generate) -> None:
        try:
            event = await self._generated(command)
        finally:
            self._generations.pop(command.session, None)
        self.tell(event)

    async def _generated(self, command: Generate) -> Generated | GenerationFailed:
        try:
            self._files[command.session] = await self._work(command)
        except NoFile:
            return GenerationFailed(session=command.session, how=Unsuccessful.NO_FILE)
        except GenerationError as error:
            _LOG.info("generation failed in session %d", command.session, exc_info=True)
            return GenerationFailed(session=command.session, message=error.message)
        except Exception:  # noqa: BLE001 - a plugin raises what it likes: its report has failed, not the server
            _LOG.warning("generation failed in session %d", command.session, exc_info=True)
            return GenerationFailed(session=command.session, message="Generation failed")
        return Generated(session=command.session)

    async def _work(self, command: Generate) -> Path:
        directory = self._directory(command.session)
        await self._slots.acquire()
        try:
            await asyncio.sleep(self._seconds)
            work = _in_thread(lambda: self._catalog.generate(command.report, command.format, directory))
        except BaseException:
            self._slots.release()
            raise
        self._working.add(work)
        work.add_done_callback(self._ended)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # A thread cannot be stopped: it keeps its slot, and what it makes is removed when it is done.
            work.add_done_callback(lambda late: self._too_late(late, command.session))
            raise
        except BaseException:
            self._remove(command.session)
            raise

    def _ended(self, work: asyncio.Future[Path]) -> None:
        self._working.discard(work)
        self._slots.release()

    def _too_late(self, work: asyncio.Future[Path], session: int) -> None:
        if not work.cancelled():
            work.exception()  # nobody else will ask for it
        self._remove(session)

    def _directory(self, session: int) -> Path:
        return Path(self._spool.name, str(session))

    def _remove(self, session: int) -> None:
        shutil.rmtree(self._directory(session), ignore_errors=True)


def _in_thread(make: Callable[[], Path]) -> asyncio.Future[Path]:
    """What `make` returns or raises, in a thread of its own that keeps no process from its end."""
    # A pool's threads are joined when the interpreter ends: a plugin that works for half an hour would hold it so long.
    loop = asyncio.get_running_loop()
    work: asyncio.Future[Path] = loop.create_future()

    def settle(path: Path | None, error: BaseException | None) -> None:
        if work.done():
            return
        if error is not None:
            work.set_exception(error)
        elif path is not None:
            work.set_result(path)

    def run() -> None:
        path, error = None, None
        try:
            path = make()
        except BaseException as raised:  # noqa: BLE001 - carried over to the loop, which waits for it
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, path, error)

    threading.Thread(target=run, name="reportdl-generation", daemon=True).start()
    return work
