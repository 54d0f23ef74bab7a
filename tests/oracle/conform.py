"""Walks a trace beside the reference model of the job: whatever no reading of the rules permits is found here.

It knows the rules that asked for what is missing, and names the first of them; the other judges know better why.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle import job_model
from tests.oracle.job_model import JobState
from tests.oracle.session_state import Seen
from tests.oracle.stories import Story, Turn, Violation
from tests.oracle.traces import Began, Received, Restored, Saved

__all__ = ["conform"]


def conform(story: Story) -> Iterator[Violation]:
    """The first turn that the model does not permit; what follows it cannot be judged by the model."""
    began, policy = story.began, story.began.policy
    possible = job_model.begin(began.job, policy, now=began.at)
    saved: tuple[Saved, frozenset[JobState]] | None = None
    state = "INIT"
    for turn, following in zip(story.turns, [*story.turns[1:], None], strict=True):
        match turn.cause:
            case Began():
                pass
            case Received(event=event):
                possible = job_model.step(possible, event, turn.at)
            case Restored(elapsed=elapsed, recovered=recovered):
                if saved is None:
                    return
                at, held = saved
                possible = job_model.restored(held, saved=at.at, now=turn.at, elapsed=elapsed)
                if recovered:
                    possible = job_model.recover(possible, turn.at)
        for _, moved in turn.moved:
            state = moved.state
        if any(each.session != turn.facts.session for _, each in turn.issued) and not turn.moved:
            state = "INIT"
        seen = _seen(turn, state)
        permitted, possible = possible, job_model.agree(possible, seen, turn.at)
        if not possible:
            what = job_model.explain(permitted, seen)
            yield Violation(rule=_rule(permitted, turn), position=turn.position, what=what)
            return
        until = following.position if following is not None else story.last + 1
        for position, each in story.saved:
            if turn.position < position < until:
                saved = (each, possible)


def _seen(turn: Turn, state: str) -> Seen:
    outcome = turn.ended[1].outcome if turn.ended is not None else None
    commands = tuple(each.command for each in turn.after.values() if each.command.kind != "Finish")
    return Seen(state=state, outstanding=() if outcome is not None else commands, outcome=outcome)


def _rule(permitted: frozenset[JobState], turn: Turn) -> str:
    """The rule of what should have been there, and is not; I7 where a late answer changed something."""
    if turn.late:
        return "I7"
    shown = {each.command.kind for _, each in turn.issued}
    # New before kept, of a kind that is shown before another.
    wanted: list[tuple[bool, bool, tuple[str, ...]]] = []
    for state in permitted:
        end = state.session.end
        slots = [slot for slot in state.session.slots if slot.rules]
        wanted += [(slot.number is None, slot.kind in shown, slot.rules) for slot in slots]
        if end is not None and end.rules:
            wanted.append((turn.ended is not None, False, end.rules))
    wanted.sort(key=lambda each: (not each[0], not each[1], each[2]))
    return wanted[0][2][0] if wanted else "I1"
