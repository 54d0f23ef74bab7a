"""Decides how a command ends: its exit code, and what is said on stderr.

0 ok, 1 other, 2 usage, 3 generation failed, 4 credentials or no access, 5 not found, not downloadable or format not
offered, 6 expired or timed out, 7 network or server trouble, 8 some of a batch failed, 130 Ctrl-C, 141 whoever read
stdout went away, 143 SIGTERM. Must never show a traceback for something that a server, a network or a disk did, and
never a token.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

import click

from reportdl.cli.paint import failure
from reportdl.cli.speech import tell
from reportdl.cli.stops import Stopped, stoppable
from reportdl.errors import DownloadError
from reportdl.spooling import TargetUnusable
from reportdl_core.errors import Reason, ReportdlError
from reportdl_core.sink import NotKept

__all__ = ["CODES", "run"]

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

_OTHER, _USAGE = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How it ended; with `--json` its fields are the object on stderr."""

    error: str
    reason: str
    message: str
    retryable: bool = False
    kept: str | None = None
    alternatives: tuple[str, ...] = ()
    exit_code: int


def run(app: click.Command) -> int:
    """Run the command line; returns its exit code."""
    as_json = "--json" in sys.argv[1:]
    try:
        with stoppable():
            code = app.main(standalone_mode=False, prog_name="reportdl")
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        if not as_json:
            _show(error)
            return error.exit_code
        end = _End(error="UsageError", reason="usage", message=error.format_message(), exit_code=error.exit_code)
    except click.ClickException as error:
        end = _End(error="Failed", reason="other", message=error.format_message(), exit_code=error.exit_code)
    except Stopped as stop:
        message = f"{stop.word}: {stop.note}"
        end = _End(error="Stopped", reason=stop.word, message=message, kept=stop.path, exit_code=stop.code)
    except ReportdlError as error:
        end = _hidden(error) or _ended(error)
    except Exception as error:  # noqa: BLE001 - a bug is told like any other end, and in full where that was asked for
        end = _hidden(error) or _bug(error)
    tell(json.dumps(asdict(end)) if as_json else failure(end.message))
    return end.exit_code


def _show(error: click.UsageError) -> None:
    """With the usage line, and where the help is; to a stderr that takes nothing, nothing."""
    if sys.stderr is not None:  # click would take stdout
        with suppress(OSError):
            error.show(sys.stderr)


def _ended(error: ReportdlError) -> _End:
    name, message = type(error).__name__, _typed(str(error))
    if isinstance(error, DownloadError):
        outcome = error.outcome
        if outcome.reason is Reason.NOT_FOUND and not error.job.segment:
            listed = f"`reportdl list {error.job.element}` shows them, --segment N takes one"
            message = f"{message.removesuffix('.')}: {listed}."
        return _End(
            error=name,
            reason=outcome.reason.value,
            message=message,
            retryable=outcome.retryable,
            kept=outcome.kept,
            alternatives=outcome.alternatives,
            exit_code=CODES[outcome.reason],
        )
    # An id, a URL, a fault, a catalog, a target that cannot be used: nothing was sent.
    if isinstance(error, (ValueError, TargetUnusable)):
        return _End(error=name, reason="usage", message=message, exit_code=_USAGE)
    kept = error.path if isinstance(error, NotKept) else None
    return _End(error=name, reason="other", message=message, kept=kept, exit_code=_OTHER)


def _typed(message: str) -> str:
    """A message in the words of the command line: what Python calls by a keyword is an option here."""
    return _KEYWORDS.sub(lambda found: f"--{found[0].replace('_', '-')}", message)


_KEYWORDS: Final = re.compile(r"\ballow_(?:insecure|unverified)\b")


def _hidden(error: Exception) -> _End | None:
    """A file of the user's own that Python takes for a library is no bug of ours."""
    if not isinstance(error, (ImportError, AttributeError)):
        return None
    from reportdl.hidden import words

    said = words()
    return None if said is None else _End(error="Hidden", reason="other", message=said, exit_code=_OTHER)


def _bug(error: Exception) -> _End:
    if {"-v", "--verbose"} & set(sys.argv):
        import traceback

        # The lines of the program, never its variables: those may hold a token.
        tell("".join(traceback.format_exception(error)).rstrip())
    message = f"{type(error).__name__}: {error} (this is a bug of reportdl; -v shows where)"
    return _End(error=type(error).__name__, reason="other", message=message, exit_code=_OTHER)
