"""Decides what to ask the endpoint's neighbours, and in which order, so that a person finds the ids to download.

Must never fail for a name: an id without one can be downloaded all the same.
"""

from __future__ import annotations

from typing import Final, final

from reportdl_core.asking import Asking
from reportdl_core.commands import LookUp
from reportdl_core.errors import Reason
from reportdl_core.events import Event, LookedUp
from reportdl_core.job import Job
from reportdl_core.lifecycle import Move
from reportdl_core.policy import Policy
from reportdl_core.questions import DimensionValues, ElementInfo, Elements, Found, ListedReport, Question, Segment
from reportdl_core.verdicts import Verdict

__all__ = ["ReportsLookup", "SegmentsLookup"]

_DEFAULT: Final = Policy()
# Never sent: the record needs a job, and a look-up has none.
_NO_JOB: Final = Job(element=0, format="any")


@final
class ReportsLookup(Asking[tuple[ListedReport, ...]]):
    """Asks which External Reports the server lists; driven like a `Session`. One row for each segment."""

    __slots__ = ("_found",)

    def __init__(self, *, policy: Policy = _DEFAULT, seed: int = 0, now: float) -> None:
        self._found: tuple[ListedReport, ...] | None = None
        super().__init__(_NO_JOB, policy, seed=seed, now=now)

    def _question(self, *, number: int, deadline: float) -> LookUp:
        return LookUp(number=number, question=Elements(), deadline=deadline)

    def _learn(self, event: Event) -> None:
        if isinstance(event, LookedUp):
            self._found = tuple(row for row in event.found if isinstance(row, ListedReport))

    def _answer(self) -> tuple[ListedReport, ...] | None:
        return self._found

    def _without(self) -> None:
        return None


@final
class SegmentsLookup(Asking[tuple[Segment, ...]]):
    """Asks which segments of one report the caller may see; driven like a `Session`. None for a report without any.

    The list of elements holds the ids. Where it holds no names, the dimension's values do; which dimension, the
    element's own description says.
    """

    __slots__ = ("_element", "_names", "_question_now", "_rows")

    def __init__(self, *, element: int, policy: Policy = _DEFAULT, seed: int = 0, now: float) -> None:
        self._element = element
        self._rows: tuple[ListedReport, ...] = ()
        self._names: dict[int, str] = {}
        self._question_now: Question | None = Elements()
        super().__init__(_NO_JOB, policy, seed=seed, now=now)

    def _question(self, *, number: int, deadline: float) -> LookUp:
        assert self._question_now is not None, "`_answer` ended it"
        return LookUp(number=number, question=self._question_now, deadline=deadline)

    def _learn(self, event: Event) -> None:
        if not isinstance(event, LookedUp):
            return
        match self._question_now:
            case Elements():
                self._on_elements(event.found)
            case ElementInfo():
                dimension = next((row.dimension for row in event.found if isinstance(row, ListedReport)), None)
                self._ask_names(dimension)
            case _:
                self._names = {value.id: value.name for value in event.found if isinstance(value, Segment)}
                self._question_now = None

    def _on_elements(self, found: Found) -> None:
        rows = [row for row in found if isinstance(row, ListedReport) and row.element == self._element]
        self._rows = tuple(row for row in rows if row.segment and row.accessible)
        if not rows:
            self._record.verdict = Verdict(Move.FAIL, Reason.NOT_FOUND)
        elif all(row.segment_name for row in self._rows):
            self._question_now = None
        elif (dimension := self._rows[0].dimension) is not None:
            self._ask_names(dimension)
        else:
            self._question_now = ElementInfo(element=self._element, segment=self._rows[0].segment)

    def _ask_names(self, dimension: int | None) -> None:
        self._question_now = None if dimension is None else DimensionValues(dimension=dimension)

    def _answer(self) -> tuple[Segment, ...] | None:
        return self._segments() if self._question_now is None else None

    def _without(self) -> tuple[Segment, ...] | None:
        return self._segments() if self._rows else None

    def _segments(self) -> tuple[Segment, ...]:
        return tuple(
            Segment(id=row.segment, name=row.segment_name or self._names.get(row.segment, "")) for row in self._rows
        )
