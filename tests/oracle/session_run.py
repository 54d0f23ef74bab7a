"""What a session makes of `run`'s own answer: the one that may not come, and must not be asked for twice (I3, D6).

Each function gives every continuation that the rules permit.
"""

from __future__ import annotations

from tests.oracle.session_ask import ask, ask_check, ask_run, pause, poll
from tests.oracle.session_clock import ended, must_end, pressed
from tests.oracle.session_ends import over, ready
from tests.oracle.session_state import NEAR, Slot, State, replace, without_run
from tests.oracle.table import REASON, row
from tests.oracle.vocabulary import Event

__all__ = ["run"]


def run(state: State, slot: Slot, event: Event, now: float, said: str) -> list[State]:
    name = row("Run", event)
    if said == "get":
        return ready(replace(state, run="done"), now)
    if said == "renew":
        return _run_refused(state, slot, now)
    if said == "repeat":  # proven never sent: the only loss that a second run may follow (I3)
        return _unsent(replace(without_run(state, now), run="unsent"), now)
    if said in {"final", "protocol"}:  # D6: for the request's own sake
        return over(state, slot, event, now)
    if said == "poll" and name in {"lost", "busy"}:
        lost = _run_lost(state, slot, now, loss=True)
        return [after for gone in lost for after in _decided_by_check(gone, now, event.retry_after)]
    if said == "poll":
        # IN PROGRESS, or an envelope that cannot be read. Freedom: an answer or a loss (D18, D19).
        return [
            after
            for fate in ("answered", "lost")
            for after in _decided_by_check(replace(without_run(state, now), run=fate), now, None)
        ]
    assert said == "confirm", said
    answered_no = replace(without_run(state, now), run="answered")
    found = _decided_by_check(answered_no, now, None)
    if answered_no.other() is None or answered_no.slot("Wait") is not None:
        found += ask_check(answered_no, now, "D6")  # Freedom: `check` confirms at once, or after a pause
    return found


def _run_refused(state: State, slot: Slot, now: float) -> list[State]:
    """A 401 or 412 to `run`: within 5 s it allows one repeat, later it counts as lost (I3).

    Where a renewal has failed already, its pause goes on: it is one failure, whoever was refused (I13).
    """
    age = now - slot.issued
    early = state.setting.policy.early_refusal
    failed = state.unpaused
    found: list[State] = []
    if age <= early and not state.run_repeated:
        again = replace(without_run(state, now).only_run(), run="refused", run_repeated=True)
        if slot.credential < state.credential:
            found += ask_run(again, now, "D16", "I3")
        elif state.armed:
            found += [] if failed else ask(again, "RenewCredentials", now, "D16", "I3", then="Run")
        else:
            found += [ended(again, "ERROR", REASON["CREDENTIALS"], "D16"), *pressed(again, now)]
        found += _renewed_for(again, state)
    if age >= early or state.run_repeated or (not state.armed and not found):
        lost = _run_lost(state, slot, now, loss=True)
        found += [after for gone in lost for after in _decided_by_check(gone, now, None)]
        for gone in lost:
            if slot.credential < gone.credential:
                continue
            # Freedom: the credential is known to be dead; it may be renewed before `check` is refused for it.
            if gone.armed and gone.slot("RenewCredentials") is None and not failed:
                found += ask(gone, "RenewCredentials", now, "D16", then="Check")
            elif not gone.armed and age <= early + NEAR:
                found.append(ended(gone, "ERROR", REASON["CREDENTIALS"], "D16"))
    return found


def _renewed_for(again: State, before: State) -> list[State]:
    """One renewal is enough: what is under way for another command serves `run`, too (I4)."""
    under_way = before.slot("RenewCredentials")
    if under_way is not None:
        return [replace(again, slots=(replace(under_way, then="Run"),))]
    waiting = before.slot("Wait")
    if waiting is None or not before.owed:
        return []
    return [replace(again, slots=(replace(waiting, then="RenewCredentials Run"),))]


def _run_lost(state: State, slot: Slot, now: float, *, loss: bool) -> list[State]:
    """D6: not a failure. Within 5 s of sending it proves nothing, and the run is unproven."""
    age, early = now - slot.issued, state.setting.policy.early_loss
    gone = replace(without_run(state, now), run="lost")
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
    # Once `run` is lost pauses begin at 0.5 s, whatever was repeated before (D19). Freedom: or they go on growing.
    held = replace(state, not_before=max(state.not_before, told), silent_told=max(state.silent_told, told))
    return [replace(held, streak=0, cause=""), *pressed(held, now)]


def _unsent(state: State, now: float) -> list[State]:
    """Run again after a pause. Freedom: a request that is out may come to its end first."""
    found = pause(state, "Run", now, "Run", None, "D19", "I3")
    if state.slot("Check", "RenewCredentials") is not None and not must_end(state, now):
        found.append(state)
    return found
