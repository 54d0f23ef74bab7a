"""Decides, for one token, what to ask for next: takes events, keeps what is outstanding.

`record` says what happened; `_decide` here is the only place that issues commands, looking at the clock first. The
state moves through `lifecycle` only. Must never do I/O, read a clock, or raise for what a server did (I11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, final

from reportdl_core.answers import fits
from reportdl_core.commands import (
    Check,
    Command,
    Finish,
    Get,
    Init,
    ListFormats,
    Other,
    RenewCredentials,
    Run,
    Wait,
)
from reportdl_core.deadlines import begun_again, ended_by_clock, horizon
from reportdl_core.errors import LocalProtocolError, Reason
from reportdl_core.events import Event, Lost, Sent, WaitElapsed
from reportdl_core.facts import Facts, Renewal, RunPhase, Step
from reportdl_core.formats import listed
from reportdl_core.guard import Guard
from reportdl_core.job import Job
from reportdl_core.lifecycle import Cell, Move, State
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Policy, Preflight, instant, insurance
from reportdl_core.record import Record
from reportdl_core.secret import Secret
from reportdl_core.snapshots import Restored, put_back, take
from reportdl_core.verdicts import Verdict, told

__all__ = ["Session"]

_DEFAULT: Final = Policy()
_Asking = Run | Check | Get | Init | ListFormats | RenewCredentials


@final
class Session:
    """One token's life, from `formats` or `init` to the file or the reason why not.

    `now` is in seconds on any clock that does not run backwards, the same one in every call. `number` is that of
    the first command, `end` the absolute deadline of the job (default `now + policy.job_timeout`). `formats` are
    those that the report is known to offer: the preflight is not asked again, and where the job's is not among them
    the session is over at once, with nothing sent (R10, D12). Raises LocalProtocolError for misuse, and nothing else.
    """

    __slots__ = ("_cell", "_guard", "_other", "_outcome", "_record", "_run", "_seen", "job", "policy", "seed")

    job: Job
    policy: Policy
    seed: int

    def __init__(
        self,
        job: Job,
        *,
        policy: Policy = _DEFAULT,
        seed: int = 0,
        now: float,
        number: int = 1,
        end: float | None = None,
        formats: tuple[str, ...] | None = None,
    ) -> None:
        now = instant(now)
        facts = Facts(
            number=number,
            began=now,
            end=instant(now + policy.job_timeout if end is None else end),
            due=now,
            quiet_since=now,
        )
        self._begin(job, policy, seed, now, facts)
        self._open(formats, now)

    @classmethod
    def again(cls, ended: Session, *, now: float) -> Session:
        """A new session for the job of one that has ended: its numbers, deadline and formats go on (R29, D21)."""
        now, session = instant(now), cls.__new__(cls)
        facts = begun_again(ended._record.facts, ended.policy, seed=ended.seed, now=now)
        session._begin(ended.job, ended.policy, ended.seed, now, facts)
        session._open(ended.formats, now)
        return session

    def _open(self, formats: tuple[str, ...] | None, now: float) -> None:
        if formats is not None:
            self._record.know(formats)
        self._decide(now)

    def _begin(self, job: Job, policy: Policy, seed: int, now: float, facts: Facts) -> None:
        self.job, self.policy, self.seed = job, policy, seed
        self._cell, self._guard, self._seen = Cell(), Guard(), now
        self._record = Record(job, policy, seed, facts)
        self._run: Run | None = None
        self._other: Other | None = None
        self._outcome: Outcome | None = None

    @property
    def state(self) -> State:
        """Where the token's life has come to. INIT lasts until `Run` is emitted."""
        return self._cell.state

    @property
    def outcome(self) -> Outcome | None:
        """How the session ended; None while it goes on."""
        return self._outcome

    @property
    def formats(self) -> tuple[str, ...] | None:
        """What the report offers, once it is known."""
        return self._record.facts.formats

    @property
    def token(self) -> Secret | None:
        """The session's token, for whoever keeps it beside a snapshot (D39)."""
        return self._record.token

    @property
    def next_number(self) -> int:
        """The number that the next command will have."""
        return self._record.facts.number

    @property
    def end(self) -> float:
        """The job's deadline, on the caller's clock (I8)."""
        return self._record.facts.end

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """The commands that want an answer now: at most one `Run` and one other (I4). Empty once it is over."""
        return self._pending()

    def _pending(self) -> tuple[Run | Other, ...]:
        run, other = self._run, self._other
        if other is None:
            return ()  # it is over: beside a `run` there is always something that waits (D19)
        return (other,) if run is None else (run, other)

    @property
    def alarm(self) -> tuple[float, Event]:
        """The earliest deadline, and the event to feed when it comes; LocalProtocolError once it is over."""
        run, other = self._run, self._other
        if other is not None and (run is None or other.deadline <= run.deadline):
            if isinstance(other, Wait):
                return other.deadline, WaitElapsed(number=other.number)
            return other.deadline, Lost(number=other.number, sent=Sent.UNKNOWN, message=_LATE)
        if run is not None:
            return run.deadline, Lost(number=run.number, sent=Sent.UNKNOWN, message=_LATE)
        raise LocalProtocolError("the session is over: nothing is outstanding")

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        """Take what happened; return the commands that are new, with `Finish` last when it is over.

        A late event changes nothing (I7). LocalProtocolError, and nothing moved, if the clock runs backwards, the
        event names a command never issued or cannot answer it, or another caller is inside (D37).
        """
        with self._guard:
            now = instant(now)
            if now < self._seen:
                raise LocalProtocolError(f"the clock ran backwards by {self._seen - now:g} s")
            if not 0 < event.number < self._record.facts.number:
                raise LocalProtocolError(f"no command has the number {event.number}")
            command = self._answered(event)
            self._seen = now
            if command is None:
                return ()
            asking = self._other is not None and not isinstance(self._other, Wait)
            self._record.take(command, event, now, asking=asking)
            return self._decide(now)

    def _answered(self, event: Event) -> Command | None:
        run, other = self._run, self._other
        command: Command | None = None
        if run is not None and run.number == event.number:
            command = run
        elif other is not None and other.number == event.number:
            command = other
        if command is None:
            return None
        if not fits(command, event):
            raise LocalProtocolError(f"{type(event).__name__} does not answer {type(command).__name__}")
        if command is run:
            self._run = None
        else:
            self._other = None
        return command

    def snapshot(self, *, now: float) -> dict[str, Any]:
        """Everything but the token, as JSON values. Write it before the commands it shows are executed (D43)."""
        with self._guard:
            return take(self._record, self._cell.state, self._pending(), self._outcome, now=instant(now))

    @classmethod
    def restore(
        cls,
        snapshot: Mapping[str, Any],
        *,
        job: Job,
        policy: Policy = _DEFAULT,
        token: Secret | None,
        now: float,
        elapsed: float,
    ) -> Session:
        """The session as it was, on a new clock; `elapsed` seconds away age its token alone (D43).

        Raises LocalProtocolError for a snapshot that is damaged, of another job, or without its token.
        """
        now = instant(now)
        restored: Restored = put_back(snapshot, job=job, token=token, now=now, elapsed=elapsed)
        session = cls.__new__(cls)
        session._begin(job, policy, restored.seed, now, restored.facts)
        session._cell.state, session._record.token = restored.state, token
        session._run, session._other, session._outcome = restored.run, restored.other, restored.outcome
        return session

    # -- what to ask for next -----------------------------------------------------------------------------------

    def _decide(self, now: float) -> tuple[Command, ...]:
        if (verdict := self._verdict(now)) is not None:
            return self._finish(verdict)
        facts = self._record.facts
        if facts.ready and self._cell.state is State.RUNNING:
            self._cell.move(Move.BECOME_READY)
        new: list[Command] = []
        wanted = self._wanted(facts)
        if isinstance(self._other, Check) and wanted is not Check:
            self._other = None  # superseded: what it would say is known, or cannot be asked any more (I4)
        if wanted is Run and now >= facts.due:
            new.append(self._issue_run(now))
            wanted = Check
        if self._other is None or isinstance(self._other, Wait):
            new.extend(self._issue_other(wanted, now))
        return tuple(new)

    def _verdict(self, now: float) -> Verdict | None:
        record, verdict = self._record, self._record.verdict
        if verdict is not None and verdict.reason in _ABOVE_THE_CLOCK:
            return verdict
        receiving, answered = isinstance(self._other, Get), verdict is not None
        by_clock = ended_by_clock(record.facts, self.policy, now=now, receiving=receiving, answered=answered)
        if by_clock is not None and record.facts.naming:
            return Verdict(Move.FAIL, Reason.INVALID_FORMAT)
        return by_clock or verdict

    def _wanted(self, facts: Facts) -> type[_Asking]:
        """What the session would ask next, were it due: the whole order of the protocol (section 3)."""
        if facts.renewal is Renewal.WANTED:
            return RenewCredentials
        if facts.naming or (facts.formats is None and self.policy.preflight is Preflight.ON):
            return ListFormats
        if self._record.token is None:
            return Init
        if facts.ready:
            return Get if facts.step is Step.GET else Check
        return Run if facts.run is RunPhase.UNSENT else Check

    def _issue_run(self, now: float) -> Run:
        facts = self._record.facts
        if self._cell.state is State.INIT:
            self._cell.move(Move.RUN)
        facts.run, facts.run_sent, facts.polls = RunPhase.ALIVE, now, 0
        facts.due = now + insurance(self.policy, seed=self.seed, number=facts.number, times=0)
        if facts.held_until is not None:
            facts.due = max(facts.due, facts.held_until)
        self._run = Run(
            number=self._next(), job=self._asked(), token=self._held(), deadline=self._by(now, self.policy.run_timeout)
        )
        return self._run

    def _issue_other(self, wanted: type[_Asking], now: float) -> tuple[Command, ...]:
        facts = self._record.facts
        if now < facts.due:
            until = min(facts.due, horizon(facts, self.policy))
            if isinstance(self._other, Wait) and self._other.deadline == until:
                return ()  # kept while its deadline stays
            self._other = Wait(number=self._next(), deadline=until)
        else:
            self._other, facts.other_sent = self._request(wanted, now), now
        return (self._other,)

    def _request(self, wanted: type[_Asking], now: float) -> Other:
        policy, number = self.policy, self._next()
        soon = self._by(now, policy.request_timeout)
        if wanted is Check:
            return Check(number=number, job=self._asked(), token=self._held(), deadline=soon)
        if wanted is Get:
            deadline = min(now + instant(policy.get_timeout), self._record.facts.end)
            return Get(number=number, job=self._asked(), token=self._held(), deadline=deadline)
        if wanted is Init:
            return Init(number=number, job=self.job, deadline=soon)
        if wanted is ListFormats:
            return ListFormats(number=number, job=self.job, deadline=soon)
        return RenewCredentials(number=number, deadline=soon)

    def _by(self, now: float, timeout: float) -> float:
        return min(now + instant(timeout), horizon(self._record.facts, self.policy))

    def _next(self) -> int:
        number = self._record.facts.number
        self._record.facts.number = number + 1
        return number

    def _asked(self) -> Job:
        # The key is sent as the server lists it (D11).
        key = listed(self.job.format, self._record.facts.formats or ())
        return self.job if key is None or key == self.job.format else replace(self.job, format=key)

    def _held(self) -> Secret:
        token = self._record.token
        assert token is not None, "`_wanted` asks for a token first (I2)"
        return token

    def _finish(self, verdict: Verdict) -> tuple[Command, ...]:
        facts, before = self._record.facts, self._cell.state
        self._cell.move(verdict.move)
        self._run = self._other = None
        expired = self._cell.state is State.EXPIRED
        self._outcome = Outcome(
            state=self._cell.state,
            reason=verdict.reason,
            ended_in=before,
            evidence=told(facts),
            run_unproven=expired and (facts.run_unproven or facts.run is RunPhase.UNSENT),
            unheld=expired and facts.unheld,
            receipt=verdict.receipt,
            alternatives=facts.formats or () if verdict.reason is Reason.INVALID_FORMAT else (),
            kept=verdict.kept,
        )
        return (Finish(number=self._next(), outcome=self._outcome),)


_LATE: Final = "no answer by its deadline"

# A whole file, or one that could not be kept, is a fact whatever the clock says (D2, D44).
_ABOVE_THE_CLOCK: Final = frozenset({Reason.DELIVERED, Reason.NOT_KEPT, Reason.UNVERIFIED})
