"""The oracle against itself: what the model permits, the judge finds right, and no wrong turn is taken for a right one.

The model and the judge are two readings of the same rules, written apart: where they differ, one of them is wrong.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.oracle import job_model
from tests.oracle.judge import judge
from tests.oracle.session_state import Seen
from tests.oracle.traces import Ended, Received, Restored
from tests.oracle.vocabulary import WITH_TOKEN, Command, Outcome
from tests.oracle.walks import walk

WALKS = 80
TROUBLED = 200  # short ones: it is where most of what the two differed in was found


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13")
@pytest.mark.parametrize("restores", [0.0, 0.08])
def test_the_judge_finds_nothing_in_what_the_model_permits(restores: float) -> None:
    reasons: Counter[str] = Counter()
    restored = 0
    for seed in range(WALKS):
        trace = tuple(walk(seed, restores=restores).trace)
        assert judge(trace, complete=False) == [], f"seed {seed}"
        reasons.update(record.outcome.reason for record in trace if isinstance(record, Ended))
        restored += sum(isinstance(record, Restored) for record in trace)
    # The walks arrive, and in more than one way.
    assert sum(reasons.values()) > WALKS * 0.9
    assert reasons["DELIVERED"] >= 4
    assert len(reasons) >= 8
    assert (restored > WALKS / 4) == (restores > 0)


@pytest.mark.rules("D12", "D16", "D19", "I13")
@pytest.mark.parametrize("restores", [0.0, 0.08])
def test_the_judge_finds_nothing_where_there_is_nothing_but_trouble(restores: float) -> None:
    for seed in range(TROUBLED):
        trace = tuple(walk(seed, restores=restores, trouble=0.5).trace)
        assert judge(trace, complete=False) == [], f"seed {seed}"


@pytest.mark.rules("D1", "D19", "D21", "I8", "I13")
@pytest.mark.parametrize("trouble", [0.0, 0.5])
def test_the_judge_finds_nothing_where_the_machine_slept_or_waits_were_given_up(trouble: float) -> None:
    told: Counter[str] = Counter()
    for seed in range(TROUBLED // 2):
        trace = tuple(walk(seed, restores=0.04, trouble=trouble, asleep=0.08, given_up=0.2).trace)
        assert judge(trace, complete=False, punctual=False) == [], f"seed {seed}"
        told["slept"] += "D35" in {violation.rule for violation in judge(trace, complete=False)}
        told.update(record.event.kind for record in trace if isinstance(record, Received))
    assert told["slept"] > TROUBLED / 20
    assert told["Cancelled"] > TROUBLED / 20


def mutants(seen: Seen, now: float, draw: random.Random) -> Iterator[tuple[str, Seen]]:
    """The same appearance with one thing wrong that no reading permits."""
    if seen.outcome is not None:
        yield "another session told", replace(seen, outcome=replace(seen.outcome, sessions=seen.outcome.sessions + 1))
        yield "a success that is none", replace(seen, outcome=other_end(seen.outcome))
        yield "not let go", replace(seen, outstanding=(Command(number=9999, kind="Wait", deadline=now + 1),))
        return
    others = [command for command in seen.outstanding if command.kind != "Run"]
    runs = [command for command in seen.outstanding if command.kind == "Run"]
    one = draw.choice(seen.outstanding)

    def instead(of: Command, *now_there: Command) -> Seen:
        return replace(seen, outstanding=(*(each for each in seen.outstanding if each is not of), *now_there))

    yield "nothing beside run", replace(seen, outstanding=tuple(runs))
    yield "two beside run", replace(seen, outstanding=(*seen.outstanding, replace(others[0], number=9999)))
    yield "a deadline that has come", instead(one, replace(one, deadline=now))
    yield "a deadline far away", instead(one, replace(one, deadline=(one.deadline or 0.0) + 5000.0))
    yield "an old number", instead(one, replace(one, number=0))
    if one.kind in WITH_TOKEN:
        yield "another token", instead(one, replace(one, token="foreign"))
        yield "another segment", instead(one, replace(one, segment=7))
    if one.kind in {"Run", "Get"}:
        yield "another format", instead(one, replace(one, format="tiff"))
    if not runs and seen.state == "READY":
        run = replace(others[0], number=9999, kind="Run", token="T1", format="pdf")
        yield "run again", replace(seen, outstanding=(*seen.outstanding, run))
    yield "another state", replace(seen, state={"INIT": "READY", "RUNNING": "INIT", "READY": "RUNNING"}[seen.state])
    end = Outcome(state="CONSUMED", reason="DELIVERED", ended_in="READY")
    yield "delivered", Seen(state="CONSUMED", outcome=end)


def other_end(outcome: Outcome) -> Outcome:
    if outcome.state == "CONSUMED":
        return replace(outcome, state="ERROR", reason="NOT_KEPT")
    return replace(outcome, state="CONSUMED", reason="DELIVERED")


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I13")
def test_no_wrong_turn_is_taken_for_a_right_one() -> None:
    tried: Counter[str] = Counter()
    for seed in range(30):
        draw = random.Random(seed)
        for possible, seen, now in walk(seed).turns:
            for name, mutant in mutants(seen, now, draw):
                tried[name] += 1
                assert not job_model.agree(possible, mutant, now), f"seed {seed}, {now}: {name}"
    assert len(tried) == 14
    assert min(tried.values()) >= 10, tried
