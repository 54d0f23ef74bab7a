"""One job under every order of events: a Hypothesis machine, and seeded walks that must arrive everywhere.

The machine, what may happen and the auditor are those that are handed out in `reportdl.testing`: nobody else's job is
tested harder or softer than this one.
"""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from reportdl.testing.answering import FORGIVEN, POLICIES, Choose
from reportdl.testing.auditor import DIAGRAM
from reportdl.testing.journey import Journey
from reportdl.testing.machine import DownloadMachine
from reportdl_core import (
    Cancelled,
    Check,
    CredentialsRenewed,
    Download,
    Event,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Lost,
    Policy,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    Restart,
    Run,
    RunFinished,
    State,
    StatusReported,
    TokenIssued,
    Wait,
    WaitElapsed,
)

JOB = Job(element=1042, segment=3, format="pdf")


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13")
def test_no_order_of_events_breaks_an_invariant() -> None:
    run_state_machine_as_test(DownloadMachine, settings=settings(stateful_step_count=60))


# ---- seeded walks


def step(journey: Journey, draw: Random) -> None:
    match draw.choices(
        ("well", "forgiven", "bad", "wait", "ring", "ring late", "late", "reload", "die"),
        weights=(34, 14, 3, 20, 20, 2, 3, 2, 1),
    ):
        case ["well"]:
            journey.answer(well=True)
        case ["forgiven"]:
            journey.answer(well=False, kinds=FORGIVEN)
        case ["bad"]:
            journey.answer(well=False)
        case ["wait"]:
            journey.wait(draw.choice((0.1, 1.0, 4.0, 20.0, 100.0, 301.0)))
        case ["ring"]:
            journey.ring()
        case ["ring late"]:
            journey.ring(draw.choice((0.1, 9.0)))
        case ["late"]:
            journey.late()
        case ["reload"]:
            journey.reload()
        case _:
            journey.die(draw.choice((0.0, 30.0, 301.0)))


class Twins(Journey):
    """The same job twice: the other one is written down and read back before every event (I9)."""

    def __init__(self, choose: Choose, *, policy: Policy, seed: int) -> None:
        super().__init__(JOB, choose, policy=policy, seed=seed)
        self.twin = Download(JOB, policy=policy, seed=seed, now=0.0)

    def hear(self, event: Event) -> None:
        text = json.dumps(self.twin.snapshot(now=self.seen))
        self.twin = Download.restore(
            json.loads(text), job=JOB, policy=self.policy, token=self.twin.token, now=self.seen, elapsed=0.0
        )
        self.twin.receive(event, now=self.now)
        super().hear(event)
        assert self.twin.outstanding == self.download.outstanding, "restored, it asks for something else (I9)"
        assert self.twin.outcome == self.download.outcome


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13", "D43")
def test_a_job_that_is_read_back_before_every_event_asks_for_the_same() -> None:
    ended: Counter[Reason] = Counter()
    for seed in range(300):
        draw = Random(seed)
        twins = Twins(draw.choice, policy=POLICIES[seed % len(POLICIES)], seed=seed)
        faulty = draw.random() / 2
        while not twins.over:
            if draw.random() < 0.4:
                twins.ring()
            else:
                twins.answer(well=draw.random() > faulty, kinds=FORGIVEN)
        assert twins.download.outcome is not None
        ended[twins.download.outcome.reason] += 1
    assert len(ended) > 6


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13", "D21")
def test_the_walks_arrive_everywhere() -> None:
    reached: Counter[object] = Counter()
    for seed in range(4_000):
        draw = Random(seed)
        journey = Journey(JOB, draw.choice, policy=POLICIES[seed % len(POLICIES)], seed=seed, reached=reached)
        while not journey.over:
            step(journey, draw)
    wanted: set[object] = {*State, *DIAGRAM, *Reason, *Refusal, *Restart}
    wanted |= {ListFormats, Init, Run, Check, Get, RenewCredentials, Wait, Finish}
    wanted |= {FormatsListed, TokenIssued, RunFinished, StatusReported, FileReceived, FileNotKept}
    wanted |= {Refused, Lost, WaitElapsed, CredentialsRenewed, Cancelled}
    assert not (missing := wanted - reached.keys()), missing


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13")
def test_every_job_ends_by_its_deadline_after_a_bounded_number_of_requests() -> None:
    for seed in range(2_000):
        draw = Random(seed)
        policy = POLICIES[seed % len(POLICIES)]
        journey = Journey(JOB, draw.choice, policy=policy, seed=seed)
        faulty = draw.random()
        while not journey.over:
            if draw.random() < 0.3:
                journey.ring()
            else:
                journey.answer(well=draw.random() > faulty, kinds=FORGIVEN)
        assert journey.now <= policy.job_timeout
        # The shortest pauses grow to 7.5 s and more; each may be followed by a renewal and one repeat.
        assert journey.auditor.requests < 60 + policy.job_timeout / 2.0
