"""Decides whether a job keeps the invariants, from nothing but its commands and the events that it is fed.

It knows the rules and none of the core's tables, facts or functions: it keeps its own books of what was asked, answered
and issued. Must never look into what it audits.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol, final

from reportdl_core.commands import Check, Command, Finish, Get, Init, ListFormats, RenewCredentials, Run, Wait
from reportdl_core.download import Restart
from reportdl_core.errors import Reason, Refusal
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FormatsListed,
    Lost,
    Refused,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
)
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.outcome import Outcome
from reportdl_core.policy import Expiry, Policy
from reportdl_core.secret import Secret
from reportdl_core.session import Session

__all__ = ["DIAGRAM", "Audited", "Auditor"]

DIAGRAM: Final = frozenset(
    {
        ("INIT", "RUNNING"),
        ("RUNNING", "READY"),
        ("READY", "CONSUMED"),
        *((source, target) for source in ("INIT", "RUNNING", "READY") for target in ("ERROR", "EXPIRED")),
    }
)
"""The moves of a session, from the rules and not from the table of the code (I1)."""

_FINAL: Final = frozenset({"ERROR", "CONSUMED", "EXPIRED"})
_LIFE: Final = 300.0
_LOST_ANSWERS: Final = frozenset({Refusal.UNAVAILABLE, Refusal.NO_ENVELOPE})


class Audited(Protocol):
    """What an auditor needs to see: the members of a `Download`."""

    @property
    def state(self) -> State:
        """The present session's state."""
        ...

    @property
    def session(self) -> Session:
        """The present session."""
        ...

    @property
    def restarts(self) -> tuple[Restart, ...]:
        """Why the job began again, each time it did."""
        ...

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it goes on."""
        ...

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """What wants an answer now."""
        ...

    @property
    def alarm(self) -> tuple[float, Event]:
        """The earliest deadline and the event to feed then."""
        ...

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        """Take what happened; return the commands that are new."""
        ...


@final
class Auditor:
    """Books of one job. `heard` is called after each event, with what the core made of it; AssertionError for a breach.

    `reached` counts what the job came to: kinds of commands and events, states, moves, reasons, restarts.
    """

    def __init__(
        self, download: Audited, *, job: Job, policy: Policy, now: float, reached: Counter[object] | None = None
    ) -> None:
        self.job: Job = job
        self.policy: Policy = policy
        self.reached: Counter[object] = Counter() if reached is None else reached
        self.end: float = now + policy.job_timeout
        self.highest: int = 0
        self.requests: int = 0
        self.book: dict[int, Command] = {}  # what is outstanding, by number
        self.state: State = State.INIT
        self.session: Session = download.session
        self.sessions: int = 1
        self._new_session()
        self._enter(download.outstanding, now)
        self.check(download, now)

    def _new_session(self) -> None:
        self.token: Secret | None = None
        self.init_sent: float = 0.0
        self.token_from: float = 0.0
        self.run_may_leave: bool = True
        self.credential_repeats: int = 0
        self.run_sent: float = 0.0
        self.file_seen: bool = False
        self.lost_gets: int = 0
        self.renewal_spent: bool = False
        self.renewed: int = 0
        self.failed_at: dict[type[Command], float] = {}

    def heard(self, event: Event, new: tuple[Command, ...], download: Audited, *, now: float) -> None:
        """The event came in and these commands are new."""
        self.reached[type(event)] += 1
        command = self.book.pop(event.number, None)
        outstanding = {one.number: one for one in download.outstanding}
        if command is None:
            assert new == (), "a late answer changed something (I7)"
            assert outstanding.keys() == self.book.keys(), "a late answer changed what is outstanding (I7)"
            assert download.state is self.state
            return
        self._answered(command, event, now)
        self._moved(download)
        self.book = {number: one for number, one in self.book.items() if number in outstanding}
        requests = tuple(one for one in new if not isinstance(one, Finish))
        assert {one.number for one in requests} == outstanding.keys() - self.book.keys()
        self._enter(requests, now)
        assert outstanding == self.book
        assert (download.outcome is not None) == isinstance(new[-1] if new else None, Finish)
        self.check(download, now)

    def _answered(self, command: Command, event: Event, now: float) -> None:
        match event:
            case TokenIssued(token=token):
                self.token, self.token_from = token, self.init_sent
            case CredentialsRenewed(number=number):
                self.renewal_spent, self.renewed = True, number
                self.failed_at.clear()  # the one repeat without a pause
            case Lost() | Refused() | Cancelled() | StatusReported():
                self._failed(command, event, now)
            case _:
                pass
        if isinstance(event, FormatsListed | TokenIssued | RunFinished | StatusReported):
            self.renewal_spent = False
        says_ready = isinstance(event, StatusReported) and event.status is Status.READY
        says_ok = isinstance(command, Run) and isinstance(event, StatusReported) and event.status is Status.OK
        if ((says_ok or isinstance(event, RunFinished)) and not self.lost_gets) or (
            says_ready and isinstance(command, Run | Check)
        ):
            self.file_seen = True

    def _failed(self, command: Command, event: Lost | Refused | Cancelled | StatusReported, now: float) -> None:
        refused = event.refusal if isinstance(event, Refused) else None
        if refused is not Refusal.CREDENTIALS or command.number > self.renewed:
            self.failed_at[type(command)] = now
        alive = any(isinstance(one, Run) for one in self.book.values()) and not self.file_seen
        if isinstance(command, Check) and refused is Refusal.CREDENTIALS and alive:
            # It only insures: it ends nothing, and one renewal more may follow (D19 before D16).
            self.renewal_spent = False
        if isinstance(command, Run):
            prompt = refused is Refusal.CREDENTIALS and now - self.run_sent <= 5.0 and not self.credential_repeats
            self.credential_repeats += prompt
            self.run_may_leave = prompt or (isinstance(event, Lost) and event.sent is Sent.NOT_SENT)
        if isinstance(command, Get):
            unknown = isinstance(event, Cancelled) or (isinstance(event, Lost) and event.sent is Sent.UNKNOWN)
            if unknown or refused in _LOST_ANSWERS:
                self.lost_gets += 1
                self.file_seen = False
            if isinstance(event, StatusReported):
                self.file_seen = False

    def _moved(self, download: Audited) -> None:
        if 1 + len(download.restarts) > self.sessions:
            # The download shows the new session; how the old one ended, the old one tells (D21).
            old = self.session.outcome
            assert old is not None
            assert old.reason in (Reason.TRANSFER_LOST, Reason.EXPIRED), "begun again for nothing"
            self.reached[old.reason] += 1
            self._move(self.session.state)
            self.sessions = 1 + len(download.restarts)
            self.reached[download.restarts[-1]] += 1
            self.state = State.INIT
            self.session = download.session
            self._new_session()
        self._move(download.state)

    def _move(self, state: State) -> None:
        if state is not self.state:
            move = (self.state.name, state.name)
            assert move in DIAGRAM, f"no such move (I1): {move}"
            self.reached[move] += 1
            self.state = state
        self.reached[state] += 1

    def _enter(self, requests: tuple[Command, ...], now: float) -> None:
        for command in requests:
            assert command.number > self.highest, "a number was used twice (I7)"
            self.highest = command.number
            self.book[command.number] = command
            self.reached[type(command)] += 1
            self._issued(command, now)

    def _issued(self, command: Command, now: float) -> None:
        assert not isinstance(command, Finish)
        assert now < command.deadline <= self.end, "no length, or beyond the job (I8, I13)"
        if isinstance(command, Wait):
            return
        self.requests += 1
        assert self.failed_at.get(type(command)) != now, "repeated without a pause (I13)"
        if isinstance(command, ListFormats | Init | Run | Check | Get):
            assert (command.job.element, command.job.segment) == (self.job.element, self.job.segment)
        if isinstance(command, Run | Check | Get):
            assert command.token == self.token, "without its own token (I2)"
            if self.policy.expiry is Expiry.DOCUMENTED:
                assert now < self.token_from + _LIFE, "after it expired (I6)"
        match command:
            case Init():
                self.init_sent = now
            case Run():
                assert self.run_may_leave, "a second `run` (I3)"
                assert now < self.token_from + _LIFE, "`run` with an old token (I6)"
                self.run_may_leave, self.run_sent = False, now
            case Get():
                assert self.file_seen, "a `get` that nothing called for (I5, D21, D42)"
                assert self.lost_gets < 2, "a third `get` after two losses (D21)"
            case RenewCredentials():
                assert not self.renewal_spent, "two renewals and no success between them (D16, I13)"
            case _:
                pass

    def check(self, download: Audited, now: float) -> None:
        """What holds at every moment."""
        runs = [one for one in self.book.values() if isinstance(one, Run)]
        assert len(runs) <= 1, "two runs (I4)"
        assert len(self.book) - len(runs) <= 1, "two others (I4)"
        assert (download.outcome is None) == bool(self.book)
        assert (download.state.name in _FINAL) == (download.outcome is not None)
        if download.outcome is None:
            assert now < self.end, "alive past its deadline (I8)"
            assert download.alarm[0] == min(one.deadline for one in self.book.values() if not isinstance(one, Finish))
            assert download.alarm[1].number in self.book
        else:
            assert (download.outcome.receipt is not None) == (download.state is State.CONSUMED)
            assert download.outcome.sessions == self.sessions <= 4
            self.reached[download.outcome.reason] += 1
            self.reached[Finish] += 1
