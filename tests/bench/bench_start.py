"""What starting costs: imports against those of the two libraries, and `reportdl get` against curl in a shell loop.

    make bench-start

Every figure is a fresh process, the sides in turn.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rig import children, endpoint, keep, median, python, ratio, scratch, show, turns

__all__: list[str] = []

CURL = """
set -e
at() { echo "$1/api/element/id/0/segment/0/download/state/$2"; }
curl -sf -H 'Token: bench' "$(at $1 formats)" >/dev/null
token=$(curl -sf -H 'Token: bench' "$(at $1 init)" | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
curl -sf -H 'Token: bench' "$(at $1 run)?token=$token&format=pdf" >/dev/null &
until curl -sf -H 'Token: bench' "$(at $1 check)?token=$token" | grep -q READY; do sleep 0.01; done
wait
curl -sf -H 'Token: bench' -o "$2/Sales.pdf" "$(at $1 get)?token=$token&format=pdf"
sha256sum "$2/Sales.pdf" >/dev/null
sync "$2/Sales.pdf"
"""
IMPORTS = {
    "libraries": "urllib3, transitions",
    "core": "reportdl_core",
    "reportdl": "reportdl; reportdl.Client",  # its names are loaded when the first is used
    "client": "reportdl; reportdl.Client('http://127.0.0.1:9', credentials=reportdl.Token('t'))",
    "async": "reportdl.aio",
}


def importing(what: str) -> Callable[[], float]:
    """Seconds that this takes in a fresh interpreter, without its own start."""
    script = f"import time; a = time.perf_counter(); import {what}; print(time.perf_counter() - a)"
    command = python("-P", "-c", script)
    return lambda: float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    rounds = 25 if "--full" in sys.argv else 11
    found = dict(zip(IMPORTS, turns(rounds, *map(importing, IMPORTS.values())), strict=True))
    command = shutil.which("reportdl", path=str(Path(sys.executable).parent)) or "reportdl"
    with endpoint() as server, scratch() as folder:
        environment = {**os.environ, "REPORTDL_TOKEN": "bench", "REPORTDL_URL": server.url}
        get = [command, "get", "0", "-f", "pdf", "-o", f"{folder}/Sales.pdf"]
        curl = ["sh", "-c", CURL, "sh", server.url, folder]
        ours, theirs = turns(
            rounds,
            lambda: children(get, env=environment, stderr=subprocess.DEVNULL)[0],
            lambda: children(curl, stderr=subprocess.DEVNULL)[0],
        )
    times = {name: ratio(found[name], found["libraries"]) for name in ("core", "reportdl", "client", "async")}
    rows = [["import", "median", "to urllib3 + transitions"]]
    rows += [
        [name, f"{median(figures) * 1e3:.0f} ms", f"{times[name]:.2f}" if name in times else "1"]
        for name, figures in found.items()
    ]
    show("What starting costs", rows)
    rows = [["process start to exit", "reportdl get", "curl loop", "ratio"]]
    rows += [["small file", f"{median(ours):.3f} s", f"{median(theirs):.3f} s", f"{ratio(ours, theirs):.2f}"]]
    show("A small file by the command line", rows)
    keep(
        "start",
        {
            "import": {name: median(figures) for name, figures in found.items()},
            "times": times,
            "get": median(ours),
            "curl": median(theirs),
            "get_times": ratio(ours, theirs),
        },
    )


if __name__ == "__main__":
    main()
