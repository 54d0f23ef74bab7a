"""How a session comes to READY, to a renewal, or to an end, whichever command was answered.

Each function gives every continuation that the rules permit.
"""

from __future__ import annotations

from tests.oracle.session_ask import ask, beside, hold, pause
from tests.oracle.session_clock import cut_short, ended, expired, must_end, pressed
from tests.oracle.session_state import NEAR, Slot, State, replace, without_run
from tests.oracle.table import REASON
from tests.oracle.vocabulary import Event

__all__ = ["download_failed", "file_lost", "lost_for_good", "over", "ready", "renew"]


def over(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """The session ends for what this answer says; the clock may have been first."""
    if event.kind == "StatusReported" and event.status == "ERROR":
        reasons = frozenset({"GENERATION_FAILED", "REFUSED", "PROTOCOL", "SERVER_ERROR"})
        if state.token is not None:
            reasons = frozenset({"GENERATION_FAILED"})
    elif event.kind == "StatusReported":
        reasons = frozenset({"PROTOCOL"})
    else:
        assert event.refusal is not None
        reasons = REASON[event.refusal]
    found = pressed(state, now)
    if event.refusal == "INVALID_FORMAT" and state.listed is None and slot.kind != "ListFormats":
        found += _named_first(state, now)
    else:
        found += lost_for_good(state, reasons)
    late = state.expiry is not None and now >= state.expiry
    asked = event.refusal == "INVALID_TOKEN" or (slot.kind == "Check" and not state.kept_by_server)
    if late and asked and event.kind == "Refused" and state.lost_gets == 0:
        # Freedom: "a refusal then is EXPIRED" (D1), though another one than Download failed has a name of its own. A
        # token of 300 s that is not known any more has expired, whoever asks, and whenever (R15, D36). By the name of
        # a refused format it may be called only where the alternatives are known (D12).
        unnamed = event.refusal == "INVALID_FORMAT" and state.listed is None
        found.append(ended(state, "EXPIRED", frozenset({"EXPIRED"}) | (frozenset() if unnamed else reasons), "D1"))
    return found


def _named_first(state: State, now: float) -> list[State]:
    """D12: without the preflight, the formats are asked for now, to name the alternatives of a refused format."""
    found = [file_lost(state)] if state.lost_gets else []
    if state.owed or state.not_before > now:
        # Freedom: it cannot be asked at once, and how long it would have to wait is the server's to say. The refusal is
        # final (the table), and D12 says what `formats` may be asked for, not that an end that is decided waits for it.
        found.append(ended(state, "ERROR", REASON["INVALID_FORMAT"], "R10", "D12"))
    naming = replace(state, naming=True)
    gone = replace(without_run(naming, now).without("Run"), run="done")
    found += [*ask(gone, "ListFormats", now, "D12"), *_renewed_first(gone), *_told_first(gone, now)]
    if state.slot("Run") is not None:  # Freedom: a `run` that has become needless may be left
        found += [*ask(naming, "ListFormats", now, "D12"), *_told_first(naming, now)]
    return found


def _renewed_first(state: State) -> list[State]:
    """Freedom: where the credential is known to be dead, what is under way to renew it may come before the question.

    Nothing but the question, or the end, follows it: D1's check, too, would ask for the sake of a session that is over.
    """
    if not state.owed or state.slot("RenewCredentials", "Wait") is None:
        return []
    first = {"RenewCredentials": "ListFormats", "Wait": "RenewCredentials ListFormats"}
    slots = tuple(replace(each, then=first.get(each.kind, each.then)) for each in state.slots)
    return [replace(state, slots=slots, put_off=True)]


def _told_first(state: State, now: float) -> list[State]:
    """Freedom: a Retry-After that is on, though it was said to another request, may come before the question (D19)."""
    if state.not_before <= now:
        return []
    waiting = replace(state, put_off=True)
    found = hold(waiting, "ListFormats", now)
    standing = state.slot("Wait")
    if standing is not None and standing.hi >= state.not_before - NEAR:
        held = tuple(replace(each, then="ListFormats") if each is standing else each for each in state.slots)
        found.append(replace(waiting, slots=held))
    return found


def lost_for_good(state: State, reasons: frozenset[str]) -> list[State]:
    if state.lost_gets == 0:
        return [ended(state, "ERROR", reasons)]
    # D21: after a lost get, a refusal means that the file is lost. Freedom: where the refusal has a name of its own
    # (table, D27), it may be called by that, and is final then.
    return [file_lost(state), ended(state, "ERROR", reasons)]


def file_lost(state: State) -> State:
    return ended(state, "ERROR", frozenset({"TRANSFER_LOST"}), "D21", restart=frozenset({"LOST"}))


def download_failed(state: State, now: float) -> list[State]:
    """D41, and D21 where a get was lost before."""
    if state.lost_gets:
        return [file_lost(state), *pressed(state, now)]
    if state.expiry is not None and now >= state.expiry:
        return [expired(state, "D41", "D1", "R17"), *must_end(state, now)]
    return [ended(state, "ERROR", frozenset({"GENERATION_FAILED"}), "D41", "R30"), *pressed(state, now)]


def renew(state: State, slot: Slot, now: float) -> list[State]:
    """D16: renew, then the same command again, at once (I13)."""
    if slot.credential < state.credential:
        return ask(state, slot.kind, now, "D16")  # the refusal of an older credential
    if state.armed:
        return ask(state, "RenewCredentials", now, "D16", then=slot.kind)
    if slot.kind == "Check" and state.alive and state.state == "RUNNING":
        # D19 before D16: it ends no live run, and the next check may renew once more.
        again = replace(state, armed=True)
        return beside(again, pause(again, "Check", now, "Check"), now)
    return [ended(state, "ERROR", REASON["CREDENTIALS"], "D16"), *pressed(state, now)]


def ready(state: State, now: float) -> list[State]:
    """READY: `get` leaves at once, whatever else is out (I4, D2, D6)."""
    forced = must_end(state, now)
    if forced:
        either = frozenset({state.state, "READY"})
        return [
            replace(one, end=replace(one.end, ended_in=either)) if one.end and one.state == "ERROR" else one
            for one in forced
        ]
    fetching = replace(state, state="READY", unproven=False, errors=0, unreadable=0)
    found = ask(fetching, "Get", now, "I4", "D2")
    if state.slot("Run") is not None:
        # Freedom: `run`, which has become needless, may be superseded or left.
        found += ask(replace(fetching.without("Run"), run="done"), "Get", now, "I4", "D2")
    waiting = state.slot("RenewCredentials")
    if waiting is not None:
        # Freedom: a renewal that is out may come first, or be superseded; the get it is for would need it.
        held = tuple(replace(s, then="Get") if s is waiting else s for s in fetching.slots)
        found.append(replace(fetching, slots=held))
    elif state.owed:
        pausing = fetching.slot("Wait")
        if pausing is None or pausing.hi <= now + NEAR:
            found += ask(fetching, "RenewCredentials", now, "D16", then="Get")
        else:
            held = tuple(replace(s, then="RenewCredentials Get") if s is pausing else s for s in fetching.slots)
            holding = replace(fetching, slots=held)
            found += [holding, *cut_short(holding, replace(pausing, then="RenewCredentials Get"), now)]
    return found
