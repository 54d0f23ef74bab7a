"""Decides how a look-up is carried out over HTTP, and what a server's rows say of reports and segments.

A row that names no element is left out: what else the server lists is still of use. Must never trust a row: ids come
as integers or as texts (D32), names hold anything (D36).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, assert_never, final

from reportdl_core.commands import LookUp
from reportdl_core.envelope import clean_message, masked, telling
from reportdl_core.errors import Refusal
from reportdl_core.events import Event, LookedUp, Refused
from reportdl_core.http_head import Head
from reportdl_core.job import integer
from reportdl_core.policy import Policy
from reportdl_core.questions import DimensionValues, ElementInfo, Elements, Found, ListedReport, Question, Segment
from reportdl_core.secret import Secret
from reportdl_core.small_answer import SmallAnswer, said_in
from reportdl_core.wire import Outgoing, plain_get, refused

__all__ = ["LookupExchange", "rows_of"]

_Row = Mapping[str, object]

_EXTERNAL: Final = "externalreport"
_LARGEST: Final = 32 * 1024 * 1024  # bytes: a server with 100,000 elements lists them all at once


@final
class LookupExchange(SmallAnswer[LookUp]):
    """One look-up and its answer, with the members of `Exchange`; `hidden` as there."""

    __slots__ = ("_hidden",)

    def __init__(self, command: LookUp, *, policy: Policy, hidden: tuple[Secret, ...] = ()) -> None:
        super().__init__(command, _asked(command.question), policy=policy, cap=_LARGEST)
        self._hidden = hidden

    def _understood(self, head: Head, body: bytes) -> Event:
        hidden = telling(secret.reveal() for secret in self._hidden)
        if head.status // 100 != 2:
            return refused(self.command.number, head, body, hidden=hidden)
        said = said_in(body)
        found = None if said is None else rows_of(self.command.question, said, hidden=hidden)
        if found is not None:
            return LookedUp(number=self.command.number, found=found)
        unfit = Refusal.NO_ENVELOPE if said is None else Refusal.UNREADABLE
        message = "no JSON object came back" if said is None else "the answer is not of the form that was asked for"
        return Refused(number=self.command.number, refusal=unfit, message=message, code=head.status)


def _asked(question: Question) -> Outgoing:
    match question:
        case Elements():
            return plain_get("/api/element")
        case ElementInfo(element=element, segment=segment):
            value = f"&dimension_value={segment}" if segment else ""
            return plain_get(f"/api/element_info?element={element}{value}")
        case DimensionValues(dimension=dimension):
            return plain_get(f"/api/dimension_value?dimension={dimension}")
        case _:
            assert_never(question)


def rows_of(question: Question, said: Mapping[str, object], *, hidden: tuple[str, ...] = ()) -> Found | None:
    """What a server's JSON object answers to the question, `hidden` texts masked; None where it is not of that form."""
    match question:
        case Elements():
            rows = _objects(said.get("elements"))
            return None if rows is None else tuple(_reports(rows, hidden))
        case ElementInfo():
            rows = _objects([said.get("info")])
            return tuple(_report(row, question.element, hidden) for row in rows) if rows else None
        case DimensionValues():
            rows = _objects(said.get("dimension_values"))
            return None if rows is None else tuple(_segments(rows, hidden))
        case _:
            assert_never(question)


def _objects(value: object) -> list[_Row] | None:
    """The objects in a list; None where it is no list."""
    if not isinstance(value, list):
        return None
    members: list[object] = value  # pyright: ignore[reportUnknownVariableType]
    return [member for member in members if isinstance(member, dict)]  # pyright: ignore[reportUnknownVariableType]


def _reports(rows: list[_Row], hidden: tuple[str, ...]) -> Iterator[ListedReport]:
    for row in rows:
        element = integer(row.get("element_id"))
        kind = "".join(filter(str.isalpha, _text(row.get("element_type")).casefold()))
        if element is not None and kind == _EXTERNAL:
            yield _report(row, element, hidden)


def _report(row: _Row, element: int, hidden: tuple[str, ...]) -> ListedReport:
    return ListedReport(
        element=element,
        segment=integer(row.get("segment_value_id")) or 0,
        name=_text(row.get("element_dashboard_name"), hidden),
        source=_text(row.get("content_type"), hidden),
        accessible=_text(row.get("has_access")).upper() != "N",
        segment_name=_text(row.get("segment_value_name"), hidden),
        dimension=integer(row.get("dimension")) or integer(row.get("dimension_id")) or None,
    )


def _segments(rows: list[_Row], hidden: tuple[str, ...]) -> Iterator[Segment]:
    for row in rows:
        if number := integer(row.get("id")):
            yield Segment(id=number, name=_text(row.get("name"), hidden))


def _text(value: object, hidden: tuple[str, ...] = ()) -> str:
    # Masked before it is shortened: half a credential is one too many (D39).
    return clean_message(masked(value, hidden)) if isinstance(value, str) else ""
