"""Judges a whole trace: every rule that a client or a server can be seen to keep or to break.

`judge` gives the violations in the order of the trace, none where all is well.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle import judge_answers, judge_jobs, judge_moves, judge_time
from tests.oracle.conform import conform
from tests.oracle.judge_server import judge_server
from tests.oracle.stories import Story, Violation, read
from tests.oracle.traces import Trace

__all__ = ["Violation", "differences", "judge"]

_CHECKS = (*judge_moves.CHECKS, *judge_answers.CHECKS, *judge_time.CHECKS, *judge_jobs.CHECKS)


def judge(trace: Trace, *, complete: bool = True, files: bool = True, punctual: bool = True) -> list[Violation]:
    """What is wrong in a trace.

    `complete`: the run went on until nothing was left to happen, so every job must have ended (I8). `files`: whoever
    recorded it watched the final names (I10). `punctual`: whoever drove the client told it everything in time; without,
    the machine may have slept, and what came late is no fault (D35, I8). Where no single rule is seen broken, the
    reference model is asked.
    """
    found = list(judge_server(trace))
    for story in read(trace):
        found += _judge_story(story, complete=complete, files=files, punctual=punctual)
    return sorted(found, key=lambda one: one.position)


def _judge_story(story: Story, *, complete: bool, files: bool, punctual: bool) -> Iterator[Violation]:
    found = [violation for check in _CHECKS for violation in check(story)]
    if punctual:
        found += judge_time.told_in_time(story)
    if files:
        found += judge_jobs.files_are_whole(story)
    if complete:
        found += judge_jobs.went_to_the_end(story)
    yield from found
    if not found:
        yield from conform(story)


def differences(first: Trace, second: Trace) -> list[Violation]:
    """I9: two runs with the same events at the same times gave the same commands, and the same last word."""
    for position, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return [Violation(rule="I9", position=position, what=f"{one} became {other}")]
    if len(first) != len(second):
        return [Violation(rule="I9", position=min(len(first), len(second)), what="one run goes on, the other does not")]
    return []
