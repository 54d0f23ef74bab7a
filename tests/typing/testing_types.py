"""What type checkers make of `reportdl.testing`. A line with an ignore is one that they must refuse, by these names.

Read by test_typing.py, under mypy and pyright; never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from hypothesis import strategies as st

from reportdl import testing
from reportdl.testing import Behaviour, DownloadMachine, Embedded, MemoryEndpoint
from reportdl.testing.strategies import behaviours, fault_schedules
from reportdl.transports.memory import Weather
from reportdl_core import Download, Job, Outcome, Policy, Secret
from reportdl_core.endpoint_messages import Report

__all__: list[str] = []


def what_is_drawn_is_what_an_endpoint_takes(data: st.DataObject) -> None:
    behaviour, schedule = data.draw(behaviours()), data.draw(fault_schedules())
    assert_type(behaviour, Behaviour)
    assert_type(behaviour["reports"], tuple[Report, ...])
    assert_type(schedule, Mapping[str, tuple[Weather, ...]])
    endpoint = MemoryEndpoint(**behaviour, network=schedule)
    assert_type(endpoint.download(1042, format="pdf"), Outcome)
    MemoryEndpoint(**behaviour, weather=schedule)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert testing.Journy  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


class Machine(DownloadMachine):
    """What is embedded has the members of a `Download`."""

    def begin(self, job: Job, *, policy: Policy, seed: int, now: float) -> Embedded:
        return Download(job, policy=policy, seed=seed, now=now)

    def again(
        self, snapshot: Mapping[str, Any], *, job: Job, policy: Policy, token: Secret | None, now: float, elapsed: float
    ) -> Embedded:
        return job  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
