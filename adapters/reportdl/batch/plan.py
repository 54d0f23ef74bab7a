"""Decides what a batch does next: what a starting process makes of each row, what is tried again, when all is given up.

Pure functions of values, and counters; time is an argument. Must never touch a ledger, a server or a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never, final

from reportdl_core.download import Restart
from reportdl_core.errors import Reason

__all__ = [
    "Again",
    "Begun",
    "Breaker",
    "Breakers",
    "Budget",
    "Lanes",
    "Reading",
    "Start",
    "State",
    "notes_of",
    "start_of",
    "tried_again",
]


class State(Enum):
    """Where a row of the ledger stands."""

    WAITING = "waiting"  # nothing was asked for yet, or it is to be tried again
    RUNNING = "running"  # its checkpoint is written: the server may know of it
    HELD = "held"  # the file is whole on this machine, and not yet at its destination
    DONE = "done"
    FAILED = "failed"

    def __repr__(self) -> str:
        return f"State.{self.name}"


class Again(Enum):
    """Which failed jobs a batch that is started again tries again."""

    RETRYABLE = "retryable"  # those that trying again can help
    ALL = "all"
    NONE = "none"

    def __repr__(self) -> str:
        return f"Again.{self.name}"


class Reading(Enum):
    """What is read of a list of jobs by this process."""

    WHOLE = "whole"  # the batch's own file, from its beginning: what is not among it is not wanted any more
    REST = "rest"  # the same, from where an earlier process left it
    ONCE = "once"  # what comes by a pipe, or another file
    AS_NEEDED = "as needed"  # an iterator, which may have no end: not far ahead of what is done

    def __repr__(self) -> str:
        return f"Reading.{self.name}"


class Start(Enum):
    """What a process that has just started does with a row."""

    BEGIN = "begin"  # from `init`
    TAKE_UP = "take up"  # from its checkpoint: all that was in flight is lost, perhaps sent (D43)
    GO_ON = "go on"  # from its checkpoint, exactly: nothing of what that shows was sent yet
    DELIVER = "deliver"  # the file is here
    LEAVE = "leave"


def start_of(state: State, *, retryable: bool, again: Again) -> Start:
    """What becomes of a row that another process left in `state`. Nothing that is done is repeated."""
    match state:
        case State.WAITING:
            return Start.BEGIN
        case State.RUNNING:
            return Start.TAKE_UP
        case State.HELD:
            return Start.DELIVER
        case State.DONE:
            return Start.LEAVE
        case State.FAILED:
            wanted = again is Again.ALL or (again is Again.RETRYABLE and retryable)
            return Start.BEGIN if wanted else Start.LEAVE
        case _:
            assert_never(state)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How often a job is tried in the life of one process: `attempts` in all, `pause` seconds and more between two.

    Only a failure that trying again can help is tried again; each attempt may generate anew.
    """

    attempts: int = 2
    pause: float = 30.0

    def next_at(self, *, attempts: int, retryable: bool, now: float) -> float | None:
        """When to try again after `attempts` that failed; None to leave it at that."""
        if not retryable or attempts >= self.attempts:
            return None
        return now + self.pause * float(2 ** min(attempts - 1, 6))


# What condemns every other job as well, so that going on would only knock ten thousand times at a closed door.
_AT_ONCE: Final = frozenset({Reason.CREDENTIALS, Reason.ENDPOINT_MISSING, Reason.REDIRECTED})
# What does so when it happens to one job after the other. A full disk would waste a generation for each.
_IN_A_ROW: Final = {Reason.UNREACHABLE: 8, Reason.SERVER_ERROR: 8, Reason.NOT_KEPT: 3}
_NONE: Final[Mapping[str, int]] = {}


@final
class Breaker:
    """Notices that no job can succeed any more."""

    __slots__ = ("_row", "tripped")

    def __init__(self) -> None:
        self._row: Counter[Reason] = Counter()
        self.tripped: Reason | None = None
        """Why the batch should stop; None while it should not."""

    def ended(self, reason: Reason) -> None:
        """One job ended."""
        if reason in _AT_ONCE:
            self.tripped = self.tripped or reason
            return
        if reason not in _IN_A_ROW:
            self._row.clear()  # the server spoke, and the disk took what came
            return
        self._row[reason] += 1
        if self._row[reason] >= _IN_A_ROW[reason]:
            self.tripped = self.tripped or reason


@final
class Breakers:
    """A breaker for each server, and one for the destination, which all of them share."""

    __slots__ = ("_destination", "_servers")

    def __init__(self, servers: Iterable[str]) -> None:
        self._servers = {name: Breaker() for name in servers}
        self._destination = Breaker()

    def ended(self, server: str, reason: Reason) -> None:
        """One job ended."""
        if reason in (Reason.NOT_KEPT, Reason.DELIVERED):
            self._destination.ended(reason)
        if reason is not Reason.NOT_KEPT:  # the server has delivered
            self._servers[server].ended(reason)

    def tripped(self, server: str) -> Reason | None:
        """Why no other job of this server should be begun; None while they should."""
        return self._destination.tripped or self._servers[server].tripped

    @property
    def stopped(self) -> dict[str, Reason]:
        """The servers that were given up, and why."""
        tripped = {name: self.tripped(name) for name in self._servers}
        return {name: reason for name, reason in tripped.items() if reason is not None}


@final
class Lanes:
    """How many jobs may be under way: `per_server`, or what `own` says for one; and `in_all`, None for no other limit.

    Small numbers: a BI server has one browser.
    """

    __slots__ = ("_busy", "_in_all", "_own", "_per_server")

    def __init__(self, *, per_server: int, in_all: int | None = None, own: Mapping[str, int] = _NONE) -> None:
        if min((per_server, per_server if in_all is None else in_all, *own.values())) < 1:
            raise ValueError("at least one job at a time")
        self._per_server, self._in_all, self._own = per_server, in_all, dict(own)
        self._busy: Counter[str] = Counter()

    @property
    def busy(self) -> int:
        """How many are under way."""
        return self._busy.total()

    def free(self, server: str) -> int:
        """How many more this server may be given now."""
        free = self._own.get(server, self._per_server) - self._busy[server]
        if self._in_all is not None:
            free = min(free, self._in_all - self.busy)
        return max(0, free)

    def turn(self, server: str) -> int:
        """How many of them before it is another server's turn: one, where servers compete for the same lanes."""
        free = self.free(server)
        return free if self._in_all is None else min(1, free)

    def take(self, server: str) -> None:
        """One more is under way."""
        self._busy[server] += 1

    def give(self, server: str) -> None:
        """One has ended."""
        self._busy[server] -= 1


class Begun(Enum):
    """How the session of a row was begun, for what is said of it later."""

    HERE = "here"
    TAKEN_UP = "taken up"  # by this process, from another's snapshot
    SERVED = "served"  # the same, and the dead process had asked for the file


_WHY: Final = {
    Restart.LOST: "generated again: the transfer broke, and the server gives a file once",
    Restart.UNHELD: "generated again: the token expired while no process held it",
    Restart.UNPROVEN: "asked for again: nothing proved that the first `run` had arrived",
}
_SERVED: Final = "generated again: the file was served to a process that died before it kept it"


def notes_of(restarts: tuple[Restart, ...], *, before: int, begun: Begun) -> tuple[str, ...]:
    """What the ledger says of a job that began again: in words, each time it did since `before` restarts."""
    said: list[str] = []
    for number, cause in enumerate(restarts[before:]):
        served = cause is Restart.LOST and begun is Begun.SERVED and number == 0
        said.append(_SERVED if served else _WHY[cause])
    return tuple(said)


def tried_again(reason: Reason) -> str:
    """What the ledger says of a job that failed and begins anew."""
    return f"tried again: it had failed ({reason.value})"
