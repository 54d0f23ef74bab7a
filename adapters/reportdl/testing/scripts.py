"""Decides what a server does wrong, and when, from a seed: the same for every transport, and told by no clock.

A script answers by what has been asked so far, so that one job takes one path through it however fast a transport is.
What it held against a transport is a `Transcript`: commands and events in order, without times and tokens. Must never
draw from an unseeded generator.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final, final

from reportdl.drivers import Driven
from reportdl.testing.canned import CHECKING, FILE, JSON, OK, PDF, chunk, good_answer
from reportdl.testing.raw_server import Answer, Seen, Then, message
from reportdl_core.commands import Command
from reportdl_core.events import Event, FileReceived, Lost, Refused, StatusReported
from reportdl_core.policy import Policy

__all__ = ["LOSSES", "Script", "ScriptedServer", "Transcript", "script"]

_READY: Final = Answer(data=message(200, JSON, b'{"status": "READY"}'))


def _said(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(data=message(status, {**JSON, **(headers or {})}, text.encode()))


def _error(code: int, text: str) -> Answer:
    return _said(code, json.dumps({"status": "ERROR", "message": text}))


_CHUNKED: Final = {**FILE, "Transfer-Encoding": "chunked"}

# What can go wrong with any request.
_COMMON: Final[dict[str, Answer]] = {
    "cut": Answer(then=Then.CUT),
    "reset": Answer(then=Then.RESET),
    "nonsense": Answer(data=b"no HTTP at all\r\n\r\n", then=Then.CLOSE),
    "half a head": Answer(data=b"HTTP/1.1 200 OK\r\nContent-Type: appl", then=Then.CUT),
    "half an envelope": Answer(data=message(200, JSON, b'{"status": ', length=40), then=Then.CUT),
    "busy": _said(503, "", {"Retry-After": "0"}),
    "too many": _said(429, "", {"Retry-After": "0"}),
    "bad gateway": _said(502, "<html>no</html>", {"Content-Type": "text/html"}),
    "gateway timeout": _said(504, ""),
    "login page": Answer(data=message(200, {"Content-Type": "text/html"}, b"<html>login</html>")),
    "no object": _said(200, "[]"),
    "unauthorized": _said(401, '{"message": "Unauthorized"}'),
    "session expired": _error(412, "Session expired"),
}
# What ends a session, or a job: drawn seldom.
_FINAL: Final[dict[str, Answer]] = {
    "moved": Answer(data=message(302, {"Location": "https://elsewhere.example/login"}, b"")),
    "forbidden": _error(403, "Element not allowed"),
    "failed": _error(400, "Download failed"),
    "error": _said(200, '{"status": "ERROR", "message": "the tool said no"}'),
    "unknown status": _said(200, '{"status": "MAYBE"}'),
}
_FILES: Final[dict[str, Answer]] = {
    "short": Answer(data=message(200, FILE, PDF[:70_000], length=len(PDF)), then=Then.CUT),
    "chunks cut": Answer(data=message(200, _CHUNKED, chunk(PDF[:70_000]), length=-1), then=Then.CUT),
    "chunks": Answer(data=message(200, _CHUNKED, chunk(PDF) + b"0\r\n\r\n", length=-1)),
    "until the end": Answer(data=message(200, FILE, PDF, length=-1), then=Then.CLOSE),
    "until some end": Answer(data=message(200, FILE, PDF[:70_000], length=-1), then=Then.CLOSE),
    "not yet": CHECKING,
}
LOSSES: Final = frozenset({"ok", "cut"})
"""The fates that a network alone can bring about: a memory transport knows them too."""

_STATES: Final = ("formats", "init", "run", "check", "get", "get_token")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """`fates` of each state's first requests, in order; later ones go well.

    `insured`: `run` answers only when that many checks have been asked; 0 lets it answer at once.
    """

    seed: int
    fates: dict[str, tuple[str, ...]]
    insured: int

    @property
    def policy(self) -> Policy:
        """With pauses so short that they cost nothing, and a first check that comes only where it is waited for."""
        quick = Policy(first_pause=0.001, longest_pause=0.002, connect_timeout=5.0, stall_timeout=5.0)
        return replace(quick, first_check=0.003, longest_insurance=0.003) if self.insured else quick

    @property
    def losses_alone(self) -> bool:
        """Whether a network alone could have played it."""
        return self.insured == 0 and all(LOSSES.issuperset(fates) for fates in self.fates.values())


def script(seed: int) -> Script:
    """The script of this seed. Every fourth one knows nothing but losses."""
    draw = random.Random(seed)  # noqa: S311 - the same again is what it is for
    losses = seed % 4 == 0
    fates: dict[str, tuple[str, ...]] = {}
    for state in _STATES:
        pool = ["ok", "cut"] if losses else ["ok", *_COMMON]
        if state == "get" and not losses:
            pool += list(_FILES)
        count = draw.choice((0, 0, 1, 1, 2, 3))
        drawn = [draw.choice(pool) for _ in range(count)]
        if not losses and draw.random() < 0.1:
            drawn.append(draw.choice(list(_FINAL)))
        fates[state] = tuple(drawn)
    insured = 0 if losses else draw.choice((0, 0, 0, 1, 3))
    if insured:  # a second `run` would race with its first check, which is the clock's to decide
        fates.update(run=(), check=(), get=())
    return Script(seed=seed, fates=fates, insured=insured)


@final
class ScriptedServer:
    """Plays one script: to be a `RawServer`'s `answer`. A `run` that was read has its effect, whatever it is told."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._insured = threading.Event()

    def __call__(self, seen: Seen) -> Answer:
        """The answer to the next request of its state."""
        with self._lock:
            nth, fates = self._asked[seen.state], self._script.fates.get(seen.state, ())
            self._asked[seen.state] += 1
            ran = self._asked["run"] > 0
        if seen.state in ("run", "check") and nth < self._script.insured and not self._insured.is_set():
            return self._insurance(seen.state, nth)
        fate = fates[nth] if nth < len(fates) else "ok"
        if fate != "ok":
            return {**_COMMON, **_FINAL, **_FILES}[fate]
        return (_READY if ran else CHECKING) if seen.state == "check" else good_answer(seen)

    def _insurance(self, state: str, nth: int) -> Answer:
        if state == "run":
            return OK if self._insured.wait(10.0) else Answer(then=Then.CUT)
        if nth + 1 < self._script.insured:
            return CHECKING
        self._insured.set()
        return Answer(then=Then.HOLD)


@final
class Transcript:
    """A job that writes down what is issued and what is taken, for whatever drives it."""

    def __init__(self, driven: Driven) -> None:
        self._driven = driven
        self.lines: list[str] = [f"<< {_name(command)}" for command in driven.outstanding]

    @property
    def outcome(self) -> object:
        """As the job's."""
        return self._driven.outcome

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """As the job's."""
        return self._driven.outstanding

    @property
    def alarm(self) -> tuple[float, Event]:
        """As the job's."""
        return self._driven.alarm

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        """As the job's; written down."""
        new = self._driven.receive(event, now=now)
        self.lines.append(f">> {_told(event)}")
        self.lines += [f"<< {_name(command)}" for command in new]
        return new


def _name(command: Command) -> str:
    return f"{command.number} {type(command).__name__}"


def _told(event: Event) -> str:
    shown = f"{event.number} {type(event).__name__}"
    match event:
        case Lost():
            return f"{shown} {event.sent.value}"
        case Refused():
            return f"{shown} {event.refusal.value} {event.code} {event.message}"
        case StatusReported():
            return f"{shown} {event.status.value} {event.message}"
        case FileReceived():
            return f"{shown} {event.receipt.size} {event.receipt.length_verified}"
        case _:
            return shown
