"""Decides whether a job gets another session: the restart budget and the overall deadline (D21, I8, I13).

A job is done over one or more tokens, one after the other. Numbers continue across them, so that an old answer is
late by construction. Must never look inside a session: its outcome says all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, Final, final

from reportdl_core.commands import Command, Finish, Wait
from reportdl_core.errors import LocalProtocolError, Reason
from reportdl_core.events import Event, Lost, Sent
from reportdl_core.facts import pack_evidence, unpack_evidence
from reportdl_core.guard import Guard
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.outcome import Evidence, Outcome
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.session import Session
from reportdl_core.snapshots import mapping, sequence

__all__ = ["Download", "Restart"]

_DEFAULT: Final = Policy()


class Restart(Enum):
    """Why a job may begin again from `init` (R29). Anything else ends it."""

    LOST = "lost"  # the transfer was lost for good
    UNHELD = "unheld"  # the token expired while nobody held it
    UNPROVEN = "unproven"  # nothing proved that `run` ever arrived, or it was never sent


def _causes(outcome: Outcome) -> tuple[Restart, ...]:
    """Every budget that pays for such an end; the next one is drawn on where the first is spent (D21)."""
    if outcome.reason is Reason.TRANSFER_LOST:
        return (Restart.LOST,)
    if outcome.reason is not Reason.EXPIRED:
        return ()
    unheld = (Restart.UNHELD,) if outcome.unheld else ()
    return (*unheld, Restart.UNPROVEN) if outcome.run_unproven else unheld


@final
class Download:
    """One job, over one or more sessions; driven like a `Session`.

    `now` in seconds on any clock that does not run backwards. `end` is the absolute deadline of the whole job
    (default `now + policy.job_timeout`). With `formats`, as for a `Session`, it may be over before it has begun.
    Raises LocalProtocolError for misuse, and nothing else.
    """

    __slots__ = ("_evidence", "_guard", "_outcome", "_restarts", "job", "policy", "session")

    job: Job
    policy: Policy
    session: Session

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
        session = Session(job, policy=policy, seed=seed, now=now, number=number, end=end, formats=formats)
        self._begin(session, (), ())

    def _begin(self, session: Session, restarts: tuple[Restart, ...], evidence: tuple[Evidence, ...]) -> None:
        self.session, self.job, self.policy = session, session.job, session.policy
        self._guard = Guard()
        self._restarts = restarts
        self._evidence = evidence
        self._outcome = None if session.outcome is None else self._told(session.outcome)

    def _told(self, ended: Outcome) -> Outcome:
        return replace(ended, evidence=self._evidence + ended.evidence, sessions=1 + len(self._restarts))

    @property
    def state(self) -> State:
        """The state of the session that the job is in."""
        return self.session.state

    @property
    def outcome(self) -> Outcome | None:
        """How the job ended; None while it goes on."""
        return self._outcome

    @property
    def restarts(self) -> tuple[Restart, ...]:
        """Why the job began again, each time it did."""
        return self._restarts

    @property
    def formats(self) -> tuple[str, ...] | None:
        """What the report offers, once it is known."""
        return self.session.formats

    @property
    def token(self) -> Secret | None:
        """The present session's token, for whoever keeps it beside a snapshot (D39)."""
        return self.session.token

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """The commands that want an answer now; empty once the job is over."""
        return self.session.outstanding

    @property
    def alarm(self) -> tuple[float, Event]:
        """The earliest deadline, and the event to feed when it comes; LocalProtocolError once it is over."""
        return self.session.alarm

    def receive(self, event: Event, *, now: float) -> tuple[Command, ...]:
        """Take what happened; return the commands that are new. Misuse as in `Session.receive`."""
        with self._guard:
            return self._receive(event, now)

    def _receive(self, event: Event, now: float) -> tuple[Command, ...]:
        new = self.session.receive(event, now=now)
        ended = self.session.outcome
        if ended is None or self._outcome is not None:
            return new
        for cause in _causes(ended):
            if self._allows(cause):
                return self._restart(cause, ended, now)
        self._outcome = self._told(ended)
        return (Finish(number=new[-1].number, outcome=self._outcome),)

    def _allows(self, cause: Restart) -> bool:
        policy = self.policy
        budget = {
            Restart.LOST: policy.restarts_lost,
            Restart.UNHELD: policy.restarts_unheld,
            Restart.UNPROVEN: policy.restarts_unproven,
        }
        return self._restarts.count(cause) < budget[cause]

    def _restart(self, cause: Restart, ended: Outcome, now: float) -> tuple[Command, ...]:
        self._restarts += (cause,)
        self._evidence = (*self._evidence[-2:], *ended.evidence[-1:])
        self.session = Session.again(self.session, now=now)
        return self.session.outstanding

    def recover(self, *, now: float) -> tuple[Command, ...]:
        """Call it once after `restore`: all in flight is lost, perhaps sent. Returns what is outstanding (D43).

        A `run` that may have been sent is followed by `check`, never by `run` (I3).
        """
        with self._guard:
            for command in self.outstanding:
                if not isinstance(command, Wait) and self._outcome is None:
                    event = Lost(number=command.number, sent=Sent.UNKNOWN, message="the process that asked is gone")
                    self._receive(event, now)
            return self.outstanding

    def snapshot(self, *, now: float) -> dict[str, Any]:
        """Everything but the token, as JSON values. Write it before the commands it shows are executed (D43)."""
        with self._guard:
            return {
                "session": self.session.snapshot(now=now),
                "restarts": [cause.value for cause in self._restarts],
                "evidence": pack_evidence(self._evidence),
            }

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
    ) -> Download:
        """The job as it was, on a new clock; `elapsed` seconds away age its token alone. `recover` comes next (D43).

        Raises LocalProtocolError for a snapshot that is damaged, of another job, or without its token.
        """
        inner = mapping(snapshot, "session")
        try:
            restarts = tuple(Restart(cause) for cause in sequence(snapshot, "restarts"))
        except ValueError:
            raise LocalProtocolError("snapshot: restarts are damaged") from None
        session = Session.restore(inner, job=job, policy=policy, token=token, now=now, elapsed=elapsed)
        download = cls.__new__(cls)
        download._begin(session, restarts, unpack_evidence(snapshot.get("evidence")))
        return download
