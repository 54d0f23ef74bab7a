"""The command `reportdl`. Loads nothing but what the command that was typed needs."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point: run the command line and exit with its code."""
    try:
        from reportdl.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "click":
            raise
        sys.exit("reportdl: the command line needs its extra: pip install 'reportdl[cli]'")
    from reportdl.cli.exits import run

    sys.exit(run(app))
