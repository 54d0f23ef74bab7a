"""Decides how harmless questions are asked until they are answered: outside any session, one after the other.

The same table, pauses, renewals and limits as a session's preflight (D12, D16, D19), so nothing is decided twice.
Must never be used for a request that has an effect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from reportdl_core.answers import fits
from reportdl_core.commands import Command, ListFormats, LookUp, RenewCredentials, Wait
from reportdl_core.deadlines import ended_by_clock, horizon
from reportdl_core.errors import LocalProtocolError
from reportdl_core.events import Event, Lost, Sent, WaitElapsed
from reportdl_core.facts import Facts, Renewal
from reportdl_core.guard import Guard
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Policy, instant
from reportdl_core.record import Record
from reportdl_core.verdicts import Verdict

__all__ = ["Asking"]

T = TypeVar("T")
_LATE: Final = "no answer by its deadline"


class Asking(ABC, Generic[T]):
    """Driven like a `Session`. `outcome` becomes what was asked for, or an `Outcome` that says why there is none."""

    __slots__ = ("_guard", "_other", "_record", "_seen", "outcome")

    outcome: T | Outcome | None

    def __init__(self, job: Job, policy: Policy, *, seed: int, now: float) -> None:
        now = instant(now)
        end = now + instant(policy.job_timeout)
        facts = Facts(number=1, began=now, end=end, due=now, quiet_since=now)
        self._guard, self._seen = Guard(), now
        self._record = Record(job, policy, seed, facts)
        self._other: ListFormats | LookUp | RenewCredentials | Wait | None = None
        self._decide(now)

    @abstractmethod
    def _question(self, *, number: int, deadline: float) -> ListFormats | LookUp:
        """What is to be asked next."""

    @abstractmethod
    def _learn(self, event: Event) -> None:
        """Take what an answer says, before `_answer` is asked."""

    @abstractmethod
    def _answer(self) -> T | None:
        """What was asked for; None while there is something to ask."""

    @abstractmethod
    def _without(self) -> T | None:
        """What can be said if the question that is out is never answered; None where that is an end."""

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """The command that wants an answer now; empty once it is over."""
        return () if self._other is None else (self._other,)

    @property
    def alarm(self) -> tuple[float, Event]:
        """The deadline of what is outstanding, and the event to feed then; LocalProtocolError once it is over."""
        match self._other:
            case None:
                raise LocalProtocolError("the inquiry is over: nothing is outstanding")
            case Wait(number=number, deadline=deadline):
                return deadline, WaitElapsed(number=number)
            case command:
                return command.deadline, Lost(number=command.number, sent=Sent.UNKNOWN, message=_LATE)

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        """Take what happened; return the commands that are new. Misuse as in `Session.receive`."""
        with self._guard:
            now, command = instant(now), self._other
            if now < self._seen or not 0 < event.number < self._record.facts.number:
                raise LocalProtocolError("the clock ran backwards, or no command has that number")
            if command is None or command.number != event.number:
                return ()
            if not fits(command, event):
                raise LocalProtocolError(f"{type(event).__name__} does not answer {type(command).__name__}")
            self._seen, self._other = now, None
            self._record.take(command, event, now)
            self._learn(event)
            return self._decide(now)

    def _decide(self, now: float) -> tuple[Command, ...]:
        record, facts = self._record, self._record.facts
        self.outcome = self._answer()
        if self.outcome is not None:
            return ()
        ended = record.verdict
        by_clock = ended_by_clock(facts, record.policy, now=now, receiving=False, answered=ended is not None)
        verdict = by_clock or ended
        if verdict is not None:
            self.outcome = self._ended(verdict)
            return ()
        self._other = self._next(now)
        return (self._other,)

    def _ended(self, verdict: Verdict) -> T | Outcome:
        evidence = self._record.facts.evidence
        told = Outcome(state=State.ERROR, reason=verdict.reason, ended_in=State.INIT, evidence=evidence)
        found = self._without()
        return told if found is None else found

    def _next(self, now: float) -> ListFormats | LookUp | RenewCredentials | Wait:
        record, facts = self._record, self._record.facts
        number, facts.number = facts.number, facts.number + 1
        latest = horizon(facts, record.policy)
        if now < facts.due:
            return Wait(number=number, deadline=min(facts.due, latest))
        deadline = min(now + instant(record.policy.request_timeout), latest)
        if facts.renewal is Renewal.WANTED:
            return RenewCredentials(number=number, deadline=deadline)
        return self._question(number=number, deadline=deadline)
