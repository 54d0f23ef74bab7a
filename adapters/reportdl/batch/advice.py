"""Decides what a person is advised to do about each way in which a job of a batch can fail, and what to type next.

Words alone. Must never advise to try again what would only fail again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from reportdl_core.errors import Reason

__all__ = ["LINE_IS_WRONG", "READ_AGAIN", "Wrong", "advice", "next_steps"]

_WAYS: Final = {
    Reason.GENERATION_FAILED: "Look at these reports in the BI tool.",
    Reason.EXPIRED: "Trying again would expire again: ask for a longer token life on the server.",
    Reason.TIMED_OUT: "They may only have been slow; perhaps a larger --timeout helps.",
    Reason.CREDENTIALS: "Hand in a credential that is valid; an application key renews itself.",
    Reason.ACCESS_DENIED: "Ask for view access to these reports, or take their lines out.",
    Reason.NOT_FOUND: "Correct the ids: an element's is in its address, a segment's that of a dimension value "
    "(`reportdl list` shows both).",
    Reason.NOT_IMPLEMENTED: "Only External Reports can be downloaded: take these lines out.",
    Reason.NO_DOWNLOADS: "These reports offer no download: take these lines out.",
    Reason.INVALID_FORMAT: "Take a format that the report offers.",
    Reason.ENDPOINT_MISSING: "Check the URL, and the server's version: 7.2.1 or later is needed.",
    Reason.REDIRECTED: "Use the URL that the server points to.",
    Reason.UNREACHABLE: "Wait until the server can be reached again.",
    Reason.SERVER_ERROR: "Wait until the server is well again.",
    Reason.TRANSFER_LOST: "They are generated again when they are tried again.",
    Reason.NOT_KEPT: "Make room or rights at the destination.",
    Reason.UNVERIFIED: "Look at what was kept of them; allow_unverified would have published it.",
}

LINE_IS_WRONG: Final = frozenset({Reason.NOT_FOUND, Reason.NOT_IMPLEMENTED, Reason.NO_DOWNLOADS, Reason.INVALID_FORMAT})
"""What is put right in the list of jobs."""

READ_AGAIN: Final = "Hand in the whole list again, by the same command: what is here stays."
"""What to do where a list was not read to its end, and is gone."""

_TRIED_AGAIN: Final = frozenset(
    {
        Reason.TIMED_OUT,
        Reason.UNREACHABLE,
        Reason.SERVER_ERROR,
        Reason.TRANSFER_LOST,
        Reason.CREDENTIALS,
        Reason.NOT_KEPT,
    }
)


def advice(reason: str) -> str | None:
    """What to do about jobs that failed for this reason, if anything helps."""
    return _WAYS.get(Reason(reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Lines of a list that must be put right: those that are known by number, and whether there are `others`."""

    lines: tuple[int, ...]
    others: bool
    source: str | None


def next_steps(wrong: Wrong, *, resume: str, going_on: bool, reasons: Collection[Reason]) -> Iterator[str]:
    """What to do, in the order in which to do it; `reasons` are those of jobs that failed otherwise."""
    if wrong.lines:
        where = "the list" if wrong.source is None else os.path.basename(wrong.source)
        others = ", and the others that the ledger names," if wrong.others else ""
        them = "it" if len(wrong.lines) == 1 and not wrong.others else "them"
        yield (
            f"Correct {_numbered(wrong.lines)} of {where}{others} or take {them} out, and type the same command again: "
            "what is here stays, and only what is missing is asked for."
        )
    if going_on or _TRIED_AGAIN.intersection(reasons):
        yield f"To go on, and try again what trying again can help: {resume}"
    elif reasons:
        yield f"To try the failed ones again once their cause is gone: {resume} --again all"


def _numbered(lines: tuple[int, ...]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    *most, last = [str(line) for line in lines]
    return f"lines {', '.join(most)} and {last}"
