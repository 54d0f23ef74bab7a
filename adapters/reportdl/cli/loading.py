"""Decides what Ctrl-C does while the command is still being loaded: nothing has begun, so the process just ends.

A KeyboardInterrupt would not do: it may come up in a callback of the import system, which prints and forgets it. Must
load nothing that takes time: whatever is loaded before it is not covered.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    try:
        import _signal as signal  # the same without its enums, which take ten times as long
    except ImportError:
        import signal

__all__ = ["CODE", "interrupted", "loading"]

CODE = 130
"""The exit code of Ctrl-C."""

_WORDS = "interrupted: nothing was kept"


def loading() -> None:
    """From now on Ctrl-C ends the process, with a line and no traceback, until `stoppable` listens."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)


def interrupted(number: int, frame: FrameType | None) -> None:
    """Say so in the words of every other end of the command, and end."""
    try:
        os.write(2, (_json() if "--json" in sys.argv[1:] else f"reportdl: {_WORDS}\n").encode())
    finally:
        os._exit(CODE)


def _json() -> str:
    # The object that `exits` would write, which is not loaded yet.
    kept = '"retryable": false, "kept": null, "alternatives": []'
    return f'{{"error": "Stopped", "reason": "interrupted", "message": "{_WORDS}", {kept}, "exit_code": {CODE}}}\n'
