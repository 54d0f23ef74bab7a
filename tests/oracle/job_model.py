"""The reference model of a job: sessions one after the other, within the restart budget and one deadline (D21, I8).

The same functions as `session_model`, and two for a job that another process takes up (D43).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.oracle import session_model, session_state
from tests.oracle.session_ask import ask, pause
from tests.oracle.session_state import NEAR, Seen, Setting, State, replace
from tests.oracle.vocabulary import Event, Job, Policy

__all__ = ["JobState", "agree", "begin", "explain", "recover", "relative", "restored", "step"]


class JobState(NamedTuple):
    """The session that is, which of the job's it is, and the restarts that are left of each kind."""

    session: State
    lost: int
    unheld: int
    unproven: int
    sessions: int = 1
    over: bool = False
    ended_as: str = ""  # the final state of the session before this one

    def left(self, kind: str) -> int:
        return {"LOST": self.lost, "UNHELD": self.unheld, "UNPROVEN": self.unproven}[kind]

    def spent(self, kind: str) -> JobState:
        if kind == "LOST":
            return replace(self, lost=self.lost - 1)
        if kind == "UNHELD":
            return replace(self, unheld=self.unheld - 1)
        return replace(self, unproven=self.unproven - 1)


def begin(job: Job, policy: Policy, *, now: float, known: int = 0) -> frozenset[JobState]:
    """A job that has just begun."""
    end = now + policy.job_timeout
    return frozenset(
        JobState(
            session=session,
            lost=policy.restarts_lost,
            unheld=policy.restarts_unheld,
            unproven=policy.restarts_unproven,
        )
        for session in session_model.begin(job, policy, now=now, end=end, known=known)
    )


def step(possible: Iterable[JobState], event: Event, now: float) -> frozenset[JobState]:
    """Everything that may be after the event."""
    return frozenset(
        after
        for state in possible
        for session in session_model.step([state.session], event, now)
        for told in _told(state.session, session, event, now)
        for after in _after(state, session, now, told)
    )


def _told(before: State, after: State, event: Event, now: float) -> set[float]:
    """Until when a Retry-After is on, be it said by the very answer that ends the session; not by a late one (I7).

    Freedom: where two are on, the server's last word holds, or the longer wait (D19).
    """
    answers = any(slot.number == event.number for slot in before.slots)
    if after.end is None or not answers or event.retry_after is None:
        return {after.not_before}
    word = now + event.retry_after
    return {word, max(word, after.not_before)}


def _after(state: JobState, session: State, now: float, told: float) -> Iterator[JobState]:
    """A session that ended for a reason that the budget covers is followed by another, while time is left."""
    if state.over or session.end is None:
        yield replace(state, session=session)
        return
    over = replace(state, session=session, over=True)
    for kind in session.end.restart:
        if kind is None or state.left(kind) <= 0:
            yield over
            continue
        if max(now, told + NEAR) >= session.setting.end:
            late = replace(session.end, reasons=session.end.reasons | {"TIMED_OUT"})
            yield replace(over, session=replace(session, end=late))
        # Freedom: where a Retry-After leaves no time for another session, it may begin all the same (D19, I8).
        if now < session.setting.end:
            for fresh in _another(state, session, now, told):
                another = replace(state.spent(kind), session=fresh, sessions=state.sessions + 1)
                yield replace(another, ended_as=session.end.state, over=fresh.end is not None)


def _another(state: JobState, session: State, now: float, told: float) -> Iterator[State]:
    """From `init` on (R29), or from the formats (D12). Freedom: at once, or after a pause.

    A Retry-After is honoured within the job's deadline, not the session's (D19): while it is on, nothing leaves. The
    silence is the session's own: it begins with it, or (freedom, as everywhere) once the server's wait is over. That
    the server has answered is known of the job.
    """
    setting = session.setting
    fresh = State(
        setting=Setting(job=setting.job, policy=setting.policy, end=setting.end, number=state.sessions + 1),
        silent_heard=now,
        silent_lost=now,
        silent_told=now,
        contact=session.contact,
        known=session.known,
    )
    known = replace(fresh, listed=session.listed, spelled=session.spelled)
    starts = [(known, "Init")]
    if setting.policy.preflight == "ON":
        starts.append((fresh, "ListFormats"))
    for start, kind in starts:
        if told <= now + NEAR:
            yield from ask(start, kind, now, "R29", "D21")
        yield from pause(start, kind, now, "session", max(0.0, told - now) or None, "D21", "I13")


def agree(possible: Iterable[JobState], seen: Seen, now: float) -> frozenset[JobState]:
    """Those that agree with what a client shows."""
    found = set()
    for state in possible:
        if seen.outcome is not None and seen.outcome.sessions != state.sessions:
            continue
        for session in session_state.agree([state.session], seen, now):
            found.add(replace(state, session=session))
    return frozenset(found)


def explain(possible: Iterable[JobState], seen: Seen) -> str:
    """What was permitted, where `agree` left nothing."""
    states = list(possible)
    counts = sorted({state.sessions for state in states})
    return f"sessions: {counts}\n" + session_state.explain([state.session for state in states], seen)


def restored(possible: Iterable[JobState], *, saved: float, now: float, elapsed: float) -> frozenset[JobState]:
    """The same job in another process; all in flight is still to be answered (`recover`)."""
    return frozenset(
        replace(state, session=session)
        for state in possible
        for session in session_model.restored([state.session], saved, now, elapsed)
    )


def recover(possible: Iterable[JobState], now: float) -> frozenset[JobState]:
    """Everything in flight is answered Lost(UNKNOWN), in any order (D43); a Wait goes on."""
    found: set[JobState] = set()
    for state in possible:
        numbers = [slot.number for slot in state.session.slots if slot.kind != "Wait" and slot.number is not None]
        for order in (numbers, numbers[::-1]):
            after = frozenset({state})
            for number in order:
                after = step(after, Event(number=number, kind="Lost", sent="UNKNOWN"), now)
            found |= after
    return frozenset(found)


def relative(possible: Iterable[JobState], now: float) -> frozenset[Any]:
    """Times from `now`, numbers as ranks, to find a fixpoint by."""
    found: set[Any] = set()
    for state in possible:
        (session,) = session_state.relative([state.session], now)
        found.add((session, state.sessions, state.lost, state.unheld, state.unproven, state.over))
    return frozenset(found)
