"""Decides what a session remembers, and how that survives a process: the facts, as values with ages (D43).

A fact is something that happened, never something to do: what to do next is derived from the facts each time.
Must never hold the token: it stays with the session, and at rest it is sealed by whoever keeps it (D39).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from reportdl_core.errors import LocalProtocolError
from reportdl_core.outcome import Evidence
from reportdl_core.policy import instant

__all__ = ["Facts", "Renewal", "RunPhase", "Silence", "Step", "pack", "pack_evidence", "unpack", "unpack_evidence"]


class RunPhase(Enum):
    """How far `run` has come. A `run` proven not sent is UNSENT again (I3)."""

    UNSENT = "unsent"
    ALIVE = "alive"
    OVER = "over"


class Step(Enum):
    """What a READY session does next: GET, or CHECK where READY needs to be said once more (D21, D42)."""

    GET = "get"
    CHECK = "check"


class Renewal(Enum):
    """The credential: ARMED may be renewed, WANTED must be, SPENT was and nothing has succeeded since (D16).

    A `check` that is refused once more while `run` is alive makes SPENT ARMED again, and rests (D19).
    """

    ARMED = "armed"
    WANTED = "wanted"
    SPENT = "spent"


class Silence(Enum):
    """The best that came in a silence so far: NOTHING, PAGES that are not the endpoint's, or TROUBLE, errors.

    A silence begins with a valid answer, and anew where `run` or a `get` is lost, however that was said. It names the
    end that it brings (D19, D29); one connection that is cut does not undo what was heard before.
    """

    NOTHING = "nothing"
    PAGES = "pages"
    TROUBLE = "trouble"


@dataclass(slots=True, kw_only=True)
class Facts:
    """What happened in one session. Times are seconds on the caller's clock, on the grid of `instant`."""

    number: int  # of the next command
    began: float
    end: float  # the job's deadline (I8)
    due: float  # no further command before it, but `run`'s own
    quiet_since: float  # the last valid answer, or what counts as one (D19)
    token_from: float | None = None  # when the `init` that was answered was sent (D1)
    run_sent: float | None = None
    other_sent: float | None = None  # when the outstanding command beside `run` was issued
    held_until: float | None = None  # Retry-After
    formats: tuple[str, ...] | None = None
    run: RunPhase = RunPhase.UNSENT
    step: Step = Step.GET
    renewal: Renewal = Renewal.ARMED
    silence: Silence = Silence.NOTHING
    renewed: int = 0  # the number of the last renewal that succeeded: lower numbers carried an older credential
    pauses: int = 0
    polls: int = 0
    run_refusals: int = 0
    early_errors: int = 0
    odd_checks: int = 0
    lost_gets: int = 0
    ready: bool = False  # an answer said that the file is there
    heard: bool = False  # the server has given a valid answer
    kept_on: bool = False  # the server keeps the session beyond five minutes (D1)
    naming: bool = False  # the format was refused; `formats` is asked only to name the others (D12)
    run_unproven: bool = False
    unheld: bool = False  # the five minutes ended while no process held the token (D43)
    run_evidence: Evidence | None = None
    evidence: tuple[Evidence, ...] = field(default=())


def _boolean(value: object) -> bool:
    return isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


_AGES: Final = ("began", "quiet_since", "token_from", "run_sent", "other_sent")
_REMAINING: Final = ("end", "due", "held_until")
_OPTIONAL: Final = frozenset({"token_from", "run_sent", "other_sent", "held_until"})
_PLAIN: Final[dict[str, Callable[[object], bool]]] = {
    **dict.fromkeys(
        ("number", "renewed", "pauses", "polls", "run_refusals", "early_errors", "odd_checks", "lost_gets"), _count
    ),
    **dict.fromkeys(("ready", "heard", "kept_on", "naming", "run_unproven", "unheld"), _boolean),
}
_ENUMS: Final[dict[str, type[Enum]]] = {"run": RunPhase, "step": Step, "renewal": Renewal, "silence": Silence}


def pack(facts: Facts, *, now: float) -> dict[str, Any]:
    """The facts as JSON values: ages and remaining times instead of clock readings (D43)."""
    packed: dict[str, Any] = {name: getattr(facts, name) for name in _PLAIN}
    packed |= {name: getattr(facts, name).value for name in _ENUMS}
    for name in _AGES + _REMAINING:
        value = getattr(facts, name)
        relative = None if value is None else (now - value if name in _AGES else value - now)
        packed[name] = relative
    packed["formats"] = None if facts.formats is None else list(facts.formats)
    packed["run_evidence"] = pack_evidence(() if facts.run_evidence is None else (facts.run_evidence,))
    packed["evidence"] = pack_evidence(facts.evidence)
    return packed


def unpack(packed: Mapping[str, Any], *, now: float) -> Facts:
    """The facts on a new clock; LocalProtocolError where `packed` is not what `pack` wrote."""
    values: dict[str, Any] = {}
    for name, sound in _PLAIN.items():
        values[name] = _sound(packed, name, sound)
    for name, kind in _ENUMS.items():
        values[name] = _member(packed, name, kind)
    for name in _AGES + _REMAINING:
        relative = packed.get(name)
        if relative is None and name in _OPTIONAL:
            values[name] = None
        else:
            seconds = _seconds(relative, name)
            values[name] = instant(now - seconds if name in _AGES else now + seconds)
    values["formats"] = _formats(packed.get("formats"))
    values["run_evidence"] = next(iter(unpack_evidence(packed.get("run_evidence"))), None)
    values["evidence"] = unpack_evidence(packed.get("evidence"))
    return Facts(**values)


def _sound(packed: Mapping[str, Any], name: str, sound: Callable[[object], bool]) -> object:
    value: object = packed.get(name)
    if not sound(value):
        raise LocalProtocolError(f"snapshot: {name} is {value!r:.60}")
    return value


def _member(packed: Mapping[str, Any], name: str, kind: type[Enum]) -> Enum:
    try:
        return kind(packed.get(name))
    except ValueError:
        raise LocalProtocolError(f"snapshot: {name} is {packed.get(name)!r:.60}") from None


def _seconds(value: object, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise LocalProtocolError(f"snapshot: {name} is {value!r:.60}")
    return instant(value)


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise LocalProtocolError(f"snapshot: {name} is {value!r:.60}")
    return value  # pyright: ignore[reportUnknownVariableType]  # its members are checked one by one


def _formats(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    members = _list(value, "formats")
    if not all(isinstance(one, str) for one in members):
        raise LocalProtocolError("snapshot: formats are not texts")
    return tuple(members)


def pack_evidence(evidence: tuple[Evidence, ...]) -> list[list[str | float]]:
    """Evidence as JSON values."""
    return [[one.asked, one.answer, one.message, one.age] for one in evidence]


def unpack_evidence(written: object) -> tuple[Evidence, ...]:
    """The evidence that `pack_evidence` wrote; LocalProtocolError where it is anything else."""
    return tuple(_one(value) for value in _list(written, "evidence"))


def _one(value: object) -> Evidence:
    match _list(value, "evidence"):
        case [str(asked), str(answer), str(message), age]:
            return Evidence(asked=asked, answer=answer, message=message, age=_seconds(age, "evidence"))
        case other:
            raise LocalProtocolError(f"snapshot: evidence is {other!r:.60}")
