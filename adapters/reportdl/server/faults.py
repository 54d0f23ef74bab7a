"""Decides what can go wrong on purpose between the core endpoint and a caller, and when it does.

Faults are values: what happens, in which state, how many times, how often. Protocol readings (what `check` says
before `run`, when a token is consumed) are not here but in the core's `Switches`: a fault is what a proxy, a network
or a careless web framework adds to an endpoint that is right. Must never be drawn from an unseeded generator.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

__all__ = [
    "STATES",
    "Answered",
    "Chunked",
    "ContentType",
    "CookieLock",
    "CredentialsExpired",
    "CredentialsUnknown",
    "CutAt",
    "Delay",
    "DropAfter",
    "DropBefore",
    "Effect",
    "Envelope",
    "ExpireAfter",
    "Fault",
    "FaultBook",
    "Filename",
    "GatewayTimeout",
    "Html",
    "Instead",
    "Late",
    "NoDisposition",
    "NoLength",
    "Redirect",
    "RetryAfter",
    "Shape",
    "Status",
    "TextPlain",
    "Timing",
]

_DOWNLOAD: Final = ("formats", "init", "run", "check", "get")
STATES: Final = (*_DOWNLOAD, "get_token", "element", "element_info", "dimension_value", "data_source_plugin")


class Answered(Enum):
    """What the endpoint answered with."""

    FILE = "file"
    ENVELOPE = "envelope"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropBefore:
    """The connection is closed; the endpoint never hears of the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`code` with an empty body; no effect (D26)."""

    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """`code` (429, 503) with `Retry-After: seconds`; no effect (D19)."""

    code: int
    seconds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Html:
    """A login page with 200; no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """`code` to another origin; no effect (D31)."""

    code: int = 302


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsUnknown:
    """401 as the real server says it; no effect (D16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsExpired:
    """412 as the real server says it; no effect (D16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """`{"status": "IN PROGRESS"}` as text/plain with 200, whatever the truth is; no effect (D4, D42)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """The call reaches the endpoint `seconds` late."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAfter:
    """The call has its effect; the connection is closed `seconds` later, whatever the answer would have been (D6)."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTimeout:
    """The call has its effect; 504 from a proxy if the answer takes longer than `seconds`, always for 0 (D6)."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireAfter:
    """The call has its effect; 412 if the answer takes longer than `seconds`, always for 0: the login ended (D16)."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPlain:
    """The envelope is labelled text/plain (D4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentType:
    """The answer is labelled `value` (D25)."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filename:
    """The file is offered under `name`, put between the quotes as it is (D24)."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDisposition:
    """The file comes without Content-Disposition (D4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAt:
    """The connection is closed after `size` bytes of the body, or just before its last byte if it is shorter (D21)."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLength:
    """No length and no chunks: the connection's end is the framing (D22)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunked:
    """Chunks instead of a length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieLock:
    """A session cookie is set, and calls that carry it are served one after the other (D30)."""


Instead = DropBefore | Status | RetryAfter | Html | Redirect | CredentialsUnknown | CredentialsExpired | Envelope
Late = DropAfter | GatewayTimeout | ExpireAfter
Timing = Delay | Late | CookieLock
Shape = TextPlain | ContentType | Filename | NoDisposition | CutAt | NoLength | Chunked
Effect = Instead | Timing | Shape

# Of those that would undo each other the first in force is done; the others wait for another call.
_RIVALS: Final = (
    (DropAfter, GatewayTimeout, ExpireAfter),
    (TextPlain, ContentType),
    (Filename, NoDisposition),
    (NoLength, Chunked),
    (CutAt,),
)


def _beaten(effect: Effect, taken: Iterable[Effect]) -> bool:
    done = tuple(taken)
    return any(isinstance(effect, kinds) and any(isinstance(one, kinds) for one in done) for kinds in _RIVALS)


def _impossible(state: str, effect: Effect) -> str | None:
    """Why `effect` can never be seen on a call of `state`, if so: what is accepted has to happen."""
    match effect:
        case Filename() | NoDisposition() if state not in ("get", "*"):
            return f"{state} sends no file: only get does"
        case GatewayTimeout(seconds=seconds) | ExpireAfter(seconds=seconds) if seconds and state not in ("run", "*"):
            return f"{state} answers at once: only run can take longer than {seconds:g} s; 0 is always too late"
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`effect` on calls of `state` (`*` is each of the download endpoint's five).

    `times` counts down, None is for ever; each candidate call is hit with `probability`. Raises ValueError, also for
    what can never happen there.
    """

    state: str
    effect: Effect
    times: int | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.state != "*" and self.state not in STATES:
            raise ValueError(f"no such state: {self.state!r:.40}")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be 1 or more")
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        if (why := _impossible(self.state, self.effect)) is not None:
            raise ValueError(why)

    def concerns(self, state: str) -> bool:
        """Whether a call of `state` is a candidate."""
        return self.state == state or (self.state == "*" and state in _DOWNLOAD)


def _shapes(effect: Shape, state: str, answered: Answered) -> bool:
    match effect:
        case TextPlain():
            return answered is Answered.ENVELOPE
        case Filename() | NoDisposition():
            return answered is Answered.FILE
        case ContentType() | CutAt() | NoLength() | Chunked():
            # `get.cut_at=1000:1` waits for the file: an IN PROGRESS on the way does not use it up.
            return answered is Answered.FILE or state != "get"
        case _:
            assert_never(effect)


class FaultBook:
    """The faults in force and what is left of each. Faults may be added while the server runs, from any thread."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int | None]] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put one more in force, after those that are there."""
        with self._lock:
            self._left.append((fault, fault.times))

    def clear(self) -> None:
        """Take all out of force."""
        with self._lock:
            self._left.clear()

    def left(self) -> tuple[tuple[Fault, int | None], ...]:
        """What is in force, each with how many calls it will still hit; None for all."""
        with self._lock:
            return tuple((fault, times) for fault, times in self._left if times != 0)

    def before(self, state: str) -> tuple[tuple[Timing, ...], Instead | None]:
        """What hits a call that has just come: delays and drops, and the answer given instead, if any."""
        timings: list[Timing] = []
        with self._lock:
            for at, (fault, _) in enumerate(self._left):
                match fault.effect:
                    case Delay() | DropAfter() | GatewayTimeout() | ExpireAfter() | CookieLock():
                        if not _beaten(fault.effect, timings) and self._hits(at, state):
                            timings.append(fault.effect)
                    case TextPlain() | ContentType() | Filename() | NoDisposition() | CutAt() | NoLength() | Chunked():
                        continue
                    case _:
                        if self._hits(at, state):
                            return tuple(timings), fault.effect
        return tuple(timings), None

    def after(self, state: str, answered: Answered) -> tuple[Shape, ...]:
        """What is done to the answer of the endpoint."""
        shapes: list[Shape] = []
        with self._lock:
            for at, (fault, _) in enumerate(self._left):
                match fault.effect:
                    case TextPlain() | ContentType() | Filename() | NoDisposition() | CutAt() | NoLength() | Chunked():
                        fits = _shapes(fault.effect, state, answered) and not _beaten(fault.effect, shapes)
                        if fits and self._hits(at, state):
                            shapes.append(fault.effect)
                    case _:
                        continue
        return tuple(shapes)

    def spare(self, state: str, effect: Late) -> None:
        """The answer to a call of `state` came in time: `effect` has not happened, and is still to hit a call."""
        with self._lock:
            for at, (fault, left) in enumerate(self._left):
                spent = left is not None and fault.times is not None and left < fault.times
                if spent and left is not None and fault.effect == effect and fault.concerns(state):
                    self._left[at] = (fault, left + 1)
                    return

    def _hits(self, at: int, state: str) -> bool:
        fault, left = self._left[at]
        if left == 0 or not fault.concerns(state) or self._random.random() >= fault.probability:
            return False
        self._left[at] = (fault, None if left is None else left - 1)
        return True
