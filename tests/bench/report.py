"""Writes docs/performance.md and its plots from what the benchmarks kept in out/bench. Nobody edits that page by hand.

    python report.py

A figure that was not measured is shown as missing; a target that is missed says so, and why.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rig import OUT, ROOT

__all__: list[str] = []

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
PEER = re.compile(r"^(azure|google|botocore|tableau|looker|tenacity|stamina)")

WHY = {
    "near": "Above the sockets themselves stand Python's own steps between `run`'s answer and `get`: a thread or task "
    "that wakes, one decision of the core, one request by the HTTP library, one verified and published file.",
    "far": "The round trips are those of the lower bound; what is above it is the same milliseconds as over loopback.",
    "cost": "The HTTP library's own calls are most of both sides. Ours adds the state machine, what is decided from "
    "each head, the checks of the file and its name (a quarter of a millisecond), and hand-overs between threads: "
    "measured apart, a job whose requests are made in the caller's own thread takes 0.1 to 0.2 ms less; but such a "
    "request could not be ended by Ctrl-C or its deadline while a name is looked up.",
    "cost_aio": "A bare call over aiohttp costs a third of a millisecond, so that everything beside it weighs more: "
    "the same core and checks, a timer for each request's deadline, and the scopes that make cancelling safe under "
    "asyncio and trio alike.",
    "threads": "One thread runs all jobs. fsync would hold it up, so that up to four more publish files.",
    "many_cpu": "As for one job over aiohttp; and a quarter of it is Python's garbage collector, which looks through "
    "all that a thousand jobs hold, again and again: twice as much as the bare calls hold (0.8 s to 0.4 s, measured "
    "apart).",
    "memory": "The bare calls over aiohttp hold the larger part themselves, and miss the target too: a connection with "
    "its parser, a request, its frames. Ours adds a task group, a second task, its scopes and its stream, none of them "
    "large, and the connections over which `check` insures, which the bare calls let go of.",
    "get": "Python's own start, click and urllib3 are most of it: curl is a compiled program.",
    "large": "At small sizes the process's start weighs most; a large file is bound by the disk on both sides.",
    "import": "The libraries below are loaded when they are used; what is left is the core and its dataclasses.",
    "overhead": "All jobs start and end at the same moment and share one core: what each waits for is the others' CPU.",
    "schedule": "A pause that grows serves a second and half an hour alike; where all durations are alike, a fixed "
    "interval does better.",
    "held": "",
}


def kept(name: str) -> dict[str, Any]:
    path = OUT / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rest])


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def machine() -> str:
    with open("/proc/cpuinfo") as cpuinfo:
        names = re.findall(r"model name\s*: (.*)", cpuinfo.read())
    names = names or [platform.machine()]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("urllib3", "transitions", "aiohttp", "anyio"))
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"Measured on {os.cpu_count()} processors ({names[0].strip()}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {libraries}; load when the page was written: {load}. Client and server "
        "share the processors. Times differ from machine to machine, ratios less, counts not at all: those are tests."
    )


class Targets:
    """The rows of the target table."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = [["what", "target", "measured", ""]]
        self.missed: list[str] = []

    def row(self, what: str, target: str, measured: str, met: bool, why: str) -> None:
        self.rows.append([what, target, measured, "met" if met else "**missed**"])
        if not met and WHY[why]:
            reason = f"- {what}: {WHY[why]}"
            self.missed.append(reason)


def targets() -> Targets:
    found = Targets()
    _latency(found, kept("latency"))
    _cost(found, kept("cost"))
    _core(found, kept("core"))
    _large(found, kept("large"))
    _many(found, kept("many"))
    _schedule(found, kept("schedule"))
    _start(found, kept("start"))
    return found


def _latency(found: Targets, data: dict[str, Any]) -> None:
    if not data:
        return
    for name in ("reportdl, urllib3", "reportdl, aiohttp"):
        above, times = data["above"][name], data["times"][name]
        found.row(
            f"ready to kept, loopback ({name})",
            "within 3 ms of the lower bound",
            f"+{ms(above)} ({ms(data['near'][name])} in all)",
            above <= 0.003,
            "near",
        )
        found.row(
            f"the same across 50 ms ({name})",
            "1.1 times the lower bound",
            f"{times:.2f} ({ms(data['far'][name])})",
            times <= 1.1,
            "far",
        )
    counts = data["requests"]
    found.row(
        "requests of a short job",
        "4 with the preflight, 3 without",
        f"{counts['with the preflight']} and {counts['without']}",
        list(counts.values()) == [4, 3],
        "held",
    )


def _cost(found: Targets, data: dict[str, Any]) -> None:
    for name, most, why in (("urllib3", 1.10, "cost"), ("aiohttp", 1.15, "cost_aio")):
        if name in data:
            one = data[name]
            found.row(
                f"CPU of a job over {name}, to bare calls",
                f"{most:.2f}",
                f"{one['times']:.2f} ({ms(one['ours'])} to {ms(one['bare'])})",
                one["times"] <= most,
                why,
            )


def _core(found: Targets, data: dict[str, Any]) -> None:
    if not data:
        return
    event = f"{data['event'] * 1e6:.1f} us"
    found.row("core, an event", "25 us", event, data["event"] <= 25e-6, "held")
    found.row("core, a waiting job", "1.5 KB", f"{data['size'] / 1e3:.2f} KB", data["size"] <= 1500, "held")
    growth = f"{data['left']} objects after {data['jobs']:,} jobs"
    found.row("core, growth", "none", growth, data["left"] <= 10, "held")


def _large(found: Targets, data: dict[str, Any]) -> None:
    if "1 GiB" not in data:
        return
    one = data["1 GiB"]
    for name, most in (("urllib3", 1.0), ("aiohttp", 1.2)):
        figure = f"{one['times'][name]:.2f} ({one['wall'][name]:.2f} s to {one['wall']['curl']:.2f} s)"
        met = one["times"][name] <= most
        found.row(f"1 GiB by {name}, to curl + sha256sum + sync", f"{most:.1f}", figure, met, "large")
    peak = max(size["peak"]["urllib3"] for label, size in data.items() if label != "curl")
    found.row("memory of it, urllib3, any size", "40 MB", f"{peak:.0f} MB", peak <= 40, "held")


def _many(found: Targets, data: dict[str, Any]) -> None:
    if not data:
        return
    few, thousand, many = data["200"], data["1000"], data["10000"]
    bare = data["200 bare"]
    threads = f"{few['threads']:.0f} (bare calls: {bare['threads']:.0f})"
    found.row("200 at once: threads", "1", threads, few["threads"] <= 1, "threads")
    cpu = f"{few['cpu']:.2f} s (bare calls: {bare['cpu']:.2f} s)"
    found.row("200 at once: CPU", "0.5 s", cpu, few["cpu"] <= 0.5, "many_cpu")
    overhead = f"{few['overhead']:.3f} s (bare calls: {bare['overhead']:.3f} s)"
    found.row("200 at once: mean overhead", "0.05 s", overhead, few["overhead"] <= 0.05, "overhead")
    times = f"{thousand['times']:.2f} ({thousand['cpu']:.2f} s to {thousand['bare']:.2f} s)"
    found.row("1,000 at once: CPU to bare aiohttp", "1.2", times, thousand["times"] <= 1.2, "many_cpu")
    failed = sum(many["failed"].values())
    found.row(f"{many['jobs']:,} with `run` held: errors", "none", f"{failed}", not failed, "held")
    memory = many["memory"]
    shown = f"{memory:.1f} KB (bare calls: {data['10000 bare']['memory']:.1f} KB)"
    found.row(f"{many['jobs']:,}: memory a job", "18 KB", shown, memory <= 18, "memory")
    checks = many["checks_a_second"]
    spread = f"at most {checks} in one second"
    found.row(f"{many['jobs']:,}: polling", "bounded and spread", spread, checks < many["jobs"] / 2, "held")


def _schedule(found: Targets, data: dict[str, Any]) -> None:
    points = data.get("points", [])
    if not points:
        return
    alive = max(point["delay"] for point in points if "alive" in point["way"])
    found.row("delay after ready while `run` lives", "0 s", f"{alive:.3f} s", alive < 0.01, "held")
    equal = data["equal"]
    worse = [row["way"] for row in equal if row["ours"] >= row["delay"]]
    nearest = max(row["ours"] / row["delay"] for row in equal)
    shown = (
        f"behind: {', '.join(worse)}"
        if worse
        else f"ahead of {len(equal)}; the nearest waits {1 / nearest:.2f} times as long"
    )
    found.row("mean delay once `run` is lost, at equal polls", "ahead of every peer", shown, not worse, "schedule")


def _start(found: Targets, data: dict[str, Any]) -> None:
    if not data:
        return
    times = data["times"]["reportdl"]
    shown = f"{times:.2f} ({ms(data['import']['reportdl'])})"
    found.row("`import reportdl`, to its two libraries", "1.2", shown, times <= 1.2, "import")
    get = data["get_times"]
    shown = f"{get:.2f} ({data['get']:.3f} s to {data['curl']:.3f} s)"
    found.row("`reportdl get`, to curl in a loop", "4", shown, get <= 4, "get")


# -- sections ------------------------------------------------------------------------------------------------------


def schedule() -> Iterable[str]:
    points = kept("schedule").get("points", [])
    if not points:
        return
    ways = list(dict.fromkeys(point["way"] for point in points))
    by = {(point["way"], point["seconds"]): point for point in points}
    shown = [1, 10, 90, 600, 1440]
    rows = [["delay (polls)", *(f"{seconds} s" for seconds in shown)]]
    for way in ways:
        cells = [by[way, seconds] for seconds in shown]
        rows.append([way, *(f"{cell['delay']:.2f} s ({cell['polls']:.0f})" for cell in cells)])
    _plot_schedule(points, ways)
    equal = [["means over all durations", "polls", "its delay", "reportdl's at as many polls, `run` lost"]]
    equal += [
        [row["way"], f"{row['polls']:.0f}", f"{row['delay']:.2f} s", f"{row['ours']:.2f} s"]
        for row in kept("schedule")["equal"]
    ]
    yield "## How long a ready file waits"
    yield (
        "In virtual time, with each library's own polling code and defaults; where it leaves the interval to its user, "
        "the one named. While `run` lives, its answer is the signal and polls only insure; once it is lost, they are "
        "all there is. A job of 1 s to 24 min, each averaged over a span of durations."
    )
    yield table(rows)
    yield "![Delay after ready against the number of polls](performance/schedule.svg)"
    yield (
        "For a single duration, a fixed interval that happens to fit it can be better than pauses that grow. The next "
        "table compares over all durations: our pauses are stretched or shrunk until both sides use the same number "
        "of polls."
    )
    yield table(equal)


def _figure(title: str, *, panels: tuple[int, int] = (1, 1), size: tuple[float, float] = (8.5, 5.2)) -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "reportdl"
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(*panels, figsize=size, layout="constrained", squeeze=False)
    for axes in grid.flat:
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure, grid


def _saved(figure: Any, name: str) -> None:
    PLOTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None, "Creator": None})
    if os.environ.get("BENCH_PNG"):
        figure.savefig(OUT / f"{name}.png", dpi=110)


def _plot_schedule(points: list[dict[str, Any]], ways: list[str]) -> None:
    figure, grid = _figure("", panels=(2, 2), size=(11, 7.5))
    shown = [way for way in ways if not way.startswith(("aiohttp", "curl", "wget", "reportdl, `run` alive"))]
    for axes, seconds in zip(grid.flat, (10, 90, 600, 1440), strict=True):
        polls = [1.0 * 10 ** (step / 20) for step in range(68)]
        fixed = [seconds * 1.12 / count / 2 for count in polls]
        axes.plot(polls, fixed, color="0.7", linestyle="--", label="any interval that stays the same")
        for place, way in enumerate(shown):
            (point,) = [one for one in points if one["way"] == way and one["seconds"] == seconds]
            ours = way.startswith("reportdl")
            axes.plot(
                point["polls"],
                point["delay"],
                linestyle="",
                marker="*" if ours else "osDv^<>p"[place % 8],
                markersize=17 if ours else 8,
                color="black" if ours else None,
                label="loops of 1 s: requests, aiohttp, curl, wget" if way.startswith("requests") else way,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"a job of {seconds} s" if seconds < 600 else f"a job of {seconds // 60} min", fontsize=10)
        axes.set_xlabel("polls")
        axes.set_ylabel("delay after ready, s")
    figure.suptitle("Once `run` is lost: delay against polls (both less is better)")
    figure.legend(*grid.flat[0].get_legend_handles_labels(), fontsize=8, loc="outside right center")
    _saved(figure, "schedule")


def latency() -> Iterable[str]:
    data = kept("latency")
    if not data:
        return
    yield "## From ready to kept"
    yield (
        "64 KiB, generation of 0.5 to 3 s, medians; the last step of every side is the folder's fsync. The lower bound "
        "is sockets alone, on connections opened beforehand."
    )
    rows = [["", "loopback", "across 50 ms"]]
    rows += [[name, ms(near), ms(data["far"][name])] for name, near in data["near"].items()]
    yield table(rows)
    yield "Where `run`'s connection is cut after 0.2 s, as a proxy would, only those survive that poll:"
    cut = sorted(data["cut"])
    rows = [["", "median", "worst"], ["reportdl", f"{cut[len(cut) // 2]:.2f} s", f"{cut[-1]:.2f} s"]]
    for name, figures in data["peers"].items():
        ordered = sorted(figures)
        rows.append([name, f"{ordered[len(ordered) // 2]:.2f} s", f"{ordered[-1]:.2f} s"])
    yield table(rows)
    _plot_latency(data)
    yield "![From ready to kept](performance/latency.svg)"


def _plot_latency(data: dict[str, Any]) -> None:
    figure, grid = _figure("File ready on the server to file kept here, loopback (log scale)")
    axes = grid.flat[0]
    bars = {f"{name} (run alive)": seconds for name, seconds in data["near"].items()}
    bars["reportdl (run lost)"] = sorted(data["cut"])[len(data["cut"]) // 2]
    bars |= {name: sorted(figures)[len(figures) // 2] for name, figures in data["peers"].items()}
    names = list(bars)[::-1]
    colors = ["black" if name.startswith("reportdl") else "0.6" if PEER.match(name) else "0.75" for name in names]
    axes.barh(names, [bars[name] for name in names], color=colors)
    axes.set_xscale("log")
    axes.set_xlabel("seconds")
    _saved(figure, "latency")


def many() -> Iterable[str]:
    data = kept("many")
    if not data:
        return
    yield "## How cost grows"
    rows = [["jobs at once, aiohttp", "CPU a job", "memory a job, `run` held", "memory a job, at most", "threads"]]
    for run in data["growth"]:
        cpu, memory = ms(run["cpu"] / run["jobs"]), [f"{run[key]:.1f} KB" for key in ("memory", "peak")]
        rows.append([f"{run['jobs']:,}", cpu, *memory, str(run["threads"])])
    yield table(rows)
    yield (
        "Memory is above the process at rest: while every `run` is held, and at most, when all files arrive at once, "
        "each 64 KiB that waits in a buffer for its turn at the disk. The last row holds every `run` for a minute."
    )
    large = kept("large")
    sizes = [label for label in large if label != "curl"]
    if sizes:
        rows = [["file", "urllib3", "aiohttp", "curl", "CPU urllib3", "CPU curl", "memory urllib3", "memory aiohttp"]]
        for label in sizes:
            one = large[label]
            walls = [f"{one['wall'][name]:.2f} s" for name in ("urllib3", "aiohttp", "curl")]
            costs = [f"{one['cpu'][name]:.2f} s" for name in ("urllib3", "curl")]
            peaks = [f"{one['peak'][name]:.0f} MB" for name in ("urllib3", "aiohttp")]
            rows.append([label, *walls, *costs, *peaks])
        yield table(rows)
        yield f"Whole processes, hashed and durable; {large['curl']} with sha256sum and sync."


def start() -> Iterable[str]:
    data = kept("start")
    if not data:
        return
    yield "## Starting"
    names = {
        "libraries": "`urllib3` and `transitions`",
        "core": "`reportdl_core`",
        "reportdl": "`reportdl`",
        "client": "`reportdl`, and a client that is ready to send (urllib3 is loaded then)",
        "async": "`reportdl.aio`",
    }
    rows = [["import", "median", "ratio"]]
    rows += [
        [names[name], ms(seconds), f"{data['times'][name]:.2f}" if name in data["times"] else "1"]
        for name, seconds in data["import"].items()
    ]
    yield table(rows)


def core() -> Iterable[str]:
    data = kept("core")
    if not data:
        return
    yield "## The core alone"
    yield table([["event", "median"], *([kind, f"{cost * 1e6:.1f} us"] for kind, cost in data["kinds"].items())])


def cost() -> Iterable[str]:
    data = kept("cost")
    if not data:
        return
    yield "## CPU of a job"
    rows = [["", "reportdl", "bare calls", "ratio", "ratio where the bare `run` reuses a connection"]]
    for name, one in data.items():
        rows.append([name, ms(one["ours"]), ms(one["bare"]), f"{one['times']:.2f}", f"{one['times_reusing']:.2f}"])
    yield table(rows)
    yield (
        "Four requests, 64 KiB, no generation. The bare calls keep the same file as durably (SHA-256, fsync, rename, "
        "the folder's fsync) with `run` in a thread or task and, as the document asks, on a connection of its own; the "
        "last column lets them reuse `init`'s, which saves a connection and could not be polled beside."
    )


def main() -> None:
    found = targets()
    parts = [
        "# Performance",
        "Written by `make bench`; every number is from one run, both sides of a ratio measured in turn.",
        machine(),
        table(found.rows),
    ]
    if found.missed:
        parts += ["What is missed, and what the limit is:", "\n".join(dict.fromkeys(found.missed))]
    for section in (latency, schedule, cost, core, many, start):
        parts += section()
    PAGE.write_text("\n\n".join(parts) + "\n")
    print(f"wrote {Path(PAGE).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
