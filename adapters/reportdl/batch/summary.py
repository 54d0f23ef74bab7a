"""Decides what is said when a batch has ended: what came, what did not and why, and what to do now.

For the person who reads it in the morning, and has never seen one. Must never call a batch done that is not.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from reportdl.batch.advice import LINE_IS_WRONG, READ_AGAIN, Wrong, advice, next_steps
from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import State
from reportdl.batch.progress import Board, lasting
from reportdl.batch.rows import Row
from reportdl.batch.words import BLANK, Told, Tone, counted
from reportdl_core.errors import Reason

__all__ = ["Cause", "Failure", "Summary", "refused", "summed_up"]

_SHOWN: Final = 5
_WIDTH: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One job that failed: its line, what people know it by, and why."""

    line: int
    label: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason why jobs of a server failed: how many, and the first of them."""

    server: str
    reason: str
    count: int
    examples: tuple[Failure, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a batch stands when a process has ended with it. `elapsed` is this process's seconds, `size` its bytes.

    `servers` has the counts by server, `stopped` the servers that were given up and why. `to` is the destination,
    `source` the file of jobs, if it was one. `forgotten` jobs had not been done and are not on the list any more.
    `read_to` is the last line that was read, where there may be more: a pipe's, after a kill; None where all were.
    """

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
    to: str = ""
    source: str | None = None
    forgotten: int = 0
    read_to: int | None = None
    causes: tuple[Cause, ...] = ()
    bad_lines: tuple[BadLine, ...] = ()
    repeats: tuple[tuple[int, int], ...] = ()
    servers: Mapping[str, Mapping[State, int]] = field(default_factory=dict[str, Mapping[State, int]])
    stopped: Mapping[str, Reason] = field(default_factory=dict[str, Reason])

    @property
    def ok(self) -> bool:
        """Whether every line has its file."""
        return self.read_to is None and not (self.failed or self.held or self.unfinished or self.refused)

    def text(self, *, width: int = _WIDTH) -> str:
        """Some lines for people."""
        return "\n".join(line for told in self.told() for line in told.wrapped(width))

    def told(self) -> Iterator[Told]:
        """The same, paragraph by paragraph."""
        total = self.done + self.failed + self.held + self.unfinished
        tone = Tone.GOOD if self.ok else Tone.BAD
        yield Told(text=f"{self.done:,} of {total:,} reports are in {self.to}{self._pace()}", tone=tone, hang=2)
        yield from self._by_server()
        for block in (*self._failures(), self._open(), self._refused(), self._remarks()):
            if paragraphs := list(block):
                yield from (BLANK, *paragraphs)
        if self.ok:
            yield Told(text=f"Everything is here. The ledger is {self.ledger}.", hang=2)
            return
        yield BLANK
        yield Told(text="What to do now", tone=Tone.HEAD)
        steps = self.steps
        for number, step in enumerate(steps, 1):
            yield Told(text=f"{number}. {step}" if len(steps) > 1 else step, indent=2, hang=3 * (len(steps) > 1))

    def _pace(self) -> str:
        if not self.here:
            return ": nothing was left to do" if self.ok else ""
        rate = self.here / self.elapsed if self.elapsed else 0.0
        pace = f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"
        return f" ({self.here:,} came now: {_bytes(self.size)} in {lasting(self.elapsed)}, {pace})"

    def _by_server(self) -> Iterator[Told]:
        if len(self.servers) > 1:
            for name, counts in self.servers.items():
                said = [f"{counts[State.DONE]:,} of {sum(counts.values()):,} are here"]
                others = {"failed": (State.FAILED,), "held": (State.HELD,), "not finished": _UNFINISHED}
                for word, states in others.items():
                    if count := sum(counts[state] for state in states):
                        said.append(f"{count:,} {word}")
                yield Told(text=f"{name}: {', '.join(said)}", indent=2, hang=2)

    def _failures(self) -> Iterator[Iterator[Told]]:
        for cause in self.causes:
            yield self._failed(cause)

    def _failed(self, cause: Cause) -> Iterator[Told]:
        at = f" on {cause.server}" if cause.server else ""
        yield Told(text=f"{cause.count:,} failed{at}: {cause.reason}", tone=Tone.BAD)
        for one in cause.examples:
            yield Told(text=f"line {one.line}: {one.label}: {one.error}", indent=2, hang=4)
        if cause.count > len(cause.examples):
            yield Told(text=f"and {cause.count - len(cause.examples):,} more", indent=2, tone=Tone.FAINT)
        if (way := advice(cause.reason)) is not None:
            yield Told(text=f"-> {way}", indent=2, hang=3)

    def _open(self) -> Iterator[Told]:
        if self.held:
            yield Told(text=f"{self.held:,} came, and the destination did not take them", tone=Tone.BAD)
            yield Told(text="They are held on this machine: they are delivered, not generated again.", indent=2)
        if self.unfinished:
            yield Told(text=f"{self.unfinished:,} were not finished", tone=Tone.BAD)
            for name, reason in self.stopped.items():
                of = f"of {name} " if name else ""
                why = f"No other {of}could have succeeded either, so they were not begun: {reason.value}."
                yield Told(text=why, indent=2, hang=2)

        if self.read_to is not None:
            to = f"to its end: line {self.read_to:,} was the last" if self.read_to else "at all"
            yield Told(text=f"The list was not read {to}", tone=Tone.BAD)

    def _refused(self) -> Iterator[Told]:
        if self.refused:
            yield from refused(self.bad_lines, self.refused)

    def _remarks(self) -> Iterator[Told]:
        if self.repeated:
            ask, were = ("asks", "was") if self.repeated == 1 else ("ask", "were")
            what = f"{counted(self.repeated, 'line')} {ask} for what an earlier line asks for, and {were} brought once"
            shown = ", ".join(f"line {later} is line {earlier} again" for later, earlier in self.repeats)
            more = ", ..." if self.repeated > len(self.repeats) else ""
            yield Told(text=what, hang=2)
            yield Told(text=f"{shown}{more}", indent=2, hang=2, tone=Tone.FAINT)
        if self.forgotten:
            were = "is" if self.forgotten == 1 else "are"
            yield Told(text=f"{self.forgotten:,} that did not come before {were} not on the list any more", hang=2)

    @property
    def steps(self) -> tuple[str, ...]:
        """What to do now, in its order; empty where everything is here."""
        if self.ok:
            return ()
        resume = f"reportdl resume {shlex.quote(self.ledger)}"
        reasons = {Reason(cause.reason) for cause in self.causes} - LINE_IS_WRONG
        going_on = bool(self.held or self.unfinished)
        steps = tuple(next_steps(self._wrong(), resume=resume, going_on=going_on, reasons=reasons))
        return steps if self.read_to is None else (*steps, READ_AGAIN)

    def _wrong(self) -> Wrong:
        causes = [cause for cause in self.causes if Reason(cause.reason) in LINE_IS_WRONG]
        lines = {bad.line for bad in self.bad_lines} | {one.line for cause in causes for one in cause.examples}
        others = self.refused + sum(cause.count for cause in causes) > len(lines)
        return Wrong(lines=tuple(sorted(lines)), others=others, source=self.source)

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
            "forgotten": self.forgotten,
            "read_to": self.read_to,
            "seconds": round(self.elapsed, 3),
            "bytes": self.size,
            "stopped": {name: reason.value for name, reason in self.stopped.items()},
            "causes": [
                {"server": one.server, "reason": one.reason, "count": one.count, "example": one.examples[0].error}
                for one in self.causes
            ],
            "servers": {
                name: {state.value: count for state, count in counts.items()} for name, counts in self.servers.items()
            },
        }
        return json.dumps(values)


_UNFINISHED: Final = (State.WAITING, State.RUNNING)


def refused(lines: Iterable[BadLine], count: int) -> Iterator[Told]:
    """What is said of lines that cannot be used: the first of them, and how many there are."""
    yield Told(text=f"{counted(count, 'line')} of the list cannot be used", tone=Tone.BAD)
    shown = 0
    for bad in lines:
        shown += 1
        yield Told(text=f"line {bad.line}: {bad.problem}", indent=2, hang=4)
        yield Told(text=bad.text, indent=6, tone=Tone.FAINT)
    if count > shown:
        yield Told(text=f"and {count - shown:,} more", indent=2, tone=Tone.FAINT)


def _bytes(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    power = min(3, (len(str(size)) - 1) // 3)
    return f"{size / 1000**power:,.1f} {('kB', 'MB', 'GB')[power - 1]}"


def summed_up(ledger: Ledger, board: Board, *, stopped: Mapping[str, Reason]) -> Summary:
    """The summary of a ledger as it stands now."""
    servers, settings = ledger.counts(), ledger.settings
    counts = {state: sum(each[state] for each in servers.values()) for state in State}
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
        to=settings["to"],
        source=settings["source"],
        read_to=ledger.last_line,
        forgotten=board.forgotten,
        causes=tuple(_cause(ledger, *found) for found in ledger.causes()),
        bad_lines=tuple(ledger.refused(_SHOWN)),
        repeats=tuple(board.repeated),
        servers=servers,
        stopped=stopped,
    )


def _cause(ledger: Ledger, server: str, reason: str, count: int) -> Cause:
    rows = ledger.failed(server, reason, _SHOWN)
    examples = tuple(Failure(line=row.line, label=_label(row), error=row.error or "") for row in rows)
    return Cause(server=server, reason=reason, count=count, examples=examples)


def _label(row: Row) -> str:
    return row.label.rpartition(": ")[2]  # the server stands above them
