"""Decides what a row of the ledger is, and what goes into one: values, with a snapshot and its sealed token.

Must never show a token: a row holds it sealed, bound to the batch and the job it belongs to (D39).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from reportdl.batch.plan import State
from reportdl.seal import Seal
from reportdl_core.job import Job
from reportdl_core.secret import Secret

__all__ = ["Added", "Row", "Snapshot", "Wished", "packed", "unpacked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """A line that becomes a row. `name` is where its file goes, relative to the destination; '' as the server says."""

    line: int
    job: Job
    name: str = ""
    server: str = ""


class Added(NamedTuple):
    """What became of some lines. `repeated` pairs a line with the earlier one that asks for the same."""

    new: int
    repeated: tuple[tuple[int, int], ...]
    refused: int


class Snapshot(NamedTuple):
    """A job as it stood at `written` (wall-clock seconds), before its commands were executed (D43)."""

    state: Mapping[str, Any]
    token: Secret | None
    written: float


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
    snapshot: str | None = field(repr=False)
    token: bytes | None = field(repr=False)
    written: float | None
    began: float | None
    ran: float | None
    got: float | None
    ended: float | None

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> Row:
        """From the ledger's columns."""
        row, line, server, element, segment, format, name, state, attempts, runs, path, size, sha256, *rest = values
        reason, error, retryable, note, snapshot, token, written, began, ran, got, ended = rest
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
            snapshot=snapshot,
            token=token,
            written=written,
            began=began,
            ran=ran,
            got=got,
            ended=ended,
        )

    @property
    def label(self) -> str:
        """What people know it by."""
        job = self.job
        return f"{job.element}{f'/{job.segment}' if job.segment else ''} {job.format}"


_CONTEXT: Final = b"reportdl batch row\0"


def _context(batch: str, row: int) -> bytes:
    return _CONTEXT + batch.encode() + b"\0" + str(row).encode()


def packed(taken: Snapshot, *, seal: Seal, batch: str, row: int) -> dict[str, object]:
    """The columns that hold a snapshot. What is sealed opens in this row of this batch alone."""
    token = None if taken.token is None else seal.seal(taken.token, context=_context(batch, row))
    text = json.dumps(taken.state, separators=(",", ":"))
    return {"snapshot": text, "token": token, "written": taken.written}


def unpacked(row: Row, *, seal: Seal, batch: str) -> Snapshot | None:
    """The snapshot of a row; None where it has none. Raises SealBroken, and ValueError for what is no JSON."""
    if row.snapshot is None:
        return None
    token = None if row.token is None else seal.open(row.token, context=_context(batch, row.id))
    return Snapshot(json.loads(row.snapshot), token, row.written or 0.0)
