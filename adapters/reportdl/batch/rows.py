"""Decides what a row of the ledger is, and what goes into one: values, among them the line that a checkpoint became.

Must never show a token: the line holds it sealed, bound to all the rest of the line (D39).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reportdl.batch.plan import State
from reportdl_core.job import Job

__all__ = ["Added", "Row", "Wished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """A line that becomes a row. `name` is where its file goes, relative to the destination; '' as the server says."""

    line: int
    job: Job
    name: str = ""
    server: str = ""


class Added(NamedTuple):
    """What became of some lines: `new` by server; `repeated` pairs a line with the earlier one of the same job."""

    new: Counter[str]
    repeated: tuple[tuple[int, int], ...]
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job of a batch. Times are wall-clock seconds: `began`, the last `ran` (sent), `got` (asked for), `ended`."""

    id: int
    line: int
    server: str
    job: Job
    name: str
    state: State
    attempts: int
    runs: int
    path: str | None
    size: int | None
    sha256: str | None
    reason: str | None
    error: str | None
    retryable: bool
    note: str | None
    checkpoint: str | None = field(repr=False)
    began: float | None
    ran: float | None
    got: float | None
    ended: float | None

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> Row:
        """From the ledger's columns."""
        row, line, server, element, segment, format, name, state, attempts, runs, path, size, sha256, *rest = values
        reason, error, retryable, note, checkpoint, began, ran, got, ended = rest
        return cls(
            id=row,
            line=line,
            server=server,
            job=Job(element=element, segment=segment, format=format),
            name=name,
            state=State(state),
            attempts=attempts,
            runs=runs,
            path=path,
            size=size,
            sha256=sha256,
            reason=reason,
            error=error,
            retryable=bool(retryable),
            note=note,
            checkpoint=checkpoint,
            began=began,
            ran=ran,
            got=got,
            ended=ended,
        )

    @property
    def label(self) -> str:
        """What people know it by; the server's name stands before it where servers have names."""
        job, at = self.job, f"{self.server}: " if self.server else ""
        return f"{at}{job.element}{f'/{job.segment}' if job.segment else ''} {job.format}"
