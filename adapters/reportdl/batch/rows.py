"""Decides what a row of the ledger is, and what goes into one: values, among them the line that a checkpoint became.

Must never show a token: the line holds it sealed, bound to all the rest of the line (D39).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, final

from reportdl.batch.plan import State
from reportdl.batch.texts import InputUnusable
from reportdl_core.job import Job

__all__ = ["Added", "Collided", "Collision", "NamesCollide", "Row", "Wished", "label"]


_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """A line that becomes a row. `name` is where its file goes, relative to the destination; '' as the server says."""

    line: int
    job: Job
    name: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """Two jobs whose files would have one name; `line` is the later one."""

    name: str
    line: int
    job: Job
    server: str
    other_line: int
    other_job: Job
    other_server: str

    def __str__(self) -> str:
        one, other = label(self.other_server, self.other_job), label(self.server, self.job)
        return f"lines {self.other_line} and {self.line} ({one} and {other}) would both be called {self.name}"

    @property
    def way_out(self) -> str:
        """What would keep the names apart."""
        pairs = {
            "server": self.server != self.other_server,
            "element": self.job.element != self.other_job.element,
            "segment": self.job.segment != self.other_job.segment,
            "format": self.job.format != self.other_job.format,
        }
        fields = " and ".join(f"{{{name}}}" for name, differs in pairs.items() if differs)
        return f"add {fields} to the name template, or give each line a name of its own"


class NamesCollide(InputUnusable):
    """Jobs of one list whose files would have one name: nothing was asked for."""

    def __init__(self, collisions: list[Collision], count: int) -> None:
        first = "; ".join(str(one) for one in collisions)
        more = f"; and {count - len(collisions):,} more" if count > len(collisions) else ""
        super().__init__(f"{first}{more}: {collisions[0].way_out}; nothing was asked for")


@final
class Collided:
    """The collisions of a reading: the first few, and how many."""

    def __init__(self) -> None:
        self._first: list[Collision] = []
        self._count = 0

    def take(self, added: Added) -> Added:
        """Remember what collided; hands on what it was given."""
        self._first += added.collided[: max(0, _NAMED - len(self._first))]
        self._count += len(added.collided)
        return added

    def refuse(self) -> None:
        """Raises NamesCollide if there was one."""
        if self._count:
            raise NamesCollide(self._first, self._count)


class Added(NamedTuple):
    """What became of some lines: `new` by server; `repeated` pairs a line with the earlier one of the same job.

    `collided` are among the `refused`.
    """

    new: Counter[str]
    repeated: tuple[tuple[int, int], ...]
    refused: int
    collided: tuple[Collision, ...] = ()


def label(server: str, job: Job) -> str:
    """What people know a job by; the server's name stands before it where servers have names."""
    at = f"{server}: " if server else ""
    return f"{at}{job.element}{f'/{job.segment}' if job.segment else ''} {job.format}"


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
        """As `label`."""
        return label(self.server, self.job)
