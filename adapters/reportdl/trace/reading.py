"""Decides what a trace file says, line by line; a line that was cut off by a killed process is left out and told.

Must never guess: what cannot be read is `TraceDamaged`, with the number of its line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Never, TypeVar, cast

from reportdl.trace.codec import Unreadable, read_command, read_event, read_value
from reportdl.trace.recording import VERSION
from reportdl_core.commands import Command
from reportdl_core.errors import ReportdlError
from reportdl_core.events import Event
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.policy import Policy

__all__ = ["Moved", "Trace", "TraceDamaged", "parse_trace", "read_trace"]

T = TypeVar("T")

_LARGEST: Final = 64 * 1024 * 1024


class TraceDamaged(ReportdlError, ValueError):
    """A file that is no trace, or not one that this version can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One move: `event` was taken `at` seconds after the job began (None at the start), `new` commands came of it.

    `superseded` are the numbers of commands that were given up unanswered, `state` is the session's afterwards.
    """

    line: int
    at: float
    state: State
    event: Event | None
    new: tuple[Command, ...]
    superseded: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a trace file says. `snapshot` is what a job knew that was taken up again; None for one that began anew."""

    version: str
    python: str
    began: str
    job: Job
    policy: Policy
    seed: int
    formats: tuple[str, ...] | None
    snapshot: dict[str, Any] | None
    moves: tuple[Moved, ...]
    cut_off: bool = False


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """The trace in this file. Raises TraceDamaged, and OSError where it cannot be read."""
    file = Path(path)
    if file.stat().st_size > _LARGEST:
        raise TraceDamaged(f"{file.name} is larger than any trace")
    return parse_trace(file.read_bytes())


def parse_trace(data: bytes) -> Trace:
    """The trace that these bytes are. Raises TraceDamaged."""
    lines = data.split(b"\n")
    last = lines.pop()  # empty where the file is whole
    if not lines:
        raise TraceDamaged("not a trace: the file has no whole line, so the job never began")
    first, *rest = lines
    head = _object(first, 1)
    if head.get("trace") != VERSION:
        said = head.get("trace")
        newer = isinstance(said, int) and said > VERSION
        raise TraceDamaged(
            f"the trace was written in form {said}, by a newer reportdl: this one reads {VERSION}"
            if newer
            else "not a trace: line 1 does not say so"
        )
    trace = _read(1, lambda: _head(head))
    moves = tuple(_read(number, partial(_move, line, number)) for number, line in _numbered(rest))
    return Trace(**trace, moves=moves, cut_off=bool(last))


def _numbered(lines: Iterable[bytes]) -> Iterable[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines, start=2) if line.strip())


def _read(line: int, make: Callable[[], T]) -> T:
    try:
        return make()
    except Unreadable as error:
        raise TraceDamaged(f"line {line}: {error}") from None


def _object(line: bytes, number: int) -> dict[str, Any]:
    try:
        said: object = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise TraceDamaged("not a trace: line 1 is no JSON object" if number == 1 else f"line {number}: no JSON object")
    return cast("dict[str, Any]", said)


def _no_constant(name: str) -> Never:
    raise ValueError(name)


def _head(head: dict[str, Any]) -> dict[str, Any]:
    snapshot = head.get("snapshot")
    if snapshot is not None and not isinstance(snapshot, dict):
        raise Unreadable("the snapshot is no object")
    return {
        "version": read_value(str, head.get("reportdl")),
        "python": read_value(str, head.get("python")),
        "began": read_value(str, head.get("began")),
        "job": read_value(Job, head.get("job")),
        "policy": read_value(Policy, head.get("policy")),
        "seed": read_value(int, head.get("seed")),
        "formats": read_value(tuple[str, ...] | None, head.get("formats")),
        "snapshot": cast("dict[str, Any] | None", snapshot),
    }


def _move(line: bytes, number: int) -> Moved:
    said = _object(line, number)
    event, new = said.get("event"), said.get("new")
    if not isinstance(new, list):
        raise Unreadable("the new commands are no list")
    return Moved(
        line=number,
        at=read_value(float, said.get("at")),
        state=read_value(State, said.get("state")),
        event=None if event is None else read_event(event),
        new=tuple(read_command(command) for command in cast("list[object]", new)),
        superseded=read_value(tuple[int, ...], said.get("superseded", [])),
    )
