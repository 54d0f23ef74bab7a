"""Decides what is found by waiting: how long a token lives, and what its five minutes bound (R15, R16, R17, D1).

Tokens of different habits are watched side by side, so that one wait answers for all. Must never ask a silent one
early: on some servers a question prolongs its life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reportdl.conform.evidence import Answer
from reportdl.conform.lab import Lab
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.secret import Secret

__all__ = ["ABSOLUTE", "SLIDING", "START", "expiry", "expiry_ready"]

ABSOLUTE: Final = "absolute: the whole session ends"
START: Final = "start: only the time until run is bounded"
SLIDING: Final = "sliding: run and check renew it"

_SOON: Final = 0.05  # seconds to take an answer that is here
_TOUCHES: Final = 4  # questions within one life of a token that is kept awake


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    token: Secret
    born: float  # when `init` was answered


def _born(lab: Lab) -> _Watched:
    return _Watched(token=lab.token(), born=lab.probe.now())


def _margin(lab: Lab) -> float:
    return min(10.0, max(0.1, lab.ttl * 0.05))


def _until(lab: Lab, when: float, touched: _Watched | None = None) -> None:
    """Wait, with a question now and then for the one that is kept awake."""
    while (left := when - lab.probe.now()) > 0:
        lab.sleep(min(left, lab.ttl / _TOUCHES))
        if touched is not None and lab.probe.now() < when:
            lab.ask("check", touched.token)


def _alive(answer: Answer, before: Answer) -> bool:
    """Whether a token is answered as one that is young."""
    return answer.status in (Status.IN_PROGRESS, Status.READY) or (answer.words == before.words and answer.code == 200)


def expiry(lab: Lab) -> None:
    """Tokens that are never run: silent ones of different ages, and one that is asked about all along."""
    found, margin = lab.found, _margin(lab)
    half, nearly, silent, touched = (_born(lab) for _ in range(4))
    young = lab.ask("check", touched.token)
    _until(lab, half.born + lab.ttl / 2, touched)
    middle = lab.ask("check", half.token)
    _until(lab, nearly.born + lab.ttl - margin, touched)
    before = lab.ask("check", nearly.token)
    _until(lab, max(silent.born, touched.born) + lab.ttl + margin, touched)
    after, awake = lab.ask("check", silent.token), lab.ask("check", touched.token)
    if not _alive(middle, young):
        found.rule("R15", False, f"over before {lab.ttl / 2:g} s", middle)
    elif not _alive(before, young):
        found.rule("R15", False, f"over between {lab.ttl / 2:g} and {lab.ttl - margin:g} s", middle, before)
    elif _alive(after, young):
        found.rule("R15", False, f"still alive after {lab.ttl + margin:g} s: {after.words}", after)
    else:
        found.rule("R15", True, f"over between {lab.ttl - margin:g} and {lab.ttl + margin:g} s", before, after)
    if _alive(after, young):
        return
    found.rule("R17", after.says(400, Refusal.DOWNLOAD_FAILED), after.words, after)
    found.reading("D41", f"an expired token is {after.words}", after)
    slides = _alive(awake, young)
    found.reading("D1", "check keeps an unused token alive" if slides else "check does not prolong a token", awake)


def expiry_ready(lab: Lab) -> None:
    """Two runs: one is left alone after it was sent, one is asked about all along."""
    found, margin = lab.found, _margin(lab)
    silent, touched = _born(lab), _born(lab)
    runs = [lab.start(silent.token), lab.start(touched.token)]
    over = max(silent.born, touched.born) + lab.ttl
    _until(lab, over + margin, touched)
    # A server that renews with `run`'s own answer counts from there.
    answers = [run.answer(_SOON) for run in runs if run.over()]
    long = len(answers) < len(runs) or all(answer.ended > over - margin for answer in answers)
    _until(lab, max([over, *(answer.ended + lab.ttl for answer in answers)]) + margin, touched)
    left, asked = lab.ask("check", silent.token), lab.ask("check", touched.token)
    if _life(left):
        found.reading("D1", START, left, asked)
    elif _life(asked):
        found.reading("D1", SLIDING, left, asked)
    else:
        found.reading("D1", ABSOLUTE, left, asked)
    if long:
        kept = not _life(left) and not _life(asked)
        why = f"run outlasted {lab.ttl:g} s: check is {asked.words}"
        found.rule("R16", kept, why, *answers[:1], left, asked)
    else:
        found.unclear("R16", f"generation ended within {lab.ttl:g} s: take a slower report")


def _life(answer: Answer) -> bool:
    return answer.status in (Status.IN_PROGRESS, Status.READY)
