"""Decides what the clock says of a session: when it ends by itself, until when a command may wait, when to ask again.

Pure functions of facts and policy. A deadline has come when now >= deadline, everywhere: with `>` a wait of no
length would follow another for ever (I13). Must never issue a command or move a state.
"""

from __future__ import annotations

from reportdl_core.errors import Reason
from reportdl_core.facts import Facts, RunPhase
from reportdl_core.lifecycle import Move
from reportdl_core.policy import TOKEN_LIFE, Expiry, Policy, instant, insurance, pause
from reportdl_core.verdicts import Verdict, silent_reason

__all__ = ["begun_again", "ended_by_clock", "expires_at", "horizon", "rest"]


def expires_at(facts: Facts) -> float | None:
    """Five minutes after the `init` that was answered had been sent (D1); None before there is a token."""
    return None if facts.token_from is None else facts.token_from + TOKEN_LIFE


def _expiry_binds(facts: Facts, policy: Policy) -> bool:
    # Where it binds, no request with the token is issued from then on (I6).
    # A token whose `run` never left is of no use once it is old, whatever the server says: nothing would be lost.
    return policy.expiry is Expiry.DOCUMENTED or facts.run is RunPhase.UNSENT


def _silent_at(facts: Facts, policy: Policy) -> float:
    return facts.quiet_since + instant(policy.silence if facts.heard else min(policy.first_contact, policy.silence))


def ended_by_clock(facts: Facts, policy: Policy, *, now: float, receiving: bool, answered: bool) -> Verdict | None:
    """The end that the clock alone brings, if it has come; a transfer that has begun may end (D2).

    `answered`: what has just come is an end by itself, so that the server was not silent (D19, D41).
    """
    if now >= facts.end:
        return Verdict(Move.FAIL, Reason.TIMED_OUT)
    if receiving:
        return None
    expiry = expires_at(facts)
    if expiry is not None and now >= expiry and _expiry_binds(facts, policy):
        # The file was on its way and is lost for good: the job may have another session for that (D21).
        return Verdict(Move.EXPIRE, Reason.TRANSFER_LOST if facts.lost_gets else Reason.EXPIRED)
    if not answered and facts.run is not RunPhase.ALIVE and now >= _silent_at(facts, policy):
        return Verdict(Move.FAIL, silent_reason(facts))
    return None


def horizon(facts: Facts, policy: Policy) -> float:
    """The latest deadline that a command may have: nothing stays out beyond the moment when the clock ends it."""
    latest = facts.end
    expiry = expires_at(facts)
    if expiry is not None and _expiry_binds(facts, policy):
        latest = min(latest, expiry)
    if facts.run is not RunPhase.ALIVE:
        latest = min(latest, _silent_at(facts, policy))
    return latest


def rest(facts: Facts, policy: Policy, *, seed: int, now: float, insuring: bool, held: float | None) -> None:
    """Note when the next command may leave, after a failure or an answer that said "not yet" (D19, I13).

    `insuring`: `run` is alive and its own answer is awaited, so `check` only insures. D1's question comes just
    after five minutes, sooner than the interval where need be, but never before a Retry-After is over: `held`.
    """
    repeat = pause(policy, seed=seed, number=facts.number, times=facts.pauses)
    if insuring:
        facts.polls += 1
        due = now + insurance(policy, seed=seed, number=facts.number, times=facts.polls)
    else:
        facts.pauses += 1
        due = now + repeat
    expiry = expires_at(facts)
    if expiry is not None and facts.run is not RunPhase.UNSENT and not facts.kept_on:
        question = expiry + instant(policy.expiry_margin)
        if now < question:
            due = min(due, question)
        elif insuring:
            # The question was asked and not answered: its repeats grow like every other (I13).
            facts.pauses += 1
            due = min(due, now + repeat)
    facts.due = due if held is None else max(due, held)


def begun_again(ended: Facts, policy: Policy, *, seed: int, now: float) -> Facts:
    """What the next session of a job begins with.

    Not at once: a session that failed is a failure too, and none is repeated without a pause (I13). A Retry-After that
    is still on stays honoured, and a server that has answered before is no stranger now (D19).
    """
    held = now if ended.held_until is None else max(now, ended.held_until)
    due = max(held, now + pause(policy, seed=seed, number=ended.number, times=0))
    return Facts(number=ended.number, began=now, end=ended.end, due=due, quiet_since=held, heard=ended.heard)
