"""What a session makes of an answer to one of its five commands: the table, and the rules it points to.

Each function gives every continuation that the rules permit; the slot that was answered is gone from `state` already.
"""

from __future__ import annotations

from tests.oracle.session_ask import ask, ask_check, ask_run, beside, insure, pause
from tests.oracle.session_clock import cut_short, ended, pressed
from tests.oracle.session_ends import download_failed, file_lost, lost_for_good, over, ready, renew
from tests.oracle.session_run import run
from tests.oracle.session_state import NEAR, Slot, State, replace, without_run
from tests.oracle.table import is_valid, meaning, row
from tests.oracle.vocabulary import Event

__all__ = ["answered"]


def answered(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """Everything that may follow this answer."""
    if slot.kind == "Run" and state.state != "RUNNING":
        done = replace(without_run(state, now), run="done")
        if is_valid("Run", event):
            heard = replace(done.heard(now), armed=done.armed or row("Run", event) == "success")
            return _needless(heard, now)
        if event.retry_after:  # Freedom: to come back when one was told, though it was told to `run` (D19).
            told = now + event.retry_after
            done = replace(done, silent_told=max(done.silent_told, told), not_before=max(state.not_before, told))
        return _needless(done, now)
    found: list[State] = []
    for heard in _heard(state, slot, event, now):
        found += _SAID[slot.kind](heard, slot, event, now, meaning(slot.kind, event))
    return found


def _needless(state: State, now: float) -> list[State]:
    """READY has come by `check` already; `run`'s own answer adds nothing, but that silence counts from now on (D19)."""
    waiting = state.slot("Wait")
    if now > state.setting.end + NEAR:
        return pressed(state, now)  # nothing goes on after the job's deadline, though it is told late (I8)
    # Freedom: as after every loss of `run`, the pauses may begin at 0.5 s again (D19).
    found = [state, replace(state, streak=0, cause=""), *pressed(state, now)]
    return found if waiting is None else found + cut_short(state, waiting, now)


def _heard(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """The same state, with what an answer as such is worth: the silence is over, the renewal is armed again."""
    name = row(slot.kind, event)
    if slot.kind == "Get" and name != "not sent":
        # Freedom: as after a lost `run`, the silence goes on from where it was, or begins now.
        state = replace(state, silent_lost=now)
    if slot.kind == "Get" and name == "lost":
        # A transfer that takes its time is no silence, though it came to nothing (D21); but `run` may have been heard
        # while it went on.
        heard, told = (
            since + max(0.0, now - max(slot.issued, since)) for since in (state.silent_heard, state.silent_told)
        )
        state = replace(state, silent_heard=heard, silent_told=told)
    if name == "busy" and event.retry_after:
        # Freedom: the silence goes on, or begins when one was told to come back. A 429 without a time tells nothing.
        return [replace(state, silent_told=max(state.silent_told, now))]
    if not is_valid(slot.kind, event):
        return [state]  # repeats end with 10 minutes without a valid answer (D19): what is to be repeated is none
    full = replace(state.heard(now), armed=True)
    if state.cause != "poll":
        full = replace(full, streak=0, cause="")
    if (slot.kind, name) == ("Run", "status ERROR") and not state.armed:
        return [full, replace(full, armed=False)]  # Freedom: whether what `check` has to confirm is a success (D16)
    return [full]


def _formats(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    if said != "init":
        return _before_run(state, slot, event, now, said)
    wanted = state.setting.job.format
    known = replace(state, listed=event.formats)
    # D11: the key as listed; a capability is its key in capitals.
    spelled = [key for key in event.formats if key == wanted] or [
        key for key in event.formats if key.casefold() == wanted.casefold()
    ]
    if spelled:
        return [after for key in spelled for after in ask(replace(known, spelled=key), "Init", now, "R12", "D12")]
    reasons = frozenset({"INVALID_FORMAT"} if event.formats else {"INVALID_FORMAT", "NO_DOWNLOADS"})
    return [ended(known, "ERROR", reasons, "R10", "D12"), *pressed(known, now)]


def _init(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    if said != "run":
        return _before_run(state, slot, event, now, said)
    # R16: promptly. D1: the clock counts from the moment that this init was sent.
    return ask_run(replace(state, token=event.token, init_sent=slot.issued), now, "R16", "R18")


def _before_run(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    if said == "repeat":
        return pause(state, slot.kind, now, slot.kind, event.retry_after)
    if said == "renew":
        return renew(state, slot, now)
    return over(state, slot, event, now)


def _check(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    late = state.expiry is not None and slot.issued >= state.expiry
    passed = state.expiry is not None and now >= state.expiry
    if said == "get":
        # Freedom: whether READY, too, is an answer to D1's question.
        told = {state.kept_by_server, state.kept_by_server or passed}
        return [after for kept in sorted(told) for after in ready(replace(state, kept_by_server=kept), now)]
    if said == "poll":
        return _in_progress(state, now, asked_late=late, passed=passed)
    if said == "repeat":
        return _check_again(state, now, event.retry_after)
    if said == "unreadable":
        return _unreadable(state, event, now)
    if said == "renew":
        if state.run in {"unsent", "refused"}:
            return [*renew(state, slot, now), *_check_again(state, now, None)]
        return renew(state, slot, now)
    if said == "error":
        return _error_seen(state, slot, event, now)
    if said == "failed":
        return download_failed(state, now)
    return over(state, slot, event, now)


def _in_progress(state: State, now: float, *, asked_late: bool, passed: bool) -> list[State]:
    """Generation goes on, or never began; who asked after 300 s knows now that the server keeps the session (D1)."""
    never = state.unproven or state.run in {"unsent", "refused"}
    given_up = [ended(state, "EXPIRED", frozenset({"EXPIRED"}), "D1")] if never and state.state == "RUNNING" else []
    # Freedom: an ERROR before it is forgotten, or still waits to be confirmed (D18).
    calm = [replace(state, errors=errors, unreadable=0) for errors in {0, state.errors}]
    if state.unreadable:
        calm += [replace(state, errors=errors) for errors in {0, state.errors}]  # "the second": in a row, or in all
    confirm = state.setting.policy.expiry == "CONFIRM" and not state.kept_by_server
    found: list[State] = []
    if confirm and passed:
        if asked_late:
            if given_up:
                return [*given_up, *pressed(state, now)]
            calm = [replace(one, kept_by_server=True) for one in calm]
        else:  # it was asked before 300 s, and one more check asks. Freedom: after a pause of either kind
            for one in (replace(each, waits=each.waits + 1) for each in calm):
                found += pause(one, "Check", now, "late", None, "D1", "D19")
    return [*found, *(after for one in calm for after in _next_check(one, now))]


def _next_check(state: State, now: float) -> list[State]:
    if state.alive and state.state == "RUNNING":
        return insure(state, now)
    if state.alive:  # Freedom: `run` was left, though it has become needless; it may still set the pace
        return insure(state, now) + pause(state, "Check", now, "poll")
    if state.run in {"unsent", "refused"} and state.state == "RUNNING":
        return pause(state, "Run", now, "Run")
    return pause(state, "Check", now, "poll")


def _check_again(state: State, now: float, retry_after: float | None) -> list[State]:
    """The table's repeat, at the pace of repeats; beside a live `run` at that of the insurance (D19)."""
    if state.run in {"unsent", "refused"} and state.state == "RUNNING":
        return pause(state, "Run", now, "Run", retry_after) + pause(state, "Check", now, "Check", retry_after)
    again = pause(state, "Check", now, "Check", retry_after)
    if state.cause == "poll":  # Freedom: whether polls and repeats of a poll are counted as one
        again += pause(state, "Check", now, "poll", retry_after)
    return beside(state, again, now, retry_after)


def _unreadable(state: State, event: Event, now: float) -> list[State]:
    seen = replace(state, unreadable=state.unreadable + 1)
    if state.alive:
        # Never final here. Freedom: whether it counts once `run` is lost.
        return _check_again(state, now, None) + _check_again(seen, now, None)
    if seen.unreadable < 2:
        return _check_again(seen, now, None)
    return [*lost_for_good(state, frozenset({"PROTOCOL"})), *pressed(state, now)]


def _error_seen(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """R22: generation failed. D18: within 10 s of sending `run`, before it answered, one more check confirms it."""
    final = over(state, slot, event, now)
    if state.state != "RUNNING" or state.run not in {"alive", "lost", "unsent", "refused"} or state.errors:
        return final
    assert state.run_sent is not None
    age, early = now - state.run_sent, state.setting.policy.early_error
    if age > early + NEAR:
        return final
    doubted = replace(state, errors=state.errors + 1)
    again = [*ask_check(doubted, now, "D18"), *_check_again(doubted, now, None)]
    again += _any_pause(doubted, now)
    # Freedom: at 10 s exactly; and a `run` that was lost or refused may be held for answered.
    return again if state.alive and age < early - NEAR else again + final


def _any_pause(state: State, now: float) -> list[State]:
    """A wait of at most the longest of either kind, since no rule says how long before a confirmation."""
    policy = state.setting.policy
    longest = max(policy.first_check, policy.first_pause)
    waits = pause(state, "Check", now, "confirm", None, "D18")
    return [
        replace(
            one,
            slots=tuple(
                replace(s, hi=max(s.hi, min(now + longest, one.setting.end))) if s.kind == "Wait" else s
                for s in one.slots
            ),
        )
        if one.end is None
        else one
        for one in waits
    ]


def _get(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    if said == "consumed":
        return [ended(state, "CONSUMED", frozenset({"DELIVERED"}), "R27", "I5")]
    if said == "not kept":
        reason = "UNVERIFIED" if event.why == "UNVERIFIED" else "NOT_KEPT"
        return [ended(state, "ERROR", frozenset({reason}), "D44", "D22")]
    if said == "repeat":
        return pause(state, "Get", now, "Get", event.retry_after)
    if said == "renew":
        return renew(state, slot, now)
    if said == "regain":
        return _get_lost(state, now)
    if said == "not yet":
        return pause(state, "Check", now, "not yet", None, "D42", "I13")
    if said == "failed":
        return download_failed(state, now)
    return over(state, slot, event, now)


def _get_lost(state: State, now: float) -> list[State]:
    """D21: `check`, then one more `get`, and no third."""
    lost = replace(state, lost_gets=state.lost_gets + 1)
    if lost.lost_gets > 1:
        return [file_lost(lost), *pressed(lost, now)]
    # Freedom: the check at once, or after a pause; a Retry-After that is on comes first (D19).
    return ask_check(lost, now, "D21") + pause(lost, "Check", now, "Get", None, "D21")


_SAID = {"ListFormats": _formats, "Init": _init, "Run": run, "Check": _check, "Get": _get}
