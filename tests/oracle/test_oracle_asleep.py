"""A machine that slept, a driver that was starved: what comes late, and what the rules then still permit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oracle.judge import judge
from tests.oracle.test_oracle_session import Client, ready
from tests.oracle.transcripts import parse


def sent(**policy: object) -> Client:
    """No preflight: the token came at 1 s, and `run` is out, number 2; the first check is waited for, number 3."""
    client = Client(preflight="OFF", **policy)
    client.shows("INIT", (1, "Init", 30.0))
    client.hears(1.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", client.until(1801.0)), (3, "Wait", 6.0))
    return client


def unused(**policy: object) -> Client:
    """A token of which no `run` came to be used: it was refused for its credential, and the renewal is waited for."""
    client = sent(**policy)
    client.hears(1.5, 2, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (4, "RenewCredentials", 31.5))
    client.hears(2.0, 4, "Refused", refusal="BUSY")
    client.shows("RUNNING", (5, "Wait", 2.4))
    return client


def asked(**policy: object) -> Client:
    """The same, but the `run` was lost late enough to count as sent, and `check` is out."""
    client = sent(**policy)
    client.hears(6.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", client.until(1801.0)), (4, "Check", 36.0))
    client.hears(7.0, 2, "Lost", sent="UNKNOWN")
    client.shows("RUNNING", (4, "Check", 36.0))
    return client


def ends(client: Client) -> Iterator[str]:
    """Every end that may be told now, of these that a clock could name; and what else may be done."""
    for state, reason in (("ERROR", "UNREACHABLE"), ("ERROR", "TIMED_OUT"), ("EXPIRED", "EXPIRED")):
        for unproven in (False, True):
            if client.may_end(state, reason, "RUNNING", run_unproven=unproven):
                yield reason
                break
    if client.tries("RUNNING", (9, "RenewCredentials", client.now + 30.0)):
        yield "renewed"
    if client.tries("RUNNING", (9, "Check", client.now + 30.0)):
        yield "asked"
    if client.tries("RUNNING", (9, "Wait", client.now + 0.4)):
        yield "waited"
    if client.tries("INIT", (9, "Init", client.now + 30.0)):
        yield "another"


# The token's 300 s are over at 300, ten minutes of silence at 601 (or at 601.5, 602: since `run`, or the 429).
@pytest.mark.rules("D1", "D19", "D21", "I6", "I8")
@pytest.mark.parametrize(
    ("policy", "at", "right"),
    [
        ({}, 200.0, {"renewed"}),
        ({}, 400.0, {"renewed", "asked", "another"}),
        ({}, 700.0, {"UNREACHABLE", "TIMED_OUT", "another"}),
        ({"restarts_unproven": 0}, 700.0, {"UNREACHABLE", "TIMED_OUT", "EXPIRED"}),
        ({"expiry": "DOCUMENTED"}, 400.0, {"another"}),
        ({"expiry": "DOCUMENTED", "restarts_unproven": 0}, 400.0, {"EXPIRED"}),
        ({"expiry": "DOCUMENTED", "restarts_unproven": 0}, 601.2, {"EXPIRED", "UNREACHABLE", "TIMED_OUT"}),
        ({"expiry": "DOCUMENTED", "restarts_unproven": 0}, 700.0, {"EXPIRED", "UNREACHABLE", "TIMED_OUT"}),
        # Silence comes first.
        ({"silence": 60.0}, 200.0, {"UNREACHABLE", "TIMED_OUT"}),
        ({"silence": 60.0}, 400.0, {"UNREACHABLE", "TIMED_OUT", "another"}),
        # The job's own deadline: always by its name.
        ({"job_timeout": 650.0}, 700.0, {"TIMED_OUT"}),
        ({"job_timeout": 350.0, "restarts_unproven": 0}, 400.0, {"TIMED_OUT"}),
        ({"job_timeout": 650.0, "expiry": "DOCUMENTED"}, 2000.0, {"TIMED_OUT"}),
    ],
)
def test_any_limit_that_has_passed_may_name_the_end(policy: dict[str, object], at: float, right: set[str]) -> None:
    client = unused(**policy)
    client.hears(at, 5, "WaitElapsed")
    assert set(ends(client)) == right


# `check` would have asked at 301; nobody but it may call a token expired that a `run` has used.
@pytest.mark.rules("D1", "D19", "I8")
@pytest.mark.parametrize(
    ("policy", "at", "told", "right"),
    [
        ({}, 400.0, {"kind": "Refused", "refusal": "BUSY"}, {"waited"}),
        ({}, 700.0, {"kind": "Refused", "refusal": "BUSY"}, {"UNREACHABLE", "TIMED_OUT"}),
        ({}, 700.0, {"kind": "Lost", "sent": "UNKNOWN"}, {"UNREACHABLE", "TIMED_OUT"}),
        # A valid answer ends a silence, and not the token's time.
        ({}, 700.0, {"kind": "StatusReported", "status": "IN_PROGRESS"}, {"waited"}),
        ({"expiry": "DOCUMENTED"}, 700.0, {"kind": "StatusReported", "status": "IN_PROGRESS"}, {"EXPIRED"}),
        ({"expiry": "DOCUMENTED"}, 700.0, {"kind": "StatusReported", "status": "READY"}, {"EXPIRED"}),
        ({"expiry": "DOCUMENTED"}, 400.0, {"kind": "Refused", "refusal": "BUSY"}, {"EXPIRED"}),
        (
            {"expiry": "DOCUMENTED"},
            700.0,
            {"kind": "Refused", "refusal": "BUSY"},
            {"EXPIRED", "UNREACHABLE", "TIMED_OUT"},
        ),
        ({"job_timeout": 650.0}, 700.0, {"kind": "Refused", "refusal": "BUSY"}, {"TIMED_OUT"}),
        ({"job_timeout": 650.0}, 700.0, {"kind": "StatusReported", "status": "READY"}, {"TIMED_OUT"}),
    ],
)
def test_an_answer_that_comes_late_ends_what_is_over(
    policy: dict[str, object], at: float, told: dict[str, str], right: set[str]
) -> None:
    client = asked(**policy)
    client.hears(at, 4, **told)
    assert set(ends(client)) == right


@pytest.mark.rules("I8", "I10", "D2")
def test_a_whole_file_that_is_told_late_is_a_file() -> None:
    client = ready(Client())
    client.hears(3700.0, 5, "FileReceived")
    client.ends("CONSUMED", "DELIVERED", "READY")
    assert not client.may_end("ERROR", "TIMED_OUT", "READY")


# The token's limit and the silence have passed when the machine wakes.
SLEPT = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
1    < 1 TokenIssued token=A
1    = RUNNING
1    > 2 Run 1801
1    > 3 Wait 6
1.5  < 2 Refused refusal=CREDENTIALS
1.5  x 3
1.5  > 4 RenewCredentials 31.5
2    < 4 Refused refusal=BUSY
2    > 5 Wait 2.4
702  < 5 WaitElapsed
"""
BY_SILENCE = "702 = ERROR\n702 ! ERROR UNREACHABLE RUNNING"
BY_EXPIRY = "702 = EXPIRED\n702 ! EXPIRED EXPIRED RUNNING run_unproven=True"
ANOTHER = """
702  = EXPIRED
702  = INIT #2
702  > 6 Init 732
703  < 6 Refused refusal=ELEMENT_NOT_FOUND
703  = ERROR
703  ! ERROR NOT_FOUND INIT
"""
SPENT = "preflight=OFF restarts_unproven=0"


def broken(text: str, *, punctual: bool = False, complete: bool = True) -> set[str]:
    return {violation.rule for violation in judge(parse(text), complete=complete, punctual=punctual)}


@pytest.mark.rules("D1", "D19", "D21")
def test_the_judge_permits_either_name_and_the_restart() -> None:
    documented = SLEPT.replace("preflight=OFF", "preflight=OFF expiry=DOCUMENTED")
    for text in (SLEPT, documented):
        assert broken(text + BY_SILENCE) == set()
        assert broken(text + ANOTHER) == set()
        assert broken(text.replace("preflight=OFF", SPENT) + BY_EXPIRY) == set()


@pytest.mark.rules("D1", "D19", "D21", "D35", "I6", "I8")
def test_the_judge_refuses_what_no_limit_permits() -> None:
    spent, documented = SLEPT.replace("preflight=OFF", SPENT), SLEPT.replace("preflight=OFF", "expiry=DOCUMENTED")
    documented = documented.replace("begin", "begin preflight=OFF")
    sooner = documented.replace("702", "402")
    cases = (
        ("D19", SLEPT + "702 > 6 RenewCredentials 732"),
        ("D19", SLEPT + "702 > 6 Check 732"),
        ("I6", sooner + "402 > 6 Check 432"),
        ("D1", sooner + "402 > 6 RenewCredentials 432"),
        ("D21", sooner + "402 = ERROR\n402 ! ERROR TIMED_OUT RUNNING"),  # not by this name; the budget is there
        ("D21", sooner + "402 = ERROR\n402 ! ERROR UNREACHABLE RUNNING"),
        ("D21", SLEPT + BY_EXPIRY),  # the budget is there
        ("D21", spent + ANOTHER),  # and here it is spent
        ("I8", SLEPT.replace("preflight=OFF", "preflight=OFF job_timeout=650.0").replace("1801", "650") + BY_SILENCE),
        ("I8", SLEPT.replace("preflight=OFF", "preflight=OFF job_timeout=650.0").replace("1801", "650") + ANOTHER),
    )
    for rule, text in cases:
        assert broken(text, complete=False) == {rule}, text


@pytest.mark.rules("D35", "I8")
def test_whoever_was_driven_in_time_is_judged_by_it() -> None:
    assert broken(SLEPT + BY_SILENCE, punctual=True) == {"D35"}
    short = SLEPT.replace("preflight=OFF", "preflight=OFF job_timeout=650.0").replace("1801", "650")
    timed_out = short + "702 = ERROR\n702 ! ERROR TIMED_OUT RUNNING"
    assert broken(timed_out) == set()
    assert broken(timed_out, punctual=True) == {"D35", "I8"}


@pytest.mark.rules("D19", "I7", "I13")
def test_a_wait_that_is_given_up_is_no_pause() -> None:
    client = unused()
    client.hears(2.1, 5, "Cancelled")
    for kind, until in (("RenewCredentials", 32.1), ("Wait", 2.5), ("Wait", 2.3), ("Check", 32.1)):
        assert not client.tries("RUNNING", (6, kind, until)), kind
    assert not client.tries("RUNNING", (5, "Wait", 2.4))  # it has been answered
    client.shows("RUNNING", (6, "Wait", 2.4))
    client.hears(2.4, 6, "Cancelled")  # it is over: as good as elapsed
    client.shows("RUNNING", (7, "RenewCredentials", 32.4))


@pytest.mark.rules("D19")
def test_what_is_left_of_the_first_wait_is_waited_for() -> None:
    client = sent()
    client.hears(5.9, 3, "Cancelled")
    client.may_not_show("RUNNING", (2, "Run", 1801.0), (4, "Check", 35.9))
    client.may_not_show("RUNNING", (2, "Run", 1801.0), (4, "Wait", 10.9))
    client.shows("RUNNING", (2, "Run", 1801.0), (4, "Wait", 6.0))


# The renewal's pause, and a Retry-After, are given up at 2.1, and what is left of them is waited for.
GIVEN_UP = """
2.1  < 5 Cancelled
2.1  > 6 Wait 2.4
2.4  < 6 WaitElapsed
2.4  > 7 RenewCredentials 32.4
"""


@pytest.mark.rules("D19", "I13", "I7")
def test_the_judge_sees_what_becomes_of_a_wait_that_is_given_up() -> None:
    before = SLEPT.split("702")[0]
    assert broken(before + GIVEN_UP, complete=False) == set()
    assert broken(before + "2.1 < 5 Cancelled\n2.1 > 6 RenewCredentials 32.1", complete=False) == {"I13"}
    assert broken(before + "2.4 < 5 Cancelled\n2.4 > 6 RenewCredentials 32.4", complete=False) == set()
    told = before.split("1.5  <")[0] + "3 < 2 Refused refusal=BUSY retry_after=20.0\n3 x 3\n3 > 4 Wait 23\n"
    assert broken(told + "9 < 4 Cancelled\n9 > 5 Wait 23", complete=False) == set()
    assert broken(told + "9 < 4 Cancelled\n9 > 5 Check 39", complete=False) == {"D19"}


# Found by walks that sleep, though it needs no sleep: what `init` refuses may begin the silence of the question, too;
# a `run` that was never sent may leave at once with a renewed credential.
ASKED_TO_COME_BACK = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
1    < 1 Refused refusal=INVALID_FORMAT
1    > 2 ListFormats 31
2    < 2 Refused refusal=BUSY retry_after=700.0
2    > 3 Wait 601
"""
RUN_AT_ONCE = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.4  < 1 Refused refusal=CREDENTIALS
0.4  > 2 RenewCredentials 30.4
0.5  < 2 Lost sent=NOT_SENT
0.5  > 3 Wait 0.8
0.8  < 3 WaitElapsed
0.8  > 4 Init 30.8
1    < 4 TokenIssued token=A
1    = RUNNING
1    > 5 Run 1801
1    > 6 Wait 6
6    < 6 WaitElapsed
6    > 7 RenewCredentials 36
6.1  < 5 Lost sent=NOT_SENT
7    < 7 CredentialsRenewed
7    > 8 Run 1807
7    > 9 Wait 12
"""


@pytest.mark.rules("D12", "D16", "D19", "I13")
def test_what_the_model_permits_without_a_sleep_the_judge_permits() -> None:
    for text in (ASKED_TO_COME_BACK, RUN_AT_ONCE):
        assert broken(text, punctual=True, complete=False) == set()
    assert broken(ASKED_TO_COME_BACK.replace("3 Wait 601", "3 Wait 603"), complete=False) == {"D19"}
    assert broken(
        RUN_AT_ONCE.split("7    <")[0] + "7 < 7 Lost sent=UNKNOWN\n7 > 8 Run 1807\n7 > 9 Wait 12", complete=False
    ) == {"I13"}


# The token that no `run` used is given up when the check beside it is lost.
GIVEN_UP_UNUSED = """
0    begin preflight=OFF ttl=6.0 restarts_unproven=0
0    = INIT
0    > 1 Init 30
1    < 1 TokenIssued token=A
1    = RUNNING
1    > 2 Run 1801
1    > 3 Wait 6
6    < 3 WaitElapsed
6    > 4 Check 36
6.1  < 2 Lost sent=NOT_SENT
36   < 4 Lost sent=UNKNOWN
36   = EXPIRED
36   ! EXPIRED EXPIRED RUNNING
"""


@pytest.mark.rules("D1", "D21")
def test_the_judge_lets_an_unused_token_be_given_up_whatever_is_lost() -> None:
    assert broken(GIVEN_UP_UNUSED, punctual=True) == set()
    assert "I8" in broken(GIVEN_UP_UNUSED.replace("Lost sent=NOT_SENT", "Lost sent=UNKNOWN"))


@pytest.mark.rules("I8")
def test_what_a_needless_run_says_after_the_jobs_deadline_is_too_late() -> None:
    client = sent(job_timeout=40.0)
    client.hears(6.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 40.0), (4, "Check", 36.0))
    client.hears(7.0, 4, "StatusReported", status="READY")
    client.shows("READY", (2, "Run", 40.0), (5, "Get", 40.0))
    client.hears(70.0, 2, "Lost", sent="UNKNOWN")
    client.may_not_show("READY", (5, "Get", 40.0))
    client.ends("ERROR", "TIMED_OUT", "READY")
