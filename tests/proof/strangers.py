"""Decides who else calls a server: whoever asks for a session that is not theirs, with its token or without.

Made in every state that is explored, as no moves: each must be refused, and change nothing (I2, R14, D13). Must never
know what the answer is called, but where no model of the server is there to say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, Final

from reportdl_core import Job, Refusal, Secret
from reportdl_core.endpoint_messages import Answer, Called, EndpointCommand, Refuse, Report

__all__ = ["refused", "strangers", "thieves", "visitors"]

_STATES: Final = ("run", "check", "get")


def strangers(token: str, number: int, job: Job, report: Report) -> Iterator[Called]:
    """Another element or segment with the right token; the right user without one, or with one nobody issued."""
    others: list[dict[str, Any]] = [
        {"element": job.element + 1, "report": replace(report, element=job.element + 1)},
        {"segment": job.segment + 1, "report": replace(report, segment=job.segment + 1)},
        {"token": None},
        {"token": f"{token}0"},
    ]
    yield from _calls(others, token, number, job, report)


def thieves(token: str, number: int, job: Job, report: Report) -> Iterator[Called]:
    """Another user, who may see the report, and has got hold of the token."""
    yield from _calls([{"user": "bob"}], token, number, job, report)


def visitors(token: str, number: int, job: Job, report: Report) -> Iterator[Called]:
    """The owner, once the report is gone or is shown to them no more, or, to `run`, has no formats any more."""
    others: list[dict[str, Any]] = [
        {"report": None},
        {"report": replace(report, allowed=False)},
        {"report": replace(report, formats=())},
    ]
    calls = _calls(others, token, number, job, report)
    yield from (call for call in calls if call.state == "run" or call.report is None or call.report.formats)


def _calls(others: list[dict[str, Any]], token: str, number: int, job: Job, report: Report) -> Iterator[Called]:
    for place, (state, changed) in enumerate(product(_STATES, others)):
        call = Called(
            number=number + place,
            user="ann",
            element=job.element,
            segment=job.segment,
            state=state,
            token=token,
            format=job.format if state in ("run", "get") else None,
            report=report,
            fresh_token=Secret(f"{token}{number + place}"),
        )
        yield replace(call, **changed)


def refused(call: Called, done: tuple[EndpointCommand, ...]) -> bool:
    """Whether this is all that a stranger is told: the token is nobody's, whoever's it is."""
    match done:
        case (Answer(number=number, answer=Refuse(refusal=Refusal.INVALID_TOKEN)),) if number == call.number:
            return True
        case _:
            return False
