"""Every reason has an end that can be drawn, and the page says which of them a server in memory never gives."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings

from reportdl.testing import DOCUMENTED, MemoryEndpoint
from reportdl.testing.endings import ended
from reportdl.testing.strategies import outcomes
from reportdl.transports.memory import Loss, Weather
from reportdl_core import Job, Outcome, Policy, Reason, State
from reportdl_core.endpoint_messages import Kind, Report
from reportdl_core.switches import Switches

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"
LOST: Final = Weather(loss=Loss.AFTER)
UNSENT: Final = [Weather(loss=Loss.NOT_SENT)] * 500


def failing(_report: Report, _format: str) -> float:
    raise ValueError("no source")


# How a server in memory comes to each reason: its options, and the client's policy.
MEMORY: Final[Mapping[Reason, tuple[Mapping[str, Any], Policy]]] = {
    Reason.DELIVERED: ({}, Policy()),
    Reason.GENERATION_FAILED: ({"generation_seconds": failing}, Policy()),
    Reason.EXPIRED: ({"generation_seconds": 1500.0}, Policy()),
    Reason.TIMED_OUT: ({"generation_seconds": 100.0}, Policy(job_timeout=10.0)),
    Reason.ACCESS_DENIED: ({"reports": [replace(DOCUMENTED, allowed=False)]}, Policy()),
    Reason.NOT_FOUND: ({"reports": []}, Policy()),
    Reason.NOT_IMPLEMENTED: (
        {"reports": [replace(DOCUMENTED, kind=next(kind for kind in Kind if kind is not Kind.EXTERNAL_REPORT))]},
        Policy(),
    ),
    Reason.NO_DOWNLOADS: ({"reports": [replace(DOCUMENTED, formats=())]}, Policy()),
    Reason.INVALID_FORMAT: ({"reports": [replace(DOCUMENTED, formats=("csv",))]}, Policy()),
    # A session that failed and is forgotten at once, while the answer to `run` was lost.
    Reason.REFUSED: (
        {"generation_seconds": failing, "switches": Switches(remember=0.1), "network": {"run": [LOST]}},
        Policy(),
    ),
    Reason.UNREACHABLE: ({"network": {"formats": UNSENT}}, Policy(first_contact=30.0)),
    Reason.TRANSFER_LOST: ({"network": {"get": [LOST] * 9}}, Policy()),
}
# Beside those: a server that is full when first asked, and silent from then on.
FULL: Final = Switches(live_in_all=1, live_per_user=1)


@pytest.mark.parametrize("reason", MEMORY)
def test_a_server_in_memory_gives_it(reason: Reason) -> None:
    options, policy = MEMORY[reason]
    assert MemoryEndpoint(**options).download(1042, format="pdf", policy=policy).reason is reason


def test_a_server_in_memory_is_in_trouble_where_it_was_full_and_fell_silent() -> None:
    network = {"init": [Weather(), Weather(), *UNSENT]}
    endpoint = MemoryEndpoint(switches=FULL, generation_seconds=290.0, network=network)
    assert endpoint.download(1042, format="pdf", policy=Policy(job_timeout=5.0)).reason is Reason.TIMED_OUT
    assert endpoint.download(1042, format="pdf").reason is Reason.SERVER_ERROR


def test_the_page_names_the_others() -> None:
    said = re.search(r"a `MemoryEndpoint` never gives (.+?)\. ", PAGE.read_text(), re.DOTALL)
    assert said is not None
    never = {Reason[name] for name in re.findall(r"`([A-Z_]+)`", said[1])}
    assert never == set(Reason) - MEMORY.keys() - {Reason.SERVER_ERROR}


@pytest.mark.parametrize("reason", Reason)
def test_the_core_is_led_to_every_end(reason: Reason) -> None:
    outcome = ended(reason, job=Job(element=7, segment=3, format="unheard-of"), message="said")
    assert outcome.reason is reason
    assert (outcome.state is State.CONSUMED) == (reason is Reason.DELIVERED) == (outcome.receipt is not None)
    assert (outcome.kept is not None) == (reason in (Reason.NOT_KEPT, Reason.UNVERIFIED))
    assert bool(outcome.alternatives) == (reason is Reason.INVALID_FORMAT)
    silent = {Reason.DELIVERED, Reason.EXPIRED, Reason.TIMED_OUT, Reason.INVALID_FORMAT}
    assert ("said" in [one.message for one in outcome.evidence]) == (reason not in silent)


@pytest.mark.parametrize("reason", Reason)
def test_an_end_that_is_asked_for_is_drawn(reason: Reason) -> None:
    @settings(max_examples=5, derandomize=True, database=None)
    @given(outcome=outcomes(reasons=[reason]))
    def draw(outcome: Outcome) -> None:
        assert outcome.reason is reason

    draw()


def test_all_ends_are_asked_for_where_none_is_named() -> None:
    assert inspect.signature(outcomes).parameters["reasons"].default == tuple(Reason)
