"""Measures a batch: ten thousand reports from one ledger, killed on the way; and a ledger of up to a million rows.

    make bench-batch                        a thousand jobs and a hundred thousand rows
    make bench-batch BENCH_FLAGS=--full     the figures of docs/scale.md: a quarter of an hour on two cores

The server is the reference endpoint in a process of its own, so that the client's CPU and memory are its own.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import State
from reportdl.batch.rows import Wished
from reportdl.server import serve
from reportdl.server.sources import ReportInfo
from reportdl_core.job import Job

ELEMENTS = 100
SECONDS = 1.0


class Counting:
    """A source of small files that remembers on disk how often it was asked to make one."""

    name = "Counting"

    def __init__(self, counted: Path) -> None:
        self._counted = counted
        self._reports = [ReportInfo(element=1000 + number, name=f"Report {number}") for number in range(ELEMENTS)]

    def reports(self) -> list[ReportInfo]:
        return self._reports

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv", "pdf")

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        with open(self._counted, "ab", buffering=0) as file:
            file.write(b".")
        path = directory / "made"
        path.write_bytes(b"item,count\r\n" + f"{report.element},1\r\n".encode() * 2000)
        return path


def endpoint(counted: str, seconds: str) -> None:
    serve(
        port=0,
        ready=lambda url: print(url, flush=True),
        sources=[Counting(Path(counted))],
        generation_seconds=float(seconds),
        generations_at_once=100_000,
    )


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", str(folder / "generations"), str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def listed(path: Path, jobs: int) -> None:
    with path.open("w") as file:
        file.write("element,format,name\n")
        file.writelines(f"{1000 + number % ELEMENTS},csv,r{number}\n" for number in range(jobs))


def ten_thousand(jobs: int, kills: int, at_once: int) -> None:
    chance = random.Random(8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listed(folder / "night.csv", jobs)
        with serving(folder) as url:
            env = {**os.environ, "REPORTDL_URL": url, "REPORTDL_TOKEN": "any", "NO_PROXY": "*"}
            command = [sys.executable, "-m", "reportdl", "batch", "night.csv", "-o", "out", "--jobs", str(at_once)]
            began, killed, largest, code, cpu = time.monotonic(), 0, 0, -1, 0.0
            expected = jobs * SECONDS / at_once
            while code < 0:
                with open(folder / "err.txt", "ab") as err:
                    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=err)
                if killed < kills:
                    time.sleep(chance.uniform(0.3, 2.0) * expected / (kills + 1) + 1.0)
                    if process.poll() is None:
                        process.send_signal(signal.SIGKILL)
                        killed += 1
                _, status, used = os.wait4(process.pid, 0)
                largest = max(largest, used.ru_maxrss)
                cpu += used.ru_utime + used.ru_stime
                code = os.waitstatus_to_exitcode(status)
            wall = time.monotonic() - began
        told(folder, jobs, killed, at_once, code, wall, largest, cpu)


def told(folder: Path, jobs: int, killed: int, at_once: int, code: int, wall: float, largest: int, cpu: float) -> None:
    files = sum(1 for path in (folder / "out").iterdir() if path.name.startswith("r"))
    generations = (folder / "generations").stat().st_size
    rows = sqlite3.connect(folder / "night.ledger")
    (runs,) = rows.execute("SELECT SUM(runs) FROM jobs").fetchone()
    notes = rows.execute("SELECT note, COUNT(*) FROM jobs WHERE note IS NOT NULL GROUP BY note").fetchall()
    rows.close()
    print(
        f"{jobs:,} jobs, {at_once} at a time, generation {SECONDS:g} s, killed with -9 {killed} times: exit code {code}"
    )
    said = [part for note, count in notes for part in note.split("; ") for _ in range(count)]
    print(f"  files {files:,}; generations at the server {generations:,}; `run` sent {runs:,}; named {len(said):,}")
    for note, count in Counter(said).most_common():
        print(f"  named in the ledger, {count}: {note}")
    alone = jobs * SECONDS / at_once
    print(f"  wall {wall:.1f} s ({files / wall:.1f} reports a second); the generations alone: {alone:.0f} s")
    each = cpu / jobs * 1000
    print(f"  CPU of the batch {cpu:.1f} s ({each:.1f} ms a report); largest process {largest / 1024:.0f} MiB")
    print(f"  ledger {(folder / 'night.ledger').stat().st_size / 1e6:.2f} MB")


def wished(rows: int) -> Iterator[Wished | BadLine]:
    for number in range(1, rows + 1):
        yield Wished(line=number, job=Job(element=number, format="pdf"), name=f"night/{number}-0-2026-11-27.pdf")


def timed(what: str, count: int, took: float) -> str:
    return f"{what} {took / count * 1e6:.0f} us"


def growth(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name, Ledger(os.path.join(name, "ledger")) as ledger:
        began = time.process_time()
        lines = wished(rows)
        while chunk := [one for _, one in zip(range(500), lines, strict=False)]:
            ledger.add(chunk)
        added = time.process_time() - began
        bodies, times = "x" * 1200, min(2000, rows)
        began = time.process_time()
        for _ in range(times):
            (row,) = ledger.next_waiting("", now=1.0, most=1, but=frozenset())
            for state in (State.RUNNING, State.RUNNING, State.RUNNING, State.HELD):
                ledger.update(row.id, state=state.value, checkpoint=bodies)
            ledger.update(row.id, state=State.DONE.value, path="x" * 60, sha256="0" * 64, size=1, checkpoint=None)
        job = time.process_time() - began
        began = time.process_time()
        ledger.counts()
        counts = time.process_time() - began
        ledger.flush(0.0)
        size = sum(path.stat().st_size for path in Path(name).iterdir())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{rows:9,} rows: added in {added:.1f} s of CPU ({timed('a row', rows, added)}); "
            f"{timed('all that a job writes', times, job)}; counted in {counts * 1000:.0f} ms; "
            f"{size / 1e6:.0f} MB with its log; process {memory:.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", nargs=2)
    parser.add_argument("--full", action="store_true", help="ten thousand jobs, ten kills, a million rows")
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    said = parser.parse_args()
    if said.full:
        said.jobs, said.kills, said.rows = 10_000, 10, 1_000_000
    if said.serve:
        endpoint(*said.serve)
        return
    if said.jobs:
        ten_thousand(said.jobs, 0, said.at_once)
    if said.jobs and said.kills:
        ten_thousand(said.jobs, said.kills, said.at_once)
    rows = 1_000
    while rows <= said.rows:
        growth(rows)
        rows *= 10


if __name__ == "__main__":
    main()
