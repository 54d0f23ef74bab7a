"""Decides how many sessions are simulated, on how many processes, and what is counted.

A session is judged by what both ends say of one file as it goes, and by the oracle when it is over. Must never hide a
failure: the first one ends the run, with its transcript.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from multiprocessing import get_context
from typing import Final, NamedTuple

from reportdl_core import Reason, Restart, State
from tests.oracle.judge import judge
from tests.proof.figures import record
from tests.proof.recording import Recorder, Transcript
from tests.proof.simulator import Simulation
from tests.proof.sleeping import SleepingSimulation

__all__ = ["KINDS", "Chunk", "failure", "replay", "simulated", "simulated_chunk", "traced", "versions"]

_CHUNK: Final = 250
KINDS: Final[dict[str, type[Simulation]]] = {"awake": Simulation, "asleep": SleepingSimulation}
_PYTHONS: Final = {"3.11", "3.12", "3.13"}


class Chunk(NamedTuple):
    """What some sessions came to. `failed` is the first seed that failed, with why."""

    sessions: int
    judged: int
    events: int
    met: Counter[object]
    digest: bytes
    failed: tuple[int, str] | None


def failure(seed: int, *, oracle: bool, kind: type[Simulation] = Simulation) -> tuple[Simulation | None, str]:
    """One session: what it was, and what is wrong with it, or nothing."""
    recorder = Recorder() if oracle else None
    try:
        simulation = kind(seed, onlooker=recorder)
        simulation.run()
    except Exception as error:
        return None, "".join(traceback.format_exception(error, limit=-3))
    if recorder is None:
        return simulation, ""
    found = judge(tuple(recorder.trace), punctual=kind is not SleepingSimulation)
    return simulation, "\n".join(f"{one.rule}, record {one.position}: {one.what}" for one in found[:3])


def simulated_chunk(seeds: range, every: int, kind: str = "awake") -> Chunk:
    """Some sessions, one after the other."""
    met: Counter[object] = Counter()
    digest, judged, events = blake2b(digest_size=16), 0, 0
    for seed in seeds:
        oracle = seed % every == 0
        simulation, wrong = failure(seed, oracle=oracle, kind=KINDS[kind])
        if simulation is None or wrong:
            return Chunk(seed - seeds.start + 1, judged, events, met, digest.digest(), (seed, wrong))
        judged += oracle
        events += len(simulation.trace) // 4
        met.update(simulation.met)
        digest.update(simulation.digest)
    return Chunk(len(seeds), judged, events, met, digest.digest(), None)


def _one(arguments: tuple[range, int, str]) -> Chunk:
    return simulated_chunk(*arguments)


def _chunks(seeds: range) -> Iterator[range]:
    for first in range(seeds.start, seeds.stop, _CHUNK):
        yield range(first, min(first + _CHUNK, seeds.stop))


def simulated(
    seeds: range, *, jobs: int, every: int, row: str, by: str, seconds: float = 0.0, kind: str = "awake"
) -> int:
    """Simulate and judge; the exit code."""
    began = time.perf_counter()
    sessions = judged = events = 0
    met: Counter[object] = Counter()
    digest = blake2b(digest_size=16)
    with get_context("fork").Pool(jobs) as pool:
        for chunk in pool.imap(_one, ((part, every, kind) for part in _chunks(seeds))):
            sessions, judged, events = sessions + chunk.sessions, judged + chunk.judged, events + chunk.events
            met.update(chunk.met)
            digest.update(chunk.digest)
            if chunk.failed is not None:
                pool.terminate()
                seed, wrong = chunk.failed
                record(row, f"seed {seed} fails", target="none fails", met=False, by=by)
                return _shown(seed, wrong, kind)
            if seconds and time.perf_counter() - began > seconds:
                pool.terminate()
                break
    wall = time.perf_counter() - began
    wanted = _wanted(kind)
    missing = wanted - met.keys()
    last = seeds.start + sessions
    measured = (
        f"{sessions:,} sessions, seeds {seeds.start} to {last - 1}, {judged:,} of them judged whole by the oracle, "
        f"{events:,} commands and events, "
        f"0 violations, digest {digest.hexdigest()}, {wall:.0f} s on {jobs} processes"
    )
    record(row, measured, target="0 violations; every job ends by its deadline", met=True, by=by)
    if sessions == len(seeds) and sessions >= 20_000:
        record(
            f"{row}: ends, states, restarts and accidents reached",
            f"{len(wanted) - len(missing)} of {len(wanted)}"
            + (f", not {sorted(map(str, missing))}" if missing else ""),
            target="all",
            met=not missing,
            by=by,
        )
        return 1 if missing else 0
    return 0


def _wanted(kind: str) -> set[object]:
    accidents = {
        "death",
        "credential died",
        "broken",
        "missing",
        "not kept",
        "unverified",
        "FAILED",
        "NO_FILE",
        "rogue",
    }
    weather = {"not sent", "lost before", "silent before", "lost after", "silent after", "late there", "late back"}
    weather |= {"unavailable", "unavailable after", "busy", "no envelope", "unreadable", "cancelled"}
    asleep = {"nap", "given up"} if kind == "asleep" else set()
    return {
        *asleep,
        *Reason,
        *Restart,
        *(State(name) for name in ("ERROR", "CONSUMED", "EXPIRED")),
        *accidents,
        *weather,
    }


def _shown(seed: int, wrong: str, kind: str) -> int:
    replay(seed, kind)
    print(f"\nseed {seed}: {wrong}\n\nagain: make replay SEED={seed} KIND={kind}", flush=True)
    return 1


def replay(seed: int, kind: str = "awake") -> int:
    """Print one session as a transcript, and what is wrong with it; the exit code."""
    transcript = Transcript()
    try:
        KINDS[kind](seed, onlooker=transcript).run()
    except Exception as error:
        transcript.lines.append(f"!! {type(error).__name__}: {error}")
    print("\n".join(transcript.lines))
    _, wrong = failure(seed, oracle=True, kind=KINDS[kind])
    print(wrong or "nothing is wrong with it")
    return 1 if wrong else 0


def traced(seeds: range) -> int:
    """Print the digest of all that the oracle is shown of these sessions: the same on every version of Python."""
    digest = blake2b(digest_size=16)
    for kind in KINDS.values():
        for seed in seeds:
            recorder = Recorder()
            digest.update(kind(seed, onlooker=recorder).run().digest)
            digest.update(repr(recorder.trace).encode())
    print(digest.hexdigest())
    return 0


def versions(pythons: list[str], *, seeds: str) -> int:
    """Compare the digests that several Pythons come to; the exit code."""
    digests: dict[str, str] = {}
    for python in [sys.executable, *pythons]:
        said = _said([python, "-c", "import sys; print(sys.version.split()[0])"])
        command = [python, "-m", "tests.proof", "traced", "--seeds", seeds]
        digests[said] = _said(command)
    missing = _PYTHONS - {".".join(version.split(".")[:2]) for version in digests}
    met = len(set(digests.values())) == 1 and not missing  # one Python alone agrees with itself always
    record(
        f"the same seeds on Python {', '.join(sorted(digests))}",
        f"sessions {seeds}: digest {', '.join(sorted(set(digests.values())))}"
        + (f"; not on {', '.join(sorted(missing))}" if missing else ""),
        target="one digest",
        met=met,
        by="make deep-versions",
    )
    return 0 if met else 1


def _said(command: list[str]) -> str:
    # The other interpreters have nothing installed: they are shown the sources, and packages without compiled code.
    path = os.pathsep.join([".", "core", "adapters", sysconfig.get_paths()["purelib"]])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()
