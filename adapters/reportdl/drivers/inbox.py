"""Decides how a driver's thread waits: for what a request's thread puts in, a deadline or a signal, whichever is first.

Python runs a signal's handler between two instructions of the main thread. A signal that comes after the last of them
and before the thread sleeps in a lock is not seen until that lock's deadline. So the main thread sleeps on a socket
into which the signal itself writes (`signal.set_wakeup_fd`): one that came before makes the wait end at once. Must
never keep a signal from whoever listened before, such as an event loop.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar, final

__all__ = ["Inbox"]

T = TypeVar("T")

_LONGEST: Final = 3600.0  # seconds of one sleep: the system's own limits are somewhere above
_ROOM: Final = 4096  # bytes of bells and signals that are taken out at once


@final
class Inbox(Generic[T]):
    """Any thread may `put`; the one that opened it may `get`. Close it: the signals then go where they went before."""

    __slots__ = ("_bell", "_items")

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._bell: _Bell | None = None

    def open(self) -> None:
        """Listen for signals too, where this is the thread that has them."""
        if threading.current_thread() is threading.main_thread():
            with suppress(OSError):  # no descriptor is left: a signal may be heard late, and the job goes on
                self._bell = _Bell()
                self._bell.hang()

    def close(self) -> None:
        """Listen no more. What is put in afterwards wakes nobody."""
        if self._bell is not None:
            try:
                self._bell.take_down()
            except BaseException:  # Ctrl-C: signals would be written into a descriptor that is somebody else's soon
                self._bell.unhook()
                raise

    def put(self, item: T) -> None:
        """Hand it over, and wake who waits."""
        self._items.put(item)
        if self._bell is not None:
            self._bell.ring()

    def get(self, patience: float) -> T | None:
        """What comes within so many seconds; None if nothing does. A signal's handler may raise out of it."""
        if self._bell is None:
            return self._taken(timeout=patience)
        until = time.monotonic() + patience
        while (item := self._taken(timeout=0.0)) is None and (left := until - time.monotonic()) > 0.0:
            self._bell.listen(min(left, _LONGEST))
        return item

    def _taken(self, *, timeout: float) -> T | None:
        try:
            return self._items.get(timeout=timeout) if timeout else self._items.get_nowait()
        except Empty:
            return None


@final
class _Bell:
    """A pair of sockets: threads and signals write into one end, the main thread sleeps on the other."""

    __slots__ = ("_before", "_hung", "_lock", "_near", "_rope", "_sleep")

    def __init__(self) -> None:
        self._near, self._rope = socket.socketpair()
        self._near.setblocking(False)
        self._rope.setblocking(False)
        self._sleep = _sleeper(self._near)
        self._lock = threading.Lock()  # a bell rung late must not write into a descriptor that is somebody else's now
        self._before, self._hung = -1, False

    def hang(self) -> None:
        """Have signals ring it."""
        with suppress(ValueError):  # an interpreter within this process, which hears none
            self._hung = True
            self._before = signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)

    def take_down(self) -> None:
        """Unhook it, and put it away."""
        self.unhook()
        with self._lock:
            self._near.close()
            self._rope.close()

    def unhook(self) -> None:
        """Have signals ring what they rang before. May be asked again where it was interrupted."""
        if self._hung:
            with suppress(ValueError):
                signal.set_wakeup_fd(self._before)
            self._hung = False

    def ring(self) -> None:
        """From any thread. Full is as good as rung."""
        with self._lock, suppress(OSError):
            self._rope.send(b"\0")

    def listen(self, seconds: float) -> None:
        """Sleep until it rings. Python runs the handlers of signals as soon as this thread is awake."""
        self._sleep(seconds)
        with suppress(BlockingIOError):
            signals = self._near.recv(_ROOM).replace(b"\0", b"")
            if signals and self._before >= 0:
                with suppress(OSError):
                    os.write(self._before, signals)


def _sleeper(near: socket.socket) -> Callable[[float], object]:
    """A call that sleeps for so many seconds, or until there is something to read."""
    if sys.platform == "win32":
        return lambda seconds: select.select([near], [], [], seconds)
    poll = select.poll()  # not `select`, which knows no descriptor above 1023
    poll.register(near, select.POLLIN)
    return lambda seconds: poll.poll(math.ceil(seconds * 1000.0))
