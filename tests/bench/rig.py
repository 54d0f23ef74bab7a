"""What every benchmark stands on: the lean endpoint, a scratch folder, clocks, medians, and where results are kept.

Two sides are measured in turn, A B A B, in one run: their ratio holds where the machine's speed drifts.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "HERE",
    "OUT",
    "Server",
    "children",
    "endpoint",
    "keep",
    "median",
    "python",
    "ratio",
    "ready_of",
    "scratch",
    "show",
    "turns",
]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUT = ROOT / "out" / "bench"
PEERS = Path(os.environ.get("BENCH_VENV", ROOT / ".venv-bench"))


class Server:
    """A lean endpoint in a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def log(self) -> dict[str, Any]:
        """What it has seen since the last time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/log", headers={"Connection": "close"})
            seen: dict[str, Any] = json.loads(connection.getresponse().read())
        return seen


@contextlib.contextmanager
def process(*command: str, cwd: str | None = None) -> Iterator[int]:
    """A server that says its port on its first line; ended with the block."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


@contextlib.contextmanager
def endpoint(*options: str) -> Iterator[Server]:
    """A lean endpoint, for as long as the block lasts."""
    with process(sys.executable, str(HERE / "lean_endpoint.py"), *options) as port:
        yield Server(port)


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """A folder on a disk: a file system in memory would make fsync free."""
    with tempfile.TemporaryDirectory(prefix="reportdl-bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        yield folder


def python(*words: str, peers: bool = False) -> list[str]:
    """A command line for this Python, or the peers' own."""
    return [str(PEERS / "bin" / "python") if peers else sys.executable, *words]


def turns(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Each side's figures, measured in turn; one round before them is not counted."""
    for side in sides:
        side()
    figures: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = list(enumerate(sides))
        for place, side in order if number % 2 else reversed(order):
            figures[place].append(side())
    return figures


def median(figures: Sequence[float]) -> float:
    return statistics.median(figures)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def ready_of(server: Server) -> float:
    """When the file of the one job since the last `log` became ready; some clients have it generated twice."""
    return float(server.log()["ready"][0])


def children(command: Sequence[str], **options: Any) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds with its own children's, and peak MB of a command, from its start to its exit."""
    begun, before = time.perf_counter(), os.times()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as work:
        _, status, usage = os.wait4(work.pid, 0)
        wall, after = time.perf_counter() - begun, os.times()
        work.returncode = os.waitstatus_to_exitcode(status)
    assert work.returncode == 0, f"{command[0]} ended with {work.returncode}"
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, spent, usage.ru_maxrss / 1024


def show(title: str, rows: Sequence[Sequence[str]]) -> None:
    """A table on the terminal."""
    print(f"\n{title}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells))


def keep(name: str, values: dict[str, Any]) -> None:
    """Write a benchmark's figures where the page is made from them."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(values, indent=1))
