"""CPU of a whole job against the bare calls that do the same durable work, in turn, in one process.

    make bench-cost

The bare calls are given what the document asks for: `run` in a thread or task and on a connection of its own (R20),
the file hashed, flushed, renamed, its folder flushed. A second column lets them reuse `init`'s connection for `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import urllib3
from bare_calls import bare_aiohttp, bare_urllib3
from rig import endpoint, keep, median, ratio, scratch, show, turns

import reportdl
from reportdl.aio import AsyncClient

__all__: list[str] = []

TOKEN = reportdl.Token("bench")
BATCH = 100


def cpu(work: Callable[[], object]) -> Callable[[], float]:
    def batch() -> float:
        begun = time.process_time()
        for _ in range(BATCH):
            work()
        return (time.process_time() - begun) / BATCH

    return batch


def by_threads(rounds: int) -> list[list[float]]:
    with endpoint() as server, scratch() as folder, reportdl.Client(server.url, credentials=TOKEN) as client:
        pool, alone = urllib3.PoolManager(), urllib3.PoolManager()
        return turns(
            rounds,
            cpu(lambda: client.download(0, format="pdf", to=f"{folder}/Sales.pdf")),
            cpu(lambda: bare_urllib3(pool, server.url, 0, folder, alone=alone)),
            cpu(lambda: bare_urllib3(pool, server.url, 0, folder)),
        )


def by_tasks(rounds: int) -> list[list[float]]:
    def cpu_of(runner: asyncio.Runner, job: Callable[[], Awaitable[object]]) -> Callable[[], float]:
        async def batch() -> float:
            begun = time.process_time()
            for _ in range(BATCH):
                await job()
            return (time.process_time() - begun) / BATCH

        return lambda: runner.run(batch())

    with endpoint() as server, scratch() as folder, asyncio.Runner() as runner, contextlib.ExitStack() as stack:

        async def opened() -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
            alone = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
            return aiohttp.ClientSession(), alone

        session, alone = runner.run(opened())
        client = AsyncClient(server.url, credentials=TOKEN)
        for closing in (session.close, alone.close, client.aclose):
            stack.callback(lambda close: runner.run(close()), closing)
        return turns(
            rounds,
            cpu_of(runner, lambda: client.download(0, format="pdf", to=f"{folder}/Sales.pdf")),
            cpu_of(runner, lambda: bare_aiohttp(session, server.url, 0, folder, alone=alone)),
            cpu_of(runner, lambda: bare_aiohttp(session, server.url, 0, folder)),
        )


def main() -> None:
    rounds = 15 if "--full" in sys.argv else 9
    found = {"urllib3": by_threads(rounds), "aiohttp": by_tasks(rounds)}
    rows = [["CPU of a whole job", "reportdl", "bare", "ratio", "to bare, `run` not apart"]]
    for name, (ours, bare, reusing) in found.items():
        shown = [f"{median(side) * 1e3:.2f} ms" for side in (ours, bare)]
        rows.append([name, *shown, f"{ratio(ours, bare):.2f}", f"{ratio(ours, reusing):.2f}"])
    show("Cost of a job, 64 KiB, no generation", rows)
    keep(
        "cost",
        {
            name: {
                "ours": median(ours),
                "bare": median(bare),
                "times": ratio(ours, bare),
                "times_reusing": ratio(ours, reusing),
            }
            for name, (ours, bare, reusing) in found.items()
        },
    )


if __name__ == "__main__":
    main()
