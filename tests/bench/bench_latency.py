"""From the moment that a file is ready on the server to the moment that it is kept here; and requests on the wire.

    make bench-latency

Our two clients and the lower bound in turn, over loopback and across a round trip of 50 ms; the peers once each, on an
endpoint that drops the connection of `run`, which only those survive that ask for the status.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from floor import Floor
from rig import HERE, Server, endpoint, keep, median, process, python, ratio, ready_of, scratch, show

import reportdl
from reportdl.aio import AsyncClient

__all__: list[str] = []

TOKEN = reportdl.Token("bench")
PEERS = [
    "azure-core LROPoller",
    "google-api-core PollingFuture",
    "botocore waiter, 15 s",
    "tableauserverclient wait_for_job",
    "looker_sdk, loop of 5 s",
    "tenacity wait_exponential()",
    "stamina retry_context",
    "requests, loop of 1 s",
    "aiohttp, loop of 1 s",
    "curl, loop of 1 s",
    "wget, loop of 1 s",
]

Job = Callable[[int], None]


@contextlib.contextmanager
def over_urllib3(url: str, folder: str) -> Iterator[Job]:
    with reportdl.Client(url, credentials=TOKEN) as client:
        yield lambda element: void(client.download(element, format="pdf", to=f"{folder}/Sales.pdf"))


@contextlib.contextmanager
def over_aiohttp(url: str, folder: str) -> Iterator[Job]:
    with asyncio.Runner() as runner:
        client = AsyncClient(url, credentials=TOKEN)
        yield lambda element: void(runner.run(client.download(element, format="pdf", to=f"{folder}/Sales.pdf")))
        runner.run(client.aclose())


@contextlib.contextmanager
def by_floor(url: str, folder: str) -> Iterator[Job]:
    floor = Floor("127.0.0.1", int(url.rpartition(":")[2]), folder)
    with contextlib.closing(floor):
        yield lambda element: void(floor(element))


def void(_: object) -> None:
    return None


SIDES = {"reportdl, urllib3": over_urllib3, "reportdl, aiohttp": over_aiohttp, "lower bound": by_floor}


def ours(server: Server, url: str, generations: list[int]) -> dict[str, list[float]]:
    """Seconds from ready to kept, for each side in turn."""
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    with scratch() as folder, contextlib.ExitStack() as stack:
        jobs = {name: stack.enter_context(side(url, folder)) for name, side in SIDES.items()}
        for job in jobs.values():
            job(100)
        for generation in generations:
            for name, job in jobs.items():
                server.log()
                job(generation)
                found[name].append(time.monotonic() - ready_of(server))
    return found


def theirs(generations: list[int]) -> dict[str, list[float]]:
    """The same for the peers, all at once: what they wait for is their own schedule. `run` is cut after 0.2 s."""
    found: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        going = []
        for name in PEERS:
            for generation in generations:
                server = stack.enter_context(endpoint("--cut", "0.2"))
                command = python(str(HERE / "peers" / "polling.py"), "real", name, server.url, folder, str(generation))
                command[0] = python(peers=True)[0]
                work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                going.append((name, server, work))
        for name, server, work in going:
            out, err = work.communicate(timeout=180)
            lines = [line for line in out.splitlines() if line.startswith("{")]
            if not lines:
                print(f"{name}: {err.strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            found.setdefault(name, []).append(json.loads(lines[-1])["kept"] - ready_of(server))
    return found


def lost(generations: list[int]) -> list[float]:
    """Ours where `run` is cut."""
    found = []
    with endpoint("--cut", "0.2") as server, scratch() as folder, over_urllib3(server.url, folder) as job:
        for generation in generations:
            server.log()
            job(generation)
            found.append(time.monotonic() - ready_of(server))
    return found


def requests() -> dict[str, int]:
    counts = {}
    with endpoint() as server, scratch() as folder:
        for name, preflight in (("with the preflight", reportdl.Preflight.ON), ("without", reportdl.Preflight.OFF)):
            policy = reportdl.Policy(preflight=preflight)
            with reportdl.Client(server.url, credentials=TOKEN, policy=policy) as client:
                server.log()
                client.download(100, format="pdf", to=f"{folder}/Sales.pdf")
                counts[name] = sum(server.log()["requests"].values())
    return counts


def main() -> None:
    draw = random.Random(20)
    jobs = 20 if "--full" in sys.argv else 8
    generations = [draw.randrange(500, 3000) for _ in range(jobs)]
    with endpoint() as server:
        near = ours(server, server.url, generations)
        with process(sys.executable, str(HERE / "delay_proxy.py"), str(server.port), "50") as port:
            far = ours(server, f"http://127.0.0.1:{port}", generations)
    cut = lost(generations[:4])
    peers = theirs(generations[:3])
    counts = requests()
    rows = [["ready to kept", "loopback", "50 ms round trip"]]
    rows += [[name, f"{median(near[name]) * 1e3:.1f} ms", f"{median(far[name]) * 1e3:.1f} ms"] for name in SIDES]
    show("File ready to file kept, 64 KiB, medians", rows)
    rows = [["`run` cut after 0.2 s", "median", "worst"], ["reportdl", f"{median(cut):.3f} s", f"{max(cut):.3f} s"]]
    rows += [[name, f"{median(figures):.3f} s", f"{max(figures):.3f} s"] for name, figures in peers.items()]
    show("The same where `run` is lost", rows)
    show("Requests of a short job", [[name, str(count)] for name, count in counts.items()])
    floor = near["lower bound"]
    keep(
        "latency",
        {
            "near": {name: median(figures) for name, figures in near.items()},
            "far": {name: median(figures) for name, figures in far.items()},
            "above": {name: median([a - b for a, b in zip(near[name], floor, strict=True)]) for name in near},
            "times": {name: ratio(far[name], far["lower bound"]) for name in far},
            "cut": cut,
            "peers": peers,
            "requests": counts,
        },
    )


if __name__ == "__main__":
    main()
