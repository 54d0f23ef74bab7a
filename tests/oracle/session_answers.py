"""What a session makes of an answer to one of its five commands: the table, and the rules it points to.

Each function gives every continuation that the rules permit; the slot that was answered is gone from `state` already.
"""

from __future__ import annotations

from dataclasses import replace

from tests.oracle.session_ask import ask, ask_run, ended, expired, insure, must_end, pause, poll, pressed
from tests.oracle.session_state import NEAR, Slot, State
from tests.oracle.table import REASON, meaning, row
from tests.oracle.vocabulary import Event

__all__ = ["answered"]

# Answers that show beyond doubt that the server, and not something before it, has answered (D16's success, D19's valid
# answer). Of the other refusals no rule says it.
_VALID = frozenset({"success", "status ERROR", "status IN_PROGRESS", "status READY", "not kept"})
_NO_ANSWER = frozenset({"not sent", "lost"})
_LOST = frozenset({"ERROR"})


def answered(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """Everything that may follow this answer."""
    if slot.kind == "Run" and state.state != "RUNNING":
        # READY has come by `check` already; `run`'s own answer adds nothing.
        return [replace(state, run="done"), *pressed(state, now)]
    found: list[State] = []
    for heard in _heard(state, slot, event, now):
        found += _SAID[slot.kind](heard, slot, event, now, meaning(slot.kind, event))
    return found


def _heard(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """The same state, with what an answer as such is worth: the silence is over, the renewal is armed again."""
    name = row(slot.kind, event)
    if slot.kind == "Get":  # a transfer that takes its time is no silence, though it may come to nothing
        state = replace(state, silent_hi=now)
    if name in _NO_ANSWER:
        return [state]
    full = replace(state, silent_lo=now, silent_hi=now, contact=True, armed=True)
    if state.cause != "poll":
        full = replace(full, streak=0, cause="")
    if name in _VALID and (slot.kind, name) != ("Get", "status READY"):
        return [full]
    if name == "credentials":
        return [replace(state, silent_hi=now)]
    # Freedom: whether a 429, a refusal or what does not belong here is a valid answer (D19), and a success (D16).
    half = replace(state, silent_hi=now)
    return [half, replace(half, armed=True)] if not state.armed else [half]


# -- formats, init


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
        return _renew(state, slot, now)
    return _over(state, slot, event, now)


def _over(state: State, slot: Slot, event: Event, now: float) -> list[State]:
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
    found = [*_lost_for_good(state, reasons), *pressed(state, now)]
    late = state.expiry is not None and now >= state.expiry
    if late and event.kind == "Refused" and state.lost_gets == 0:
        # Freedom: "a refusal then is EXPIRED" (D1), though another one than Download failed has a name of its own.
        found.append(ended(state, "EXPIRED", reasons | {"EXPIRED"}, "D1"))
    if event.refusal == "INVALID_FORMAT" and state.listed is None and slot.kind != "ListFormats":
        # D12: without the preflight, the formats are asked for now, to name the alternatives. Freedom: or not.
        naming = replace(state, naming=True)
        found += ask(naming.without("Run"), "ListFormats", now, "D12")
        if state.slot("Run") is not None:  # Freedom: a `run` that has become needless may be left
            found += ask(naming, "ListFormats", now, "D12")
    return found


def _lost_for_good(state: State, reasons: frozenset[str]) -> list[State]:
    if state.lost_gets == 0:
        return [ended(state, "ERROR", reasons)]
    # D21: after a lost get, a refusal means that the file is lost. Freedom: where the refusal has a name of its own
    # (table, D27), it may be called by that, and is final then.
    return [_file_lost(state), ended(state, "ERROR", reasons)]


def _file_lost(state: State) -> State:
    return ended(state, "ERROR", frozenset({"TRANSFER_LOST"}), "D21", restart=frozenset({"LOST"}))


# -- credentials


def _renew(state: State, slot: Slot, now: float) -> list[State]:
    """D16: renew, then the same command again, at once (I13)."""
    if slot.credential < state.credential:
        return ask(state, slot.kind, now, "D16")  # the refusal of an older credential
    if state.armed:
        return ask(state, "RenewCredentials", now, "D16", then=slot.kind)
    over = [ended(state, "ERROR", REASON["CREDENTIALS"], "D16"), *pressed(state, now)]
    over += pause(state, "Check", now, "Check") if state.alive else []
    # Freedom: the insurance's failures never end a live run (D19), but this credential is no good for `get` either.
    return [*insure(state, now), *over] if state.alive else over


def _run_refused(state: State, slot: Slot, now: float) -> list[State]:
    """A 401 or 412 to `run`: within 5 s it allows one repeat, later it counts as lost (I3)."""
    age = now - slot.issued
    early = state.setting.policy.early_refusal
    found: list[State] = []
    if age <= early and not state.run_repeated:
        again = replace(state.only_run(), run="refused", run_repeated=True, silent_hi=now)
        if slot.credential < state.credential:
            found += ask_run(again, now, "D16", "I3")
        elif state.armed:
            found += ask(again, "RenewCredentials", now, "D16", "I3", then="Run")
        else:
            found += [ended(again, "ERROR", REASON["CREDENTIALS"], "D16"), *pressed(again, now)]
    if age >= early or state.run_repeated or (not state.armed and not found):
        lost = _run_lost(state, slot, now, loss=True)
        found += [after for gone in lost for after in _decided_by_check(gone, now, None)]
        for gone in lost:
            if slot.credential < gone.credential:
                continue
            # Freedom: the credential is known to be dead; it may be renewed before `check` is refused for it.
            if gone.armed and gone.slot("RenewCredentials") is None:
                found += ask(gone, "RenewCredentials", now, "D16", then="Check")
            elif not gone.armed:
                found.append(ended(gone, "ERROR", REASON["CREDENTIALS"], "D16"))
    return found


# -- run


def _run(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    name = row("Run", event)
    if said == "get":
        found = _ready(replace(state, run="done"), now)
        if event.status == "OK":  # Freedom: `run`'s OK is an event of its own; told as a status, it may be held for odd
            found += _decided_by_check(replace(state, run="answered", silent_hi=now), now, None)
        return found
    if said == "renew":
        return _run_refused(state, slot, now)
    if said == "repeat":  # proven never sent: the only loss that a second run may follow (I3)
        return _unsent(replace(state, run="unsent", silent_hi=now), now)
    if said in {"final", "protocol"}:  # D6: for the request's own sake
        return _over(state, slot, event, now)
    if said == "poll" and name in {"lost", "busy"}:
        lost = _run_lost(state, slot, now, loss=True)
        return [after for gone in lost for after in _decided_by_check(gone, now, event.retry_after)]
    if said == "poll":
        # IN PROGRESS, or an envelope that cannot be read. Freedom: an answer or a loss (D18, D19).
        return [
            after
            for fate in ("answered", "lost")
            for after in _decided_by_check(replace(state, run=fate, silent_hi=now), now, None)
        ]
    assert said == "confirm", said
    answered_no = replace(state, run="answered", silent_hi=now)
    found = _decided_by_check(answered_no, now, None)
    if answered_no.other() is None or answered_no.slot("Wait") is not None:
        found += ask(answered_no, "Check", now, "D6")  # Freedom: `check` confirms at once, or after a pause
    return found


def _run_lost(state: State, slot: Slot, now: float, *, loss: bool) -> list[State]:
    """D6: not a failure. Within 5 s of sending it proves nothing, and the run is unproven."""
    age, early = now - slot.issued, state.setting.policy.early_loss
    gone = replace(state, run="lost", silent_hi=now)
    found = []
    if age >= early - NEAR:
        found.append(gone)
    if loss and age <= early + NEAR:
        found.append(replace(gone, unproven=True))
    return found


def _decided_by_check(state: State, now: float, retry_after: float | None) -> list[State]:
    """What is out already goes on; a Wait becomes a shorter one."""
    forced = must_end(state, now)
    if forced:
        return forced
    other = state.other()
    if other is None or other.kind == "Wait":
        return poll(state, now, retry_after)
    told = now + retry_after if retry_after else 0.0  # poll then, and not before
    return [replace(state, not_before=max(state.not_before, told)), *pressed(state, now)]


def _unsent(state: State, now: float) -> list[State]:
    """Run again after a pause. Freedom: a request that is out may come to its end first."""
    found = pause(state, "Run", now, "Run", None, "D19", "I3")
    if state.slot("Check", "RenewCredentials") is not None and not must_end(state, now):
        found.append(state)
    return found


# -- check


def _check(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    late = state.expiry is not None and slot.issued >= state.expiry
    passed = state.expiry is not None and now >= state.expiry
    if said == "get":
        return _ready(replace(state, kept_by_server=state.kept_by_server or passed), now)
    if said == "poll":
        return _in_progress(state, now, asked_late=late, passed=passed)
    if said == "repeat":
        return _check_again(state, now, event.retry_after)
    if said == "unreadable":
        return _unreadable(state, event, now)
    if said == "renew":
        if state.run in {"unsent", "refused"}:
            return [*_renew(state, slot, now), *_check_again(state, now, None)]
        return _renew(state, slot, now)
    if said == "error":
        return _error_seen(state, slot, event, now)
    if said == "failed":
        return _download_failed(state, now)
    return _over(state, slot, event, now)


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
        kept = [replace(one, kept_by_server=True) for one in calm]
        if asked_late:
            if given_up:
                return [*given_up, *pressed(state, now)]
            calm = kept
        else:  # Freedom: asked before 300 s, answered after: it has said so, or one more check asks
            found += given_up
            for one in calm:
                found += pause(one, "Check", now, "late", None, "D1", "D19")
            calm += kept if not given_up else []
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
    """The table's repeat. Freedom: while `run` is alive, at the pace of the insurance or of repeats (D19)."""
    if state.run in {"unsent", "refused"} and state.state == "RUNNING":
        return pause(state, "Run", now, "Run", retry_after) + pause(state, "Check", now, "Check", retry_after)
    again = pause(state, "Check", now, "Check", retry_after)
    if state.cause == "poll":  # Freedom: whether polls and repeats of a poll are counted as one
        again += pause(state, "Check", now, "poll", retry_after)
    return [*again, *insure(state, now, retry_after)] if state.alive else again


def _unreadable(state: State, event: Event, now: float) -> list[State]:
    seen = replace(state, unreadable=state.unreadable + 1)
    if state.alive:
        # Never final here. Freedom: whether it counts once `run` is lost.
        return _check_again(state, now, None) + _check_again(seen, now, None)
    if seen.unreadable < 2:
        return _check_again(seen, now, None)
    return [*_lost_for_good(state, frozenset({"PROTOCOL"})), *pressed(state, now)]


def _error_seen(state: State, slot: Slot, event: Event, now: float) -> list[State]:
    """R22: generation failed. D18: within 10 s of sending `run`, before it answered, one more check confirms it."""
    over = _over(state, slot, event, now)
    if state.state != "RUNNING" or state.run not in {"alive", "lost", "unsent", "refused"} or state.errors:
        return over
    assert state.run_sent is not None
    age, early = now - state.run_sent, state.setting.policy.early_error
    if age > early + NEAR:
        return over
    doubted = replace(state, errors=state.errors + 1)
    again = [*ask(doubted, "Check", now, "D18"), *_check_again(doubted, now, None)]
    again += _any_pause(doubted, now)
    # Freedom: at 10 s exactly; and a `run` that was lost or refused may be held for answered.
    return again if state.alive and age < early - NEAR else again + over


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


def _download_failed(state: State, now: float) -> list[State]:
    """D41, and D21 where a get was lost before."""
    if state.lost_gets:
        return [_file_lost(state), *pressed(state, now)]
    if state.expiry is not None and now >= state.expiry:
        return [expired(state, "D41", "D1", "R17"), *must_end(state, now)]
    return [ended(state, "ERROR", frozenset({"GENERATION_FAILED"}), "D41", "R30"), *pressed(state, now)]


# -- get


def _ready(state: State, now: float) -> list[State]:
    """READY: `get` leaves at once, whatever else is out (I4, D2, D6)."""
    forced = must_end(state, now)
    if forced:
        either = frozenset({state.state, "READY"})
        return [
            replace(one, end=replace(one.end, ended_in=either)) if one.end and one.state == "ERROR" else one
            for one in forced
        ]
    ready = replace(state, state="READY", unproven=False, errors=0, unreadable=0)
    found = ask(ready, "Get", now, "I4", "D2")
    if state.slot("Run") is not None:
        # Freedom: `run`, which has become needless, may be superseded or left.
        found += ask(replace(ready.without("Run"), run="done"), "Get", now, "I4", "D2")
    waiting = state.slot("RenewCredentials")
    if waiting is not None:
        # Freedom: a renewal that is out may come first, or be superseded; the get it is for would need it.
        held = tuple(replace(s, then="Get") if s is waiting else s for s in ready.slots)
        found.append(replace(ready, slots=held))
    elif state.owed:
        pausing = ready.slot("Wait")
        if pausing is None or pausing.hi <= now + NEAR:
            found += ask(ready, "RenewCredentials", now, "D16", then="Get")
        else:
            held = tuple(replace(s, then="RenewCredentials Get") if s is pausing else s for s in ready.slots)
            found.append(replace(ready, slots=held))
    return found


def _get(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    if said == "consumed":
        return [ended(state, "CONSUMED", frozenset({"DELIVERED"}), "R27", "I5")]
    if said == "not kept":
        reason = "UNVERIFIED" if event.why == "UNVERIFIED" else "NOT_KEPT"
        return [ended(state, "ERROR", frozenset({reason}), "D44", "D22")]
    if said == "repeat":
        return pause(state, "Get", now, "Get", event.retry_after)
    if said == "renew":
        return _renew(state, slot, now)
    if said == "regain":
        return _get_lost(state, now)
    if said == "not yet":
        return pause(state, "Check", now, "not yet", None, "D42", "I13")
    if said == "failed":
        return _download_failed(state, now)
    return _over(state, slot, event, now)


def _get_lost(state: State, now: float) -> list[State]:
    """D21: `check`, then one more `get`, and no third."""
    lost = replace(state, lost_gets=state.lost_gets + 1)
    if lost.lost_gets > 1:
        return [_file_lost(lost), *pressed(lost, now)]
    # Freedom: the check at once, or after a pause.
    return ask(lost, "Check", now, "D21") + pause(lost, "Check", now, "Get", None, "D21")


_SAID = {"ListFormats": _formats, "Init": _init, "Run": _run, "Check": _check, "Get": _get}
