"""Decides how a trace reads as a text: one line for each command (`<<`) and each event (`>>`), in time.

`run` and all else travel on two connections, so each has its column. Rows are values: how they look on a terminal is
the command line's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from reportdl.trace.reading import Moved, Trace
from reportdl.trace.wording import asked, happened
from reportdl_core.commands import Command, Finish, Run
from reportdl_core.events import Lost, Refused
from reportdl_core.lifecycle import State

__all__ = ["Arrow", "Row", "head", "line", "transcript"]


class Arrow(Enum):
    """What a row tells."""

    COMMAND = "<<"
    EVENT = ">>"
    SUPERSEDED = "x "  # given up unanswered: the driver cancelled it
    STATE = "=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `at` is None where the row belongs to the moment of the one before; `trouble` marks a bad answer."""

    at: float | None
    arrow: Arrow
    run: bool
    number: int | None
    words: str
    trouble: bool = False


def head(trace: Trace) -> str:
    """What the trace is of, in one line."""
    job = trace.job
    again = ", taken up again" if trace.snapshot is not None else ""
    return f"element {job.element}, segment {job.segment}, {job.format}{again}; {trace.began}, reportdl {trace.version}"


def transcript(trace: Trace) -> Iterator[Row]:
    """The rows of a trace."""
    runs: set[int] = set()
    state: State | None = None
    for move in trace.moves:
        for at, row in enumerate(_rows(move, runs, state)):
            yield row if at == 0 else _at_once(row)
        runs |= {command.number for command in move.new if isinstance(command, Run)}
        state = move.state


def _at_once(row: Row) -> Row:
    return Row(at=None, arrow=row.arrow, run=row.run, number=row.number, words=row.words, trouble=row.trouble)


def _rows(move: Moved, runs: set[int], before: State | None) -> Iterator[Row]:
    at, event = move.at, move.event
    if event is not None:
        trouble = isinstance(event, Lost | Refused)
        yield Row(
            at=at,
            arrow=Arrow.EVENT,
            run=event.number in runs,
            number=event.number,
            words=happened(event),
            trouble=trouble,
        )
    for number in move.superseded:
        yield Row(at=at, arrow=Arrow.SUPERSEDED, run=number in runs, number=number, words="superseded")
    if move.state is not before and not any(isinstance(command, Finish) for command in move.new):
        yield Row(at=at, arrow=Arrow.STATE, run=False, number=None, words=move.state.value)
    for command in move.new:
        yield _command(command, at)


def _command(command: Command, at: float) -> Row:
    if isinstance(command, Finish):
        bad = command.outcome.receipt is None
        return Row(at=at, arrow=Arrow.STATE, run=False, number=None, words=asked(command, now=at), trouble=bad)
    return Row(
        at=at, arrow=Arrow.COMMAND, run=isinstance(command, Run), number=command.number, words=asked(command, now=at)
    )


def line(row: Row) -> str:
    """A row as plain text: time, connection, arrow, number, words."""
    at = f"{row.at:10.3f}" if row.at is not None else " " * 10
    if row.arrow is Arrow.STATE:
        return f"{at}         {row.arrow.value} {row.words}"
    side = "run  " if row.run else "other"
    return f"{at}  {side}  {row.arrow.value} {row.number:>3} {row.words}"
