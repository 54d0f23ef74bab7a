"""Two threads race for one session, again and again, at the smallest switch interval; prints what came of it as JSON.

Run by core/test_session_races.py in interpreters of its own, of several versions: it needs the core and nothing else.
With the argument `unguarded` the guard is taken out, to show that the races would be seen.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import reportdl_core
from reportdl_core import Download, Get, Init, Job, LocalProtocolError, Receipt, Run, Secret
from reportdl_core.commands import Command, Finish
from reportdl_core.events import (
    Event,
    FileReceived,
    FormatsListed,
    Lost,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.guard import Guard

__all__: list[str] = []

CORE = str(Path(reportdl_core.__file__ or "").parent)
LINES = 60
"""How many lines of the core an event takes, about."""

JOB = Job(element=1042, format="pdf")
TOKEN = Secret("abcDEF123%3D")
RECEIPT = Receipt(
    path=Path("a.pdf"),
    filename="a.pdf",
    content_type="application/pdf",
    size=1,
    sha256="0" * 64,
    length_verified=True,
)

Made = tuple[Download, float]


def fresh() -> Made:
    return Download(JOB, now=0.0), 1.0


def listed() -> Made:
    download, now = fresh()
    download.receive(FormatsListed(number=1, formats=("pdf",)), now=now)
    return download, now


def running() -> Made:
    download, now = listed()
    download.receive(TokenIssued(number=2, token=TOKEN), now=now)  # Run 3, Wait 4
    return download, now


def checking() -> Made:
    download, _ = running()
    download.receive(WaitElapsed(number=4), now=6.0)  # Check 5
    return download, 6.5


def getting() -> Made:
    download, _ = running()
    download.receive(RunFinished(number=3), now=2.0)  # Get 5
    return download, 3.0


def spent() -> Made:
    """The second `get` is out: if it is lost as well, the job begins again."""
    download, _ = getting()
    for at in range(4, 4000):
        command = download.outstanding[0]
        if isinstance(command, Get) and at > 5:
            return download, float(at)
        event: Event = WaitElapsed(number=command.number)
        if isinstance(command, Get):
            event = Lost(number=command.number, sent=Sent.UNKNOWN, message="")
        elif type(command).__name__ == "Check":
            event = StatusReported(number=command.number, status=Status.READY)
        download.receive(event, now=float(at))
    raise AssertionError("no second get")


class Race(NamedTuple):
    """A moment, the two events that come at it, and which commands may follow from both together, how often."""

    make: Callable[[], Made]
    events: Callable[[Download], tuple[Event, Event]]
    most: dict[type[Command], int]


def numbered(download: Download, kind: str) -> int:
    return next(command.number for command in download.outstanding if type(command).__name__ == kind)


RACES = {
    "formats twice": Race(fresh, lambda _: (FormatsListed(number=1, formats=("pdf",)),) * 2, {Init: 1}),
    "token twice": Race(listed, lambda _: (TokenIssued(number=2, token=TOKEN),) * 2, {Run: 1}),
    "run twice": Race(running, lambda _: (RunFinished(number=3),) * 2, {Get: 1}),
    "run and its alarm": Race(running, lambda _: (RunFinished(number=3), WaitElapsed(number=4)), {Get: 1}),
    "run and check": Race(
        checking, lambda _: (RunFinished(number=3), StatusReported(number=5, status=Status.READY)), {Get: 1}
    ),
    "kept and lost": Race(
        getting,
        lambda _: (FileReceived(number=5, receipt=RECEIPT), Lost(number=5, sent=Sent.UNKNOWN, message="")),
        {Get: 0, Finish: 1},
    ),
    "lost for good twice": Race(
        spent,
        lambda download: (Lost(number=numbered(download, "Get"), sent=Sent.UNKNOWN, message=""),) * 2,
        {Get: 0, Init: 0, Finish: 0},
    ),
}


class Round(NamedTuple):
    """One race: where it is run, and what each of the two feeds."""

    download: Download
    now: float
    events: tuple[Event, Event]


Got = tuple[Command, ...] | BaseException


class Stumble:
    """Lets this thread stand still once in each race, after a line of the core drawn by lot, and so the other pass."""

    def __init__(self, lot: random.Random) -> None:
        self._lot, self._left = lot, 0
        sys.settrace(self._trace)

    def again(self) -> None:
        self._left = self._lot.randrange(1, LINES)

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_code.co_filename.startswith(CORE):
            self._left -= 1
            if self._left == 0:
                time.sleep(1e-6)
        return self._trace


def race_through(rounds: list[Round]) -> tuple[list[Got], list[Got]]:
    """Both threads through all rounds, side by side; what each call of each gave."""
    got: tuple[list[Got], list[Got]] = ([], [])

    def racer(me: int) -> None:
        mine, theirs = got[me], got[1 - me]
        stumble = Stumble(random.Random(me))
        for number, (download, now, events) in enumerate(rounds):
            while len(theirs) < number:  # no lock: it would put the two in line
                time.sleep(0)
            stumble.again()
            try:
                mine.append(download.receive(events[me], now=now))
            except BaseException as error:
                mine.append(error)

    threads = [threading.Thread(target=racer, args=(me,)) for me in (0, 1)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the smallest there is: below it Python takes its default
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    return got


def in_line(race: Race, order: int) -> Any:
    """What the two events lead to, one after the other."""
    download, now = race.make()
    events = race.events(download)
    for event in events if order == 0 else events[::-1]:
        download.receive(event, now=now)
    return download.snapshot(now=now)


def run(name: str, count: int) -> Counter[str]:
    race, seen = RACES[name], Counter[str]()
    expected = [in_line(race, order) for order in (0, 1)]
    rounds: list[Round] = []
    for number in range(count):
        download, now = race.make()
        events = race.events(download)
        rounds.append(Round(download, now, events[::-1] if number % 2 else events))
    for (download, now, events), *results in zip(rounds, *race_through(rounds), strict=True):
        commands: list[Command] = []
        for event, got in zip(events, results, strict=True):
            if isinstance(got, LocalProtocolError):
                seen["refused"] += 1
                # Nothing moved: said again, it is taken as if it had come now.
                commands += download.receive(event, now=now)
            elif isinstance(got, BaseException):
                seen[f"broken: {type(got).__name__}"] += 1
            else:
                commands += got
        for kind, most in race.most.items():
            seen["doubled"] += sum(isinstance(one, kind) for one in commands) > most
        seen["torn"] += download.snapshot(now=now) not in expected
    return seen


def main() -> None:
    rounds = int(sys.argv[1])
    if "unguarded" in sys.argv:
        Guard.__enter__ = lambda self: None  # type: ignore[method-assign]
        Guard.__exit__ = lambda self, *_: None  # type: ignore[method-assign]
    told = {name: dict(run(name, rounds)) for name in RACES}
    print(json.dumps({"version": sys.version_info[:2], "races": told}))


if __name__ == "__main__":
    main()
