"""The reference model of session and job, tried with hand-written right moves, and with wrong ones."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.oracle import job_model
from tests.oracle.job_model import JobState
from tests.oracle.session_state import Seen
from tests.oracle.vocabulary import Command, Event, Job, Outcome, Policy

JOB = Job(element=1042, format="pdf")
CARRIES_FORMAT = {"Run", "Get"}


class Client:
    """A hand-written client beside the model: `shows` is what it claims to be, and the model judges it."""

    def __init__(self, **policy: object) -> None:
        self.now = 0.0
        self.possible = job_model.begin(JOB, Policy(**policy), now=0.0)  # type: ignore[arg-type]
        self.token: str | None = None
        self.format = JOB.format

    def command(self, number: int, kind: str, deadline: float) -> Command:
        if kind in {"Wait", "RenewCredentials"}:
            return Command(number=number, kind=kind, deadline=deadline)
        return Command(
            number=number,
            kind=kind,
            deadline=deadline,
            element=1042,
            segment=0,
            format=self.format if kind in CARRIES_FORMAT else None,
            token=self.token if kind in {"Run", "Check", "Get"} else None,
        )

    def accepts(self, state: str, *outstanding: tuple[int, str, float]) -> bool:
        seen = Seen(state=state, outstanding=tuple(self.command(*each) for each in outstanding))
        self.last, agreed = seen, job_model.agree(self.possible, seen, self.now)
        if agreed:
            self.possible = agreed
        return bool(agreed)

    def tries(self, state: str, *outstanding: tuple[int, str, float]) -> bool:
        """Whether it might claim this; it does not."""
        possible, agreed = self.possible, self.accepts(state, *outstanding)
        self.possible = possible
        return agreed

    def until(self, at: float) -> float:
        """No request outlives the job (I8)."""
        return min(at, next(iter(self.possible)).session.setting.end)

    def shows(self, state: str, *outstanding: tuple[int, str, float]) -> None:
        assert self.accepts(state, *outstanding), job_model.explain(self.possible, self.last)

    def may_not_show(self, state: str, *outstanding: tuple[int, str, float]) -> None:
        assert not self.accepts(state, *outstanding)

    def ends(self, state: str, reason: str, ended_in: str, **more: object) -> None:
        assert self.may_end(state, reason, ended_in, **more), job_model.explain(self.possible, self.last)

    def may_end(self, state: str, reason: str, ended_in: str, **more: object) -> bool:
        outcome = Outcome(state=state, reason=reason, ended_in=ended_in, **more)  # type: ignore[arg-type]
        self.last = Seen(state=state, outcome=outcome)
        return bool(job_model.agree(self.possible, self.last, self.now))

    def hears(self, at: float, number: int, kind: str, **more: object) -> None:
        self.now = at
        if kind == "TokenIssued":
            self.token = str(more["token"])
        event = Event(number=number, kind=kind, **more)  # type: ignore[arg-type]
        self.possible = job_model.step(self.possible, event, at)


def running(client: Client, at: float = 0.0, check: float = 5.0, until: float = 1800.0) -> Client:
    """Up to `run`, with numbers 3 and 4 outstanding."""
    client.shows("INIT", (1, "ListFormats", 30.0))
    client.hears(at, 1, "FormatsListed", formats=("image", "pdf", "csv"))
    client.shows("INIT", (2, "Init", at + 30.0))
    client.hears(at, 2, "TokenIssued", token="A")
    client.shows("RUNNING", (3, "Run", at + until), (4, "Wait", at + check))
    return client


def checking(client: Client, until: float = 1800.0) -> Client:
    """The first check is out beside `run`, from 5 s on, number 5."""
    running(client, until=until)
    client.hears(5.0, 4, "WaitElapsed")
    client.shows("RUNNING", (3, "Run", until), (5, "Check", 35.0))
    return client


def ready(client: Client) -> Client:
    """Up to `get`, with number 5 outstanding, at 3 s."""
    running(client)
    client.hears(3.0, 3, "RunFinished")
    client.shows("READY", (5, "Get", 3600.0))
    return client


def possible_states(possible: Iterable[JobState]) -> set[str]:
    return {state.session.state for state in possible}


@pytest.mark.rules("R12", "R18", "R24", "R27")
def test_the_documents_example() -> None:
    client = ready(Client())
    client.hears(4.0, 5, "FileReceived")
    client.ends("CONSUMED", "DELIVERED", "READY")
    assert possible_states(client.possible) == {"CONSUMED"}
    assert not client.may_end("ERROR", "NOT_KEPT", "READY")


@pytest.mark.rules("D19", "I13")
@pytest.mark.parametrize(("at", "right"), [(333.0, True), (332.999, True), (332.5, False)])
def test_a_pause_that_is_over_may_be_taken_away_by_what_run_says(at: float, right: bool) -> None:
    client = checking(Client())
    client.hears(35.0, 5, "StatusReported", status="READY")
    client.shows("READY", (3, "Run", 1800.0), (6, "Get", 3600.0))
    client.hears(332.0, 6, "Refused", refusal="BUSY", retry_after=1.0)
    client.shows("READY", (3, "Run", 1800.0), (7, "Wait", 333.0))
    client.hears(at, 3, "RunFinished")
    assert client.accepts("READY", (8, "Get", 3600.0)) == right


@pytest.mark.rules("D19")
def test_the_first_check_is_after_five_seconds_exactly() -> None:
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(1.0, 1, "TokenIssued", token="A")
    client.may_not_show("RUNNING", (2, "Run", 1801.0), (3, "Wait", 5.0))
    client.may_not_show("RUNNING", (2, "Run", 1801.0))
    client.may_not_show("RUNNING", (2, "Run", 1801.0), (3, "Check", 31.0))
    client.shows("RUNNING", (2, "Run", 1801.0), (3, "Wait", 6.0))


@pytest.mark.rules("I3", "D6")
def test_a_lost_run_is_polled_and_never_sent_again() -> None:
    client = running(Client())
    client.hears(60.0, 4, "WaitElapsed")
    client.shows("RUNNING", (3, "Run", 1800.0), (5, "Check", 90.0))
    client.hears(61.0, 3, "Lost", sent="UNKNOWN")
    client.may_not_show("RUNNING", (6, "Run", 1861.0), (7, "Wait", 66.0))
    client.shows("RUNNING", (5, "Check", 90.0))
    client.hears(62.0, 5, "StatusReported", status="IN_PROGRESS")
    client.may_not_show("RUNNING", (6, "Wait", 67.0))
    client.shows("RUNNING", (6, "Wait", 62.4))
    client.hears(62.4, 6, "WaitElapsed")
    client.shows("RUNNING", (7, "Check", 92.4))
    client.hears(63.0, 7, "StatusReported", status="READY")
    client.may_not_show("READY", (8, "Wait", 63.4))
    client.shows("READY", (8, "Get", 3600.0))


@pytest.mark.rules("I3")
def test_a_run_proven_never_sent_is_repeated() -> None:
    client = running(Client())
    client.hears(1.0, 3, "Lost", sent="NOT_SENT")
    client.may_not_show("RUNNING", (5, "Run", 1801.0), (6, "Wait", 6.0))  # I13: not without a pause
    client.shows("RUNNING", (5, "Wait", 1.3))
    client.hears(1.3, 5, "WaitElapsed")
    client.shows("RUNNING", (6, "Run", 1801.3), (7, "Wait", 6.3))


@pytest.mark.rules("D21", "D42")
def test_a_lost_transfer_is_asked_about_and_fetched_once_more() -> None:
    client = ready(Client())
    client.hears(10.0, 5, "Lost", sent="UNKNOWN")
    client.may_not_show("READY", (6, "Get", 3600.0))
    client.shows("READY", (6, "Check", 40.0))
    client.hears(11.0, 6, "StatusReported", status="READY")
    client.shows("READY", (7, "Get", 3600.0))
    client.hears(12.0, 7, "Lost", sent="UNKNOWN")
    client.may_not_show("READY", (8, "Check", 42.0))
    client.token = None
    client.shows("INIT", (8, "Init", 42.0))  # the restart budget


@pytest.mark.rules("D1", "D21")
def test_an_unproven_run_is_given_up_at_the_late_check() -> None:
    client = running(Client())
    client.hears(2.0, 3, "Lost", sent="UNKNOWN")
    client.shows("RUNNING", (5, "Wait", 2.5))
    number, at = 5, 2.5
    while at < 301.0:
        client.hears(at, number, "WaitElapsed")
        client.shows("RUNNING", (number + 1, "Check", at + 30))
        client.hears(at, number + 1, "StatusReported", status="IN_PROGRESS")
        at = min(at + min(15.0, 0.5 * 1.5 ** ((number - 3) // 2)), 301.0)
        number += 2
        client.shows("RUNNING", (number, "Wait", at))
    client.hears(301.0, number, "WaitElapsed")
    client.shows("RUNNING", (number + 1, "Check", 331.0))
    client.hears(301.5, number + 1, "StatusReported", status="IN_PROGRESS")
    client.may_not_show("RUNNING", (number + 2, "Wait", 316.0))
    client.token = None
    client.shows("INIT", (number + 2, "Init", 331.5))


@pytest.mark.rules("D1", "I6")
def test_the_documented_reading_ends_by_the_clock_alone() -> None:
    client = running(Client(expiry="DOCUMENTED"))
    at, number, pauses = 5.0, 4, 0
    while at < 300.0:
        client.hears(at, number, "WaitElapsed")
        client.shows("RUNNING", (3, "Run", 1800.0), (number + 1, "Check", min(at + 30, 300.0)))
        client.hears(at, number + 1, "StatusReported", status="IN_PROGRESS")
        pauses += 1
        at = min(at + min(30.0, 5 * 1.5**pauses), 300.0)
        number += 2
        client.shows("RUNNING", (3, "Run", 1800.0), (number, "Wait", at))
    client.hears(300.0, number, "WaitElapsed")
    client.may_not_show("RUNNING", (3, "Run", 1800.0), (number + 1, "Check", 330.0))
    client.ends("EXPIRED", "EXPIRED", "RUNNING")
    assert not client.may_end("ERROR", "TIMED_OUT", "RUNNING")


@pytest.mark.rules("D16", "I13")
def test_a_renewal_is_followed_by_the_same_command_and_not_by_another_renewal() -> None:
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(1.0, 1, "Refused", refusal="CREDENTIALS")
    client.may_not_show("INIT", (2, "Init", 31.0))
    client.shows("INIT", (2, "RenewCredentials", 31.0))
    client.hears(2.0, 2, "CredentialsRenewed")
    client.shows("INIT", (3, "Init", 32.0))
    client.hears(3.0, 3, "Refused", refusal="CREDENTIALS")
    client.may_not_show("INIT", (4, "RenewCredentials", 33.0))
    client.ends("ERROR", "CREDENTIALS", "INIT")


def refused_twice(*, alive: bool) -> Client:
    """A check is refused, the credential renewed, and the check that follows at once is refused as well."""
    client = checking(Client())
    client.hears(6.0, 5, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (3, "Run", 1800.0), (6, "RenewCredentials", 36.0))
    client.hears(7.0, 6, "CredentialsRenewed")
    client.shows("RUNNING", (3, "Run", 1800.0), (7, "Check", 37.0))
    if not alive:
        client.hears(7.5, 3, "Lost", sent="UNKNOWN")
        client.shows("RUNNING", (7, "Check", 37.0))
    client.hears(8.0, 7, "Refused", refusal="CREDENTIALS")
    return client


@pytest.mark.rules("D16", "D19", "I13")
def test_a_check_refused_again_ends_no_live_run_and_waits_before_the_next_renewal() -> None:
    client = refused_twice(alive=True)
    assert not client.may_end("ERROR", "CREDENTIALS", "RUNNING")
    client.may_not_show("RUNNING", (3, "Run", 1800.0), (8, "RenewCredentials", 38.0))
    client.may_not_show("RUNNING", (3, "Run", 1800.0), (8, "Check", 38.0))
    client.shows("RUNNING", (3, "Run", 1800.0), (8, "Wait", 13.0))
    client.hears(13.0, 8, "WaitElapsed")
    client.shows("RUNNING", (3, "Run", 1800.0), (9, "Check", 43.0))
    client.hears(14.0, 9, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (3, "Run", 1800.0), (10, "RenewCredentials", 44.0))
    client.hears(15.0, 10, "Refused", refusal="CREDENTIALS")
    assert client.may_end("ERROR", "CREDENTIALS", "RUNNING")


@pytest.mark.rules("D16")
def test_once_run_is_lost_a_check_refused_again_is_final() -> None:
    client = refused_twice(alive=False)
    client.may_not_show("RUNNING", (8, "RenewCredentials", 38.0))
    client.may_not_show("RUNNING", (8, "Wait", 8.5))
    client.ends("ERROR", "CREDENTIALS", "RUNNING")


@pytest.mark.rules("D19")
def test_beside_a_live_run_a_failed_check_is_repeated_at_the_pace_of_the_insurance() -> None:
    for until, right in ((8.5, True), (13.5, True), (6.4, False), (14.0, False)):
        client = checking(Client())
        client.hears(6.0, 5, "Refused", refusal="UNAVAILABLE")
        assert client.accepts("RUNNING", (3, "Run", 1800.0), (6, "Wait", until)) == right, until


@pytest.mark.rules("D1")
def test_a_check_that_was_sent_before_the_token_is_300_seconds_old_asks_nothing() -> None:
    for sent, until, right in ((5.0, 9.0, True), (5.0, 13.0, False), (8.1, 13.0, True), (8.1, 9.0, False)):
        client = running(Client(ttl=8.0, first_check=sent), check=sent)
        client.hears(sent, 4, "WaitElapsed")
        client.shows("RUNNING", (3, "Run", 1800.0), (5, "Check", sent + 30.0))
        client.hears(8.5, 5, "StatusReported", status="IN_PROGRESS")
        assert client.accepts("RUNNING", (3, "Run", 1800.0), (6, "Wait", until)) == right, (sent, until)


@pytest.mark.rules("D1", "D28")
def test_only_the_clock_alone_ends_run_with_its_token() -> None:
    for expiry, right in (("DOCUMENTED", True), ("CONFIRM", False)):
        client = Client(preflight="OFF", expiry=expiry)
        client.shows("INIT", (1, "Init", 30.0))
        client.hears(0.0, 1, "TokenIssued", token="A")
        assert client.accepts("RUNNING", (2, "Run", 300.0), (3, "Wait", 5.0)) == right, expiry


@pytest.mark.rules("I3", "D6", "D16")
def test_a_late_refusal_of_run_is_a_loss_and_no_end() -> None:
    client = running(Client())
    client.hears(1.0, 3, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (5, "RenewCredentials", 31.0))
    client.hears(2.0, 5, "CredentialsRenewed")
    client.shows("RUNNING", (6, "Run", 1802.0), (7, "Wait", 7.0))
    client.hears(7.0, 7, "WaitElapsed")
    client.shows("RUNNING", (6, "Run", 1802.0), (8, "Check", 37.0))
    client.hears(20.0, 6, "Refused", refusal="CREDENTIALS")
    assert not client.may_end("ERROR", "CREDENTIALS", "RUNNING")
    client.shows("RUNNING", (8, "Check", 37.0))


@pytest.mark.rules("D16")
def test_only_a_success_lets_a_credential_be_renewed_again() -> None:
    for event, right in (
        ({"kind": "StatusReported", "status": "IN_PROGRESS"}, True),
        ({"kind": "Refused", "refusal": "BUSY"}, False),
        ({"kind": "Refused", "refusal": "UNREADABLE"}, False),
    ):
        client = running(Client())
        client.hears(1.0, 3, "Lost", sent="UNKNOWN")
        client.shows("RUNNING", (5, "Wait", 1.4))
        client.hears(1.4, 5, "WaitElapsed")
        client.shows("RUNNING", (6, "Check", 31.4))
        client.hears(2.0, 6, "Refused", refusal="CREDENTIALS")
        client.shows("RUNNING", (7, "RenewCredentials", 32.0))
        client.hears(3.0, 7, "CredentialsRenewed")
        client.shows("RUNNING", (8, "Check", 33.0))
        client.hears(4.0, 8, **event)
        client.shows("RUNNING", (9, "Wait", 4.5))
        client.hears(4.5, 9, "WaitElapsed")
        client.shows("RUNNING", (10, "Check", 34.5))
        client.hears(5.0, 10, "Refused", refusal="CREDENTIALS")
        assert client.accepts("RUNNING", (11, "RenewCredentials", 35.0)) == right, event
        assert client.may_end("ERROR", "CREDENTIALS", "RUNNING") != right, event


@pytest.mark.rules("D16", "D19")
def test_a_renewal_that_was_lost_ends_nothing_and_one_that_was_refused_may() -> None:
    for event, right in (({"kind": "Lost", "sent": "UNKNOWN"}, False), ({"kind": "Refused", "refusal": "OTHER"}, True)):
        client = Client(preflight="OFF")
        client.shows("INIT", (1, "Init", 30.0))
        client.hears(1.0, 1, "Refused", refusal="CREDENTIALS")
        client.shows("INIT", (2, "RenewCredentials", 31.0))
        client.hears(2.0, 2, **event)
        assert client.may_end("ERROR", "CREDENTIALS", "INIT") == right, event
        client.shows("INIT", (3, "Wait", 2.4))


def renewing() -> Client:
    """Beside a live `run` a check is refused at 6 s, and the credential is being renewed, number 6."""
    client = checking(Client())
    client.hears(6.0, 5, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (3, "Run", 1800.0), (6, "RenewCredentials", 36.0))
    return client


@pytest.mark.rules("D16", "I13")
def test_a_renewal_that_failed_is_repeated_after_its_pause_though_run_is_refused_too() -> None:
    client = renewing()
    client.hears(7.0, 6, "Lost", sent="UNKNOWN")
    client.shows("RUNNING", (3, "Run", 1800.0), (7, "Wait", 7.4))
    client.hears(7.1, 3, "Refused", refusal="CREDENTIALS")
    client.may_not_show("RUNNING", (8, "RenewCredentials", 37.1))
    client.shows("RUNNING", (7, "Wait", 7.4))
    client.hears(7.4, 7, "WaitElapsed")
    client.shows("RUNNING", (8, "RenewCredentials", 37.4))


@pytest.mark.rules("D16", "I13")
def test_a_renewal_that_failed_leaves_at_once_once_another_wait_is_over() -> None:
    client = renewing()
    client.hears(7.0, 6, "Lost", sent="UNKNOWN")
    client.shows("RUNNING", (3, "Run", 1800.0), (7, "Wait", 10.0))
    client.hears(10.0, 7, "WaitElapsed")
    client.shows("RUNNING", (3, "Run", 1800.0), (8, "Check", 40.0))
    client.hears(11.0, 8, "Refused", refusal="UNAVAILABLE")
    client.shows("RUNNING", (3, "Run", 1800.0), (9, "Wait", 18.0))
    client.hears(12.0, 3, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (10, "RenewCredentials", 42.0))


@pytest.mark.rules("D16", "D19", "I3", "I13")
@pytest.mark.parametrize("at_once", [True, False])
def test_a_run_that_was_never_sent_is_repeated_once_after_a_renewal_or_after_a_pause(*, at_once: bool) -> None:
    client = renewing()
    client.hears(6.5, 3, "Lost", sent="NOT_SENT")
    client.shows("RUNNING", (6, "RenewCredentials", 36.0))
    client.hears(6.6, 6, "CredentialsRenewed")
    if at_once:
        client.shows("RUNNING", (7, "Run", 1806.6), (8, "Wait", 11.6))
        client.hears(6.7, 7, "Lost", sent="NOT_SENT")
        client.may_not_show("RUNNING", (9, "Run", 1806.7), (10, "Wait", 11.7))  # once
        return
    client.shows("RUNNING", (7, "Check", 36.6))
    client.hears(6.7, 7, "StatusReported", status="IN_PROGRESS")
    client.shows("RUNNING", (8, "Wait", 7.1))
    client.hears(7.1, 8, "WaitElapsed")
    client.shows("RUNNING", (9, "Run", 1807.1), (10, "Wait", 12.1))


@pytest.mark.rules("D12", "D16", "I13")
def test_the_question_for_the_alternatives_is_no_endless_one() -> None:
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(1.0, 2, "Refused", refusal="INVALID_FORMAT")
    client.shows("RUNNING", (4, "ListFormats", 31.0))
    client.hears(2.0, 4, "Refused", refusal="CREDENTIALS")
    client.may_not_show("RUNNING", (5, "ListFormats", 32.0))
    client.shows("RUNNING", (5, "RenewCredentials", 32.0))
    client.hears(3.0, 5, "CredentialsRenewed")
    client.shows("RUNNING", (6, "ListFormats", 33.0))
    client.hears(4.0, 6, "Refused", refusal="CREDENTIALS")
    client.may_not_show("RUNNING", (7, "ListFormats", 34.0))
    client.may_not_show("RUNNING", (7, "RenewCredentials", 34.0))
    client.ends("ERROR", "INVALID_FORMAT", "RUNNING")


@pytest.mark.rules("D12", "D19")
@pytest.mark.parametrize("said", [{"kind": "RunFinished"}, {"kind": "Lost", "sent": "UNKNOWN"}])
def test_what_run_says_while_the_alternatives_are_asked_for_need_end_no_silence(said: dict[str, str]) -> None:
    client = naming()
    client.hears(32.0, 2, **said)
    client.shows("RUNNING", (5, "ListFormats", 35.1))
    client.hears(33.0, 5, "Lost", sent="UNKNOWN")
    client.ends("ERROR", "TIMED_OUT", "RUNNING")
    client.shows("RUNNING", (6, "Wait", 33.5))


# A silence from the token at 0 is over at 30; from what `run` says, 30 s after that.
@pytest.mark.rules("D12", "D19")
@pytest.mark.parametrize("said", [{"kind": "RunFinished"}, {"kind": "StatusReported", "status": "ERROR"}])
def test_what_run_says_while_the_alternatives_are_asked_for_may_be_a_valid_answer_or_not(said: dict[str, str]) -> None:
    client = naming()
    client.hears(32.0, 2, **said)
    client.ends("ERROR", "INVALID_FORMAT", "RUNNING")
    client.shows("RUNNING", (5, "ListFormats", 35.1))

    client = naming()
    client.hears(20.0, 2, **said)
    assert not client.may_end("ERROR", "INVALID_FORMAT", "RUNNING")
    client.shows("RUNNING", (5, "ListFormats", 35.1))
    client.hears(21.0, 5, "Lost", sent="UNKNOWN")
    assert not client.may_end("ERROR", "TIMED_OUT", "RUNNING")
    client.shows("RUNNING", (6, "Wait", 21.5))
    client.hears(21.5, 6, "WaitElapsed")
    before = client.possible
    for until, right in ((30.0, True), (50.0, True), (40.0, False)):
        client.possible = before
        assert client.accepts("RUNNING", (7, "ListFormats", until)) == right
    client.shows("RUNNING", (7, "ListFormats", 50.0))
    client.hears(50.1, 7, "Lost", sent="UNKNOWN")
    client.may_not_show("RUNNING", (8, "Wait", 50.6))
    client.ends("ERROR", "INVALID_FORMAT", "RUNNING")


@pytest.mark.rules("D12", "R10")
def test_without_a_preflight_a_refused_format_is_named_first() -> None:
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(1.0, 2, "Refused", refusal="INVALID_FORMAT")
    assert not client.may_end("ERROR", "INVALID_FORMAT", "RUNNING")
    client.shows("RUNNING", (4, "ListFormats", 31.0))
    client.hears(2.0, 4, "FormatsListed", formats=("csv",))
    client.ends("ERROR", "INVALID_FORMAT", "RUNNING")


@pytest.mark.rules("D12", "D16", "R10")
@pytest.mark.parametrize("ttl", [300.0, 4.0])
def test_a_renewal_that_is_owed_may_come_before_the_question_and_nothing_else(ttl: float) -> None:
    client = Client(preflight="OFF", ttl=ttl, first_check=1.0)
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 1.0))
    client.hears(1.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 31.0))
    client.hears(2.0, 4, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "RenewCredentials", 32.0))
    client.hears(3.0, 2, "Refused", refusal="INVALID_FORMAT")
    client.shows("RUNNING", (5, "RenewCredentials", 32.0))
    client.hears(4.5, 5, "CredentialsRenewed")
    client.may_not_show("RUNNING", (6, "Check", 34.5))
    client.may_not_show("RUNNING", (6, "RenewCredentials", 34.5))
    client.shows("RUNNING", (6, "ListFormats", 34.5))
    client.hears(5.0, 6, "FormatsListed", formats=("csv",))
    client.ends("ERROR", "INVALID_FORMAT", "RUNNING")


def naming() -> Client:
    """No preflight; the last valid answer came at 0 s, `check` is refused for the format at 5.1 s, and `run` is out."""
    client = Client(preflight="OFF", silence=30.0, first_contact=30.0)
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(5.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 35.0))
    client.hears(5.1, 4, "Refused", refusal="INVALID_FORMAT")
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "ListFormats", 35.1))
    return client


def formats_refused(*, told: float = 0.0) -> Client:
    """No preflight; at 9 s `run` is refused for its format, after a check that was told to come back, or not."""
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(5.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 35.0))
    client.hears(6.0, 4, "Refused", refusal="BUSY", retry_after=told or None)
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "Wait", 6.0 + told + 4.0))
    client.hears(9.0, 2, "Refused", refusal="INVALID_FORMAT")
    return client


@pytest.mark.rules("D12", "D19", "R10")
def test_alternatives_that_would_have_to_wait_for_a_retry_after_may_be_left_unnamed() -> None:
    assert not formats_refused().may_end("ERROR", "INVALID_FORMAT", "RUNNING")
    formats_refused().may_not_show("RUNNING", (5, "Wait", 10.0))
    assert not formats_refused(told=2.0).may_end("ERROR", "INVALID_FORMAT", "RUNNING")  # it is over
    assert formats_refused(told=400.0).may_end("ERROR", "INVALID_FORMAT", "RUNNING")
    assert not formats_refused(told=400.0).may_end("ERROR", "TIMED_OUT", "RUNNING")
    formats_refused(told=400.0).shows("RUNNING", (6, "ListFormats", 39.0))
    formats_refused(told=400.0).may_not_show("RUNNING", (6, "Wait", 9.5))
    formats_refused(told=400.0).may_not_show("RUNNING", (6, "Check", 39.0))
    for number, until in ((5, 410.0), (6, 406.0)):  # the Wait that stands, or one of its own
        client = formats_refused(told=400.0)
        client.shows("RUNNING", (number, "Wait", until))
        client.hears(until, number, "WaitElapsed")
        client.may_not_show("RUNNING", (7, "Check", until + 30.0))  # D1 asks nothing: the end is decided
        client.shows("RUNNING", (7, "ListFormats", until + 30.0))
        client.hears(until + 1.0, 7, "FormatsListed", formats=("csv",))
        client.ends("ERROR", "INVALID_FORMAT", "RUNNING")


@pytest.mark.rules("D12", "D16", "R10")
def test_alternatives_that_would_have_to_wait_for_a_renewal_may_be_left_unnamed() -> None:
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(5.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 35.0))
    client.hears(6.0, 4, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "RenewCredentials", 36.0))
    before = client.possible
    client.hears(7.0, 2, "Refused", refusal="INVALID_FORMAT")
    client.ends("ERROR", "INVALID_FORMAT", "RUNNING")
    client.possible = before
    client.hears(7.0, 5, "CredentialsRenewed")
    client.shows("RUNNING", (2, "Run", 1800.0), (6, "Check", 37.0))
    client.hears(8.0, 2, "Refused", refusal="INVALID_FORMAT")
    assert not client.may_end("ERROR", "INVALID_FORMAT", "RUNNING")
    client.shows("RUNNING", (7, "ListFormats", 38.0))


def session_over(told: float, *, late: bool = False, **policy: float) -> Client:
    """At 6 s a token has expired by the clock, its `run` unproven; a check was told to come back, at 2 s or then."""
    client = Client(preflight="OFF", expiry="DOCUMENTED", ttl=6.0, **policy)
    client.shows("INIT", (1, "Init", policy.get("first_contact", 30.0)))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(1.0, 2, "Lost", sent="UNKNOWN")
    client.shows("RUNNING", (4, "Wait", 1.5))
    client.hears(1.5, 4, "WaitElapsed")
    client.shows("RUNNING", (5, "Check", 6.0))
    client.hears(6.0 if late else 2.0, 5, "Refused", refusal="BUSY", retry_after=told)
    if not late:
        client.shows("RUNNING", (6, "Wait", 6.0))
        client.hears(6.0, 6, "WaitElapsed")
    client.token = None
    return client


@pytest.mark.rules("D19", "D21", "R29")
@pytest.mark.parametrize("late", [False, True])
def test_the_next_session_waits_as_the_job_was_told(late: bool) -> None:
    over = (6.0 if late else 2.0) + 100.0
    for until, right in ((over, True), (over + 0.4, True), (over - 1.0, False), (6.4, False), (over + 1.0, False)):
        assert session_over(100.0, late=late).accepts("INIT", (7, "Wait", until)) == right, until
    session_over(100.0, late=late).may_not_show("INIT", (7, "Init", 36.0))
    client = session_over(100.0, late=late)
    assert not client.may_end("EXPIRED", "EXPIRED", "RUNNING", run_unproven=True)
    client.shows("INIT", (7, "Wait", over))
    client.hears(over, 7, "WaitElapsed")
    client.shows("INIT", (8, "Init", over + 30.0))
    over_already = session_over(4.0)
    over_already.shows("INIT", (7, "Init", 36.0))


@pytest.mark.rules("D19", "D21", "I8")
def test_a_retry_after_past_the_jobs_end_leaves_no_time_for_another_session() -> None:
    client = session_over(5000.0)
    client.ends("EXPIRED", "EXPIRED", "RUNNING", run_unproven=True)
    client.may_not_show("INIT", (7, "Init", 36.0))
    client.shows("INIT", (7, "Wait", 3600.0))
    client.hears(3600.0, 7, "WaitElapsed")
    client.ends("ERROR", "TIMED_OUT", "INIT", sessions=2)


@pytest.mark.rules("D19", "D21")
@pytest.mark.parametrize(
    ("until", "right"), [(102.5, True), (1002.0, True), (3.0, False), (6.4, False), (502.0, False)]
)
def test_of_two_that_are_on_the_last_word_holds_or_the_longer_wait(until: float, right: bool) -> None:
    client = Client(preflight="OFF", expiry="DOCUMENTED", ttl=6.0, first_check=1.0)
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 1.0))
    client.hears(1.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 31.0))
    client.hears(1.5, 4, "StatusReported", status="READY")
    client.shows("READY", (2, "Run", 1800.0), (6, "Get", 3600.0))
    client.hears(1.8, 6, "Lost", sent="UNKNOWN")
    client.shows("READY", (2, "Run", 1800.0), (7, "Check", 31.8))
    client.hears(2.0, 2, "Refused", refusal="BUSY", retry_after=1000.0)
    client.shows("READY", (7, "Check", 31.8))
    client.hears(2.5, 7, "Refused", refusal="BUSY", retry_after=100.0)
    client.shows("READY", (8, "Wait", 6.0))
    client.hears(6.0, 8, "WaitElapsed")
    client.token = None
    assert client.accepts("INIT", (9, "Wait", until)) == right
    client.may_not_show("INIT", (9, "Init", 36.0))


def fetching(**policy: float) -> Client:
    """A check was told at 2 s to come back in 1000 s; at 2.1 s `run` says that the file is there, and `get` leaves."""
    client = Client(preflight="OFF", first_check=1.0, **policy)
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 1.0))
    client.hears(1.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 31.0))
    client.hears(2.0, 4, "Refused", refusal="BUSY", retry_after=1000.0)
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "Wait", 1002.0))
    client.hears(2.1, 2, "RunFinished")
    client.shows("READY", (6, "Get", 3600.0))  # at once, whatever the check was told (I4)
    return client


@pytest.mark.rules("D19", "D21", "I4")
@pytest.mark.parametrize("told", [None, 100.0])
def test_a_get_that_is_told_no_time_takes_back_no_retry_after(told: float | None) -> None:
    client = fetching(silence=3000.0)
    client.hears(3.0, 6, "Refused", refusal="BUSY", retry_after=told)
    again = 3.0 + (told or 0.4)
    client.shows("READY", (7, "Wait", again))  # it was not `get` that was told 1000 s
    client.hears(again, 7, "WaitElapsed")
    client.shows("READY", (8, "Get", 3600.0))
    client.hears(again + 0.1, 8, "Lost", sent="UNKNOWN")
    if told:  # a time of its own is the server's last word, which may hold
        client.shows("READY", (9, "Check", again + 30.1))
        return
    client.may_not_show("READY", (9, "Check", again + 30.1))
    client.may_not_show("READY", (9, "Wait", again + 0.5))
    client.shows("READY", (9, "Wait", 1002.0))
    client.hears(1002.0, 9, "WaitElapsed")
    client.shows("READY", (10, "Check", 1032.0))


@pytest.mark.rules("D19", "D42")
def test_a_get_that_is_not_ready_yet_takes_back_no_retry_after() -> None:
    client = fetching()
    client.hears(3.0, 6, "StatusReported", status="IN_PROGRESS")
    client.may_not_show("READY", (7, "Wait", 3.4))
    client.shows("READY", (7, "Wait", 1002.0))


@pytest.mark.rules("D19", "D6")
def test_the_check_that_confirms_waits_for_a_retry_after() -> None:
    client = checking(Client())
    client.hears(6.0, 5, "Refused", refusal="BUSY", retry_after=20.0)
    client.shows("RUNNING", (3, "Run", 1800.0), (6, "Wait", 26.0))
    client.hears(7.0, 3, "Refused", refusal="DOWNLOAD_FAILED")
    client.may_not_show("RUNNING", (7, "Check", 37.0))
    client.shows("RUNNING", (6, "Wait", 26.0))


@pytest.mark.rules("D19", "D6")
def test_a_wait_that_stands_is_too_short_once_run_is_told_to_come_back_later() -> None:
    client = running(Client())
    client.hears(4.9, 3, "Refused", refusal="BUSY", retry_after=20.0)
    client.may_not_show("RUNNING", (4, "Wait", 5.0))
    client.shows("RUNNING", (5, "Wait", 24.9))


def told_and_sent_again(retry_after: float) -> Client:
    """A check is told at 6 s to come back later; `run`, proven never sent, is sent again at 6.6 s."""
    client = checking(Client())
    client.hears(6.0, 5, "Refused", refusal="BUSY", retry_after=retry_after)
    client.shows("RUNNING", (3, "Run", 1800.0), (6, "Wait", 6.0 + retry_after))
    client.hears(6.2, 3, "Lost", sent="NOT_SENT")
    client.shows("RUNNING", (7, "Wait", 6.6))
    client.hears(6.6, 7, "WaitElapsed")
    return client


@pytest.mark.rules("D19")
@pytest.mark.parametrize(
    ("retry_after", "until", "right"),
    [
        (2.0, 11.6, True),
        (2.0, 8.0, False),
        (2.0, 10.0, False),
        (2.0, 13.0, False),
        (20.0, 26.0, True),
        (20.0, 11.6, False),
        (20.0, 28.0, False),
        (20.0, 31.0, False),
    ],
)
def test_a_first_check_is_exactly_in_time_or_when_a_retry_after_is_over(
    retry_after: float, until: float, right: bool
) -> None:
    client = told_and_sent_again(retry_after)
    assert client.accepts("RUNNING", (8, "Run", 1806.6), (9, "Wait", until)) == right


@pytest.mark.rules("D19", "D6")
def test_no_wait_ends_with_an_older_retry_after_than_the_last() -> None:
    client = checking(Client())
    client.hears(6.0, 5, "Refused", refusal="BUSY", retry_after=2.0)
    client.shows("RUNNING", (3, "Run", 1800.0), (6, "Wait", 8.0))
    client.hears(7.0, 3, "Refused", refusal="BUSY", retry_after=25.0)
    client.may_not_show("RUNNING", (7, "Wait", 8.0))
    client.shows("RUNNING", (7, "Wait", 32.0))


@pytest.mark.rules("D19", "I8")
@pytest.mark.parametrize(("until", "right"), [(400.0, True), (607.0, False), (600.0, False)])
def test_no_wait_outlives_the_job_whatever_was_told(until: float, right: bool) -> None:
    client = checking(Client(job_timeout=400.0), until=400.0)
    client.hears(6.0, 5, "Refused", refusal="BUSY", retry_after=700.0)
    client.shows("RUNNING", (3, "Run", 400.0), (6, "Wait", 400.0))
    client.hears(7.0, 3, "Refused", refusal="BUSY", retry_after=700.0)
    assert client.accepts("RUNNING", (7 if until > 400.0 else 6, "Wait", until)) == right


@pytest.mark.rules("D19")
@pytest.mark.parametrize(("until", "right"), [(702.0, True), (750.0, False), (800.0, False), (650.0, False)])
def test_what_is_left_of_a_retry_after_is_waited_for_and_no_more(until: float, right: bool) -> None:
    client = running(Client())
    client.hears(1.0, 3, "Lost", sent="UNKNOWN")
    client.shows("RUNNING", (5, "Wait", 1.4))
    client.hears(1.4, 5, "WaitElapsed")
    client.shows("RUNNING", (6, "Check", 31.4))
    client.hears(2.0, 6, "Refused", refusal="BUSY", retry_after=700.0)
    client.shows("RUNNING", (7, "Wait", 601.0))  # where the silence could end it (D19), which it does not
    client.hears(601.0, 7, "WaitElapsed")
    client.may_not_show("RUNNING", (8, "Check", 631.0))
    assert client.accepts("RUNNING", (8, "Wait", until)) == right


@pytest.mark.rules("D19", "D21")
def test_a_retry_after_is_kept_by_who_takes_the_job_up() -> None:
    client = session_over(100.0)
    client.shows("INIT", (7, "Wait", 102.0))
    client.possible = job_model.restored(client.possible, saved=50.0, now=1000.0, elapsed=950.0)
    client.possible = job_model.recover(client.possible, 1000.0)
    client.now = 1000.0
    client.shows("INIT", (7, "Wait", 1052.0))


@pytest.mark.rules("D1", "D27", "D36")
def test_once_the_server_keeps_a_session_only_a_token_it_does_not_know_has_expired() -> None:
    for refusal, reason, right in (
        ("INVALID_TOKEN", "EXPIRED", True),
        ("ELEMENT_NOT_ALLOWED", "ACCESS_DENIED", False),
        ("OTHER", "REFUSED", False),
    ):
        client = checking(Client(ttl=6.0))
        client.hears(5.5, 5, "StatusReported", status="IN_PROGRESS")
        client.shows("RUNNING", (3, "Run", 1800.0), (6, "Wait", 7.0))
        client.hears(7.0, 6, "WaitElapsed")
        client.shows("RUNNING", (3, "Run", 1800.0), (7, "Check", 37.0))
        client.hears(7.5, 7, "StatusReported", status="IN_PROGRESS")
        client.shows("RUNNING", (3, "Run", 1800.0), (8, "Wait", 14.0))
        client.hears(14.0, 8, "WaitElapsed")
        client.shows("RUNNING", (3, "Run", 1800.0), (9, "Check", 44.0))
        client.hears(15.0, 9, "Refused", refusal=refusal)
        assert client.may_end("EXPIRED", reason, "RUNNING") == right, refusal


@pytest.mark.rules("D1", "D12", "R10")
def test_a_refused_format_is_an_expiry_or_its_alternatives_are_asked_for() -> None:
    client = Client(preflight="OFF", ttl=6.0)
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    client.hears(5.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 35.0))
    client.hears(5.1, 4, "StatusReported", status="IN_PROGRESS")
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "Wait", 7.0))
    client.hears(7.0, 5, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (6, "Check", 37.0))
    client.hears(7.1, 6, "Refused", refusal="INVALID_FORMAT")
    assert client.may_end("EXPIRED", "EXPIRED", "RUNNING")
    assert not client.may_end("EXPIRED", "INVALID_FORMAT", "RUNNING")
    assert not client.may_end("ERROR", "INVALID_FORMAT", "RUNNING")
    client.shows("RUNNING", (7, "ListFormats", 37.1))


@pytest.mark.rules("D18")
def test_an_early_error_is_confirmed_by_one_more_check() -> None:
    client = checking(Client())
    client.hears(6.0, 5, "StatusReported", status="ERROR")
    assert not client.may_end("ERROR", "GENERATION_FAILED", "RUNNING")
    client.shows("RUNNING", (3, "Run", 1800.0), (6, "Wait", 8.0))
    client.hears(8.0, 6, "WaitElapsed")
    client.shows("RUNNING", (3, "Run", 1800.0), (7, "Check", 38.0))
    client.hears(8.5, 7, "StatusReported", status="ERROR")
    client.may_not_show("RUNNING", (3, "Run", 1800.0), (8, "Wait", 10.0))
    client.ends("ERROR", "GENERATION_FAILED", "RUNNING")


@pytest.mark.rules("D41")
def test_download_failed_is_an_error_before_300_seconds_and_an_expiry_from_then_on() -> None:
    for at, state, reason in ((299.9, "ERROR", "GENERATION_FAILED"), (300.0, "EXPIRED", "EXPIRED")):
        client = checking(Client())
        client.hears(at, 5, "Refused", refusal="DOWNLOAD_FAILED")
        client.ends(state, reason, "RUNNING")
        assert not client.may_end("EXPIRED" if state == "ERROR" else "ERROR", reason, "RUNNING")


@pytest.mark.rules("D43", "I3")
def test_a_job_taken_up_again_polls_and_never_runs() -> None:
    client = running(Client())
    client.possible = job_model.restored(client.possible, saved=0.0, now=1000.0, elapsed=20.0)
    client.now = 1000.0
    client.possible = job_model.recover(client.possible, 1000.0)
    client.may_not_show("RUNNING", (5, "Run", 2800.0), (6, "Wait", 1005.0))
    client.shows("RUNNING", (5, "Wait", 1000.4))


@pytest.mark.rules("I7")
def test_a_late_answer_changes_nothing() -> None:
    client = ready(Client())
    before = client.possible
    client.hears(3.5, 4, "WaitElapsed")
    assert client.possible == before
