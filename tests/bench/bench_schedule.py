"""Delay after ready and number of polls, for jobs of 1 s to 30 min, in virtual time: ours against the peers' defaults.

    make bench-schedule

Ours is the core itself, once with `run` alive to its end and once with `run` lost soon. The peers are their own
polling loops under a clock that stands still between two sleeps.
"""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import replace
from statistics import mean
from typing import Any

from rig import HERE, keep, python, show

from reportdl_core import (
    Check,
    Download,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Lost,
    Policy,
    Run,
    RunFinished,
    Secret,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
)

__all__: list[str] = []

DURATIONS = [1, 2, 5, 10, 20, 45, 90, 180, 290, 600, 1200, 1440]
ANSWER = 0.001  # seconds that any answer but `run`'s takes
JOB = Job(element=1042, format="pdf")
DEFAULT = Policy()


def cut_after(seconds: float) -> float:
    # A `run` lost within 5 s is unproven, and begun anew at five minutes: beyond them another question than this one.
    return 0.2 if seconds < 250 else 6.0


def ours(seconds: float, *, seed: int, cut: bool, policy: Policy = DEFAULT) -> tuple[float, int]:
    """Delay and polls of one job that is ready `seconds` after `run` was sent."""
    now, polls, ready, ran = 0.0, 0, math.inf, -1
    download = Download(JOB, policy=policy, seed=seed, now=now)
    while True:
        match download.outstanding[-1]:
            case ListFormats(number=number):
                now += ANSWER
                download.receive(FormatsListed(number=number, formats=("pdf",)), now=now)
            case Init(number=number):
                now += ANSWER
                download.receive(TokenIssued(number=number, token=Secret("abc")), now=now)
            case Check(number=number):
                now, polls = now + ANSWER, polls + 1
                status = Status.READY if now >= ready else Status.IN_PROGRESS
                download.receive(StatusReported(number=number, status=status), now=now)
            case Get():
                return now - ready, polls
            case _:
                run = next((command for command in download.outstanding if isinstance(command, Run)), None)
                if run is not None and run.number != ran:
                    ran, ready = run.number, now + seconds
                when, late = download.alarm
                answer = math.inf if run is None else (ready - seconds + cut_after(seconds) if cut else ready)
                now = max(now, min(when, answer))
                if run is not None and answer <= when:
                    number = run.number
                    event = Lost(number=number, sent=Sent.UNKNOWN) if cut else RunFinished(number=number)
                    download.receive(event, now=now)
                else:
                    download.receive(late, now=now)


def points() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, cut in (("reportdl, `run` alive", False), ("reportdl, `run` lost", True)):
        for seconds in DURATIONS:
            # Over a span of durations: one duration alone may fall just after a poll, or just before.
            spans = [seconds * (1 + part * 0.618034 % 1 / 4) for part in range(48)]
            runs = [ours(span, seed=seed, cut=cut) for seed in range(3) for span in spans]
            delay, polls = mean(delay for delay, _ in runs), mean(polls for _, polls in runs)
            found.append({"way": name, "seconds": seconds, "delay": delay, "polls": polls})
    command = python(str(HERE / "peers" / "polling.py"), "virtual", *map(str, DURATIONS), peers=True)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return found


def scaled(factor: float) -> tuple[float, float]:
    """Mean delay, and mean polls, over all durations, with every pause after a lost `run` so many times its default."""
    policy = replace(DEFAULT, first_pause=DEFAULT.first_pause * factor, longest_pause=DEFAULT.longest_pause * factor)
    runs = [
        ours(seconds * (1 + part * 0.618034 % 1 / 4), seed=part, cut=True, policy=policy)
        for seconds in DURATIONS
        for part in range(12)
    ]
    return mean(delay for delay, _ in runs), mean(polls for _, polls in runs)


def at_equal_polls(polls: float) -> float:
    """Our mean delay over all durations where our pauses are stretched or shrunk until we poll as often."""
    low, high = 0.02, 50.0
    for _ in range(9):
        factor = math.sqrt(low * high)
        if scaled(factor)[1] > polls:
            low = factor
        else:
            high = factor
    return scaled(high)[0]  # with no more polls than theirs


def equals(found: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Each peer's means over all durations, beside ours at as many polls."""
    rows: list[dict[str, object]] = []
    known: dict[float, float] = {}
    for way in dict.fromkeys(point["way"] for point in found if not point["way"].startswith("reportdl")):
        theirs = [point for point in found if point["way"] == way]
        delay, polls = mean(point["delay"] for point in theirs), mean(point["polls"] for point in theirs)
        if polls not in known:
            known[polls] = at_equal_polls(polls)
        rows.append({"way": way, "polls": polls, "delay": delay, "ours": known[polls]})
    return rows


def main() -> None:
    found = points()
    ways = list(dict.fromkeys(str(point["way"]) for point in found))
    by = {(point["way"], point["seconds"]): point for point in found}
    shown = [1, 10, 90, 600, 1440]
    rows = [["delay after ready (polls)", *(f"{seconds} s" for seconds in shown)]]
    for way in ways:
        cells = [by[way, seconds] for seconds in shown]
        rows.append([way, *(f"{cell['delay']:.2f} s ({cell['polls']:.0f})" for cell in cells)])
    show("Schedules, in virtual time", rows)
    equal = equals(found)
    rows = [["at equal polls, means over all durations", "polls", "theirs", "reportdl, `run` lost"]]
    rows += [[str(row["way"]), f"{row['polls']:.0f}", f"{row['delay']:.2f} s", f"{row['ours']:.2f} s"] for row in equal]
    show("The same at equal polls", rows)
    keep("schedule", {"points": found, "equal": equal})


if __name__ == "__main__":
    main()
