"""Decides what can be told to one end alone: every kind of answer to what is outstanding, at every moment.

No server stands behind it, so that the client hears what no server would say, too. Time goes by in whole seconds:
before, at and after each deadline. The oracle's model is stepped beside it and must permit every single step. Must
never decide what an end does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, Final, Self

from reportdl_core import (
    Cancelled,
    Command,
    CredentialsRenewed,
    Download,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Get,
    Init,
    Kept,
    ListFormats,
    Lost,
    Policy,
    Refusal,
    Refused,
    RenewCredentials,
    Run,
    RunFinished,
    Secret,
    Sent,
    Session,
    Status,
    StatusReported,
    TokenIssued,
    Wait,
)
from tests.proof.copying import copy_download, copy_session
from tests.proof.keys import download_key, session_key
from tests.proof.product import JOB, RECEIPT
from tests.proof.referee import JobReferee, SessionReferee
from tests.proof.small_clock import EARLY, SHORT_CONSTANTS

__all__ = ["STANDS_FOR", "JobAlone", "SessionAlone"]

STANDS_FOR: Final = {
    Refusal.NOT_IMPLEMENTED: (
        Refusal.ELEMENT_NOT_ALLOWED,
        Refusal.ELEMENT_NOT_FOUND,
        Refusal.INVALID_STATE,
        Refusal.INVALID_TOKEN,
        Refusal.NO_DOWNLOADS,
        Refusal.ENDPOINT_MISSING,
    ),
    Refusal.OTHER: (Refusal.METHOD_NOT_ALLOWED,),
}
"""One refusal for each row of the table of answers: the others of the row are told apart by the end's name alone."""

_REPRESENTED: Final = frozenset(one for others in STANDS_FOR.values() for one in others)
_REFUSALS: Final = (
    *((refusal, None) for refusal in Refusal if refusal not in _REPRESENTED),
    (Refusal.BUSY, 2.0),
)


def every_answer(command: Command) -> Iterable[tuple[Any, ...]]:
    """All that a driver may report of a request, as labels; of refusals that mean the same, one."""
    match command:
        case ListFormats():
            yield from (("listed", "pdf"), ("listed", "PDF"), ("listed", "csv"))
        case Init():
            yield ("issued",)
        case Run():
            yield ("finished",)
        case Get():
            yield from (("received",), ("kept", "FAILED"), ("kept", "UNVERIFIED"))
        case RenewCredentials():
            yield ("renewed",)
        case _:
            pass
    if not isinstance(command, RenewCredentials):
        yield from (("status", status.name) for status in Status)
    yield from (("refused", refusal.name, after) for refusal, after in _REFUSALS)
    yield from (("lost", "NOT_SENT"), ("lost", "UNKNOWN"), ("cancelled",))


def told(label: tuple[Any, ...], number: int) -> Event:
    """The event that a label stands for."""
    match label:
        case ("cancelled",):
            return Cancelled(number=number)
        case ("listed", key):
            return FormatsListed(number=number, formats=(key,))
        case ("issued",):
            return TokenIssued(number=number, token=Secret("t"))
        case ("finished",):
            return RunFinished(number=number)
        case ("received",):
            return FileReceived(number=number, receipt=RECEIPT)
        case ("kept", why):
            return FileNotKept(number=number, why=Kept[why], message="no")
        case ("renewed",):
            return CredentialsRenewed(number=number)
        case ("status", status):
            return StatusReported(number=number, status=Status[status])
        case ("refused", refusal, after):
            return Refused(number=number, refusal=Refusal[refusal], retry_after=after)
        case ("lost", sent):
            return Lost(number=number, sent=Sent[sent])
        case _:
            raise LookupError(label)


class _Alone:
    """A client's core, its clock, and the oracle's readings of it."""

    __slots__ = ("core", "late", "log", "now", "policy", "referee")

    core: Any
    late: float  # how many seconds an alarm may ring late: the machine slept, or the driver was starved
    referee: Any
    now: float
    policy: Policy
    log: list[tuple[object, ...]]  # told when somebody asks
    copy: ClassVar[Any]  # of a core, in memory

    def over(self) -> bool:
        return self.core.outcome is not None

    def told(self) -> Iterable[str]:
        return [f"{self.now:6g}  {' '.join(map(str, one))}" for one in self.log]

    def moves(self) -> list[Any]:
        if self.over():
            return []
        labels: list[Any] = []
        for command in self.core.outstanding:
            if isinstance(command, Wait):  # it is answered by the alarm, unless a driver gives it up
                labels += self._given_up(command.number)
            else:
                labels += [(command.number, *label) for label in every_answer(command)]
        # Without effect, so no moves: made in every state all the same, and what follows follows a restored core.
        self._late()
        self._reload()
        alarm = self.core.alarm[0]
        if alarm <= self.now:
            labels.append(("alarm",))
        if self.now < alarm + self.late:
            labels.append(("second",))
        return labels

    def _given_up(self, number: int) -> list[Any]:
        """A Wait may be cancelled at any moment: mostly another one takes its place, and then that is no move."""
        label = (number, "cancelled")
        after = self.copied()
        after.make(label)
        return [] if after.key() == self.key() else [label]

    def make(self, label: Any) -> None:
        self.log = [tuple(label)]
        match label:
            case ("second",):
                self.now += 1.0
            case ("alarm",):
                self.hear(self.core.alarm[1])
            case (int(number), *answer):
                self.hear(told(tuple(answer), number))
            case _:
                raise LookupError(label)

    def hear(self, event: Event) -> None:
        self.log.append((">>", event))
        new = self.core.receive(event, now=self.now)
        self.log.extend(("<<", command) for command in new)
        self.referee.heard(event, self.core, self.now)
        highest = max((command.number for command in new), default=0)
        waited = {command.number for command in self.core.outstanding}
        assert {command.number for command in new if type(command).__name__ != "Finish"} <= waited
        assert not highest or highest >= max(waited, default=0)

    def _late(self) -> None:
        """An answer to a command that is not outstanding any more changes nothing (I7)."""
        before = self.key()
        gone = {command.number for command in self.core.outstanding}
        for number in range(1, max(gone, default=1)):
            if number in gone:
                continue
            for late in (RunFinished(number=number), StatusReported(number=number, status=Status.READY)):
                assert self.core.receive(late, now=self.now) == (), "a late answer did something"
        assert self.key() == before, "a late answer changed something (I7)"

    def _reload(self) -> None:
        before = (self.core.outstanding, self.core.alarm, self.core.snapshot(now=self.now))
        self.core = type(self.core).restore(
            before[2], job=JOB, policy=self.policy, token=self.core.token, now=self.now, elapsed=0.0
        )
        after = (self.core.outstanding, self.core.alarm, self.core.snapshot(now=self.now))
        assert before == after, "restoring changed something (I9)"

    def copied(self) -> Self:
        new = type(self).__new__(type(self))
        new.policy, new.late, new.now, new.log = self.policy, self.late, self.now, []
        new.core, new.referee = self.copy(self.core), self.referee.copied()
        return new

    def key(self) -> Hashable:
        raise NotImplementedError


class SessionAlone(_Alone):
    """One token."""

    __slots__ = ()
    copy = staticmethod(copy_session)

    def __init__(self, policy: Policy, *, late: float = 0.0) -> None:
        self.policy, self.late, self.now, self.log = policy, late, 0.0, []
        self.core = Session(JOB, policy=policy, now=0.0)
        end = policy.job_timeout
        self.referee = SessionReferee.begun(self.core, JOB, policy, 0.0, end, **SHORT_CONSTANTS)

    def key(self) -> Hashable:
        own = session_key(self.core, self.now, name=lambda token: int(token is not None), early=EARLY)
        return own, None if self.over() else self.referee.key(self.now)


class JobAlone(_Alone):
    """One job, over its sessions."""

    __slots__ = ()
    copy = staticmethod(copy_download)

    def __init__(self, policy: Policy, *, late: float = 0.0) -> None:
        self.policy, self.late, self.now, self.log = policy, late, 0.0, []
        self.core = Download(JOB, policy=policy, now=0.0)
        self.referee = JobReferee.begun(self.core, JOB, policy, 0.0, **SHORT_CONSTANTS)

    def key(self) -> Hashable:
        own = download_key(self.core, self.now, name=lambda token: int(token is not None), early=EARLY)
        return own, None if self.over() else self.referee.key(self.now)
