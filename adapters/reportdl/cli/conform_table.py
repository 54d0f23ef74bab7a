"""Decides how an examination looks as a table: rules, then decisions, then what was not seen and what would show it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from reportdl.cli.paint import Ink, paint, width

if TYPE_CHECKING:
    from reportdl.conform import Examination, Finding, Verdict

__all__ = ["table"]

_RULE: Final = 5
_VERDICT: Final = 8
_GAP: Final = 2


def table(examination: Examination, *, evidence: bool) -> str:
    """The whole of it, in lines."""
    from reportdl.conform import Verdict

    findings = examination.findings
    seen = [finding for finding in findings if finding.verdict is not Verdict.UNSEEN]
    rules = [finding for finding in seen if finding.verdict is not Verdict.READING]
    readings = [finding for finding in seen if finding.verdict is Verdict.READING]
    lines = [paint(f"{examination.server}, element {examination.element}: rules", Ink.HEAD)]
    for finding in rules:
        lines += _row(finding, with_evidence=evidence or finding.verdict is Verdict.BROKEN)
    lines += ["", paint("where the document leaves a choice", Ink.HEAD)]
    for finding in readings:
        lines += _row(finding, with_evidence=evidence)
    lines += ["", *_unseen([finding for finding in findings if finding.verdict is Verdict.UNSEEN]), ""]
    lines.append(_sum(examination, rules, readings))
    return "\n".join(lines)


def _row(finding: Finding, *, with_evidence: bool) -> Iterator[str]:
    from reportdl.conform import Verdict

    verdict = "" if finding.verdict is Verdict.READING else finding.verdict.value
    left = _RULE + (_VERDICT if verdict else 0)
    room = width() - left - _GAP
    title_room = min(50, room * 45 // 100)
    titles = textwrap.wrap(finding.entry.title, title_room, break_on_hyphens=False)
    said = textwrap.wrap(finding.reading or finding.why, room - title_room, break_on_hyphens=False) or [""]
    for at, (title, words) in enumerate(zip_longest(titles, said, fillvalue="")):
        mark = paint(f"{verdict:<{_VERDICT}}", _ink(finding.verdict)) if at == 0 and verdict else " " * (left - _RULE)
        rule = finding.entry.rule if at == 0 else ""
        yield f"{rule:<{_RULE}}{mark}{title:<{title_room + _GAP}}{words}".rstrip()
    if with_evidence:
        yield from _evidence(finding, left)


def _evidence(finding: Finding, left: int) -> Iterator[str]:
    from reportdl.conform.written import evidence_line

    margin = " " * left
    for answer in finding.evidence:
        lines = textwrap.wrap(
            f"{answer.number}. {evidence_line(answer)}",
            width(),
            initial_indent=margin,
            subsequent_indent=margin + "   ",
            break_on_hyphens=False,
        )
        yield from lines


def _ink(verdict: Verdict) -> Ink | None:
    from reportdl.conform import Verdict

    return {Verdict.KEPT: Ink.GOOD, Verdict.BROKEN: Ink.BAD}.get(verdict)


def _unseen(findings: list[Finding]) -> Iterator[str]:
    """What was not seen, together by what would show it."""
    yield paint("not seen", Ink.HEAD)
    by_need: dict[str, list[str]] = {}
    for finding in findings:
        by_need.setdefault(finding.why, []).append(finding.entry.rule)
    for need, rules in by_need.items():
        yield from textwrap.wrap(f"{', '.join(rules)}: {need}", width(), subsequent_indent="  ", break_on_hyphens=False)


def _sum(examination: Examination, rules: list[Finding], readings: list[Finding]) -> str:
    broken = len(examination.broken)
    words = (
        f"{len(rules) - broken} rules kept, {broken} broken, {len(readings)} choices read; "
        f"{len(examination.answers)} requests in {examination.took:.1f} s"
    )
    return paint(words, Ink.BAD if broken else Ink.GOOD)
