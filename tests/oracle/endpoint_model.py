"""The reference model of the server's end: what it must answer, and what else it must or may do.

Given its switches it is deterministic but for the freedoms marked by the word. An expiry may be noticed when it comes
or when the session is touched next; the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.oracle.endpoint_words import (
    Answer,
    Call,
    Discard,
    Effect,
    Endpoint,
    Generate,
    Happening,
    Happens,
    SendFile,
    ServerSession,
    Stop,
)
from tests.oracle.vocabulary import ACTIVE

__all__ = ["Expected", "agree", "expiry", "explain", "lapsed", "states", "step"]

_STATES = ("formats", "init", "run", "check", "get")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One thing that may follow: what must be done now, and what may be done besides."""

    after: Endpoint
    must: frozenset[Effect] = frozenset()
    may: frozenset[Effect] = frozenset()
    rules: tuple[str, ...] = ()


def expiry(endpoint: Endpoint, session: ServerSession) -> float | None:
    """When this session expires, by the policy in force (D1); None where it does not."""
    switches = endpoint.switches
    if switches.ttl_policy == "ABSOLUTE":
        return session.began + switches.ttl
    if switches.ttl_policy == "SLIDING":
        return session.renewed + switches.ttl
    return session.began + switches.ttl if session.run_began is None else None


def lapsed(endpoint: Endpoint, session: ServerSession, now: float) -> ServerSession:
    """The session as the clock leaves it (R15, R16, D28); D2: a started transfer completes."""
    if not session.live or session.sending is not None:
        return session
    end = expiry(endpoint, session)
    late = session.run_began is not None and now >= session.run_began + endpoint.switches.run_timeout
    if end is not None and now >= end:
        if late and session.state == "RUNNING" and session.run_began is not None:
            failed_at = session.run_began + endpoint.switches.run_timeout
            if failed_at < end:
                return session.ends("ERROR", failed_at, "TIMED_OUT")
        return session.ends("EXPIRED", end)
    if late and session.state == "RUNNING":
        return session.ends("ERROR", now, "TIMED_OUT")
    return session


def step(possible: Iterable[Endpoint], event: Happening, now: float) -> frozenset[Expected]:
    """Everything that may follow the event."""
    found = []
    for endpoint in possible:
        for expected in _call(endpoint, event, now) if isinstance(event, Call) else _happens(endpoint, event, now):
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


def _failure(endpoint: Endpoint, session: ServerSession) -> frozenset[str]:
    """How a `run` that came to nothing is answered (D6)."""
    if session.state == "ERROR" and endpoint.switches.failed_run == "STATUS":
        # Freedom: no file and an aborted generation are a refusal in any case (R30), or follow the switch.
        return frozenset({"ERROR"} if session.how == "FAILED" else {"ERROR", "DOWNLOAD_FAILED"})
    return frozenset({"DOWNLOAD_FAILED"})


def _tidying(endpoint: Endpoint, now: float) -> frozenset[Effect]:
    """What the clock permits to be done at any moment, for any session that is over."""
    found: set[Effect] = set()
    for session in endpoint.sessions:
        over = lapsed(endpoint, session, now)
        if over.live:
            continue
        for number in over.waiting:
            found |= {Answer(number=number, says=says) for says in _failure(endpoint, over)}
        if over.generating:
            found.add(Stop(token=over.token))
        found.add(Discard(token=over.token))
    return frozenset(found)


# -- calls


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
        if end is not None and now >= end:
            permitted |= {"DOWNLOAD_FAILED"}  # Freedom: failed (R22), and its token expired since (R17, D5's "live")
        return [one for says in sorted(permitted) for one in _says(touched, call, says, "D5", "R22")]
    found = _answer_live(endpoint, call, session, now)
    end = expiry(endpoint, session)
    if session.sending is not None and end is not None and now >= end:
        # Freedom: D2 lets the transfer complete; to anyone else the session may be expired already.
        found += _says(endpoint, call, "DOWNLOAD_FAILED", "D2", "R17")
    return found


def _of_failed(endpoint: Endpoint, call: Call, session: ServerSession) -> frozenset[str]:
    """D5: 200 ERROR of a failed run; 400 where no file was produced or generation was aborted (R30)."""
    if call.state == "run":
        return _failure(endpoint, session)
    if endpoint.switches.failed_session == "REFUSAL" or session.how == "NO_FILE":
        return frozenset({"DOWNLOAD_FAILED"})
    # Freedom: whether what was aborted or took too long has failed (R22, D28) or was aborted (R30).
    return frozenset({"ERROR"} if session.how == "FAILED" else {"ERROR", "DOWNLOAD_FAILED"})


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


# -- everything else


def _happens(endpoint: Endpoint, event: Happens, now: float) -> list[Expected]:
    if event.kind == "Tick":
        return [Expected(after=endpoint)]
    if event.kind in {"Generated", "GenerationFailed"}:
        session = endpoint.find(event.token)
        return [Expected(after=endpoint)] if session is None else _generation(endpoint, event, session, now)
    if event.kind == "Disconnected":
        return _disconnected(endpoint, event, now)
    session = next((one for one in endpoint.sessions if one.sending == event.number), None)
    return [Expected(after=endpoint)] if session is None else _transfer(endpoint, event, session, now)


def _generation(endpoint: Endpoint, event: Happens, session: ServerSession, now: float) -> list[Expected]:
    over = lapsed(endpoint, session, now)
    over = replace(over, generating=False)
    if over.state != "RUNNING":  # R16: the file is discarded; D28
        discard: set[Effect] = {Discard(token=over.token)} if event.kind == "Generated" else set()
        return _answered(endpoint, over, frozenset(discard), _failure(endpoint, over), "R16", "D28")
    if event.kind == "Generated":
        return _answered(endpoint, replace(over, state="READY"), frozenset(), frozenset({"OK"}), "R18")
    failed = over.ends("ERROR", now, event.how)
    return _answered(endpoint, failed, frozenset(), _failure(endpoint, failed), "R22", "R30", "D6")


def _answered(
    endpoint: Endpoint, session: ServerSession, must: frozenset[Effect], says: frozenset[str], *rules: str
) -> list[Expected]:
    """Everyone who waits for this run is told, once."""
    after = endpoint.having(replace(session, waiting=()))
    return [
        Expected(
            after=after,
            must=must | {Answer(number=number, says=each) for number in session.waiting},
            rules=rules,
        )
        for each in sorted(says)
    ]


def _disconnected(endpoint: Endpoint, event: Happens, now: float) -> list[Expected]:
    """D7: generation is detached from the request, but for the switch."""
    session = next((one for one in endpoint.sessions if event.number in one.waiting), None)
    if session is None:
        return [Expected(after=endpoint)]
    left = replace(session, waiting=tuple(number for number in session.waiting if number != event.number))
    if endpoint.switches.abort_on_disconnect == "OFF" or left.waiting or lapsed(endpoint, left, now).state != "RUNNING":
        return [Expected(after=endpoint.having(left), rules=("D7",))]
    aborted = left.ends("ERROR", now, "ABORTED")
    return [Expected(after=endpoint.having(aborted), must=frozenset({Stop(token=left.token)}), rules=("D7", "R30"))]


def _transfer(endpoint: Endpoint, event: Happens, session: ServerSession, now: float) -> list[Expected]:
    over = replace(session, sending=None)
    if event.kind == "FileMissing":  # R30
        gone = over.ends("ERROR", now, "NO_FILE") if over.live else over
        assert event.number is not None
        refused = frozenset({Answer(number=event.number, says="DOWNLOAD_FAILED")})
        return [Expected(after=endpoint.having(gone), must=refused, rules=("R30",))]
    if event.kind == "FileSent" and over.state in ACTIVE:  # R27, D21
        return [Expected(after=endpoint.having(over.ends("CONSUMED", now)), rules=("R27",))]
    return [Expected(after=endpoint.having(over), rules=("D21",))]
