"""Decides what is said when a batch has ended: what came, what did not and why, and what to do now.

For the person who reads it in the morning. Must never call a batch done that is not.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any, Final, final

from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import State
from reportdl.batch.progress import Board, lasting
from reportdl_core.errors import Reason

__all__ = ["Cause", "Summary", "summed_up"]

_SHOWN: Final = 5

_WAYS: Final = {
    Reason.GENERATION_FAILED: "Look at these reports in the BI tool, then try them again with --again all.",
    Reason.EXPIRED: "Trying again would expire again: ask for a longer token life on the server.",
    Reason.TIMED_OUT: "They may only have been slow: `resume` tries them again, perhaps with a larger --timeout.",
    Reason.CREDENTIALS: "Hand in a credential that is valid; an application key renews itself. Then `resume`.",
    Reason.ACCESS_DENIED: "Ask for view access to these reports, or take their lines out.",
    Reason.NOT_FOUND: "Correct the ids: an element's is in its address, a segment's that of a dimension value.",
    Reason.NOT_IMPLEMENTED: "Only External Reports can be downloaded: take these lines out.",
    Reason.NO_DOWNLOADS: "These reports offer no download: take these lines out.",
    Reason.INVALID_FORMAT: "Ask `reportdl formats ELEMENT` what they offer, and correct the format.",
    Reason.ENDPOINT_MISSING: "Check the URL, and the server's version: 7.2.1 or later is needed.",
    Reason.REDIRECTED: "Use the URL that the server points to.",
    Reason.UNREACHABLE: "When the server can be reached again: `resume`.",
    Reason.SERVER_ERROR: "When the server is well again: `resume`.",
    Reason.TRANSFER_LOST: "`resume` generates them again.",
    Reason.NOT_KEPT: "Make room or rights at the destination, then `resume`.",
    Reason.UNVERIFIED: "Look at what was kept of them; allow_unverified would have published it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason why jobs failed: how many, and what one of them said."""

    reason: str
    count: int
    example: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a batch stands when a process has ended with it. `elapsed` is this process's seconds, `size` its bytes."""

    ledger: str
    done: int
    failed: int
    held: int
    unfinished: int
    refused: int
    repeated: int
    here: int
    size: int
    elapsed: float
    causes: tuple[Cause, ...] = ()
    bad_lines: tuple[BadLine, ...] = ()
    repeats: tuple[tuple[int, int], ...] = ()
    stopped: Reason | None = None

    @property
    def ok(self) -> bool:
        """Whether every line has its file."""
        return not (self.failed or self.held or self.unfinished or self.refused)

    def text(self) -> str:
        """Some lines for people."""
        total = self.done + self.failed + self.held + self.unfinished
        said = [f"{self.done:,} of {total:,} reports are here" + self._pace()]
        for cause in self.causes:
            said.append(f"  {cause.count:,} failed: {cause.reason}, such as: {cause.example}")
            if (way := _WAYS.get(Reason(cause.reason))) is not None:
                said.append(f"      {way}")
        if self.held:
            said.append(
                f"  {self.held:,} came, and the destination did not take them: they are held, and not generated again"
            )
        if self.unfinished:
            said.append(f"  {self.unfinished:,} were not finished" + self._why())
        said += self._lines()
        said.append(self._next())
        return "\n".join(said)

    def _pace(self) -> str:
        if not self.here:
            return "; nothing was left to do" if self.ok else ""
        rate = self.here / self.elapsed if self.elapsed else 0.0
        pace = f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"
        return f" ({self.here:,} came now, {_bytes(self.size)} in {lasting(self.elapsed)}, {pace})"

    def _why(self) -> str:
        if self.stopped is None:
            return ""
        return f": the batch stopped because no other could have succeeded either ({self.stopped.value})"

    def _lines(self) -> list[str]:
        said: list[str] = []
        if self.refused:
            said.append(f"  {_lines(self.refused)} of the jobs file cannot be used:")
            said += [f"      line {bad.line}: {bad.problem}   [{bad.text}]" for bad in self.bad_lines]
            if self.refused > len(self.bad_lines):
                said.append(f"      and {self.refused - len(self.bad_lines):,} more, all in the ledger")
        if self.repeated:
            shown = ", ".join(f"{later} repeats {earlier}" for later, earlier in self.repeats)
            more = ", ..." if self.repeated > len(self.repeats) else ""
            ask, were = ("asks", "was") if self.repeated == 1 else ("ask", "were")
            what = f"{ask} for what an earlier line asks for, and {were} brought once"
            said.append(f"  {_lines(self.repeated)} {what}: {shown}{more}")
        return said

    def _next(self) -> str:
        resume = f"reportdl resume {shlex.quote(self.ledger)}"
        if self.ok:
            return f"Everything is here. The ledger is {self.ledger}."
        if self.unfinished or self.held or any(Reason(one.reason) in _TRIED_AGAIN for one in self.causes):
            return f"To go on, and try again what trying again can help: {resume}"
        if self.causes:
            return f"To try the failed ones again once their cause is gone: {resume} --again all"
        return "Correct those lines and type the same again: what is here already is not generated again."

    def json(self) -> str:
        """One JSON object."""
        values: dict[str, Any] = {
            "event": "summary",
            "ok": self.ok,
            "ledger": self.ledger,
            "done": self.done,
            "failed": self.failed,
            "held": self.held,
            "unfinished": self.unfinished,
            "refused_lines": self.refused,
            "repeated_lines": self.repeated,
            "seconds": round(self.elapsed, 3),
            "bytes": self.size,
            "stopped": None if self.stopped is None else self.stopped.value,
            "causes": [{"reason": one.reason, "count": one.count, "example": one.example} for one in self.causes],
        }
        return json.dumps(values)


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


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"


def _bytes(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    power = min(3, (len(str(size)) - 1) // 3)
    return f"{size / 1000**power:,.1f} {('kB', 'MB', 'GB')[power - 1]}"


def summed_up(ledger: Ledger, board: Board, *, stopped: Reason | None) -> Summary:
    """The summary of a ledger as it stands now."""
    counts = ledger.counts()
    return Summary(
        ledger=ledger.path,
        done=counts[State.DONE],
        failed=counts[State.FAILED],
        held=counts[State.HELD],
        unfinished=counts[State.WAITING] + counts[State.RUNNING],
        refused=ledger.refused_count(),
        repeated=board.repeats,
        here=board.done_here,
        size=board.bytes_here,
        elapsed=board.elapsed,
        causes=tuple(Cause(reason=reason, example=example, count=count) for reason, example, count in ledger.causes()),
        bad_lines=tuple(ledger.refused(_SHOWN)),
        repeats=tuple(board.repeated),
        stopped=stopped,
    )
