"""What the core costs: microseconds an event, bytes a download, and whether anything grows over many jobs.

    make bench-core

A fixed script that reports every kind of event; medians of several rounds in one run.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc

from rig import keep, median, show

from reportdl_core import (
    Cancelled,
    CredentialsRenewed,
    Download,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Job,
    Kept,
    Lost,
    Policy,
    Receipt,
    Refusal,
    Refused,
    RunFinished,
    Secret,
    Sent,
    State,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)

__all__: list[str] = []

JOB = Job(element=1042, segment=0, format="pdf")
POLICY = Policy()
RECEIPT = Receipt(
    path=None, filename="a.pdf", content_type="application/pdf", size=3, sha256="0" * 64, length_verified=True
)
TOKEN = Secret("abcDEF123%3D")

# What is answered to the command that is outstanding beside `run` (None: to `run` itself), every kind at least once.
SCRIPT: tuple[tuple[type[Event], dict[str, object]], ...] = (
    (Lost, {"sent": Sent.NOT_SENT}),
    (WaitElapsed, {}),
    (Refused, {"refusal": Refusal.CREDENTIALS}),
    (CredentialsRenewed, {}),
    (FormatsListed, {"formats": ("image", "pdf")}),
    (Cancelled, {}),
    (WaitElapsed, {}),
    (TokenIssued, {"token": TOKEN}),
    (WaitElapsed, {}),
    (StatusReported, {"status": Status.IN_PROGRESS}),
    (WaitElapsed, {}),
    (StatusReported, {"status": Status.IN_PROGRESS}),
    (RunFinished, {}),
)
LAST: tuple[tuple[type[Event], dict[str, object]], ...] = (
    (FileReceived, {"receipt": RECEIPT}),
    (FileNotKept, {"why": Kept.FAILED, "message": "no space left"}),
)


def one_job(seed: int, spent: dict[str, list[float]] | None = None) -> int:
    """Play the script; seconds of each `receive` go to `spent` by the event's kind. Returns the number of events."""
    now, clock = 100.0, time.perf_counter
    download = Download(JOB, policy=POLICY, seed=seed, now=now)
    for kind, values in (*SCRIPT, LAST[seed % 2]):
        run, other = download.outstanding[0], download.outstanding[-1]
        event = kind(number=(run if kind is RunFinished else other).number, **values)
        now = max(now + 0.25, download.alarm[0]) if kind is WaitElapsed else now + 0.25
        begun = clock()
        download.receive(event, now=now)
        if spent is not None:
            spent.setdefault(kind.__name__, []).append(clock() - begun)
    assert download.outcome is not None
    assert download.outcome.state is (State.ERROR if seed % 2 else State.CONSUMED)
    return len(SCRIPT) + 1


def cost_by_kind(jobs: int) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {}
    one_job(0)
    gc.collect()
    for seed in range(jobs):
        one_job(seed, spent)
    return spent


def waiting_size(downloads: int = 2_000) -> float:
    """Bytes that one waiting download holds."""
    gc.collect()
    tracemalloc.start()
    held = [Download(JOB, policy=POLICY, seed=seed, now=100.0) for seed in range(downloads)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(held)


def growth(jobs: int) -> int:
    """Objects that stay behind after so many jobs."""
    for seed in range(1_000):
        one_job(seed)
    gc.collect()
    before = sys.getallocatedblocks()
    for seed in range(jobs):
        one_job(seed)
    gc.collect()
    return sys.getallocatedblocks() - before


def main() -> None:
    jobs = 1_000_000 if "--full" in sys.argv else 50_000
    spent = cost_by_kind(5_000)
    every = sorted(second for seconds in spent.values() for second in seconds)
    size, left = waiting_size(), growth(jobs)
    rows = [[f"one {kind}", f"{median(seconds) * 1e6:.1f} us"] for kind, seconds in spent.items()]
    rows += [
        ["one event, median over all", f"{median(every) * 1e6:.1f} us"],
        ["the slowest hundredth from", f"{every[len(every) * 99 // 100] * 1e6:.1f} us"],
        ["one waiting download", f"{size:,.0f} B"],
        [f"objects left after {jobs:,} jobs", f"{left:,}"],
    ]
    show("The core alone", rows)
    keep(
        "core",
        {
            "kinds": {kind: median(seconds) for kind, seconds in spent.items()},
            "event": median(every),
            "size": size,
            "jobs": jobs,
            "left": left,
        },
    )


if __name__ == "__main__":
    main()
