"""What the clock says of a session: its limits, and the ends that they force or permit.

Must issue nothing, and not look at answers: `session_ask` looks at the clock here before it asks or waits.
"""

from __future__ import annotations

from tests.oracle.session_state import NEAR, End, Slot, State, replace

__all__ = [
    "NEVER_SENT",
    "SILENT",
    "cut_short",
    "ended",
    "expired",
    "limits",
    "may_end",
    "must_end",
    "pressed",
]

SILENT = frozenset({"UNREACHABLE", "SERVER_ERROR", "TIMED_OUT", "ENDPOINT_MISSING", "PROTOCOL"})
NEVER_SENT = frozenset({"none", "unsent", "refused"})


def ended(
    state: State,
    after: str,
    reasons: frozenset[str],
    *rules: str,
    restart: frozenset[str | None] = frozenset({None}),
    ended_in: frozenset[str] | None = None,
) -> State:
    """The session is over, and nothing is outstanding (I1)."""
    unproven = frozenset({False})
    unheld = frozenset({False})
    if after == "EXPIRED":
        budgets: set[str | None] = set()
        if state.unproven and state.state == "RUNNING":
            unproven = frozenset({True})  # the paragraph on unproven runs
            budgets.add("UNPROVEN")
        elif state.run in NEVER_SENT:
            unproven = frozenset({True, False})  # D21 counts it with the unproven; no rule says what the outcome says
            budgets.add("UNPROVEN")
        if state.away_expired:
            unheld = frozenset({True})  # D21, D43
            budgets.add("UNHELD")
        restart = frozenset(budgets) | (restart - {None}) if budgets else restart
    elif state.unproven or state.run in NEVER_SENT:
        unproven = frozenset({True, False})
    if after != "EXPIRED" and state.away_expired:
        unheld = frozenset({True, False})
    end = End(
        state=after,
        reasons=reasons,
        ended_in=ended_in if ended_in is not None else frozenset({state.state}),
        unproven=unproven,
        unheld=unheld,
        restart=restart,
        rules=rules,
    )
    return replace(state, state=after, slots=(), end=end)


def expired(state: State, *rules: str) -> State:
    """EXPIRED; a lost transfer whose time ran out may be called either (D21, D1)."""
    reasons = frozenset({"EXPIRED", "TRANSFER_LOST"}) if state.lost_gets else frozenset({"EXPIRED"})
    restart: frozenset[str | None] = frozenset({None, "LOST"}) if state.lost_gets else frozenset({None})
    return ended(state, "EXPIRED", reasons, *rules, restart=restart)


def _silence(state: State) -> tuple[float, float]:
    """From when on it may, and from when on it must, end for want of a valid answer (D19)."""
    policy = state.setting.policy
    shortest = policy.silence if state.contact else min(policy.silence, policy.first_contact)
    longest = policy.silence if state.contact else max(policy.silence, policy.first_contact)
    return state.silent_heard + shortest, max(state.silent_lost, state.silent_told) + longest


def limits(state: State) -> set[float]:
    """Every moment at which a client may hold the silence for too long; none while `run` is alive."""
    if state.alive:
        return set()
    policy = state.setting.policy
    lengths = {policy.silence} if state.contact else {policy.silence, policy.first_contact}
    return {since + length for since in state.silent_since for length in lengths}


def cut_short(state: State, waiting: Slot, now: float) -> list[State]:
    """A Wait that stands, cut where the silence ends the session, now that `run` is not alive (D19)."""
    sooner = {at for at in limits(state) if now < at < waiting.hi}
    if not sooner:
        return []
    last = max(sooner)
    shorter = replace(waiting, number=None, lo=last, hi=last, also=frozenset(sooner))
    return [replace(state, slots=tuple(shorter if each.kind == "Wait" else each for each in state.slots))]


def must_end(state: State, now: float) -> list[State]:
    """The ends that the clock forces; any one of them. Empty where it forces none.

    Freedom: where several limits have passed before the clock is looked at again (a machine that slept), any of them
    may name the end (D19, D1, D21), be it one that would have forced none; the job's own is always TIMED_OUT (I8).
    """
    named = frozenset({"INVALID_FORMAT"}) if state.naming else frozenset()
    found = []
    if now >= state.setting.end:
        found.append(ended(state, "ERROR", frozenset({"TIMED_OUT"}) | named, "I8"))
    documented = state.setting.policy.expiry == "DOCUMENTED"
    # D2: a transfer that has begun is allowed to end.
    if documented and state.expiry is not None and now >= state.expiry and state.slot("Get") is None:
        found.append(expired(state, "D1", "I6"))
        if state.naming:
            found.append(ended(state, "ERROR", named, "D12"))
        if state.lost_gets:
            found.append(ended(state, "ERROR", frozenset({"TRANSFER_LOST"}), "D21", restart=frozenset({None, "LOST"})))
    if not state.alive and now > _silence(state)[1] + NEAR:
        found.append(ended(state, "ERROR", SILENT | named, "D19"))
    if now >= state.setting.end:
        return found[:1] if now > state.setting.end + 2 * NEAR else found
    return [*found, *_passed(state, now)] if found else []


def _passed(state: State, now: float) -> list[State]:
    """The limits that have passed, and that force no end by themselves."""
    found = []
    if state.run in NEVER_SENT and state.expiry is not None and now >= state.expiry:
        # Freedom: a token of 300 s that no `run` has used may be given up, asked about, or used (D1, R16, D21).
        found.append(expired(state, "D1", "D21"))
    if not state.alive and now >= _silence(state)[0] - NEAR:
        named = frozenset({"INVALID_FORMAT"}) if state.naming else frozenset()
        found.append(ended(state, "ERROR", SILENT | named, "D19"))
    return found


def may_end(state: State, now: float) -> list[State]:
    """The ends that the clock permits, and does not force: the limit of D19 may be counted from two moments.

    A client's grid may bring it to a limit a little before the limit comes.
    """
    found = must_end(state, now + NEAR)
    return found if now > state.setting.end + NEAR else [*found, *_passed(state, now)]


def pressed(state: State, now: float) -> list[State]:
    """What an event that changes nothing may still bring about, since time has passed."""
    return must_end(state, now) or may_end(state, now)
