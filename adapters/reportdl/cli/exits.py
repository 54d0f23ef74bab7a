"""Decides how a command ends: which exit code, and what is said on stderr.

0 ok, 1 other, 2 usage, 3 generation failed, 4 credentials or no access, 5 not found, not downloadable or format not
offered, 6 expired or timed out, 7 network or server trouble, 130 Ctrl-C. Must never show a traceback for something
that a server or a network did, and never a token.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Final

import click

from reportdl_core.errors import InvalidJob, Reason, ReportdlError
from reportdl_core.outcome import Outcome
from reportdl_core.sink import NotKept

__all__ = ["CODES", "explain", "run"]

CODES: Final[dict[Reason, int]] = {
    Reason.DELIVERED: 0,
    Reason.GENERATION_FAILED: 3,
    Reason.EXPIRED: 6,
    Reason.TIMED_OUT: 6,
    Reason.CREDENTIALS: 4,
    Reason.ACCESS_DENIED: 4,
    Reason.NOT_FOUND: 5,
    Reason.NOT_IMPLEMENTED: 5,
    Reason.NO_DOWNLOADS: 5,
    Reason.INVALID_FORMAT: 5,
    Reason.ENDPOINT_MISSING: 5,
    Reason.REDIRECTED: 1,
    Reason.REFUSED: 1,
    Reason.PROTOCOL: 1,
    Reason.UNREACHABLE: 7,
    Reason.SERVER_ERROR: 7,
    Reason.TRANSFER_LOST: 7,
    Reason.NOT_KEPT: 1,
    Reason.UNVERIFIED: 1,
}


def run(app: click.Command) -> int:
    """Run the command line; returns its exit code."""
    as_json = "--json" in sys.argv
    try:
        code = app.main(standalone_mode=False, prog_name="reportdl")
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        explain("interrupted: nothing was kept, and no request is under way any more", 130, as_json=as_json)
        return 130
    except BrokenPipeError:
        # Whoever read our output went away. The descriptor is replaced, or the interpreter would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ReportdlError as error:
        code, outcome = _code(error), getattr(error, "outcome", None)
        explain(str(error), code, as_json=as_json, error=error, outcome=outcome)
        return code


def _code(error: ReportdlError) -> int:
    outcome = getattr(error, "outcome", None)
    if isinstance(outcome, Outcome):
        return CODES[outcome.reason]
    if isinstance(error, InvalidJob | ValueError):
        return 2  # a URL or an id that cannot be used: nothing was sent
    return 1


def explain(
    message: str, code: int, *, as_json: bool, error: ReportdlError | None = None, outcome: Outcome | None = None
) -> None:
    """Say on stderr how it ended: a line for people, or with `--json` one object for programs."""
    if not as_json:
        click.echo(f"reportdl: {message}", err=True)
        return
    kept = outcome.kept if outcome is not None else error.path if isinstance(error, NotKept) else None
    said = {
        "error": "Interrupted" if error is None else type(error).__name__,
        "message": message,
        "reason": None if outcome is None else outcome.reason.value,
        "retryable": False if outcome is None else outcome.retryable,
        "kept": kept,
        "exit_code": code,
    }
    click.echo(json.dumps(said, ensure_ascii=False), err=True)
