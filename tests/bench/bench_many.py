"""Many jobs at once in one process: 200 and 1,000 with a generation of 1 s, 10,000 with `run` held.

    make bench-many

Each number is measured in a process of its own. 10,000 jobs need 20,000 descriptors, and the endpoint as many: where
the machine gives fewer, as many jobs are started as fit, and the table says how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from rig import HERE, Server, endpoint, keep, median, python, scratch, show

__all__: list[str] = []

Jobs = Callable[[int], Awaitable[object]]


def resident() -> float:
    """KB of memory that this process has now."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


@contextlib.asynccontextmanager
async def ours(url: str, folder: str, generation: int) -> Any:
    import reportdl
    from reportdl.aio import AsyncClient

    async with AsyncClient(url, credentials=reportdl.Token("bench")) as client:
        yield lambda number: client.download(generation, format="pdf", to=f"{folder}/{number}.pdf")


@contextlib.asynccontextmanager
async def bare(url: str, folder: str, generation: int) -> Any:
    import aiohttp
    from bare_calls import bare_aiohttp

    def session(**kwargs: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, **kwargs))

    async with session() as shared, session(force_close=True) as alone:
        yield lambda number: bare_aiohttp(shared, url, generation, folder, name=f"{number}.pdf", alone=alone)


async def watched(most: Counter[str], begun: float) -> None:
    while True:
        most["threads"] = max(most["threads"], threading.active_count())
        now = int(resident())
        most["peak"] = max(most["peak"], now)
        if not most["ended"]:
            most["memory"] = now  # while every `run` is held
        await asyncio.sleep(0.05 if time.monotonic() - begun < 30 else 0.5)


async def at_once(side: str, url: str, folder: str, jobs: int, generation: int) -> dict[str, Any]:
    async with (ours if side == "reportdl" else bare)(url, folder, generation) as job:
        await job(-1)
        rest, most, failed = resident(), Counter(), Counter()
        watch = asyncio.create_task(watched(most, time.monotonic()))
        await asyncio.sleep(0.1)
        walls: list[float] = []
        cpu, begun = time.process_time(), time.monotonic()

        async def one(number: int) -> None:
            started = time.monotonic()
            try:
                await job(number)
            except Exception as error:
                failed[type(error).__name__] += 1
            most["ended"] += 1
            walls.append(time.monotonic() - started)

        await asyncio.gather(*(one(number) for number in range(jobs)))
        spent, wall = time.process_time() - cpu, time.monotonic() - begun
        watch.cancel()
    return {
        "jobs": jobs,
        "cpu": spent,
        "wall": wall,
        "overhead": sum(walls) / len(walls) - generation / 1000,
        "threads": most["threads"],
        "memory": (most["memory"] - rest) / jobs,
        "peak": (most["peak"] - rest) / jobs,
        "failed": dict(failed),
    }


def measured(server: Server, side: str, jobs: int, generation: int) -> dict[str, Any]:
    server.log()
    with scratch() as folder:
        words = [side, server.url, folder, str(jobs), str(generation)]
        command = [*python(str(HERE / "bench_many.py")), *words]
        work = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if work.returncode:
        raise SystemExit(work.stderr)
    found: dict[str, Any] = json.loads(work.stdout.splitlines()[-1])
    seen = server.log()
    found["requests"], found["connections"] = seen["requests"], seen["connections"]
    found["checks_a_second"] = max(Counter(int(at) for at in seen["checks"]).values(), default=0)
    return found


def in_turn(server: Server, jobs: int, rounds: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for _ in range(rounds):
        yield measured(server, "reportdl", jobs, 1000), measured(server, "bare", jobs, 1000)


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with endpoint() as server:
        few = [measured(server, "reportdl", 200, 1000) for _ in range(3)]
        pairs = list(in_turn(server, 1000, 3))
        growth = [measured(server, "reportdl", jobs, 1000) for jobs in (1, 10, 100)]
        held = min(10_000, (most - 500) // 2) if most > 0 else 10_000
        many = measured(server, "reportdl", held, 60_000)
        bare_few = [measured(server, "bare", 200, 1000) for _ in range(3)]
        bare_many = measured(server, "bare", held, 60_000)
    two, bare_two = (
        {key: median([run[key] for run in runs]) for key in ("cpu", "overhead", "threads")} for runs in (few, bare_few)
    )
    thousand = {
        "cpu": median([run["cpu"] for run, _ in pairs]),
        "bare": median([run["cpu"] for _, run in pairs]),
        "times": median([run["cpu"] / other["cpu"] for run, other in pairs]),
        "overhead": median([run["overhead"] for run, _ in pairs]),
    }
    show(
        "Many at once, aiohttp",
        [
            ["200 at once", f"{two['threads']:.0f} threads", f"{two['cpu']:.2f} s CPU", f"+{two['overhead']:.3f} s"],
            [
                "the same, bare",
                f"{bare_two['threads']:.0f} threads",
                f"{bare_two['cpu']:.2f} s CPU",
                f"+{bare_two['overhead']:.3f} s",
            ],
            [
                "1,000 at once",
                f"{thousand['cpu']:.2f} s CPU",
                f"bare {thousand['bare']:.2f} s",
                f"{thousand['times']:.2f} times",
            ],
            [
                f"{many['jobs']:,} held",
                f"{many['memory']:.1f} KB a job",
                f"{many['checks_a_second']} checks/s at most",
                f"failed: {many['failed'] or 'none'}",
            ],
            ["the same, bare", f"{bare_many['memory']:.1f} KB a job", "", f"failed: {bare_many['failed'] or 'none'}"],
        ],
    )
    growth += [few[0], pairs[0][0], many]
    steps = [{key: run[key] for key in ("jobs", "cpu", "wall", "memory", "peak", "threads")} for run in growth]
    rows = [["jobs at once", "CPU a job", "memory a job held", "at most", "threads"]]
    for run in steps:
        cpu, memory = f"{run['cpu'] / run['jobs'] * 1e3:.2f} ms", [f"{run[key]:.1f} KB" for key in ("memory", "peak")]
        rows.append([f"{run['jobs']:,}", cpu, *memory, str(run["threads"])])
    show("How cost grows with jobs", rows)
    bare = {"200 bare": bare_two, "10000 bare": bare_many}
    keep("many", {"200": two, "1000": thousand, "10000": many, **bare, "growth": steps})


if __name__ == "__main__":
    match sys.argv[1:]:
        case [side, url, folder, jobs, generation]:
            print(json.dumps(asyncio.run(at_once(side, url, folder, int(jobs), int(generation)))))
        case _:
            main()
