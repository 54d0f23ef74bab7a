"""Decides whether today's core decides as the one that was traced: the same events at the same times (I9).

Where a decision differs, what came afterwards in the trace answers questions that today's core has not asked: the
replay says so and stops there. A deadline that differs is noted, and the replay goes on while it does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from reportdl.trace.codec import MASK
from reportdl.trace.reading import Moved, Trace, TraceDamaged
from reportdl.trace.recording import begun
from reportdl_core.commands import Command, Finish
from reportdl_core.download import Download
from reportdl_core.errors import LocalProtocolError
from reportdl_core.events import Event, WaitElapsed
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret

__all__ = ["Difference", "Kind", "Replay", "replay"]


class Kind(Enum):
    """How today's core differs."""

    DEADLINE = "deadline"  # the same commands, one of them until another time
    DECISION = "decision"  # other commands
    CLOCK = "clock"  # its own alarm comes before the event
    REFUSED = "refused"  # it does not take the event at all
    OUTCOME = "outcome"  # the same end, told differently


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One move at which today's core differs. `recorded` and `today` are the commands, `words` says what else."""

    line: int
    at: float
    kind: Kind
    event: Event | None
    recorded: tuple[Command, ...]
    today: tuple[Command, ...]
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How it went: `moves` of `of` were replayed; `outcome` is today's, None where it did not come to an end."""

    moves: int
    of: int
    differences: tuple[Difference, ...]
    outcome: Outcome | None

    @property
    def same(self) -> bool:
        """Whether today's core decided all as it was recorded."""
        return not self.differences


_GOES_ON: Final = frozenset({Kind.DEADLINE, Kind.OUTCOME})


def replay(trace: Trace, *, policy: Policy | None = None) -> Replay:
    """Feed the events of a trace to a new `Download` at their times; `policy` is another one than the recorded.

    Raises TraceDamaged where the job cannot be begun as it was.
    """
    download = _begun(trace, policy or trace.policy)
    differences: list[Difference] = []
    recorded: dict[int, Command] = {}
    done = 0
    for move in trace.moves:
        found = _replayed(download, move, recorded)
        recorded = _outstanding(recorded, move)
        done += 1
        if found is not None:
            differences.append(found)
            if found.kind not in _GOES_ON:
                break
    return Replay(moves=done, of=len(trace.moves), differences=tuple(differences), outcome=download.outcome)


def _begun(trace: Trace, policy: Policy) -> Download:
    if trace.snapshot is None:
        return Download(trace.job, policy=policy, seed=trace.seed, now=0.0, formats=trace.formats)
    token = Secret(MASK) if _held_token(trace.snapshot) else None
    try:
        return Download.restore(trace.snapshot, job=trace.job, policy=policy, token=token, now=0.0, elapsed=0.0)
    except LocalProtocolError as error:
        raise TraceDamaged(f"line 1: {error}") from None


def _held_token(snapshot: dict[str, object]) -> bool:
    session = snapshot.get("session")
    return isinstance(session, dict) and session.get("token") is True  # pyright: ignore[reportUnknownMemberType]


def _outstanding(before: dict[int, Command], move: Moved) -> dict[int, Command]:
    gone = {*move.superseded} if move.event is None else {*move.superseded, move.event.number}
    kept = {number: command for number, command in before.items() if number not in gone}
    return kept | {command.number: command for command in move.new}


def _replayed(download: Download, move: Moved, recorded: dict[int, Command]) -> Difference | None:
    def differs(kind: Kind, today: tuple[Command, ...], words: str = "") -> Difference:
        return Difference(
            line=move.line, at=move.at, kind=kind, event=move.event, recorded=move.new, today=today, words=words
        )

    if move.event is None:
        today = begun(download)
    else:
        if download.outcome is not None:
            return differs(Kind.REFUSED, (), "the job is over")
        if (words := _otherwise_woken(download, move, recorded)) is not None:
            return differs(Kind.CLOCK, (), words)
        try:
            today = download.receive(move.event, now=move.at)
        except LocalProtocolError as error:
            return differs(Kind.REFUSED, (), str(error))
    kinds = list(_differing(move.new, today))
    return differs(kinds[0], today) if kinds else None


def _otherwise_woken(download: Download, move: Moved, recorded: dict[int, Command]) -> str | None:
    """What the clock would have said to today's core before this event, or would not have said yet."""
    when, late = download.alarm
    # A busy machine wakes its driver late, with an answer that came meanwhile: only another deadline is a difference.
    before = min((_deadline(command) for command in recorded.values()), default=math.inf)
    if when < move.at and when < before:
        return f"it is woken at {when:.3f} s already, by {type(late).__name__}"
    if isinstance(move.event, WaitElapsed):
        until = max((_deadline(one) for one in download.outstanding if one.number == move.event.number), default=0.0)
        if until > move.at:
            return f"it waits until {until:.3f} s"
    return None


def _deadline(command: Command) -> float:
    return math.inf if isinstance(command, Finish) else command.deadline


def _differing(recorded: tuple[Command, ...], today: tuple[Command, ...]) -> Iterator[Kind]:
    if [_kind(command) for command in recorded] != [_kind(command) for command in today]:
        yield Kind.DECISION
        return
    for one, other in zip(recorded, today, strict=True):
        if one == other:
            continue
        match one, other:
            case Finish(), Finish():
                if _end(one.outcome) != _end(other.outcome):
                    yield Kind.DECISION
                elif one.outcome != other.outcome:
                    yield Kind.OUTCOME
            case _:
                yield Kind.DEADLINE


def _kind(command: Command) -> tuple[str, int, object]:
    return type(command).__name__, command.number, getattr(command, "job", None)


def _end(outcome: Outcome) -> tuple[object, ...]:
    return outcome.state, outcome.reason, outcome.ended_in, outcome.sessions
