"""Decides which models are explored to their fixpoint, how far the clock goes in each, and what is counted.

Must never hide a failure: the first one ends the run, with the story of a shortest path to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, Final

from reportdl_core.policy import Expiry, Preflight
from reportdl_core.switches import (
    AbortOnDisconnect,
    BeforeRun,
    ConsumeOn,
    FailedRun,
    FailedSession,
    RunSaysOk,
    Switches,
    TtlPolicy,
)
from tests.proof.alone import JobAlone, SessionAlone
from tests.proof.endpoint_alone import EndpointAlone
from tests.proof.exploring import Exploration, Failure, Model, explore
from tests.proof.figures import record
from tests.proof.product import World
from tests.proof.small_clock import POLICY, SWITCHES, small_clock

__all__ = ["MODELS", "NAMES", "explored"]

_DOCUMENTED: Final = replace(POLICY, expiry=Expiry.DOCUMENTED)
_PREFLIGHT: Final = replace(POLICY, preflight=Preflight.ON)
# Alone, an end hears everything at every second: the clock is as short as it can be with each deadline a region of its
# own: silence 3, the token 4, `run` and D1's question 5, the job 6.
_SHORT: Final = {"job_timeout": 6.0, "run_timeout": 5.0}
_OTHER: Final = replace(
    SWITCHES,
    ttl_policy=TtlPolicy.SLIDING,
    consume_on=ConsumeOn.START,
    abort_on_disconnect=AbortOnDisconnect.ON,
    failed_session=FailedSession.REFUSAL,
    failed_run=FailedRun.STATUS,
)
_EARLY: Final = replace(SWITCHES, run_says_ok=RunSaysOk.AT_ONCE, ttl_policy=TtlPolicy.START)

MODELS: Final[dict[str, Callable[[], Model]]] = {
    "client x endpoint, no fault": lambda: World(_PREFLIGHT, SWITCHES, faults=0),
    "client x endpoint, one fault": lambda: World(POLICY, SWITCHES, faults=1),
    "client x endpoint, one fault, the other readings": lambda: World(_DOCUMENTED, _OTHER, faults=1),
    "client x endpoint, one fault, OK before the file": lambda: World(POLICY, _EARLY, faults=1),
    "client x endpoint, two faults": lambda: World(POLICY, SWITCHES, faults=2),
    "client x endpoint, two faults, the other readings": lambda: World(_DOCUMENTED, _OTHER, faults=2),
    "client x endpoint, three faults": lambda: World(POLICY, SWITCHES, faults=3),
    "session alone": lambda: SessionAlone(replace(_PREFLIGHT, **_SHORT)),
    "session alone, documented expiry": lambda: SessionAlone(replace(_DOCUMENTED, **_SHORT)),
    "job alone": lambda: JobAlone(replace(POLICY, **_SHORT)),
}
_READINGS: Final[dict[str, Iterable[Any]]] = {
    "ttl_policy": TtlPolicy,
    "consume_on": ConsumeOn,
    "abort_on_disconnect": AbortOnDisconnect,
    "failed_session": FailedSession,
    "failed_run": FailedRun,
    "run_says_ok": RunSaysOk,
    "before_run": BeforeRun,
}


def readings() -> Iterator[Switches]:
    """The endpoint's switches, each with each: 192 servers."""
    everyone: list[list[Any]] = [[*kind] for kind in _READINGS.values()]
    for members in product(*everyone):
        yield replace(SWITCHES, **dict(zip(_READINGS, members, strict=True)))


GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "check": ("client x endpoint, no fault", "client x endpoint, one fault"),
    "readings": tuple(name for name in MODELS if name.startswith("client x endpoint, one fault, ")),
    "two": tuple(name for name in MODELS if "two faults" in name),
    "three": ("client x endpoint, three faults",),
    "alone": tuple(name for name in MODELS if "alone" in name),
}
NAMES: Final = (*GROUPS, "endpoint")


def explored(group: str, *, by: str) -> int:
    """Explore a group of models; the exit code."""
    if group == "endpoint":
        return _endpoint(by)
    for name in GROUPS[group]:
        with small_clock():
            try:
                found = explore(MODELS[name](), most=5_000_000)
            except Failure as failure:
                print(failure)
                record(name, failure.reason, target="a fixpoint, no rule broken", met=False, by=by)
                return 1
        record(name, _told(found), target="a fixpoint, no rule broken, every path ends", met=True, by=by)
    return 0


def _endpoint(by: str) -> int:
    """The server's end alone, under every combination of its readings."""
    name = "endpoint alone, every combination of the readings"
    whole, servers = Exploration(), 0
    for switches in readings():
        with small_clock():
            try:
                found = explore(EndpointAlone(switches), ending=False)
            except Failure as failure:
                print(switches, failure, sep="\n")
                record(name, failure.reason, target="a fixpoint, no rule broken", met=False, by=by)
                return 1
        servers += 1
        whole.states, whole.edges = whole.states + found.states, whole.edges + found.edges
        whole.twice, whole.seconds = whole.twice + found.twice, whole.seconds + found.seconds
    measured = f"{servers} servers, {whole.states:,} states, {whole.edges:,} steps, {whole.seconds:.0f} s"
    record(name, measured, target="a fixpoint, no rule broken", met=True, by=by)
    return 0


def _told(found: Exploration) -> str:
    return (
        f"{found.states:,} states, {found.edges:,} steps, {found.ends:,} ends, longest path {found.longest}, "
        f"{found.twice:,} states followed twice, {found.seconds:.0f} s"
    )
