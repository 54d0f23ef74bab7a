"""Decides what an examination can find: of a rule (R) whether it is kept, of a decision (D) which reading is followed.

What was not seen is said as such, with the reason: silence is no proof. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import final

from reportdl.conform.evidence import Answer
from reportdl.conform.rulebook import RULEBOOK, Entry

__all__ = ["Examination", "Finding", "Findings", "Verdict"]


class Verdict(Enum):
    """What was found of one rule or decision."""

    KEPT = "kept"
    BROKEN = "broken"
    READING = "reading"  # of a D: which one, says `Finding.reading`
    UNSEEN = "not seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one rule. `reading` stands with READING; `why` explains; `evidence` are the exchanges."""

    entry: Entry
    verdict: Verdict
    reading: str = ""
    why: str = ""
    evidence: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is known of one server after an examination. `steps` are those that were done, `took` is in seconds."""

    server: str
    element: int
    segment: int
    format: str
    steps: tuple[str, ...]
    took: float
    findings: tuple[Finding, ...]
    answers: tuple[Answer, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The rules that the server does not keep."""
        return tuple(finding for finding in self.findings if finding.verdict is Verdict.BROKEN)

    def of(self, rule: str) -> Finding:
        """What was found of this rule. KeyError for one that there is not."""
        return next(finding for finding in self.findings if finding.entry.rule == rule)

    def readings(self, rule: str) -> tuple[str, ...]:
        """The readings of a decision that were seen."""
        return tuple(filter(None, self.of(rule).reading.split("; ")))


@final
@dataclass(slots=True)
class Findings:
    """Takes findings while the examination goes on. A rule once broken stays so; readings are put together."""

    kept: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    broken: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    read: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    unseen: dict[str, str] = field(default_factory=dict[str, str])
    evidence: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])

    def rule(self, rule: str, kept: bool, why: str, *answers: Answer) -> None:
        """A rule was seen kept or broken; an answer that did not come breaks none."""
        if not kept and not all(answer.told for answer in answers):
            self.unclear(rule, why, *answers)
            return
        side = self.kept if kept else self.broken
        if why not in side.setdefault(rule, []):
            side[rule].append(why)
        self._add(rule, answers)

    def reading(self, rule: str, reading: str, *answers: Answer) -> None:
        """One reading was seen."""
        if reading not in self.read.setdefault(rule, []):
            self.read[rule].append(reading)
        self._add(rule, answers)

    def unclear(self, rule: str, why: str, *answers: Answer) -> None:
        """It was looked for, and could not be told."""
        self.unseen[rule] = why
        self._add(rule, answers)

    def _add(self, rule: str, answers: tuple[Answer, ...]) -> None:
        known = self.evidence.setdefault(rule, [])
        known += [answer for answer in answers if answer not in known]

    def all(self) -> tuple[Finding, ...]:
        """One finding for each rule and each decision, in their order."""
        return tuple(self._one(entry) for entry in RULEBOOK)

    def _one(self, entry: Entry) -> Finding:
        rule = entry.rule
        evidence = tuple(self.evidence.get(rule, ()))
        if rule in self.broken:
            return Finding(entry=entry, verdict=Verdict.BROKEN, why="; ".join(self.broken[rule]), evidence=evidence)
        if rule in self.kept:
            return Finding(entry=entry, verdict=Verdict.KEPT, why="; ".join(self.kept[rule]), evidence=evidence)
        if rule in self.read:
            said = "; ".join(self.read[rule])
            return Finding(entry=entry, verdict=Verdict.READING, reading=said, evidence=evidence)
        why = self.unseen.get(rule, entry.needs)
        return Finding(entry=entry, verdict=Verdict.UNSEEN, why=why, evidence=evidence)
