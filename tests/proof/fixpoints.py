"""Decides which models are explored to their fixpoint, how far the clock goes in each, and what is counted.

Must never hide a failure: the first one ends the run, with the story of a shortest path to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from typing import Any, Final

from reportdl_core.policy import Expiry, Policy, Preflight
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
from tests.proof.small_clock import LIFE, POLICY, SHORT_LIFE, SWITCHES, small_clock

__all__ = ["MODELS", "NAMES", "explored"]

_DOCUMENTED: Final = replace(POLICY, expiry=Expiry.DOCUMENTED)
_PREFLIGHT: Final = replace(POLICY, preflight=Preflight.ON)


_OTHER: Final = replace(
    SWITCHES,
    ttl_policy=TtlPolicy.SLIDING,
    consume_on=ConsumeOn.START,
    abort_on_disconnect=AbortOnDisconnect.ON,
    failed_session=FailedSession.REFUSAL,
    failed_run=FailedRun.STATUS,
)
_EARLY: Final = replace(SWITCHES, run_says_ok=RunSaysOk.AT_ONCE, ttl_policy=TtlPolicy.START)


def _short(policy: Policy) -> Policy:
    """Alone, an end hears everything at every second: the clock is as short as it can be.

    A request takes 1, silence and a transfer 2, the token 3, `run` and D1's question 4, the job 5.
    """
    return replace(policy, job_timeout=5.0, run_timeout=4.0, silence=2.0, first_contact=2.0)


_LATE: Final = 6.0
"""The job takes 5 seconds: an alarm may ring after every other limit, and an answer come after every alarm."""

MODELS: Final[dict[str, Callable[[], Model]]] = {
    "client x endpoint, no fault": lambda: World(_PREFLIGHT, SWITCHES, faults=0),
    "client x endpoint, one fault": lambda: World(POLICY, SWITCHES, faults=1),
    "client x endpoint, one fault, the other readings": lambda: World(_DOCUMENTED, _OTHER, faults=1),
    "client x endpoint, one fault, OK before the file": lambda: World(POLICY, _EARLY, faults=1),
    "client x endpoint, two faults": lambda: World(POLICY, SWITCHES, faults=2),
    "client x endpoint, two faults, the other readings": lambda: World(_DOCUMENTED, _OTHER, faults=2),
    "client x endpoint, three faults": lambda: World(POLICY, SWITCHES, faults=3),
    "session alone": lambda: SessionAlone(_short(_PREFLIGHT)),
    "session alone, documented expiry": lambda: SessionAlone(_short(_DOCUMENTED)),
    "job alone": lambda: JobAlone(_short(POLICY)),
    "session alone, told late": lambda: SessionAlone(_short(_PREFLIGHT), late=_LATE),
    "session alone, documented expiry, told late": lambda: SessionAlone(_short(_DOCUMENTED), late=_LATE),
    "session alone, no preflight, told late": lambda: SessionAlone(_short(POLICY), late=_LATE),
}
_SHAPES: Final[dict[str, Iterable[Any]]] = {
    "ttl_policy": TtlPolicy,
    "consume_on": ConsumeOn,
    "abort_on_disconnect": AbortOnDisconnect,
    "run_says_ok": RunSaysOk,
}
_WORDS: Final[dict[str, Iterable[Any]]] = {
    "failed_session": FailedSession,
    "failed_run": FailedRun,
    "before_run": BeforeRun,
}


def readings() -> Iterator[Switches]:
    """Every combination of the switches that shape a session; under each, every pair of those that choose words."""
    everyone: list[list[Any]] = [[*kind] for kind in _SHAPES.values()]
    for members in product(*everyone):
        shaped = replace(SWITCHES, **dict(zip(_SHAPES, members, strict=True)))
        for rows in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
            words = {name: [*kind][row] for (name, kind), row in zip(_WORDS.items(), rows, strict=True)}
            yield replace(shaped, **words)


GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "check": ("client x endpoint, no fault", "client x endpoint, one fault"),
    "readings": tuple(name for name in MODELS if name.startswith("client x endpoint, one fault, ")),
    "two": tuple(name for name in MODELS if "two faults" in name),
    "three": ("client x endpoint, three faults",),
    "alone": tuple(name for name in MODELS if "alone" in name and "late" not in name),
    "late": tuple(name for name in MODELS if "late" in name),
}
NAMES: Final = (*GROUPS, "endpoint")


def explored(group: str, *, by: str) -> int:
    """Explore a group of models; the exit code."""
    if group == "endpoint":
        return _endpoint(by)
    for name in GROUPS[group]:
        with small_clock(life=SHORT_LIFE if group in ("alone", "late") else LIFE):
            try:
                found = explore(MODELS[name](), most=5_000_000)
            except Failure as failure:
                print(failure)
                record(name, failure.reason, target="a fixpoint, no rule broken", met=False, by=by)
                return 1
        record(name, _told(found), target="a fixpoint, no rule broken, every path ends", met=True, by=by)
    return 0


def _server(switches: Switches) -> tuple[Switches, Exploration | str]:
    with small_clock():
        try:
            return switches, explore(EndpointAlone(switches), ending=False)
        except Failure as failure:
            return switches, str(failure)


def _endpoint(by: str) -> int:
    """The server's end alone, under its readings: a row for each policy of expiry."""
    failed, began = 0, time.perf_counter()
    found: dict[TtlPolicy, list[Exploration]] = {policy: [] for policy in TtlPolicy}
    with get_context("fork").Pool(2) as pool:
        for switches, one in pool.imap(_server, readings()):
            if isinstance(one, str):
                print(switches, one, sep="\n", flush=True)
                failed += 1
            else:
                one.parents = []
                found[switches.ttl_policy].append(one)
    wall = time.perf_counter() - began
    for policy, servers in found.items():
        states, edges = sum(one.states for one in servers), sum(one.edges for one in servers)
        twice = sum(one.twice for one in servers)
        measured = f"{len(servers)} servers, {states:,} states, {edges:,} steps, {twice:,} states followed twice"
        name = f"endpoint alone, {policy.value} expiry, each reading with each"
        wanted = sum(1 for switches in readings() if switches.ttl_policy is policy)
        met = len(servers) == wanted
        record(
            name,
            f"{measured}, all {3 * wanted} in {wall:.0f} s on 2 processes",
            target="a fixpoint, no rule broken",
            met=met,
            by=by,
        )
    return 1 if failed else 0


def _told(found: Exploration) -> str:
    return (
        f"{found.states:,} states, {found.edges:,} steps, {found.ends:,} ends, longest path {found.longest}, "
        f"{found.twice:,} states followed twice, {found.seconds:.0f} s"
    )
