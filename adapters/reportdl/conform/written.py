"""Decides how an examination is written down: as JSON, as JUnit, and as a profile for a client's policy.

Everything goes through the mask: no token and no credential reaches a report that others will read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, assert_never
from xml.etree import ElementTree as Xml

from reportdl.conform.evidence import Answer
from reportdl.conform.expiring import ABSOLUTE, SLIDING, START
from reportdl.conform.findings import Examination, Finding, Verdict
from reportdl.profile import Profile

__all__ = ["evidence_line", "junit", "object_of", "profile_of"]

_ALLOWED: Final = frozenset("\t\n\r")


def evidence_line(answer: Answer) -> str:
    """One exchange in one line."""
    return f"{answer.asked} -> {answer.shown} ({answer.seconds:.2f} s)"


def object_of(examination: Examination) -> dict[str, Any]:
    """The examination as JSON values. Evidence is by the numbers of `exchanges`."""
    return {
        "server": examination.server,
        "element": examination.element,
        "segment": examination.segment,
        "format": examination.format,
        "steps": list(examination.steps),
        "seconds": round(examination.took, 3),
        "broken": [finding.entry.rule for finding in examination.broken],
        "findings": [_finding(finding) for finding in examination.findings],
        "exchanges": [_exchange(answer) for answer in examination.answers],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.entry.rule,
        "title": finding.entry.title,
        "verdict": finding.verdict.value,
        "reading": finding.reading or None,
        "why": finding.why or None,
        "evidence": [answer.number for answer in finding.evidence],
    }


def _exchange(answer: Answer) -> dict[str, Any]:
    return {
        "number": answer.number,
        "step": answer.step,
        "asked": answer.asked,
        "answer": answer.shown,
        "at": round(answer.began, 3),
        "seconds": round(answer.seconds, 3),
    }


def junit(examination: Examination) -> str:
    """The examination as a JUnit report: a test for each rule, failed where it is broken, skipped where not seen."""
    counts = {verdict: sum(1 for one in examination.findings if one.verdict is verdict) for verdict in Verdict}
    said = {
        "name": f"reportdl conform {examination.server}",
        "tests": str(len(examination.findings)),
        "failures": str(counts[Verdict.BROKEN]),
        "errors": "0",
        "skipped": str(counts[Verdict.UNSEEN]),
        "time": f"{examination.took:.3f}",
    }
    root = Xml.Element("testsuites", {name: said[name] for name in ("tests", "failures", "errors", "time")})
    stamp = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    suite = Xml.SubElement(root, "testsuite", {**said, "timestamp": stamp, "hostname": "localhost"})
    for finding in examination.findings:
        _case(suite, finding)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _case(suite: Xml.Element, finding: Finding) -> None:
    entry = finding.entry
    kind = "rules" if entry.rule.startswith("R") else "decisions"
    name = _xml(f"{entry.rule} {entry.title}")
    case = Xml.SubElement(suite, "testcase", {"classname": kind, "name": name, "time": "0"})
    exchanges = "\n".join(evidence_line(answer) for answer in finding.evidence)
    match finding.verdict:
        case Verdict.BROKEN:
            failure = Xml.SubElement(case, "failure", {"message": _xml(finding.why), "type": "broken"})
            failure.text = _xml(exchanges)
        case Verdict.UNSEEN:
            Xml.SubElement(case, "skipped", {"message": _xml(finding.why)})
        case Verdict.KEPT | Verdict.READING:
            out = Xml.SubElement(case, "system-out")
            out.text = _xml("\n".join(filter(None, (finding.reading or finding.why, exchanges))))
        case _:
            assert_never(finding.verdict)


def _xml(text: str) -> str:
    """Without the characters that no XML document may hold."""
    return "".join(one if one >= " " or one in _ALLOWED else "\N{REPLACEMENT CHARACTER}" for one in text)


def profile_of(examination: Examination) -> Profile:
    """What a client's policy should be for this server: only what was seen decides."""
    policy: dict[str, object] = {}
    for decide in _DECIDING:
        policy |= decide(examination)
    return Profile(
        server=examination.server,
        examined=datetime.now(UTC).isoformat(timespec="seconds"),
        policy=policy,
        readings={one.entry.rule: one.reading for one in examination.findings if one.verdict is Verdict.READING},
        broken=tuple(finding.entry.rule for finding in examination.broken),
    )


def _expiry(examination: Examination) -> dict[str, object]:
    # A server that keeps sessions beyond five minutes is asked then; one that does not is not (D1).
    readings = examination.readings("D1")
    if ABSOLUTE in readings:
        return {"expiry": "documented"}
    return {"expiry": "confirm"} if START in readings or SLIDING in readings else {}


def _preflight(examination: Examination) -> dict[str, object]:
    # Without a usable `formats`, each job would end at its first question (D12).
    return {"preflight": "off"} if examination.of("R8").verdict is Verdict.BROKEN else {}


_DECIDING: Final[tuple[Callable[[Examination], dict[str, object]], ...]] = (_expiry, _preflight)
