"""Random runs of the reference model itself: at each turn one of the permitted readings is taken, as a client would.

They are right by construction, so the judge must find nothing in them, and must find what is then put wrong.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from tests.oracle import job_model
from tests.oracle.job_model import JobState
from tests.oracle.session_state import Seen, Slot
from tests.oracle.traces import (
    Began,
    Ended,
    Issued,
    Moved,
    Published,
    Received,
    Record,
    Restored,
    Saved,
    Superseded,
)
from tests.oracle.vocabulary import ANSWERS, WITH_TOKEN, Command, Event, Job, Outcome, Policy

__all__ = ["Walk", "walk"]

JOB = Job(element=1042, format="pdf")
# Refusals that a session may live through, more often than the others.
_LIVELY = ("CREDENTIALS", "BUSY", "UNAVAILABLE", "NO_ENVELOPE", "UNREADABLE")
_DEADLY = ("DOWNLOAD_FAILED", "ELEMENT_NOT_ALLOWED", "REDIRECTED", "INVALID_FORMAT", "OTHER", "INVALID_TOKEN")


@dataclass
class Walk:
    """One run: what was possible before each turn, and what was shown after it."""

    policy: Policy
    trace: list[Record] = field(default_factory=list)
    turns: list[tuple[frozenset[JobState], Seen, float]] = field(default_factory=list)


def walk(
    seed: int,
    *,
    turns: int = 120,
    restores: float = 0.0,
    trouble: float = 0.0,
    asleep: float = 0.0,
    given_up: float = 0.0,
) -> Walk:
    """A run from its beginning to its end, or for so many turns; `trouble` is how much of it is nothing but trouble.

    `asleep`: how often the machine sleeps before something is told; `given_up`: how often the driver gives up a Wait.
    """
    return _Walker(random.Random(seed), restores, trouble, asleep, given_up).go(turns)


def _order(value: Any) -> Any:
    """What choices are sorted by: sets as lists, since a set of strings is written in another order in each process."""
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return [_order(item) for item in value] if isinstance(value, tuple) else value


class _Walker:
    def __init__(
        self, draw: random.Random, restores: float, trouble: float, asleep: float = 0.0, given_up: float = 0.0
    ) -> None:
        self.draw, self.restores, self.trouble = draw, restores, trouble
        self.asleep, self.given_up = asleep, given_up
        timeout = draw.choice([3600.0, 3600.0, 400.0, 40.0])
        self.walk = Walk(
            Policy(
                expiry=draw.choice(["CONFIRM", "DOCUMENTED"]),
                preflight=draw.choice(["ON", "OFF"]),
                job_timeout=timeout,
            )
        )
        if trouble:
            ttl, silence = draw.choice([6.0, 20.0, 300.0]), draw.choice([30.0, 600.0])
            self.walk.policy = replace(self.walk.policy, ttl=ttl, silence=silence)
        self.now, self.number = 0.0, 0
        self.shown: dict[int, Command] = {}
        self.state, self.session = "", 1

    def go(self, turns: int) -> Walk:
        add = self.walk.trace.append
        add(Began(at=0.0, job=JOB, policy=self.walk.policy))
        chosen = self.act(job_model.begin(JOB, self.walk.policy, now=0.0))
        for _ in range(turns):
            if chosen.over:
                break
            if self.draw.random() < self.restores:
                chosen = self.act(self.restore(chosen))
                continue
            event = self.happens(chosen)
            if event.kind == "FileReceived":
                add(Published(at=self.now, whole=True))
            add(Received(at=self.now, event=event))
            self.shown.pop(event.number, None)
            chosen = self.act(job_model.step([chosen], event, self.now))
        return self.walk

    def act(self, possible: frozenset[JobState]) -> JobState:
        """Be one of the permitted clients, and show it."""
        one = self.draw.choice(sorted(possible, key=lambda each: repr(_order(each))))
        seen = self.seen(one)
        agreed = job_model.agree([one], seen, self.now)
        assert agreed, job_model.explain([one], seen)
        self.walk.turns.append((possible, seen, self.now))
        self.record(one, seen)
        (chosen,) = agreed
        return chosen

    def seen(self, one: JobState) -> Seen:
        end = one.session.end
        if end is not None:
            outcome = Outcome(
                state=end.state,
                reason=self.draw.choice(sorted(end.reasons)),
                ended_in=self.draw.choice(sorted(end.ended_in)),
                run_unproven=self.draw.choice(sorted(end.unproven)),
                unheld=self.draw.choice(sorted(end.unheld)),
                sessions=one.sessions,
            )
            return Seen(state=end.state, outcome=outcome)
        return Seen(state=one.session.state, outstanding=tuple(self.command(one, slot) for slot in one.session.slots))

    def command(self, one: JobState, slot: Slot) -> Command:
        number, deadline = slot.number, slot.hi
        if number is None:
            self.number += 1
            number = self.number
            deadline = self.draw.choice([slot.lo, slot.hi, (slot.lo + slot.hi) / 2, *sorted(slot.also)])
            deadline = max(deadline, self.now + 0.001)
        home = slot.kind not in {"Wait", "RenewCredentials"}
        return Command(
            number=number,
            kind=slot.kind,
            deadline=deadline,
            element=JOB.element if home else None,
            segment=JOB.segment if home else None,
            format=one.session.format if slot.kind in {"Run", "Get"} else None,
            token=one.session.token if slot.kind in WITH_TOKEN else None,
        )

    def record(self, one: JobState, seen: Seen) -> None:
        add, now = self.walk.trace.append, self.now
        current = {command.number: command for command in seen.outstanding}
        for number in self.shown.keys() - current.keys():
            if seen.outcome is None:
                add(Superseded(at=now, number=number))
        if one.sessions != self.session:
            add(Moved(at=now, state=one.ended_as, session=self.session))
            self.session, self.state = one.sessions, ""
        if not self.state:
            add(Moved(at=now, state="INIT", session=self.session))
            self.state = "INIT"
        if seen.state != self.state:
            if self.state == "RUNNING" and seen.outcome is not None and seen.outcome.ended_in == "READY":
                add(Moved(at=now, state="READY", session=self.session))
            add(Moved(at=now, state=seen.state, session=self.session))
            self.state = seen.state
        for number, command in current.items():
            if number not in self.shown:
                add(Issued(at=now, command=command, session=self.session))
        self.shown = current
        if seen.outcome is not None:
            add(Ended(at=now, outcome=seen.outcome))
        add(Saved(at=now, outstanding=seen.outstanding))

    def restore(self, chosen: JobState) -> frozenset[JobState]:
        elapsed = self.draw.choice([0.0, 7.0, 60.0, 400.0])
        saved, self.now = self.now, self.now + elapsed
        back = {
            number: replace(command, deadline=(command.deadline or 0.0) + elapsed)
            for number, command in self.shown.items()
        }
        self.walk.trace.append(Restored(at=self.now, elapsed=elapsed, outstanding=tuple(back.values()), recovered=True))
        self.shown = {number: command for number, command in back.items() if command.kind == "Wait"}
        possible = job_model.restored([chosen], saved=saved, now=self.now, elapsed=elapsed)
        return job_model.recover(possible, self.now)

    def happens(self, chosen: JobState) -> Event:
        """Something that the network may bring: an answer in time, or the loss at the deadline; late after a sleep."""
        event = self.given_up_event(chosen) or self.in_time(chosen)
        # The walks without sleeps stay what they were: nothing is drawn for them.
        if self.asleep and self.draw.random() < self.asleep:
            self.now += self.draw.choice([3.0, 60.0, 330.0, 700.0, 2000.0])
        return event

    def given_up_event(self, chosen: JobState) -> Event | None:
        """The driver gives up a Wait before its time."""
        waiting = chosen.session.slot("Wait")
        if not self.given_up or waiting is None or self.draw.random() >= self.given_up:
            return None
        left = min(slot.hi for slot in chosen.session.slots) - self.now
        if 0.0 < left < 0.1:
            return None  # at its end as good as
        self.now += self.draw.choice([0.0, 0.1, 0.5, 0.9]) * max(left, 0.0)
        return Event(number=waiting.number or 0, kind="Cancelled")

    def in_time(self, chosen: JobState) -> Event:
        draw, slots = self.draw, chosen.session.slots
        first = min(slots, key=lambda slot: slot.hi)
        slot = draw.choice(slots)
        if slot.kind == "Wait" or draw.random() < 0.15:
            self.now = max(self.now, first.hi)
            kind = "WaitElapsed" if first.kind == "Wait" else "Lost"
            return Event(number=first.number or 0, kind=kind, sent="UNKNOWN" if kind == "Lost" else None)
        self.now += min(draw.choice([0.01, 0.4, 4.0, 29.0]), (first.hi - self.now) * 0.9)
        return self.answer(slot)

    def answer(self, slot: Slot) -> Event:
        draw, number = self.draw, slot.number or 0
        if self.trouble and draw.random() < self.trouble:
            return self.trouble_with(slot)
        good = {"ListFormats": "FormatsListed", "Init": "TokenIssued"}.get(slot.kind, "")
        kind = good if good and draw.random() < 0.7 else draw.choice(sorted(ANSWERS[slot.kind] - {"Cancelled"}))
        if slot.kind == "Check" and draw.random() < 0.5:
            return Event(number=number, kind="StatusReported", status="IN_PROGRESS")
        if kind == "FormatsListed":
            return Event(number=number, kind=kind, formats=draw.choice([("image", "pdf"), ("PDF",), ("csv",)]))
        if kind == "TokenIssued":
            return Event(number=number, kind=kind, token=f"T{number}")
        if kind == "StatusReported":
            status = draw.choice(["READY", "IN_PROGRESS", "ERROR"])
            return Event(number=number, kind=kind, status=status)
        if kind == "Refused":
            refusal = draw.choice(_LIVELY if draw.random() < 0.85 else _DEADLY)
            told = draw.choice([None, 2.0, 25.0]) if refusal == "BUSY" else None
            return Event(number=number, kind=kind, refusal=refusal, retry_after=told)
        if kind == "Lost":
            return Event(number=number, kind=kind, sent=draw.choice(["NOT_SENT", "UNKNOWN"]))
        why = draw.choice(["FAILED", "UNVERIFIED"]) if kind == "FileNotKept" else None
        return Event(number=number, kind=kind, why=why)

    def trouble_with(self, slot: Slot) -> Event:
        """What a session lives through, mostly, but that leaves much to be waited for, repeated and renewed."""
        draw, number = self.draw, slot.number or 0
        kind = draw.choice(["BUSY", "CREDENTIALS", "UNKNOWN", "NOT_SENT", "UNREADABLE", "INVALID_FORMAT"])
        if kind in {"UNKNOWN", "NOT_SENT"} or (slot.kind == "RenewCredentials" and kind == "INVALID_FORMAT"):
            return Event(number=number, kind="Lost", sent="NOT_SENT" if kind == "NOT_SENT" else "UNKNOWN")
        told = draw.choice([None, 2.0, 25.0, 700.0]) if kind == "BUSY" else None
        return Event(number=number, kind="Refused", refusal=kind, retry_after=told)
