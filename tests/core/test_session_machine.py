"""One job under every order of events: a Hypothesis machine, and seeded walks that must arrive everywhere.

The auditor beside it knows the rules' invariants and nothing of the core's tables, facts or functions: it keeps its own
books of what was asked, answered and issued.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from reportdl_core import (
    Cancelled,
    Check,
    Command,
    CredentialsRenewed,
    Download,
    Event,
    Expiry,
    FileNotKept,
    FileReceived,
    Finish,
    FormatsListed,
    Get,
    Init,
    Job,
    Kept,
    ListFormats,
    LocalProtocolError,
    Lost,
    Policy,
    Preflight,
    Reason,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Restart,
    Run,
    RunFinished,
    Secret,
    Sent,
    State,
    Status,
    StatusReported,
    TokenIssued,
    Wait,
    WaitElapsed,
)

Choose = Callable[[Sequence[Any]], Any]

JOB = Job(element=1042, segment=3, format="pdf")
RECEIPT = Receipt(path=None, filename="a.pdf", content_type="application/pdf", size=1, sha256="", length_verified=True)
# The diagram of the rules, not the table of the code.
DIAGRAM = {
    ("INIT", "RUNNING"),
    ("RUNNING", "READY"),
    ("READY", "CONSUMED"),
    *((source, target) for source in ("INIT", "RUNNING", "READY") for target in ("ERROR", "EXPIRED")),
}
FINAL = {"ERROR", "CONSUMED", "EXPIRED"}
LIFE = 300.0
LOST_ANSWERS = {Refusal.UNAVAILABLE, Refusal.NO_ENVELOPE}


class Auditor:
    """Books of one job. `heard` is called after each event, with what the core made of it."""

    def __init__(self, download: Download, policy: Policy, *, now: float, reached: Counter[object]) -> None:
        self.policy, self.reached = policy, reached
        self.end = now + policy.job_timeout
        self.highest = self.requests = 0
        self.book: dict[int, Command] = {}
        self.state, self.session = State.INIT, download.session
        self.sessions = 1
        self._new_session()
        self._enter(download.outstanding, now)
        self.check(download, now)

    def _new_session(self) -> None:
        self.token: Secret | None = None
        self.init_sent = self.token_from = 0.0
        self.run_may_leave, self.credential_repeats = True, 0
        self.run_sent = 0.0
        self.file_seen, self.lost_gets = False, 0
        self.renewal_spent, self.renewed = False, 0
        self.failed_at: dict[type[Command], float] = {}

    def heard(self, event: Event, new: tuple[Command, ...], download: Download, *, now: float) -> None:
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
        if (isinstance(event, RunFinished) and not self.lost_gets) or (says_ready and isinstance(command, Run | Check)):
            self.file_seen = True

    def _failed(self, command: Command, event: Lost | Refused | Cancelled | StatusReported, now: float) -> None:
        refused = event.refusal if isinstance(event, Refused) else None
        if refused is not Refusal.CREDENTIALS or command.number > self.renewed:
            self.failed_at[type(command)] = now
        if isinstance(command, Run):
            prompt = refused is Refusal.CREDENTIALS and now - self.run_sent <= 5.0 and not self.credential_repeats
            self.credential_repeats += prompt
            self.run_may_leave = prompt or (isinstance(event, Lost) and event.sent is Sent.NOT_SENT)
        if isinstance(command, Get):
            unknown = isinstance(event, Cancelled) or (isinstance(event, Lost) and event.sent is Sent.UNKNOWN)
            if unknown or refused in LOST_ANSWERS:
                self.lost_gets += 1
                self.file_seen = False
            if isinstance(event, StatusReported):
                self.file_seen = False

    def _moved(self, download: Download) -> None:
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
            assert (command.job.element, command.job.segment) == (JOB.element, JOB.segment)
        if isinstance(command, Run | Check | Get):
            assert command.token == self.token, "without its own token (I2)"
            if self.policy.expiry is Expiry.DOCUMENTED:
                assert now < self.token_from + LIFE, "after it expired (I6)"
        match command:
            case Init():
                self.init_sent = now
            case Run():
                assert self.run_may_leave, "a second `run` (I3)"
                assert now < self.token_from + LIFE, "`run` with an old token (I6)"
                self.run_may_leave, self.run_sent = False, now
            case Get():
                assert self.file_seen, "a `get` that nothing called for (I5, D21, D42)"
                assert self.lost_gets < 2, "a third `get` after two losses (D21)"
            case RenewCredentials():
                assert not self.renewal_spent, "two renewals and no success between them (D16, I13)"
            case _:
                pass

    def check(self, download: Download, now: float) -> None:
        """What holds at every moment."""
        runs = [one for one in self.book.values() if isinstance(one, Run)]
        assert len(runs) <= 1, "two runs (I4)"
        assert len(self.book) - len(runs) <= 1, "two others (I4)"
        assert (download.outcome is None) == bool(self.book)
        assert (download.state.name in FINAL) == (download.outcome is not None)
        if download.outcome is None:
            assert now < self.end, "alive past its deadline (I8)"
            assert download.alarm[0] == min(one.deadline for one in self.book.values() if not isinstance(one, Finish))
            assert download.alarm[1].number in self.book
        else:
            assert (download.outcome.receipt is not None) == (download.state is State.CONSUMED)
            assert download.outcome.sessions == self.sessions <= 4
            self.reached[download.outcome.reason] += 1
            self.reached[Finish] += 1


POLICIES: tuple[Policy, ...] = (
    Policy(),
    Policy(expiry=Expiry.DOCUMENTED),
    Policy(preflight=Preflight.OFF, first_check=2.0),
    Policy(job_timeout=400.0, request_timeout=400.0, preflight=Preflight.OFF),
    Policy(job_timeout=700.0, expiry=Expiry.DOCUMENTED, request_timeout=310.0, silence=60.0, restarts_lost=2),
    Policy(run_timeout=40.0, first_contact=20.0, growth=1.0, expiry_margin=0.0),
)

FAILURES: tuple[Callable[[int], Event], ...] = (
    lambda number: Lost(number=number, sent=Sent.UNKNOWN),
    lambda number: Lost(number=number, sent=Sent.NOT_SENT),
    lambda number: Cancelled(number=number),
    *(lambda number, refusal=refusal: Refused(number=number, refusal=refusal) for refusal in Refusal),
    *(
        lambda number, after=after: Refused(number=number, refusal=Refusal.BUSY, retry_after=after)
        for after in (0.0, 3.0, 50.0, 1e9)
    ),
)
FORGIVEN: tuple[Callable[[int], Event], ...] = (
    *FAILURES[:3],
    lambda number: Refused(number=number, refusal=Refusal.CREDENTIALS),
    lambda number: Refused(number=number, refusal=Refusal.UNAVAILABLE),
    lambda number: Refused(number=number, refusal=Refusal.BUSY, retry_after=3.0),
)


def good(command: Command, choose: Choose, fresh: int) -> Event:
    number = command.number
    match command:
        case ListFormats():
            return FormatsListed(number=number, formats=choose((("pdf", "csv"), ("PDF",), ("pdf",), ("csv",))))
        case Init():
            return TokenIssued(number=number, token=Secret(f"token-{fresh}"))
        case Run():
            return RunFinished(number=number)
        case Check():
            return StatusReported(number=number, status=choose((Status.IN_PROGRESS, Status.READY)))
        case Get():
            kept = choose((None, None, None, *Kept))
            if kept is None:
                return FileReceived(number=number, receipt=RECEIPT)
            return FileNotKept(number=number, why=kept, message="no", path=choose((None, "a.unverified")))
        case RenewCredentials():
            return CredentialsRenewed(number=number)
        case Wait():
            return WaitElapsed(number=number)
        case _:
            raise AssertionError(command)


def bad(command: Command, choose: Choose, kinds: Sequence[Callable[[int], Event]]) -> Event:
    if isinstance(command, Wait):
        return choose((WaitElapsed(number=command.number), Cancelled(number=command.number)))
    if isinstance(command, RenewCredentials):
        kinds = [one for one in kinds if not isinstance(one(1), StatusReported)]
    event: Event = choose(kinds)(command.number)
    return event


STATUSES: tuple[Callable[[int], Event], ...] = tuple(
    lambda number, status=status: StatusReported(number=number, status=status)  # type: ignore[misc]
    for status in Status
)


class Journey:
    """One job on a virtual clock, and what may happen to it. `choose` decides."""

    def __init__(self, policy: Policy, choose: Choose, *, seed: int, reached: Counter[object] | None = None) -> None:
        self.policy, self.choose, self.seed = policy, choose, seed
        self.now = self.seen = 0.0
        self.fresh = 0
        self.reached: Counter[object] = Counter() if reached is None else reached
        self.download = Download(JOB, policy=policy, seed=seed, now=0.0)
        self.auditor = Auditor(self.download, policy, now=0.0, reached=self.reached)

    @property
    def over(self) -> bool:
        return self.download.outcome is not None

    def hear(self, event: Event) -> None:
        if isinstance(event, Refused):
            self.reached[event.refusal] += 1
        new = self.download.receive(event, now=self.now)
        self.seen = self.now
        self.auditor.heard(event, new, self.download, now=self.now)

    def wait(self, seconds: float) -> None:
        """Time passes, but no driver sleeps past an alarm."""
        self.now = min(self.now + seconds, max(self.now, self.download.alarm[0]))

    def ring(self, late: float = 0.0) -> None:
        when, event = self.download.alarm
        self.now = max(self.now, when) + late
        self.hear(event)

    def answer(self, *, well: bool, kinds: Sequence[Callable[[int], Event]] = (*FAILURES, *STATUSES)) -> None:
        command: Command = self.choose(self.download.outstanding)
        if not well:
            self.hear(bad(command, self.choose, kinds))
            return
        self.fresh += 1
        self.hear(good(command, self.choose, self.fresh))

    def late(self) -> None:
        """An answer to a command that is not outstanding any more, of any kind."""
        known = {one.number for one in self.download.outstanding}
        gone = [number for number in range(1, self.auditor.highest + 1) if number not in known]
        if gone:
            number = self.choose(gone)
            self.hear(self.choose((FAILURES[0](number), RunFinished(number=number), STATUSES[1](number))))

    def misuse(self) -> None:
        """Refused, and nothing moves (D37)."""
        download, command = self.download, self.choose(self.download.outstanding)
        before = (download.outstanding, download.state, download.snapshot(now=self.now))
        wrong = RunFinished(number=command.number)
        if isinstance(command, Run):
            wrong = WaitElapsed(number=command.number)  # type: ignore[assignment]
        for event, now in (
            (wrong, self.now),
            (Cancelled(number=self.auditor.highest + 5), self.now),
            (Cancelled(number=command.number), self.seen - 2.0**-20),
        ):
            with pytest.raises(LocalProtocolError):
                download.receive(event, now=now)
        assert before == (download.outstanding, download.state, download.snapshot(now=self.now))

    def written(self) -> dict[str, Any]:
        text = json.dumps(self.download.snapshot(now=self.now), allow_nan=False)
        assert "token-" not in text, "a snapshot holds a token (D39)"
        snapshot: dict[str, Any] = json.loads(text)
        return snapshot

    def reload(self) -> None:
        """Written down and read back with no time between: exactly the same (I9)."""
        before = (self.download.outstanding, self.download.state, self.download.alarm, self.written())
        self.download = Download.restore(
            self.written(), job=JOB, policy=self.policy, token=self.download.token, now=self.now, elapsed=0.0
        )
        assert before == (self.download.outstanding, self.download.state, self.download.alarm, self.written())
        self.auditor.session = self.download.session

    def die(self, away: float) -> None:
        """The process died; another one takes the job up (D43)."""
        self.download = Download.restore(
            self.written(), job=JOB, policy=self.policy, token=self.download.token, now=self.now, elapsed=away
        )
        self.auditor.session = self.download.session
        self.auditor.token_from -= away
        for command in self.download.outstanding:
            if not isinstance(command, Wait):
                # What `recover` does, one event at a time, so that the auditor sees each.
                self.hear(Lost(number=command.number, sent=Sent.UNKNOWN))


class AnyOrder(RuleBasedStateMachine):
    journey: Journey

    @initialize(policy=st.sampled_from(POLICIES), seed=st.integers(0, 2**64))
    def begin(self, policy: Policy, seed: int) -> None:
        self.journey = Journey(policy, self.choose, seed=seed)

    def choose(self, among: Sequence[Any]) -> Any:
        return self.picks.draw(st.sampled_from(among))

    picks: Any

    @precondition(lambda self: not self.journey.over)
    @rule(picks=st.data(), well=st.sampled_from([True, True, True, False]))
    def answers(self, picks: Any, well: bool) -> None:
        self.picks = picks
        self.journey.answer(well=well)

    @precondition(lambda self: not self.journey.over)
    @rule(picks=st.data())
    def answers_that_are_forgiven(self, picks: Any) -> None:
        self.picks = picks
        self.journey.answer(well=False, kinds=FORGIVEN)

    @precondition(lambda self: not self.journey.over)
    @rule(seconds=st.one_of(st.floats(0.0, 6.0), st.sampled_from([5.0, 10.0, 60.0, 300.0])))
    def time_passes(self, seconds: float) -> None:
        self.journey.wait(seconds)

    @precondition(lambda self: not self.journey.over)
    @rule(late=st.sampled_from([0.0, 0.0, 0.0, 2.0**-20, 0.3, 40.0]))
    def the_alarm_rings(self, late: float) -> None:
        self.journey.ring(late)

    @rule(picks=st.data())
    def a_late_answer(self, picks: Any) -> None:
        self.picks = picks
        self.journey.late()

    @precondition(lambda self: not self.journey.over)
    @rule(picks=st.data())
    def a_caller_s_mistake(self, picks: Any) -> None:
        self.picks = picks
        self.journey.misuse()

    @precondition(lambda self: not self.journey.over)
    @rule()
    def written_down_and_read_back(self) -> None:
        self.journey.reload()

    @precondition(lambda self: not self.journey.over)
    @rule(away=st.sampled_from([0.0, 10.0, 299.0, 300.0, 86_400.0]))
    def the_process_dies(self, away: float) -> None:
        self.journey.die(away)


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13")
def test_no_order_of_events_breaks_an_invariant() -> None:
    run_state_machine_as_test(AnyOrder, settings=settings(stateful_step_count=60))


# ---- seeded walks


def step(journey: Journey, draw: Random) -> None:
    match draw.choices(
        ("well", "forgiven", "bad", "wait", "ring", "ring late", "late", "reload", "die"),
        weights=(34, 14, 3, 20, 20, 2, 3, 2, 1),
    ):
        case ["well"]:
            journey.answer(well=True)
        case ["forgiven"]:
            journey.answer(well=False, kinds=FORGIVEN)
        case ["bad"]:
            journey.answer(well=False)
        case ["wait"]:
            journey.wait(draw.choice((0.1, 1.0, 4.0, 20.0, 100.0, 301.0)))
        case ["ring"]:
            journey.ring()
        case ["ring late"]:
            journey.ring(draw.choice((0.1, 9.0)))
        case ["late"]:
            journey.late()
        case ["reload"]:
            journey.reload()
        case _:
            journey.die(draw.choice((0.0, 30.0, 301.0)))


class Twins(Journey):
    """The same job twice: the other one is written down and read back before every event (I9)."""

    def __init__(self, policy: Policy, choose: Choose, *, seed: int) -> None:
        super().__init__(policy, choose, seed=seed)
        self.twin = Download(JOB, policy=policy, seed=seed, now=0.0)

    def hear(self, event: Event) -> None:
        text = json.dumps(self.twin.snapshot(now=self.seen))
        self.twin = Download.restore(
            json.loads(text), job=JOB, policy=self.policy, token=self.twin.token, now=self.seen, elapsed=0.0
        )
        self.twin.receive(event, now=self.now)
        super().hear(event)
        assert self.twin.outstanding == self.download.outstanding, "restored, it asks for something else (I9)"
        assert self.twin.outcome == self.download.outcome


@pytest.mark.rules("I9", "D43")
def test_a_job_that_is_read_back_before_every_event_asks_for_the_same() -> None:
    ended: Counter[Reason] = Counter()
    for seed in range(300):
        draw = Random(seed)
        twins = Twins(POLICIES[seed % len(POLICIES)], draw.choice, seed=seed)
        faulty = draw.random() / 2
        while not twins.over:
            if draw.random() < 0.4:
                twins.ring()
            else:
                twins.answer(well=draw.random() > faulty, kinds=FORGIVEN)
        assert twins.download.outcome is not None
        ended[twins.download.outcome.reason] += 1
    assert len(ended) > 6


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13", "D21")
def test_the_walks_arrive_everywhere() -> None:
    reached: Counter[object] = Counter()
    for seed in range(4_000):
        draw = Random(seed)
        journey = Journey(POLICIES[seed % len(POLICIES)], draw.choice, seed=seed, reached=reached)
        while not journey.over:
            step(journey, draw)
    wanted: set[object] = {*State, *DIAGRAM, *Reason, *Refusal, *Restart}
    wanted |= {ListFormats, Init, Run, Check, Get, RenewCredentials, Wait, Finish}
    wanted |= {FormatsListed, TokenIssued, RunFinished, StatusReported, FileReceived, FileNotKept}
    wanted |= {Refused, Lost, WaitElapsed, CredentialsRenewed, Cancelled}
    assert not (missing := wanted - reached.keys()), missing


@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I13")
def test_every_job_ends_by_its_deadline_after_a_bounded_number_of_requests() -> None:
    for seed in range(2_000):
        draw = Random(seed)
        policy = POLICIES[seed % len(POLICIES)]
        journey = Journey(policy, draw.choice, seed=seed)
        faulty = draw.random()
        while not journey.over:
            if draw.random() < 0.3:
                journey.ring()
            else:
                journey.answer(well=draw.random() > faulty, kinds=FORGIVEN)
        assert journey.now <= policy.job_timeout
        # The shortest pauses grow to 7.5 s and more; each may be followed by a renewal and one repeat.
        assert journey.auditor.requests < 60 + policy.job_timeout / 2.0
