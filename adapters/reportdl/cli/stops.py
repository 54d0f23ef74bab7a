"""Decides what Ctrl-C, SIGTERM and SIGHUP do: one exception in the main thread, so that everything is cleaned up (D38).

A second signal does not disturb the cleaning up, which takes two seconds at most; a later one is heard again. Must
never touch a signal that whoever started the process has set to be ignored, as `nohup` does.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, final

__all__ = ["Stopped", "stoppable"]

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_CLEANING: Final = 5.0  # seconds in which a further signal, or an impatient Ctrl-C, changes nothing
_UNTOUCHED: Final = (signal.SIG_DFL, signal.default_int_handler)


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
    """Turn the first of the signals into `Stopped` while the block runs."""
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    mine = {number: handler for number, handler in before.items() if handler in _UNTOUCHED}

    last = -math.inf

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _CLEANING:
            last = now
            raise Stopped(number)

    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in mine.items():
            signal.signal(number, handler)
