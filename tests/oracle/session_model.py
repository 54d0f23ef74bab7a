"""The reference model of a client's session: one token, from its first command to its end.

Given what is possible and an event, `step` gives everything that the rules permit next. Must issue nothing itself:
`session_ask` looks at the clock first. Freedoms are marked by the word, with the rule that leaves them.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.session_answers import answered
from tests.oracle.session_ask import ask, ask_check, ask_run, hold, insure, pause
from tests.oracle.session_clock import ended, may_end, must_end, pressed
from tests.oracle.session_state import NEAR, Setting, Slot, State, replace, without_run
from tests.oracle.table import MEANING, REASON, is_valid, row
from tests.oracle.vocabulary import Event, Job, Policy

__all__ = ["begin", "restored", "step"]


def begin(job: Job, policy: Policy, *, now: float, end: float, number: int = 1, known: int = 0) -> frozenset[State]:
    """A session that has just begun: the preflight first, where there is one (D12)."""
    state = State(
        setting=Setting(job=job, policy=policy, end=end, number=number),
        silent_heard=now,
        silent_lost=now,
        silent_told=now,
        known=known,
    )
    first: list[State] = []
    # Freedom: whether a session after the first asks for the formats again ("on for a single download", D12).
    if policy.preflight == "ON":
        first += ask(state, "ListFormats", now, "D12")
    if policy.preflight == "OFF" or number > 1:
        first += ask(state, "Init", now, "R12")
    return frozenset(first)


def step(possible: Iterable[State], event: Event, now: float) -> frozenset[State]:
    """Everything that may be after the event."""
    return frozenset(after for state in possible for after in _step(state, event, now))


def _step(state: State, event: Event, now: float) -> list[State]:
    if state.end is not None:
        return [state]  # I1, I7: late
    slot = next((slot for slot in state.slots if slot.number == event.number), None)
    if slot is None:
        # I7: a late answer changes nothing; freedom: the clock may be looked at all the same.
        return [state, *pressed(state, now)]
    rest = replace(state, slots=tuple(other for other in state.slots if other is not slot))
    if slot.kind == "Wait":
        return _elapsed(state, rest, slot, event, now)
    if slot.kind == "RenewCredentials":
        return _counted(_renewal(rest, slot, event, now), event.kind != "CredentialsRenewed")
    if state.naming and slot.kind == "Run":
        done = replace(without_run(rest, now), run="done")
        # Freedom: the end is known (D12), and `run` adds nothing to it; it may be the valid answer that D19 asks for.
        told = [done, done.heard(now)] if is_valid("Run", event) else [done]
        return [after for one in told for after in (one, *pressed(one, now))]
    answer = _named if state.naming else answered
    said = MEANING.get((row(slot.kind, event), slot.kind))
    good = said in {"init", "run", "get", "consumed"} or (
        said == "poll" and slot.kind == "Check" and state.alive and state.state == "RUNNING"
    )
    after = answer(rest, slot, event, now)
    return _counted([*after, *(one for kept in after for one in _is_over(kept, now))], not good)


def _is_over(state: State, now: float) -> list[State]:
    """Freedom: where a Wait that stands is over at this very moment, what it was for may be done on any event."""
    waiting = state.slot("Wait")
    if waiting is None or waiting.number is None or waiting.hi > now + NEAR:
        return []
    slots = tuple(each for each in state.slots if each is not waiting)
    return _go_on(replace(state, slots=slots, unpaused=False), waiting.then, now)


def _counted(after: list[State], more: bool) -> list[State]:
    return [replace(state, waits=state.waits + 1) if more and state.end is None else state for state in after]


def _elapsed(state: State, rest: State, slot: Slot, event: Event, now: float) -> list[State]:
    if event.kind == "Cancelled" and now < slot.hi - NEAR:
        return _given_up(rest, slot, now)
    if event.kind != "Cancelled" and now < slot.hi:
        # Freedom: no rule says what a wait is that was answered too soon. It may go on, or be over.
        return [state, *_go_on(rest, slot.then, now), *pause(rest, slot.then, now, rest.cause)]
    rest = replace(rest, unpaused=False)
    if slot.then == "Check" and rest.not_before > now + NEAR:
        # It was cut where the session could have ended: no check leaves before the Retry-After is over (D19).
        return hold(rest, "Check", now) or _go_on(rest, slot.then, now)
    return _go_on(rest, slot.then, now)


def _given_up(rest: State, slot: Slot, now: float) -> list[State]:
    """The driver gave a wait up before its time: no failure and no pause (I13), and it is answered (I7).

    What was waited for stays due when it was (D19), so the rest is waited for. Freedom: or, for a check, until a
    Retry-After that is on is over, at once.
    """
    forced = must_end(rest, now)
    if forced:
        return forced
    told = min(rest.not_before, rest.setting.end)
    also = frozenset({told} if slot.then == "Check" and told > slot.hi else ())
    return [*may_end(rest, now), replace(rest, slots=(*rest.slots, replace(slot, number=None, also=also)))]


def _go_on(state: State, then: str, now: float) -> list[State]:
    """What a wait or a renewal was for, at once; D1's check may come in between."""
    expiry = state.expiry
    asks_late = (
        expiry is not None
        and now >= expiry
        and not state.kept_by_server
        and state.setting.policy.expiry == "CONFIRM"
        and then != "Check"
        and state.slot("Run") is None
        and not state.put_off
    )
    found = []
    if asks_late:
        found += ask_check(state, now, "D1")
    if then.startswith("RenewCredentials"):
        return found + ask(state, "RenewCredentials", now, "D16", then=then.partition(" ")[2])
    if state.owed:
        # Freedom: a credential that is known to be dead may be renewed before it is refused again.
        found += ask(state, "RenewCredentials", now, "D16", then=then)
    if then == "Run":
        return found + ask_run(state, now, "D19")
    return found + ask(state, then, now, "D19")


def _renewal(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    if event.kind == "CredentialsRenewed":
        renewed = replace(state, credential=state.credential + 1, armed=False, owed=False, unpaused=False)
        # Freedom: a renewal takes back no Retry-After (D19), though the repeat after it needs no pause (I13).
        found = [*_go_on(renewed, slot.then, now), *hold(renewed, slot.then, now)]
        # Freedom: I13 excepts the repeat after a renewal, whatever had failed; so a `run` that was never sent may leave
        # with the new credential at once, or after the wait of D19 (the table).
        if renewed.run in {"unsent", "refused"} and slot.then == "Check":
            found += ask_run(renewed, now, "D16")
        return found
    # No rule says what becomes of a renewal that did not come about. Freedom: it is tried again after a pause, within
    # the limits of I13, or ends the session; but what is repeated everywhere else ends nothing here (the table).
    reasons = frozenset({"CREDENTIALS", "UNREACHABLE", "SERVER_ERROR", "PROTOCOL"})
    if event.kind == "Refused" and event.refusal is not None:
        reasons |= REASON.get(event.refusal, frozenset())
    if event.refusal == "BUSY" and event.retry_after:  # Freedom: as of every 429 that names a time (D19)
        state = replace(state, silent_told=max(state.silent_told, now))
    if state.naming:  # that is the end, whatever comes of this
        reasons = frozenset({"INVALID_FORMAT"})
    refused = event.kind == "Refused" and event.refusal not in {"BUSY", "UNAVAILABLE", "NO_ENVELOPE"}
    found = [ended(state, "ERROR", reasons, "D16")] if refused or state.naming else []
    state = replace(state, unpaused=True)
    found += pause(state, f"RenewCredentials {slot.then}", now, "renewal", event.retry_after)
    found += pause(state, slot.then, now, "renewal", event.retry_after)
    if state.alive:
        found += insure(state, now, event.retry_after)
    return [*found, *pressed(state, now)]


def _named(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """The answer to the question for the alternatives: the end is `Invalid format`, whatever comes (D12)."""
    end = ended(state, "ERROR", frozenset({"INVALID_FORMAT"}), "D12", "R10")
    found = [end, *pressed(state, now)]
    said = MEANING[row(slot.kind, event), slot.kind]
    if said == "repeat":  # Freedom: it may be worth a repeat
        found += pause(state, "ListFormats", now, "ListFormats", event.retry_after)
    if said == "renew":
        if slot.credential < state.credential:  # the refusal of an older credential
            found += ask(state, "ListFormats", now, "D16")
        elif state.armed and not state.unpaused:
            found += ask(state, "RenewCredentials", now, "D16", then="ListFormats")
    return found


def restored(possible: Iterable[State], saved: float, now: float, elapsed: float) -> frozenset[State]:
    """The same session in another process, whose clock reads `now`; nobody held it for `elapsed` (D43).

    The time away ages the token, not the job's deadline. Everything in flight is still to be answered as lost.
    """
    return frozenset(_restored(state, saved, now - saved, elapsed) for state in possible)


def _restored(state: State, saved: float, shift: float, elapsed: float) -> State:
    if state.end is not None:
        return state
    # "Nobody held it" means that the 300 s ended inside the time away.
    unheld = state.expiry is not None and saved < state.expiry <= saved + elapsed
    return replace(
        state,
        setting=replace(state.setting, end=state.setting.end + shift),
        slots=tuple(_shifted(slot, shift) for slot in state.slots),
        init_sent=None if state.init_sent is None else state.init_sent + shift - elapsed,
        # The time away ages the token (D43), and nothing else is changed (I9): neither silence nor `run` is older.
        silent_heard=state.silent_heard + shift,
        silent_lost=state.silent_lost + shift,
        silent_told=state.silent_told + shift,
        run_sent=None if state.run_sent is None else state.run_sent + shift,
        not_before=state.not_before + shift if state.not_before else 0.0,
        away_expired=state.away_expired or unheld,
    )


def _shifted(slot: Slot, shift: float) -> Slot:
    return replace(slot, lo=slot.lo + shift, hi=slot.hi + shift, issued=slot.issued + shift)
