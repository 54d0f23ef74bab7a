"""The command `reportdl`. Decides what happens before a command is known; loads only what the typed one needs."""

from __future__ import annotations

import sys

from reportdl.cli.loading import loading

__all__ = ["main"]


def main() -> None:
    """The entry point: run the command line and exit with its code."""
    loading()
    import gc

    # What is loaded stays to the end: to look through it for garbage, again and again, is a sixth of a small `get`.
    gc.disable()
    try:
        from reportdl.cli.app import app
        from reportdl.cli.exits import run
        from reportdl.cli.speech import last_words
        from reportdl.cli.stops import deaf
    except (ImportError, AttributeError) as error:
        sys.exit(f"reportdl: {_why(error)}")
    gc.freeze()
    gc.enable()
    code = run(app)
    deaf()
    last_words()
    gc.freeze()  # nor when it ends
    sys.exit(code)


def _why(error: Exception) -> str:
    """Why the command line cannot be loaded; raises the error where it is for no reason of the user's."""
    if isinstance(error, ModuleNotFoundError) and error.name == "click":
        return "the command line needs its extra: pip install 'reportdl[cli]'"
    from reportdl.hidden import words

    if (said := words()) is None:
        raise error
    return said
