"""What the core costs: microseconds an event, bytes a download, and what `import reportdl` adds to its two libraries.

    make bench-core

Prints medians of several rounds in one run, so that a number can be compared with its neighbour on the same machine.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

from reportdl_core import (
    Download,
    FileReceived,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Policy,
    Receipt,
    Run,
    RunFinished,
    Secret,
    State,
    TokenIssued,
)

__all__: list[str] = []

JOB = Job(element=1042, segment=0, format="pdf")
POLICY = Policy()
RECEIPT = Receipt(
    path=None, filename="a.pdf", content_type="application/pdf", size=3, sha256="0" * 64, length_verified=True
)
TOKEN = Secret("abcDEF123%3D")
EVENTS = 4


def one_job(seed: int) -> None:
    """formats, init, run, get: the job with no fault."""
    download = Download(JOB, policy=POLICY, seed=seed, now=100.0)
    now = 100.0
    while download.outcome is None:
        now += 0.25
        for command in download.outstanding:
            match command:
                case ListFormats(number=number):
                    download.receive(FormatsListed(number=number, formats=("pdf",)), now=now)
                case Init(number=number):
                    download.receive(TokenIssued(number=number, token=TOKEN), now=now)
                case Run(number=number):
                    download.receive(RunFinished(number=number), now=now)
                case Get(number=number):
                    download.receive(FileReceived(number=number, receipt=RECEIPT), now=now)
                case _:
                    continue
            break
    assert download.outcome.state is State.CONSUMED


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def job_cost(jobs: int = 2_000, rounds: int = 7) -> float:
    """Seconds for one job."""

    def batch() -> None:
        for seed in range(jobs):
            one_job(seed)

    batch()
    return statistics.median(seconds(batch) for _ in range(rounds)) / jobs


def download_size(downloads: int = 2_000) -> float:
    """Bytes that one waiting download holds."""
    gc.collect()
    tracemalloc.start()
    held = [Download(JOB, policy=POLICY, seed=seed, now=100.0) for seed in range(downloads)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(held)


def import_cost(*modules: str, rounds: int = 15) -> float:
    """Seconds that these imports take in a fresh interpreter, without its own start."""
    script = f"import time; a = time.perf_counter(); import {', '.join(modules)}; print(time.perf_counter() - a)"
    command = [sys.executable, "-P", "-c", script]
    costs = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(rounds)]
    return statistics.median(costs)


def main() -> None:
    job = job_cost()
    rows = [
        ("one event", f"{job / EVENTS * 1e6:.1f} us"),
        ("jobs a second, in the core alone", f"{1 / job:,.0f}"),
        ("one waiting download", f"{download_size():,.0f} B"),
    ]
    libraries, core, all_of_it = (
        import_cost("urllib3", "transitions"),
        import_cost("reportdl_core"),
        import_cost("reportdl"),
    )
    rows += [
        ("import urllib3, transitions", f"{libraries * 1e3:.0f} ms"),
        ("import reportdl_core", f"{core * 1e3:.0f} ms"),
        ("import reportdl", f"{all_of_it * 1e3:.0f} ms, {all_of_it / libraries:.2f} times its libraries"),
    ]
    for name, value in rows:
        print(f"{name:<34} {value:>10}")


if __name__ == "__main__":
    main()
