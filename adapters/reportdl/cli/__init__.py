"""The command `reportdl`. Decides what happens before a command is known; loads only what the typed one needs."""

from __future__ import annotations

import sys

from reportdl.cli.loading import loading

__all__ = ["main"]


def main() -> None:
    """The entry point: run the command line and exit with its code."""
    loading()
    try:
        from reportdl.cli.app import app
        from reportdl.cli.exits import run
        from reportdl.cli.stops import deaf
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "click":
            raise
        sys.exit("reportdl: the command line needs its extra: pip install 'reportdl[cli]'")
    code = run(app)
    deaf()
    sys.exit(code)
