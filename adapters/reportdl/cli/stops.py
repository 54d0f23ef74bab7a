"""Decides what Ctrl-C, SIGTERM and SIGHUP do: one exception in the main thread, so that everything is cleaned up (D38).

A second signal does not disturb the cleaning up, which takes two seconds at most; a later one is heard again. Must
never touch a signal that whoever started the process has set to be ignored, as `nohup` does.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, final

from reportdl.cli.loading import interrupted

__all__ = ["Stopped", "deaf", "stoppable"]

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_CLEANING: Final = 5.0  # seconds in which a further signal, or an impatient Ctrl-C, changes nothing
_UNTOUCHED: Final = (signal.SIG_DFL, signal.default_int_handler, interrupted)


@final
class Stopped(BaseException):
    """The process was asked to end. `note` says what was kept, `path` names it.

    Not a KeyboardInterrupt: click would turn that into words of its own.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.note = "nothing was kept"
        self.path: str | None = None

    @property
    def code(self) -> int:
        """The exit code that shells give to this signal: 130 for Ctrl-C."""
        return 128 + self.number

    @property
    def word(self) -> str:
        """What happened."""
        return "interrupted" if self.number == signal.SIGINT else "terminated"


@contextmanager
def stoppable() -> Generator[None]:
    """Turn the first of the signals into `Stopped` while the block runs: the last work that this process does.

    The handlers stay afterwards, so that an impatient second Ctrl-C does not tear up the last words of the first;
    `deaf` then ends the matter.
    """
    last = -math.inf
    over = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _CLEANING:
            return
        last = now
        if over:
            os._exit(128 + number)  # nothing is left to clean up; whoever reads our last words takes too long
        raise Stopped(number)

    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in _UNTOUCHED:
            signal.signal(number, stop)
    try:
        yield
    finally:
        over = True


def deaf() -> None:
    """Hear none of the signals any more, once all is said.

    One that came while Python takes itself down would kill it, and the exit code would be another one.
    """
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
