"""A large file to disk: time and memory, against `curl` + `sha256sum` + `sync`, whole processes in turn.

make bench-large        1 GiB; 4 GiB with --full
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from rig import Server, children, endpoint, keep, median, python, ratio, scratch, show

__all__: list[str] = []

GIB = 1024 * 1024  # in KiB, as the endpoint's segment says it
CURL = """
set -e
at() { echo "$1/api/element/id/0/segment/$2/download/state/$3"; }
curl -sf "$(at $1 $2 formats)" >/dev/null
token=$(curl -sf "$(at $1 $2 init)" | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
curl -sf "$(at $1 $2 run)?token=$token&format=pdf" >/dev/null
curl -sf -o "$3/big.pdf" "$(at $1 $2 get)?token=$token&format=pdf"
sha256sum "$3/big.pdf"
sync "$3/big.pdf"
"""
SYNC = """
import sys, reportdl
url, kib, folder = sys.argv[1:]
with reportdl.Client(url, credentials=reportdl.Token("bench")) as client:
    client.download(0, segment=int(kib), format="pdf", to=f"{folder}/big.pdf")
"""
ASYNC = """
import asyncio, sys, reportdl.aio
url, kib, folder = sys.argv[1:]
async def main():
    async with reportdl.aio.AsyncClient(url, credentials=reportdl.Token("bench")) as client:
        await client.download(0, segment=int(kib), format="pdf", to=f"{folder}/big.pdf")
asyncio.run(main())
"""


def side(name: str, server: Server, kib: int, folder: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of one download."""
    words = [server.url, str(kib), folder]
    command = {
        "curl": ["sh", "-c", CURL, "sh", *words],
        "urllib3": [*python("-P", "-c", SYNC), *words],
        "aiohttp": [*python("-P", "-c", ASYNC), *words],
    }[name]
    figures = children(command)
    os.unlink(f"{folder}/big.pdf")
    return figures


def measured(kib: int, rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    found: dict[str, list[tuple[float, float, float]]] = {"urllib3": [], "aiohttp": [], "curl": []}
    with endpoint() as server, scratch() as folder:
        for name in found:
            side(name, server, 64, folder)
        for _ in range(rounds):
            for name, figures in found.items():
                figures.append(side(name, server, kib, folder))
                os.sync()
                time.sleep(0.2)
    return found


def main() -> None:
    full = "--full" in sys.argv
    sizes = {"64 KiB": 64, "64 MiB": GIB // 16, "1 GiB": GIB}
    if full:
        sizes["4 GiB"] = 4 * GIB
    if "--small" in sys.argv:
        del sizes["1 GiB"]
    free = shutil.disk_usage(os.environ.get("BENCH_DIR", "/tmp")).free // 1024
    found = {label: measured(kib, 3) for label, kib in sizes.items() if kib * 2 < free}
    rows = [["whole process", "urllib3", "aiohttp", "curl", "urllib3 / curl", "aiohttp / curl", "MB", "MB aiohttp"]]
    kept = {}
    for label, sides in found.items():
        wall = {name: [figure[0] for figure in figures] for name, figures in sides.items()}
        peak = {name: max(figure[2] for figure in figures) for name, figures in sides.items()}
        times = {name: ratio(wall[name], wall["curl"]) for name in ("urllib3", "aiohttp")}
        kept[label] = {
            "wall": {name: median(figures) for name, figures in wall.items()},
            "cpu": {name: median([figure[1] for figure in figures]) for name, figures in sides.items()},
            "peak": peak,
            "times": times,
        }
        shown = [f"{median(wall[name]):.2f} s" for name in ("urllib3", "aiohttp", "curl")]
        shown += [f"{times[name]:.2f}" for name in times] + [f"{peak[name]:.0f}" for name in times]
        rows.append([label, *shown])
    show("A file to disk, hashed and durable", rows)
    kept["curl"] = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout.split(" (")[0]
    keep("large", kept)


if __name__ == "__main__":
    main()
