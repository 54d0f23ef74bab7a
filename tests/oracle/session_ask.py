"""What a session does next, once it knows that it must ask, pause or end: the clock is looked at first.

Each function gives every continuation that the rules permit. Must not look at answers: `session_model` does.
"""

from __future__ import annotations

from tests.oracle.session_clock import NEVER_SENT, SILENT, ended, limits, may_end, must_end
from tests.oracle.session_state import NEAR, Slot, State, replace

__all__ = ["ask", "ask_check", "ask_run", "beside", "hold", "insure", "pause", "poll"]


def ask(state: State, kind: str, now: float, *rules: str, then: str = "") -> list[State]:
    """A request at once, beside a `run` that is alive. It lives until its own limit, or the job's (D35)."""
    forced = must_end(state, now)
    if forced:
        return forced
    policy = state.setting.policy
    hi = min(now + (policy.get_timeout if kind == "Get" else policy.request_timeout), state.setting.end)
    # Freedom: a client may cut a request at the session's own limits, too.
    also = limits(state)
    if state.expiry is not None and kind != "Get":
        also |= {state.expiry, state.expiry + policy.expiry_margin}
    slot = Slot(
        kind=kind,
        lo=hi,
        hi=hi,
        also=frozenset(at for at in also if now < at < hi),
        issued=now,
        credential=state.credential,
        then=then,
        rules=rules,
    )
    asked = replace(state.only_run(), slots=(*state.only_run().slots, slot))
    if kind == "Init":
        asked = replace(asked, init_sent=now)
    if kind == "RenewCredentials":
        asked = replace(asked, owed=True)
    return [*may_end(state, now), asked]


def ask_check(state: State, now: float, *rules: str) -> list[State]:
    """`check` at once, whatever it asks; never while a Retry-After is on, which even D1's check waits for (D19)."""
    return [] if state.not_before > now + NEAR else ask(state, "Check", now, *rules)


def ask_run(state: State, now: float, *rules: str) -> list[State]:
    """`run`, on a connection of its own, and the insurance beside it (R20, D19, I4)."""
    forced = must_end(state, now)
    if forced:
        return forced
    policy = state.setting.policy
    hi = min(now + policy.run_timeout, state.setting.end)  # D28
    binds = policy.expiry == "DOCUMENTED" and state.expiry is not None and now < state.expiry < hi
    also = frozenset({state.expiry} if binds and state.expiry is not None else ())
    slot = Slot(kind="Run", lo=hi, hi=hi, also=also, issued=now, credential=state.credential, rules=rules)
    running = replace(
        state, state="RUNNING", slots=(slot,), run="alive", run_sent=now, unproven=False, insured=0, rested=0
    )
    return [*may_end(state, now), *insure(running, now)]


def insure(state: State, now: float, retry_after: float | None = None) -> list[State]:
    """Wait for the next check of a `run` that is alive: 5 s exactly, then growing to 30 s (D19)."""
    policy, count = state.setting.policy, state.insured
    # Freedom: whether a failed check that was repeated at another pace is counted.
    longest = min(policy.longest_insurance, policy.first_check * policy.growth ** max(count, state.rested))
    # Freedom: whether the second wait is drawn from 5 s or from the next step.
    shortest = min(policy.longest_insurance, policy.first_check * policy.growth ** max(count - 1, 0))
    lo, hi = now + shortest / 2, now + longest
    state = replace(state, insured=count + 1, rested=state.rested + 1, streak=0, cause="insurance")
    return _wait(state, "Check", now, lo, hi, retry_after, "D19", "R20") if count else _first_check(state, now)


def _first_check(state: State, now: float) -> list[State]:
    """5 s after `run` was sent exactly; it has no jitter, and a Retry-After that is on puts it off until that is over.

    Freedom: exactly then (D19), though the token's 300 s end in between, or just after the 300 s (D1).
    """
    policy, expiry, told = state.setting.policy, state.expiry, state.not_before
    assert state.run_sent is not None
    due = {max(state.run_sent + policy.first_check, now)}
    if policy.expiry == "CONFIRM" and expiry is not None and now < expiry + policy.expiry_margin < max(due):
        due |= set() if state.kept_by_server else {max(expiry, now + NEAR), expiry + policy.expiry_margin}
    free = replace(state, kept_by_server=True, not_before=0.0)  # else it would be cut, or put off, as any other Wait is
    moments = {max(at, told) for at in due}
    found = [one for at in moments for one in _wait(free, "Check", now, at, at, None, "D19", "R20")]
    return [one if one.end else replace(one, kept_by_server=state.kept_by_server, not_before=told) for one in found]


def beside(state: State, again: list[State], now: float, retry_after: float | None = None) -> list[State]:
    """A check that failed is repeated: `again`, but where `run` is alive at the pace of the insurance (D19).

    Freedom: D1's check is no insurance, and READY has made `run` needless: at either pace.
    """
    if not state.alive:
        return again
    asks = state.expiry is not None and now >= state.expiry and not state.kept_by_server
    own = [] if state.state == "RUNNING" and not asks else again
    return [*own, *insure(state, now, retry_after)]


def pause(
    state: State, then: str, now: float, cause: str, retry_after: float | None = None, *rules: str
) -> list[State]:
    """Wait before a repeat, or before the next poll of a lost `run`: 0.5 s growing to 15 s, jitter in [d/2, d] (D19).

    Freedom: what is counted. At the least the pauses in a row for one cause, at the most all answers but successes.
    """
    streak = state.streak + 1 if cause == state.cause else 0
    lo = now + _step(state, streak) / 2
    hi = now + _step(state, max(streak, state.waits))
    counted = replace(state, streak=streak, cause=cause, rested=state.rested + state.alive)
    return _wait(counted, then, now, lo, hi, retry_after, *(rules or ("D19", "I13")))


def _step(state: State, count: int) -> float:
    policy = state.setting.policy
    return float(min(policy.longest_pause, policy.first_pause * policy.growth**count))


def poll(state: State, now: float, retry_after: float | None = None) -> list[State]:
    """`run` is not alive: `check` decides (D6). A Wait that stands may be kept, if it ends soon enough (D19)."""
    kept = state.slot("Wait")
    fresh = pause(state, "Check", now, "poll", retry_after, "D19", "D6")
    if kept is None or kept.then != "Check":
        return fresh
    if state.not_before > now and retry_after is None:
        return [*must_end(state, now)] or [state, *fresh]  # Retry-After still holds
    if retry_after:
        return fresh  # poll then (the table): a Wait that ends sooner is too short now
    longest = now + _step(state, max(state.waits, state.streak + 1))
    return [*fresh, state] if kept.hi <= longest + NEAR and not must_end(state, now) else fresh


def _wait(
    state: State, then: str, now: float, lo: float, hi: float, retry_after: float | None, *rules: str
) -> list[State]:
    forced = must_end(state, now)
    if forced:
        return forced
    also = limits(state)
    found = may_end(state, now)
    if then == "Check" and state.not_before > now and (state.state == "RUNNING" or retry_after is None):
        # A Retry-After that is on still holds for every check, D1's among them (D19). What names no time (a `get` lost,
        # or told 429 and no more) takes back none.
        retry_after = max(retry_after or 0.0, state.not_before - now)
    if retry_after:
        lo, hi = now + retry_after, now + retry_after + max(hi - now, 0.0)
        rules = (*rules, "D19")
        if lo >= state.setting.end:  # honoured within the job's deadline: there is none left
            found.append(ended(state, "ERROR", frozenset({"TIMED_OUT"}) | SILENT, "D19", "I8"))
    lo, hi, near = _cut_at_expiry(state, then, now, lo, hi, bool(retry_after))
    also |= near
    if state.not_before > now and (not retry_after or state.not_before > now + retry_after - NEAR):
        also.add(min(state.not_before, _last(state)))  # Freedom: what one request was told may hold for the next
    hi = min(hi, state.setting.end)
    lo = min(lo, hi)
    slot = Slot(
        kind="Wait",
        lo=lo,
        hi=hi,
        also=frozenset(at for at in also if now < at < lo or now < at <= min(state.not_before, state.setting.end)),
        issued=now,
        credential=state.credential,
        then=then,
        rules=rules,
    )
    waiting = replace(state.only_run(), slots=(*state.only_run().slots, slot))
    readings = [waiting]
    if retry_after is not None:
        # Freedom: to wait as one was told is no silence (D19 says both). Where another Retry-After is on that something
        # was asked within (READY's `get`, say), the server's last word holds, or the longer wait.
        told = now + retry_after if retry_after else 0.0
        untils = {told, max(state.not_before, told)} if state.not_before > now else {told}
        silent = max(waiting.silent_told, told)
        readings = [replace(waiting, not_before=until, silent_told=silent) for until in sorted(untils)]
    kept = state.slot("Wait")
    if kept is not None and kept.number is not None and slot.permits(kept.hi, now):
        # A Wait is kept while its deadline stays.
        same = replace(slot, number=kept.number, lo=kept.lo, hi=kept.hi, also=frozenset())
        slots = tuple(same if each is slot else each for each in waiting.slots)
        found += [replace(one, slots=slots) for one in readings]
    return [*found, *readings]


def hold(state: State, then: str, now: float) -> list[State]:
    """Wait until the Retry-After that still holds is over, and for nothing else."""
    until = min(state.not_before, _last(state))
    if until <= now:
        return []
    at = now if then == "Check" else until  # a check is put off by `_wait` itself
    found = _wait(state, then, now, at, at, None, "D19")
    return [one if one.end else replace(one, not_before=state.not_before) for one in found]


def _last(state: State) -> float:
    """The moment at which the clock ends the session whatever it was told: the job's end, or the token's (D1)."""
    binds = state.setting.policy.expiry == "DOCUMENTED" or state.run in NEVER_SENT
    return min(state.setting.end, state.expiry) if binds and state.expiry is not None else state.setting.end


def _cut_at_expiry(
    state: State, then: str, now: float, lo: float, hi: float, told: bool
) -> tuple[float, float, set[float]]:
    """A Wait ends at the token's expiry where something must be done then (D1)."""
    policy, expiry = state.setting.policy, state.expiry
    if expiry is None:
        return lo, hi, set()
    if policy.expiry == "DOCUMENTED":
        return min(lo, expiry), min(hi, expiry), set()
    latest = expiry + policy.expiry_margin
    if state.kept_by_server or now >= latest:
        return lo, hi, set()
    # One check asks just after 300 s; it waits for Retry-After, too. What is to be repeated then may go on instead.
    if told:
        return lo, hi, {expiry} if state.run in NEVER_SENT else set()
    if then != "Check":
        return lo, hi, {expiry, latest}
    return min(lo, latest), min(hi, latest), {expiry} if hi > latest else set()
