"""A trace read as stories, one for each download: turns, each a cause and what the client made of it.

Decides nothing about right or wrong: it works out what was outstanding and what was known when.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.oracle.session_state import NEAR
from tests.oracle.table import is_valid
from tests.oracle.traces import (
    Answered,
    Asked,
    Began,
    Called,
    Ended,
    Issued,
    Moved,
    Published,
    Raised,
    Received,
    Restored,
    Saved,
    Superseded,
    Trace,
)
from tests.oracle.vocabulary import DOWNLOADS, FINAL, Command, Event

__all__ = ["Facts", "Story", "Turn", "Violation", "exchanges", "lost", "read", "tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule, the record (its index in the trace) that breaks it, and how."""

    rule: str
    position: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What can be known of the current session when a turn begins."""

    session: int = 1
    state: str = "INIT"
    token: str | None = None
    init_sent: float | None = None
    run: Issued | None = None
    run_answer: Event | None = None  # to the last run
    run_answered_at: float = 0.0
    away: float = 0.0  # since `run` was issued, the time that nobody held the job
    lost_gets: int = 0
    credential: int = 0
    listed: tuple[str, ...] | None = None
    unheld: bool = False  # the 300 s ended while nobody held the job
    errors: int = 0  # ERRORs that `check` has said
    told_until: float = 0.0  # Retry-After: the longest
    told_last: float = 0.0  # and the server's last word
    kept: bool = False  # a check has been told, after 300 s, that generation goes on
    owed: bool = False  # the credential has been refused, and not renewed since
    renewing: bool = False  # a renewal has been asked for, and has not come about yet
    fresh: bool = False  # it has been renewed, and neither has anything succeeded since nor has a wait elapsed
    naming: bool = False  # the format has been refused: what is asked now only names the alternatives (D12)
    refused_at: float = 0.0  # when the format was: a silence may begin there (D12, D19)
    contact: bool = False  # the job's server has given a valid answer
    lost_at: float = 0.0  # when `run`, or a `get`, came to nothing
    heard_at: float = 0.0  # the last answer that was beyond doubt the server's; the time away moves it on (D43)
    heard_else_at: float = 0.0  # the same, but for what `run` says while the alternatives are asked for (D12)

    @property
    def live(self) -> bool:
        return self.state not in FINAL

    @property
    def run_out(self) -> bool:
        """`run` has been issued and is not answered."""
        return self.run is not None and self.run_answer is None

    def age(self, at: float) -> float:
        """Since `init` was sent; less than nothing where it has not been answered."""
        return at - self.init_sent if self.init_sent is not None and self.token is not None else -1.0


@dataclass(slots=True, kw_only=True)
class Turn:
    """A cause, and what follows it until the next one. `command` is what an event answers; None where it is late."""

    position: int
    at: float
    cause: Began | Received | Restored
    facts: Facts
    before: dict[int, Issued]  # outstanding, the answered one included
    end: float  # the job's deadline
    learned: Facts = field(default_factory=Facts)  # what is known once the cause is
    answered: Issued | None = None
    credential: int = 0  # the renewals before the answered command was issued
    issued: list[tuple[int, Issued]] = field(default_factory=list)
    superseded: list[tuple[int, Superseded]] = field(default_factory=list)
    moved: list[tuple[int, Moved]] = field(default_factory=list)
    ended: tuple[int, Ended] | None = None
    after: dict[int, Issued] = field(default_factory=dict)

    @property
    def event(self) -> Event | None:
        return self.cause.event if isinstance(self.cause, Received) else None

    @property
    def late(self) -> bool:
        return isinstance(self.cause, Received) and self.answered is None

    @property
    def kind(self) -> str:
        """The kind of the command that was answered."""
        return self.answered.command.kind if self.answered is not None else ""

    @property
    def waited(self) -> bool:
        """A Wait is over: it says so, or its deadline has come when something else takes it away."""
        told = self.event is not None and self.event.kind == "WaitElapsed"
        if self.answered is not None and (told or _is_over(self.answered, self.at)):
            return True
        gone = [self.before[each.number] for _, each in self.superseded if each.number in self.before]
        return any(_is_over(each, self.at) for each in gone)

    def resumes(self, issued: Issued) -> bool:
        """Whether this Wait is what is left of one that was given up before its time: no pause of its own."""
        stopped = self.kind == "Wait" and self.event is not None and self.event.kind == "Cancelled"
        if (
            not stopped
            or self.answered is None
            or issued.command.kind != "Wait"
            or issued.session != self.facts.session
        ):
            return False
        return abs((issued.command.deadline or 0.0) - (self.answered.command.deadline or 0.0)) <= NEAR

    def new(self, *kinds: str) -> list[tuple[int, Issued]]:
        """Commands of these kinds that this turn issued."""
        return [(position, each) for position, each in self.issued if each.command.kind in kinds]

    def session_ends(self) -> str | None:
        """The final state that this turn moved the session it began with to."""
        finals = [each.state for _, each in self.moved if each.state in FINAL and each.session == self.facts.session]
        return finals[-1] if finals else None


@dataclass(slots=True, kw_only=True)
class Story:
    """One download."""

    download: int
    began: Began
    turns: list[Turn] = field(default_factory=list)
    asked: list[tuple[int, Asked]] = field(default_factory=list)
    saved: list[tuple[int, Saved]] = field(default_factory=list)
    published: list[tuple[int, Published]] = field(default_factory=list)
    raised: list[tuple[int, Raised]] = field(default_factory=list)
    last: int = 0
    last_at: float = 0.0

    @property
    def ended(self) -> tuple[int, Ended] | None:
        return next((turn.ended for turn in self.turns if turn.ended is not None), None)

    def issued(self) -> Iterator[tuple[int, Issued, Turn]]:
        for turn in self.turns:
            for position, each in turn.issued:
                yield position, each, turn


def read(trace: Trace) -> list[Story]:
    """The stories of a trace. A record of a download that never began is not read."""
    readers: dict[int, _Reader] = {}
    for position, record in enumerate(trace):
        if isinstance(record, Began):
            readers[record.download] = _Reader(Story(download=record.download, began=record))
        download = getattr(record, "download", None)
        if download in readers:
            reader = readers[download]
            reader.story.last, reader.story.last_at = position, record.at
            reader.take(position, record)
    for reader in readers.values():
        reader.close()
    return [reader.story for reader in readers.values()]


class _Reader:
    """Takes the records of one download, in order."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.out: dict[int, Issued] = {}
        self.facts = Facts(heard_at=story.began.at, heard_else_at=story.began.at)
        self.known: dict[int, Issued] = {}
        self.credentials: dict[int, int] = {}
        self.end = story.began.at + story.began.policy.job_timeout
        self.saved_at = story.began.at
        self.saved_facts = self.facts

    def take(self, position: int, record: object) -> None:
        match record:
            case Began() | Received() | Restored():
                self.close()
                self._turn(position, record)
            case Issued():
                self._issue(position, record)
            case Superseded():
                self.story.turns[-1].superseded.append((position, record))
                gone = self.out.pop(record.number, None)
                if gone is not None and _is_over(gone, record.at):
                    self.facts = replace(self.facts, fresh=False)
            case Moved():
                self.story.turns[-1].moved.append((position, record))
                self._move(record)
            case Ended():
                self.story.turns[-1].ended = (position, record)
            case Saved():
                self.story.saved.append((position, record))
                self.saved_at, self.saved_facts = record.at, self.facts
            case Published():
                self.story.published.append((position, record))
            case Asked():
                self.story.asked.append((position, record))
            case Raised():
                self.story.raised.append((position, record))
            case _:
                pass

    def close(self) -> None:
        """The turn is over."""
        if self.story.turns:
            turn = self.story.turns[-1]
            if turn.ended is not None:
                self.out.clear()
            turn.after = dict(self.out)

    def _turn(self, position: int, cause: Began | Received | Restored) -> None:
        if isinstance(cause, Restored):
            self._restore(cause)
        turn = Turn(position=position, at=cause.at, cause=cause, facts=self.facts, before=dict(self.out), end=self.end)
        self.story.turns.append(turn)
        if isinstance(cause, Restored) and cause.recovered:
            self._lose_all(turn)
        if isinstance(cause, Received):
            turn.answered = self.out.pop(cause.event.number, None)
            turn.credential = self.credentials.get(cause.event.number, 0)
            if turn.answered is not None:
                self._learn(turn, cause.event)
        turn.learned = self.facts

    def _restore(self, cause: Restored) -> None:
        """D43: remaining times are kept, ages go on."""
        self.end += cause.at - self.saved_at
        facts = self.saved_facts
        age, gone = facts.age(self.saved_at), cause.at - self.saved_at
        ttl = self.story.began.policy.ttl
        unheld = facts.token is not None and age < ttl <= age + gone
        away = facts.away + (gone if facts.run is not None else 0.0)
        self.facts = replace(
            facts,
            unheld=facts.unheld or unheld,
            away=away,
            lost_at=facts.lost_at + gone,
            refused_at=facts.refused_at + gone,
            heard_at=facts.heard_at + gone,
            heard_else_at=facts.heard_else_at + gone,
            told_until=facts.told_until + gone,
            told_last=facts.told_last + gone,
        )
        self.out = {
            command.number: Issued(at=self._issued_at(command), command=command, session=facts.session)
            for command in cause.outstanding
        }

    def _lose_all(self, turn: Turn) -> None:
        """All in flight is answered Lost(UNKNOWN); a Wait goes on."""
        for number, issued in list(self.out.items()):
            if issued.command.kind != "Wait":
                del self.out[number]
                self._forget(issued.command.kind, Event(number=number, kind="Lost", sent="UNKNOWN"), turn.at)

    def _issued_at(self, command: Command) -> float:
        return self.known[command.number].at if command.number in self.known else self.saved_at

    def _issue(self, position: int, record: Issued) -> None:
        self.story.turns[-1].issued.append((position, record))
        command = record.command
        if command.kind == "Finish":
            return
        self.known[command.number] = self.out[command.number] = record
        self.credentials[command.number] = self.facts.credential
        if record.session != self.facts.session:
            self._next_session(record.session, record.at)
        if command.kind == "Init":
            self.facts = replace(self.facts, init_sent=record.at)
        if command.kind == "Run":
            self.facts = replace(self.facts, run=record, run_answer=None, away=0.0)
        if command.kind == "RenewCredentials":
            self.facts = replace(self.facts, renewing=True)

    def _move(self, record: Moved) -> None:
        if record.session != self.facts.session:
            self._next_session(record.session, record.at)
        self.facts = replace(self.facts, state=record.state)

    def _next_session(self, session: int, at: float) -> None:
        known = self.facts
        self.facts = Facts(
            session=session,
            credential=known.credential,
            listed=known.listed,
            told_until=known.told_until,
            told_last=known.told_last,
            contact=known.contact,
            heard_at=at,
            heard_else_at=at,
        )

    def _learn(self, turn: Turn, event: Event) -> None:
        facts = self.facts
        if turn.kind in DOWNLOADS and is_valid(turn.kind, event):
            adds_nothing = facts.naming and turn.kind == "Run"
            heard_else_at = facts.heard_else_at if adds_nothing else turn.at
            facts = replace(facts, heard_at=turn.at, heard_else_at=heard_else_at, contact=True)
        if event.kind == "TokenIssued" and turn.answered is not None:
            facts = replace(facts, token=event.token, init_sent=turn.answered.at)
        if event.kind == "FormatsListed":
            facts = replace(facts, listed=event.formats)
        if event.kind == "CredentialsRenewed":
            facts = replace(facts, credential=facts.credential + 1, owed=False, renewing=False, fresh=True)
        elif turn.waited or (event.refusal != "CREDENTIALS" and event.kind not in {"Lost", "Cancelled"}):
            facts = replace(facts, fresh=False)
        if event.refusal == "CREDENTIALS":
            facts = replace(facts, owed=True)
        if event.refusal == "INVALID_FORMAT" and turn.kind != "ListFormats":
            facts = replace(facts, naming=True, refused_at=turn.at)
        if event.retry_after is not None:
            last = turn.at + event.retry_after
            facts = replace(facts, told_last=last)
            if event.retry_after > 0:  # else it tells no time to come back
                facts = replace(facts, told_until=max(facts.told_until, last))
        if event.status == "IN_PROGRESS" and facts.age(turn.at) >= self.story.began.policy.ttl:
            facts = replace(facts, kept=True)
        if turn.kind == "Check" and event.status == "ERROR":
            facts = replace(facts, errors=facts.errors + 1)
        self.facts = facts
        self._forget(turn.kind, event, turn.at)

    def _forget(self, kind: str, event: Event, at: float) -> None:
        """What an answer to `run`, or the loss of a `get`, leaves to know."""
        if kind == "Run":
            self.facts = replace(self.facts, run_answer=event, run_answered_at=at, lost_at=at)
        if kind == "Get" and event.sent != "NOT_SENT":
            self.facts = replace(self.facts, lost_gets=self.facts.lost_gets + lost(event), lost_at=at)


def _is_over(issued: Issued, at: float) -> bool:
    """A Wait whose deadline has come."""
    command = issued.command
    return command.kind == "Wait" and command.deadline is not None and command.deadline <= at + NEAR


def lost(event: Event) -> bool:
    """The table's second row."""
    unknown = event.kind == "Cancelled" or (event.kind == "Lost" and event.sent == "UNKNOWN")
    return unknown or event.refusal in {"UNAVAILABLE", "NO_ENVELOPE"}


def exchanges(trace: Trace) -> Iterator[tuple[int, Called, int, Answered | None]]:
    """Every call at the server with its answer, and where the two stand."""
    answers = {record.call: (position, record) for position, record in enumerate(trace) if isinstance(record, Answered)}
    for position, record in enumerate(trace):
        if isinstance(record, Called):
            where, answer = answers.get(record.call, (position, None))
            yield position, record, where, answer


def tokens(trace: Trace) -> dict[str, Called]:
    """Every token that the server issued, with the call of `init` that it answered."""
    return {
        answer.token: call
        for _, call, _, answer in exchanges(trace)
        if answer is not None and answer.says == "TOKEN" and answer.token is not None
    }
