"""Decides what `reportdl batch --dry-run` shows: a table of what would be done, and below it what would not, and why.

Found out as it would be, in a ledger that is thrown away: a copy of the batch's own, if it has begun. Must never ask a
server, nor touch a file.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from reportdl.cli.paint import Ink, paint
from reportdl.cli.speech import say

if TYPE_CHECKING:
    from reportdl.batch.begun import Settings
    from reportdl.batch.inputs import BadLine
    from reportdl.batch.ledger import Ledger
    from reportdl.batch.plan import Again
    from reportdl.batch.roster import Roster
    from reportdl.batch.rows import Added, Wished
    from reportdl.batch.words import Told
    from reportdl.cli.batch_options import Carrying
    from reportdl.cli.connection import Connection

__all__ = ["planned"]

_CHUNK: Final = 500
_SHOWN: Final = 20  # problems of a kind


def planned(jobs: str, settings: Settings, *, ledger: str, connection: Connection, carrying: Carrying) -> None:
    """Print the plan: jobs to stdout, all else to stderr. Raises TargetUnusable, InputUnusable, NamesCollide.

    `ledger` is the batch's own, which need not be there. Raises LedgerUnusable as the batch would.
    """
    from reportdl.batch.begun import begun
    from reportdl.batch.destinations import refuse_password
    from reportdl.batch.ledger import Ledger
    from reportdl.batch.ledger_file import copied
    from reportdl.batch.plan import Again, Reading
    from reportdl.batch.rows import Collided
    from reportdl.batch.wishes import wishes
    from reportdl.cli.batch_words import tell_all

    refuse_password(settings.to)
    collided, ledger = Collided(), os.path.abspath(ledger)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "dry")
        copied(ledger, path)
        with Ledger(path) as dry:
            batch = begun(dry, settings, carrying.roster(connection), path=ledger)
            plan = _Plan(ledger=dry, roster=batch.roster, again=Again(carrying.again), as_json=carrying.as_json)
            reading = dry.next_reading(Reading.WHOLE)
            lines = wishes(jobs, template=settings.name, format=settings.format, began=batch.began, roster=batch.roster)
            while chunk := list(itertools.islice(lines, _CHUNK)):
                plan.take(chunk, collided.take(dry.add(chunk, reading=reading)))
    paces = {one.jobs or carrying.at_once for one in carrying.described(connection)}
    tell_all(plan.conclude(settings, paces=sorted(paces)))
    collided.refuse()


@final
@dataclass(slots=True)
class _Plan:
    ledger: Ledger
    roster: Roster
    again: Again
    as_json: bool
    jobs: Counter[str] = field(default_factory=Counter[str])
    done: int = 0
    left: int = 0
    bad: int = 0
    refused: list[BadLine] = field(default_factory=list["BadLine"])
    repeats: int = 0
    repeated: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    unnamed: bool = False
    widths: tuple[int, ...] = ()

    def take(self, chunk: list[Wished | BadLine], added: Added) -> None:
        """Show what would be done of some lines, which stand in the ledger by now."""
        from reportdl.batch.inputs import BadLine

        self.repeats += len(added.repeated)
        self.repeated += added.repeated[: max(0, _SHOWN - len(self.repeated))]
        passed = {later for later, _ in added.repeated} | {one.line for one in added.collided}
        wished: list[Wished] = []
        for one in chunk:
            if isinstance(one, BadLine):
                self.refuse(one)
            elif one.line not in passed and self._is_left(one):
                wished.append(one)
        self.jobs.update(one.server for one in wished)
        self.show(wished)

    def _is_left(self, one: Wished) -> bool:
        """Whether a job would be brought; one that is here would not, nor one that failed for good."""
        from reportdl.batch.plan import Start, State, start_of

        found = self.ledger.state_of(one)
        assert found is not None
        state, retryable = found
        if start_of(state, retryable=retryable, again=self.again) is not Start.LEAVE:
            return True
        self.done += state is State.DONE
        self.left += state is State.FAILED
        return False

    def show(self, wished: list[Wished]) -> None:
        self.unnamed = self.unnamed or any(not one.name for one in wished)
        if self.as_json:
            for one in wished:
                say(json.dumps(_object(one)))
            return
        rows = list(self._rows(wished))
        if rows and not self.widths:  # those of the first few hundred lines do for all of them
            head = self._cells("line", "server", "element", "segment", "format", "file")
            self.widths = tuple(max(map(len, column)) for column in zip(head, *rows, strict=True))
            say(paint(self._line(head), Ink.HEAD))
        for row in rows:
            say(self._line(row))

    def refuse(self, line: BadLine) -> None:
        self.bad += 1
        if len(self.refused) < _SHOWN:
            self.refused.append(line)

    def _rows(self, wished: list[Wished]) -> Iterator[tuple[str, ...]]:
        for one in wished:
            job = one.job
            yield self._cells(
                str(one.line), one.server, str(job.element), str(job.segment), job.format, one.name or "*"
            )

    def _cells(self, line: str, server: str, *more: str) -> tuple[str, ...]:
        return (line, server, *more) if self.roster.several else (line, *more)

    def _line(self, cells: tuple[str, ...]) -> str:
        first = cells[0].rjust(self.widths[0])
        middle = [cell.ljust(width) for cell, width in zip(cells[1:-1], self.widths[1:], strict=False)]
        return "  ".join([first, *middle, cells[-1]])

    def conclude(self, settings: Settings, *, paces: list[int]) -> Iterator[Told]:
        from reportdl.batch.summary import refused
        from reportdl.batch.words import BLANK, Told, Tone, counted

        if self.unnamed and not self.as_json:
            yield Told(text="* as the server calls it; a name that is taken gets a suffix", hang=2)
        yield BLANK
        if self.bad:
            yield from refused(self.refused, self.bad)
        for later, earlier in self.repeated:
            yield Told(text=f"line {later} asks for what line {earlier} asks for: it would be brought once", hang=2)
        if self.repeats > len(self.repeated):
            yield Told(text=f"and {self.repeats - len(self.repeated):,} more lines do so", tone=Tone.FAINT)
        if self.bad or self.repeats:
            yield BLANK
        reports = counted(self.jobs.total(), "report")
        several = " to ".join(str(pace) for pace in dict.fromkeys((paces[0], paces[-1])))
        pace = "by a crew's workers" if settings.engine == "celery" else f"{several} at a time"
        said = f"{reports} would be downloaded to {settings.to}, {pace}{self._whose()}."
        yield Told(text=said, tone=Tone.HEAD, hang=2)
        if self.done:
            yield Told(
                text=f"{counted(self.done, 'report')} of the list came in an earlier start and would stay.", hang=2
            )
        if self.left:
            yield Told(text=f"{self.left:,} failed in one, and would not be tried again (--again all would).", hang=2)
        if self.roster.several:
            for name, count in self.jobs.items():
                yield Told(text=f"{count:,} from {name} ({self.roster.origins[name]})", indent=2, hang=2)
        yield Told(text="This was a dry run: nothing was asked for, and nothing was written.", hang=2)

    def _whose(self) -> str:
        return " on each server" if self.roster.several else f" from {next(iter(self.roster.origins.values()))}"


def _object(one: Wished) -> dict[str, object]:
    job = one.job
    asked = {"line": one.line, "server": one.server or None, "element": job.element, "segment": job.segment}
    return {**asked, "format": job.format, "name": one.name or None}
