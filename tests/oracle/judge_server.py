"""Judges what the server saw and did, and whether the two ends agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.oracle.stories import Violation, exchanges, read, tokens
from tests.oracle.table import may_move
from tests.oracle.traces import (
    Answered,
    Called,
    GenerationStarted,
    SentFile,
    ServerMoved,
    Trace,
)

__all__ = ["judge_server"]

_WITH_TOKEN = {"run", "check", "get"}


def judge_server(trace: Trace) -> Iterator[Violation]:
    """Everything that the server's records show to be wrong; nothing where it has left none."""
    yield from _moves(trace)
    if any(isinstance(record, Called) for record in trace):
        yield from _tokens(trace)
        yield from _one_run(trace)
        yield from _answers(trace)
        yield from _one_delivery(trace)
        yield from _agreement(trace)


def _moves(trace: Trace) -> Iterator[Violation]:
    """I1, at this end; D8: one generation per session."""
    states: dict[str, str] = {}
    started: Counter[str] = Counter()
    for position, record in enumerate(trace):
        if isinstance(record, ServerMoved):
            before = states.get(record.token, "INIT")
            if not may_move(before, record.state):
                yield Violation(rule="I1", position=position, what=f"server: {before} -> {record.state}")
            states[record.token] = record.state
        elif isinstance(record, GenerationStarted):
            started[record.token] += 1
            if started[record.token] > 1:
                yield Violation(rule="D8", position=position, what="a second generation for one token")


def _tokens(trace: Trace) -> Iterator[Violation]:
    """I2 on the wire: the client never sends another's token; D13, D14, R14: the server takes none."""
    owners = tokens(trace)
    for position, call, where, answer in exchanges(trace):
        if call.state not in _WITH_TOKEN:
            continue
        owner = owners.get(call.token)
        if not call.token:
            yield Violation(rule="I2", position=position, what=f"{call.state} without a token")
            rule = "R14"
        elif owner is None:
            rule = "R14"
        elif owner.user != call.user:
            rule = "D13"
        elif (owner.element, owner.segment) != (call.element, call.segment):
            rule = "D14"
        else:
            continue
        if call.download and call.token:
            crossed = "I2" if owner is not None else "D3"  # D3: what was never issued is a token badly encoded
            yield Violation(rule=crossed, position=position, what=f"{call.state} with a token that is not the caller's")
        good = {"INVALID_TOKEN", "CREDENTIALS", "ELEMENT_NOT_FOUND", "ELEMENT_NOT_ALLOWED", "NOT_IMPLEMENTED", "BUSY"}
        if answer is not None and not answer.fault and answer.says not in good:
            yield Violation(rule=rule, position=where, what=f"{answer.says} to a token that is not the caller's")


def _one_run(trace: Trace) -> Iterator[Violation]:
    """I3: at most one run per token passes the check of credentials."""
    passed: Counter[str] = Counter()
    for position, call, _, _ in exchanges(trace):
        if call.state == "run" and call.credential is None and call.token and call.download:
            passed[call.token] += 1
            if passed[call.token] > 1:
                yield Violation(rule="I3", position=position, what=f"a second run of {call.token} reached the server")


def _answers(trace: Trace) -> Iterator[Violation]:
    """What a session that is over is answered (R17, R22, R28), what one that is not ready is (R26), and D42."""
    state: dict[str, str] = {}
    asked_in: dict[int, str] = {}
    sending: dict[str, int] = {}
    calls: dict[int, Called] = {}
    for position, record in enumerate(trace):
        if isinstance(record, ServerMoved):
            state[record.token] = record.state
        elif isinstance(record, Called):
            calls[record.call] = record
            asked_in[record.call] = state.get(record.token, "")
        elif isinstance(record, SentFile):
            sending = {token: call for token, call in sending.items() if call != record.call}
        elif isinstance(record, Answered) and record.call in calls:
            call = calls[record.call]
            if call.state not in _WITH_TOKEN or record.fault or call.token not in state:
                continue
            then, now = asked_in[record.call], state[call.token]
            if record.says == "FILE" and call.token in sending:
                yield Violation(rule="D42", position=position, what="a second file while the first is being sent")
            # `run` waits for its answer; to the others, a move that the call itself brought about may stand first.
            elif all(record.says in _wrong(each, call.state) for each in {now, now if call.state == "run" else then}):
                rule = {"CONSUMED": "R28", "EXPIRED": "R17", "ERROR": "R22"}.get(now, "R26")
                yield Violation(rule=rule, position=position, what=f"{record.says} to {call.state} in {now}")
            if record.says == "FILE":
                sending[call.token] = record.call


def _wrong(state: str, asked: str) -> set[str]:
    """Answers that a session in this state must not give."""
    alive = {"READY", "FILE", "IN_PROGRESS"}
    if asked == "run":
        return {"OK"} if state in {"CONSUMED", "EXPIRED", "ERROR"} else set()
    if state == "CONSUMED":
        return {"READY", "FILE"}  # consumed at the start, and still being sent, may be IN PROGRESS (D42)
    if state in {"EXPIRED", "ERROR"}:
        return alive
    return {"READY", "FILE"} if state in {"INIT", "RUNNING"} else set()


def _one_delivery(trace: Trace) -> Iterator[Violation]:
    """I5: at most one get per token delivers the whole file; R27: and then the session is consumed."""
    calls = {record.call: record for record in trace if isinstance(record, Called)}
    whole: Counter[str] = Counter()
    for position, record in enumerate(trace):
        if isinstance(record, SentFile) and record.whole and record.call in calls:
            token = calls[record.call].token
            whole[token] += 1
            if whole[token] > 1:
                yield Violation(rule="I5", position=position, what=f"the file of {token} is delivered again")
            later = [each for each in trace[position:] if isinstance(each, ServerMoved) and each.token == token]
            earlier = [each for each in trace[:position] if isinstance(each, ServerMoved) and each.token == token]
            final = {each.state for each in (*later, *earlier)} & {"CONSUMED", "EXPIRED"}
            if earlier and not final:
                yield Violation(rule="R27", position=position, what=f"{token} is delivered, and not consumed")


def _agreement(trace: Trace) -> Iterator[Violation]:
    """I12: CONSUMED only if the whole file was served, READY only on an answer given while READY."""
    answered = {record.call for record in trace if isinstance(record, Answered)}
    called = [record for record in trace if isinstance(record, Called) and record.call in answered]
    calls = {(record.download, record.number): record for record in called}
    answers = {record.call: (at, record) for at, record in enumerate(trace) if isinstance(record, Answered)}
    for story in read(trace):
        for turn in story.turns:
            for position, moved in turn.moved:
                if moved.state not in {"READY", "CONSUMED"} or turn.event is None:
                    continue
                call = calls.get((story.download, turn.event.number))
                at, answer = answers.get(call.call, (0, None)) if call is not None else (0, None)
                if call is None or answer is None:
                    yield Violation(rule="I12", position=position, what=f"{moved.state} on an answer nobody gave")
                elif moved.state == "CONSUMED":
                    if not _served(trace[:position], call.call):
                        yield Violation(rule="I12", position=position, what="CONSUMED, and the file was not served")
                elif not answer.fault and _server_state(trace[:at], call.token) not in {"READY", "CONSUMED"}:
                    yield Violation(rule="I12", position=position, what="READY on an answer of a session that was not")


def _served(trace: Trace, call: int) -> bool:
    return any(isinstance(each, SentFile) and each.call == call and each.whole for each in trace)


def _server_state(trace: Trace, token: str) -> str:
    """The state in which an answer was given, which stands after its cause."""
    found = [each.state for each in trace if isinstance(each, ServerMoved) and each.token == token]
    return found[-1] if found else "INIT"
