"""Decides how a session is written down and read back: exact to the command, without its token (D39, D43).

A snapshot is a dict of JSON values holding ages and remaining times. A finished session's receipt is not in it: who
kept the file keeps the receipt. Must never hold a token, and never trust what it reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar, assert_never

from reportdl_core.commands import Check, Get, Init, ListFormats, Other, RenewCredentials, Run, Wait
from reportdl_core.errors import InvalidJob, LocalProtocolError, Reason
from reportdl_core.facts import Facts, RunPhase, pack, unpack
from reportdl_core.job import Job
from reportdl_core.lifecycle import FINAL, State
from reportdl_core.outcome import Outcome
from reportdl_core.policy import TOKEN_LIFE, instant
from reportdl_core.record import Record
from reportdl_core.secret import Secret
from reportdl_core.verdicts import told

__all__ = ["VERSION", "Restored", "mapping", "put_back", "sequence", "take"]

VERSION: Final = 1

_Kind = TypeVar("_Kind", bound=Enum)


class Restored(NamedTuple):
    """A session's parts, on the new clock."""

    seed: int
    facts: Facts
    state: State
    run: Run | None
    other: Other | None
    outcome: Outcome | None


def take(
    record: Record, state: State, outstanding: tuple[Run | Other, ...], outcome: Outcome | None, *, now: float
) -> dict[str, Any]:
    """The session as JSON values (D43)."""
    job = record.job
    return {
        "version": VERSION,
        "job": [job.element, job.segment, job.format],
        "seed": record.seed,
        "state": state.value,
        "token": record.token is not None,
        "facts": pack(record.facts, now=now),
        "outstanding": [_command(command, job, now) for command in outstanding],
        "outcome": None if outcome is None else _outcome(outcome),
    }


def put_back(snapshot: Mapping[str, Any], *, job: Job, token: Secret | None, now: float, elapsed: float) -> Restored:
    """The parts of the session that `take` wrote; LocalProtocolError where it is not such a session."""
    if not 0 <= elapsed < math.inf:
        raise LocalProtocolError(f"elapsed must be a number of seconds of at least 0, not {elapsed!r}")
    _expect(snapshot.get("version") == VERSION, "version")
    _expect(snapshot.get("job") == [job.element, job.segment, job.format], "job")
    _expect(snapshot.get("token") is (token is not None), "token")
    seed = snapshot.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise LocalProtocolError("snapshot: seed is damaged")
    facts = unpack(mapping(snapshot, "facts"), now=now)
    _age(facts, now=now, elapsed=instant(elapsed))
    state = _member(State, snapshot.get("state"), "state")
    _expect((facts.token_from is None) == (token is None), "token")
    _expect(state in FINAL or (token is None) == (state is State.INIT), "token")
    written = snapshot.get("outcome")
    outcome = None if written is None else _outcome_back(mapping(snapshot, "outcome"), facts, state)
    _expect((state in FINAL) == (outcome is not None), "outcome")
    run, other = _outstanding(snapshot, job, token, facts, now)
    if outcome is not None:
        _expect(run is None and other is None, "outstanding")
    else:
        _expect(other is not None and _coherent(facts, state, run, other), "outstanding")
    return Restored(seed, facts, state, run, other, outcome)


def _coherent(facts: Facts, state: State, run: Run | None, other: Other) -> bool:
    # What no session ever shows would later ask for a move or a token that is not there (I1, I2).
    return (
        (state is State.READY) == facts.ready
        and (facts.ready or not isinstance(other, Get))
        and (facts.run is not RunPhase.ALIVE if run is None else facts.run_sent is not None)
    )


def _age(facts: Facts, *, now: float, elapsed: float) -> None:
    # The time away ages the token, not the job's deadline. "Nobody held it" means that its end fell inside it.
    if facts.token_from is None:
        return
    held = facts.token_from + TOKEN_LIFE
    facts.unheld = facts.unheld or now < held <= now + elapsed
    facts.token_from -= elapsed


def _outstanding(
    snapshot: Mapping[str, Any], job: Job, token: Secret | None, facts: Facts, now: float
) -> tuple[Run | None, Other | None]:
    run: Run | None = None
    other: Other | None = None
    for one in sequence(snapshot, "outstanding"):
        command = _command_back(one, job, token, now)
        _expect(0 < command.number < facts.number, "outstanding")
        if isinstance(command, Run):
            _expect(run is None, "outstanding")
            run = command
        else:
            _expect(other is None, "outstanding")
            other = command
    return run, other


def _command(command: Run | Other, job: Job, now: float) -> list[Any]:
    match command:
        case ListFormats() | Init() | Run() | Check() | Get():
            return [type(command).__name__, command.number, command.deadline - now, command.job.format]
        case Wait() | RenewCredentials():
            return [type(command).__name__, command.number, command.deadline - now, job.format]
        case _:
            assert_never(command)


def _command_back(written: object, job: Job, token: Secret | None, now: float) -> Run | Other:
    match written:
        case [str(kind), int(number), int() | float() as left, str(key)] if bool not in (type(number), type(left)):
            deadline = instant(now + instant(left))
        case _:
            raise LocalProtocolError("snapshot: a command is damaged")
    try:
        asked = Job(element=job.element, segment=job.segment, format=key)
    except InvalidJob:
        raise LocalProtocolError("snapshot: a command's format is damaged") from None
    match kind:
        case "Wait":
            return Wait(number=number, deadline=deadline)
        case "RenewCredentials":
            return RenewCredentials(number=number, deadline=deadline)
        case "ListFormats":
            return ListFormats(number=number, job=asked, deadline=deadline)
        case "Init":
            return Init(number=number, job=asked, deadline=deadline)
        case "Run" if token is not None:
            return Run(number=number, job=asked, token=token, deadline=deadline)
        case "Check" if token is not None:
            return Check(number=number, job=asked, token=token, deadline=deadline)
        case "Get" if token is not None:
            return Get(number=number, job=asked, token=token, deadline=deadline)
        case _:
            raise LocalProtocolError("snapshot: a command is damaged")


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "reason": outcome.reason.value,
        "ended_in": outcome.ended_in.value,
        "run_unproven": outcome.run_unproven,
        "unheld": outcome.unheld,
        "kept": outcome.kept,
    }


def _outcome_back(written: Mapping[str, Any], facts: Facts, state: State) -> Outcome:
    reason = _member(Reason, written.get("reason"), "reason")
    kept = written.get("kept")
    _expect(kept is None or isinstance(kept, str), "kept")
    return Outcome(
        state=state,
        reason=reason,
        ended_in=_member(State, written.get("ended_in"), "ended_in"),
        evidence=told(facts),
        run_unproven=written.get("run_unproven") is True,
        unheld=written.get("unheld") is True,
        alternatives=facts.formats or () if reason is Reason.INVALID_FORMAT else (),
        kept=kept,
    )


def mapping(snapshot: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that must be a mapping; its own members are for the caller to check."""
    value = snapshot.get(name)
    if not isinstance(value, Mapping):
        raise LocalProtocolError(f"snapshot: {name} is damaged")
    return value  # pyright: ignore[reportUnknownVariableType]  # its members are checked one by one


def sequence(snapshot: Mapping[str, Any], name: str) -> list[object]:
    """A member that must be a list; its own members are for the caller to check."""
    value: object = snapshot.get(name)
    if not isinstance(value, list):
        raise LocalProtocolError(f"snapshot: {name} is damaged")
    members: list[object] = value  # pyright: ignore[reportUnknownVariableType]
    return members


def _member(kind: type[_Kind], value: object, name: str) -> _Kind:
    try:
        return kind(value)
    except ValueError:
        raise LocalProtocolError(f"snapshot: {name} is damaged") from None


def _expect(sound: bool, name: str) -> None:
    if not sound:
        raise LocalProtocolError(f"snapshot: {name} is damaged, or of another job")
