"""The reference model of the server's end: what it must answer, and what else it must or may do.

Given its switches it is deterministic but for the freedoms marked by the word. An expiry may be noticed when it comes
or when the session is touched next; the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.oracle.endpoint_clock import Expected, expiry, failure, lapsed
from tests.oracle.endpoint_events import happens
from tests.oracle.endpoint_words import (
    Answer,
    Call,
    Discard,
    Effect,
    Endpoint,
    Generate,
    Happening,
    SendFile,
    ServerSession,
    Stop,
)

__all__ = ["Expected", "agree", "expiry", "explain", "lapsed", "states", "step"]

_STATES = ("formats", "init", "run", "check", "get")


def step(possible: Iterable[Endpoint], event: Happening, now: float) -> frozenset[Expected]:
    """Everything that may follow the event."""
    found = []
    for endpoint in possible:
        for expected in _call(endpoint, event, now) if isinstance(event, Call) else happens(endpoint, event, now):
            found.append(replace(expected, may=expected.may | _tidying(expected.after, now)))
    return frozenset(found)


def agree(expected: Iterable[Expected], seen: Iterable[Effect]) -> frozenset[Endpoint]:
    """Those readings in which the server did what it must, and nothing that it may not."""
    done = frozenset(seen)
    stopped = {effect.token for effect in done if isinstance(effect, Stop)}
    after = {_done(one.after, done) for one in expected if one.must <= done <= one.must | one.may}
    # Whoever stops a generation hears no more of it: its callers are answered by then (each call is answered once).
    return frozenset(one for one in after if not any(each.waiting for each in one.sessions if each.token in stopped))


def explain(expected: Iterable[Expected], seen: Iterable[Effect]) -> str:
    """What was required and permitted, where `agree` left nothing."""
    lines = [f"seen: {sorted(map(str, seen))}"]
    for one in expected:
        lines += [f"- must {sorted(map(str, one.must))} {' '.join(one.rules)}", f"  may {sorted(map(str, one.may))}"]
    return "\n".join(lines)


def states(endpoint: Endpoint, now: float) -> dict[str, frozenset[str]]:
    """The states that each session may be shown in: an expiry may not have been noticed yet."""
    return {
        session.token: frozenset({session.state, lapsed(endpoint, session, now).state}) for session in endpoint.sessions
    }


def _done(endpoint: Endpoint, done: frozenset[Effect]) -> Endpoint:
    """What may be done once is not there to be done again."""
    answered = {effect.number for effect in done if isinstance(effect, Answer)}
    stopped = {effect.token for effect in done if isinstance(effect, Stop)}
    return replace(
        endpoint,
        sessions=tuple(
            replace(
                session,
                waiting=tuple(number for number in session.waiting if number not in answered),
                generating=session.generating and session.token not in stopped,
            )
            for session in endpoint.sessions
        ),
    )


def _tidying(endpoint: Endpoint, now: float) -> frozenset[Effect]:
    """What the clock permits to be done at any moment, for any session that is over."""
    found: set[Effect] = set()
    for session in endpoint.sessions:
        over = lapsed(endpoint, session, now)
        if over.live:
            continue
        for number in over.waiting:
            found |= {Answer(number=number, says=says) for says in failure(endpoint, over)}
        if over.generating:
            found.add(Stop(token=over.token))
        found.add(Discard(token=over.token))
    return frozenset(found)


def _call(endpoint: Endpoint, call: Call, now: float) -> list[Expected]:
    """D15: the order of refusals."""
    if call.credential is not None:
        return _says(endpoint, call, "CREDENTIALS", "D16")
    if call.state not in _STATES:
        return _says(endpoint, call, "INVALID_STATE", "R2")
    if call.report is None or call.element is None or call.segment is None:
        return _says(endpoint, call, "ELEMENT_NOT_FOUND", "R5", "D32")
    if not call.report.allowed:
        return _says(endpoint, call, "ELEMENT_NOT_ALLOWED", "R6")
    if not call.report.external:
        return _says(endpoint, call, "NOT_IMPLEMENTED", "R3")
    if call.state in {"formats", "init"}:
        return _before_token(endpoint, call, now)
    session = endpoint.find(call.token)
    if session is None or (session.user, session.element, session.segment) != (call.user, call.element, call.segment):
        return _says(endpoint, call, "INVALID_TOKEN", "R14", "D13", "D14")
    found = _with_token(endpoint, call, session, now)
    if _forgettable(endpoint, session, now):
        found += _says(endpoint, call, "INVALID_TOKEN", "D36")  # Freedom: swept by age
    return found


def _forgettable(endpoint: Endpoint, session: ServerSession, now: float) -> bool:
    over = lapsed(endpoint, session, now)
    switches = endpoint.switches
    return (over.ended is not None and now >= over.ended + switches.remember) or now >= session.began + switches.max_age


def _says(endpoint: Endpoint, call: Call, says: str, *rules: str, formats: tuple[str, ...] = ()) -> list[Expected]:
    answer = Answer(number=call.number, says=says, formats=formats)
    return [Expected(after=endpoint, must=frozenset({answer}), rules=rules)]


def _before_token(endpoint: Endpoint, call: Call, now: float) -> list[Expected]:
    assert call.report is not None
    if not call.report.formats:
        return _says(endpoint, call, "NO_DOWNLOADS", "R9", "D12")
    if call.state == "formats":
        shout = endpoint.switches.format_keys == "CAPABILITY"
        spelled = tuple(key.upper() if shout else key.lower() for key in call.report.formats)
        return _says(endpoint, call, "FORMATS", "R8", "D11", formats=spelled)
    live = [session for session in endpoint.sessions if lapsed(endpoint, session, now).live]
    mine = [session for session in live if session.user == call.user]
    switches = endpoint.switches
    if len(live) >= switches.live_in_all or len(mine) >= switches.live_per_user:
        return _says(endpoint, call, "BUSY", "D36")
    fresh = ServerSession(
        token=call.fresh, user=call.user, element=call.element, segment=call.segment, began=now, renewed=now
    )
    return _says(endpoint.having(fresh), call, "TOKEN", "R12")


def _known(endpoint: Endpoint, call: Call) -> bool:
    """R10, D10, D11: whether the report offers the format, as it is spelled."""
    assert call.report is not None
    if not call.format:
        return False
    keys = endpoint.switches.format_keys
    if keys == "FOLDED":
        return call.format.casefold() in {key.casefold() for key in call.report.formats}
    return call.format in {key.upper() if keys == "CAPABILITY" else key.lower() for key in call.report.formats}


def _with_token(endpoint: Endpoint, call: Call, session: ServerSession, now: float) -> list[Expected]:
    assert call.report is not None
    if call.state == "run" and not call.report.formats:
        return _says(endpoint, call, "NO_DOWNLOADS", "R9", "D12")
    if call.state in {"run", "get"}:
        other = session.format is not None and (call.format or "").casefold() != session.format.casefold()
        if other or (session.format is None and not _known(endpoint, call)):
            return _says(endpoint, call, "INVALID_FORMAT", "R10", "D8", "D9", "D10")  # not consumed
        if not _known(endpoint, call):
            # Freedom: the format that ran is no longer offered.
            return _says(endpoint, call, "INVALID_FORMAT", "R10") + _live_or_not(endpoint, call, session, now)
    return _live_or_not(endpoint, call, session, now)


def _live_or_not(endpoint: Endpoint, call: Call, session: ServerSession, now: float) -> list[Expected]:
    over = lapsed(endpoint, session, now)
    touched = endpoint.having(over)
    if over.state in {"EXPIRED", "CONSUMED"}:
        found = _says(touched, call, "DOWNLOAD_FAILED", "R17", "R28", "D20")
        if over.sending is not None and call.state == "get":
            found += _says(touched, call, "IN_PROGRESS", "D42")  # Freedom: consumed at the start, and still being sent
        unstarted = endpoint.switches.ttl_policy == "START" and session.state == "INIT"
        if unstarted and call.state != "run":
            # Freedom: it guards the start of run only; what the others say then is open.
            found += _answer_live(endpoint, call, session, now)
        return found
    if over.state == "ERROR":
        permitted = _of_failed(endpoint, call, over)
        end = expiry(endpoint, over)
        if now >= end:
            permitted |= {"DOWNLOAD_FAILED"}  # Freedom: failed (R22), and its token expired since (R17, D5's "live")
        return [one for says in sorted(permitted) for one in _says(touched, call, says, "D5", "R22")]
    found = _answer_live(endpoint, call, session, now)
    end = expiry(endpoint, session)
    if session.sending is not None and now >= end:
        # Freedom: D2 lets the transfer complete; to anyone else the session may be expired already.
        found += _says(endpoint, call, "DOWNLOAD_FAILED", "D2", "R17")
    return found


def _of_failed(endpoint: Endpoint, call: Call, session: ServerSession) -> frozenset[str]:
    """D5: 200 ERROR of a failed run; 400 where no file was produced or generation was aborted (R30)."""
    if call.state == "run":
        return failure(endpoint, session)
    if endpoint.switches.failed_session == "REFUSAL" or session.how == "NO_FILE":
        return frozenset({"DOWNLOAD_FAILED"})
    # What took too long has failed (D28). Freedom: whether what was aborted has failed (R22) or was aborted (R30).
    return frozenset({"ERROR", "DOWNLOAD_FAILED"} if session.how == "ABORTED" else {"ERROR"})


def _answer_live(endpoint: Endpoint, call: Call, session: ServerSession, now: float) -> list[Expected]:
    if call.state in {"run", "check"}:
        session = replace(session, renewed=now)  # D1, sliding
    touched = endpoint.having(session)
    if call.state == "run":
        return _run(touched, call, session, now)
    if session.state == "INIT":
        says = {"IN_PROGRESS"} if endpoint.switches.before_run == "IN_PROGRESS" else {"ERROR"}
        if says == {"ERROR"} and endpoint.switches.failed_session == "REFUSAL":
            says = {"ERROR", "DOWNLOAD_FAILED"}  # Freedom: two faults at once
        return [one for each in sorted(says) for one in _says(touched, call, each, "D18", "R26")]
    if session.state == "RUNNING":
        return _says(touched, call, "IN_PROGRESS", "R21", "R26")
    if call.state == "check":
        return _says(touched, call, "READY", "R21")
    if session.sending is not None:
        return _says(touched, call, "IN_PROGRESS", "D42")
    sending = replace(session, sending=call.number)
    if endpoint.switches.consume_on == "START":
        sending = sending.ends("CONSUMED", now)
    send = SendFile(number=call.number, token=session.token)
    return [Expected(after=endpoint.having(sending), must=frozenset({send}), rules=("R24",))]


def _run(endpoint: Endpoint, call: Call, session: ServerSession, now: float) -> list[Expected]:
    """D8: one generation per session, which every further run joins."""
    if session.state == "READY":
        return _says(endpoint, call, "OK", "D8")
    must: set[Effect] = set()
    if session.state == "INIT":
        assert call.format is not None
        must.add(Generate(token=session.token, format=call.format.lower()))
        session = replace(session, state="RUNNING", run_began=now, format=call.format, generating=True)
    if endpoint.switches.run_says_ok == "AT_ONCE":
        must.add(Answer(number=call.number, says="OK"))
    else:
        session = replace(session, waiting=(*session.waiting, call.number))
    return [Expected(after=endpoint.having(session), must=frozenset(must), rules=("R18", "D8"))]
