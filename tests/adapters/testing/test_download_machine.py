"""A machine of the size that the page shows comes far enough to matter, and catches an embedding that is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from reportdl.testing import DownloadMachine, Embedded, Journey
from reportdl_core import (
    Check,
    Command,
    Download,
    Event,
    Get,
    Job,
    Policy,
    Reason,
    Restart,
    Run,
    RunFinished,
    Secret,
    State,
    StatusReported,
    TokenIssued,
)

# What docs/testing.md shows, and the same on every run, whatever the profile.
PAGE = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
)


class Kept:
    """The example of the page: a job that is written down whenever something happened, but for what it `forgets`."""

    def __init__(self, download: Download, now: float, *, forgets: type[Event] | None = None) -> None:
        self.download, self.forgets = download, forgets
        self.write(now)

    def write(self, now: float) -> None:
        self.row, self.at = self.download.snapshot(now=now), now

    def __getattr__(self, name: str) -> Any:
        return getattr(self.download, name)

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        new = self.download.receive(event, now=now)
        if self.forgets is None or not isinstance(event, self.forgets):
            self.write(now)
        return new


class KeptJobs(DownloadMachine):
    forgets: ClassVar[type[Event] | None] = None

    def kept(self, download: Download, now: float) -> Embedded:
        return cast(Embedded, Kept(download, now, forgets=self.forgets))

    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        return self.kept(Download(job, policy=policy, seed=seed, now=now), now)

    def again(
        self, snapshot: Mapping[str, Any], *, job: Job, policy: Policy, token: Secret | None, now: float, elapsed: float
    ) -> Embedded:
        return self.kept(Download.restore(snapshot, job=job, policy=policy, token=token, now=now, elapsed=elapsed), now)

    @invariant()
    def the_row_is_the_job(self) -> None:
        kept = cast(Kept, self.journey.download)
        assert kept.row == kept.download.snapshot(now=kept.at), "the row is not the job"


# Hypothesis draws otherwise for each name, so that none of this is one name's luck.
NAMES = ("One", "Two", "Three", "Four", "Five")


def reached_by(name: str) -> Counter[object]:
    """In how many of twenty machines each thing was reached."""
    reached: Counter[object] = Counter()

    def teardown(self: KeptJobs) -> None:
        reached.update(["machines"])
        reached.update(self.journey.reached.keys())

    run_state_machine_as_test(type(name, (KeptJobs,), {"teardown": teardown}), settings=PAGE)
    return reached


def test_a_few_machines_come_to_the_file_and_to_the_failures_that_matter() -> None:
    counts = [reached_by(name) for name in NAMES]
    often: list[object] = [Run, RunFinished, State.READY, Get, State.ERROR]
    for reached in counts:
        assert reached["machines"] < 26, "Hypothesis threw machines away"
        assert all(reached[one] >= 3 for one in often), reached
        assert reached[Reason.DELIVERED], reached
    together = sum(counts, Counter())
    seldom: list[object] = [Check, State.EXPIRED, Restart.LOST, Reason.GENERATION_FAILED, Reason.TRANSFER_LOST]
    assert all(together[one] for one in seldom), together
    assert len(together.keys() & set(Reason)) > 8, together


@pytest.mark.parametrize("forgets", [TokenIssued, RunFinished, StatusReported])
def test_a_row_that_is_not_written_after_one_kind_of_event_is_caught(forgets: type[Event]) -> None:
    for name in NAMES:
        with pytest.raises(AssertionError, match="the row is not the job"):
            run_state_machine_as_test(type(name, (KeptJobs,), {"forgets": forgets}), settings=PAGE)


def test_going_on_leads_to_the_file() -> None:
    journey = Journey(Job(element=7, format="csv"), lambda among: among[0], policy=Policy(), seed=0)
    asked: list[str] = []
    while not journey.over:
        asked.append(type(journey.download.outstanding[0]).__name__)
        journey.go_on()
    assert asked == ["ListFormats", "Init", "Run", "Get"]


def test_going_on_past_a_wait_lets_its_time_pass() -> None:
    journey = Journey(Job(element=7, format="csv"), lambda among: among[-1], policy=Policy(), seed=0)
    while not any(isinstance(one, Check) for one in journey.download.outstanding):
        assert journey.now == 0.0
        journey.go_on()
    assert journey.now > 0.0
    assert any(isinstance(one, Run) for one in journey.download.outstanding)
