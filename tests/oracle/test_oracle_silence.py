"""Where a silence begins and ends (D19): what the rules leave open, and right beside it what they do not."""

from __future__ import annotations

import pytest

from tests.oracle import job_model
from tests.oracle.judge import judge
from tests.oracle.test_oracle_session import Client, ready, session_over
from tests.oracle.transcripts import parse


def patient(**policy: object) -> Client:
    """`run` is out; a request may take longer than a silence, so that its deadline shows where that ends."""
    client = Client(preflight="OFF", silence=60.0, first_contact=60.0, request_timeout=310.0, **policy)
    client.shows("INIT", (1, "Init", 60.0))
    client.hears(0.0, 1, "TokenIssued", token="A")
    client.shows("RUNNING", (2, "Run", 1800.0), (3, "Wait", 5.0))
    return client


def checking() -> Client:
    """`run` is out, and the first check beside it."""
    client = patient()
    client.hears(5.0, 3, "WaitElapsed")
    client.shows("RUNNING", (2, "Run", 1800.0), (4, "Check", 300.0))
    return client


@pytest.mark.rules("D19", "D43", "I9")
def test_the_time_away_is_no_silence() -> None:
    for until, right in ((1053.0, True), (1023.0, False), (1059.0, False), (1083.0, False)):
        client = patient()
        client.hears(1.0, 2, "Lost", sent="UNKNOWN")
        client.shows("RUNNING", (4, "Wait", 1.4))
        client.hears(1.4, 4, "WaitElapsed")
        client.shows("RUNNING", (5, "Check", 61.0))
        client.hears(2.0, 5, "StatusReported", status="IN_PROGRESS")
        client.shows("RUNNING", (6, "Wait", 2.5))
        client.hears(2.5, 6, "WaitElapsed")
        client.shows("RUNNING", (7, "Check", 62.0))
        client.hears(8.0, 7, "Refused", refusal="UNREADABLE")
        client.shows("RUNNING", (8, "Wait", 8.5))
        client.hears(8.5, 8, "WaitElapsed")
        client.shows("RUNNING", (9, "Check", 62.0))
        # The answer that ended the last silence was seven seconds old when this was saved, and is when it is taken up.
        client.possible = job_model.restored(client.possible, saved=9.0, now=1000.0, elapsed=30.0)
        client.hears(1000.0, 9, "Lost", sent="UNKNOWN")
        client.shows("RUNNING", (10, "Wait", 1000.6))
        client.hears(1000.6, 10, "WaitElapsed")
        assert client.accepts("RUNNING", (11, "Check", until)) == right, until


@pytest.mark.rules("D19", "D21")
def test_after_a_lost_get_a_silence_may_begin_anew_and_a_refused_credential_ends_none() -> None:
    for until, right in ((250.0, True), (255.0, False), (240.0, False), (260.0, False)):
        client = patient()
        client.hears(3.0, 2, "RunFinished")
        client.shows("READY", (4, "Get", 3600.0))
        client.hears(190.0, 4, "Refused", refusal="UNAVAILABLE")
        client.shows("READY", (5, "Wait", 190.4))
        client.hears(190.4, 5, "WaitElapsed")
        client.shows("READY", (6, "Check", 250.0))
        client.hears(195.0, 6, "Refused", refusal="CREDENTIALS")
        assert client.accepts("READY", (7, "RenewCredentials", until)) == right, until


@pytest.mark.rules("D19", "D21")
def test_a_transfer_is_no_silence_that_could_end_the_session_when_it_is_lost() -> None:
    client = ready(Client())
    client.hears(800.0, 5, "Lost", sent="UNKNOWN")
    assert not client.may_end("ERROR", "UNREACHABLE", "READY")
    client.shows("READY", (6, "Wait", 800.4))


def until_26() -> Client:
    """`run` was told at 6 to come back in 20 s, while a check is out."""
    client = checking()
    client.hears(6.0, 2, "Refused", refusal="BUSY", retry_after=20.0)
    client.shows("RUNNING", (4, "Check", 300.0))
    return client


# From READY at 7, or from the end of the Retry-After at 26.
@pytest.mark.rules("D19")
@pytest.mark.parametrize(("until", "right"), [(67.0, True), (86.0, True), (85.0, False), (87.0, False)])
def test_a_retry_after_that_is_on_is_no_silence_whatever_else_is_answered(until: float, right: bool) -> None:
    client = until_26()
    client.hears(7.0, 4, "StatusReported", status="READY")
    client.shows("READY", (5, "Get", 3600.0))
    client.hears(7.0, 5, "Refused", refusal="CREDENTIALS")
    assert client.accepts("READY", (6, "RenewCredentials", until)) == right


# From READY at 6, from the refusal of the credential at 8, or from the end of the Retry-After at 27.
@pytest.mark.rules("D19", "D16")
@pytest.mark.parametrize(("until", "right"), [(66.0, True), (68.0, True), (87.0, True), (86.0, False), (88.0, False)])
def test_a_refused_credential_takes_back_no_retry_after(until: float, right: bool) -> None:
    client = checking()
    client.hears(6.0, 4, "StatusReported", status="READY")
    client.shows("READY", (2, "Run", 1800.0), (5, "Get", 3600.0))
    client.hears(7.0, 2, "Refused", refusal="BUSY", retry_after=20.0)
    client.shows("READY", (5, "Get", 3600.0))
    client.hears(8.0, 5, "Refused", refusal="CREDENTIALS")
    assert client.accepts("READY", (6, "RenewCredentials", until)) == right


# Over from the end of the Retry-After at 26 on; from READY at 7 on it would have been over already.
@pytest.mark.rules("D19", "D21")
@pytest.mark.parametrize(("at", "right"), [(67.0, True), (85.0, True), (87.0, False)])
def test_a_get_that_was_never_sent_takes_back_no_retry_after(at: float, right: bool) -> None:
    client = until_26()
    client.hears(7.0, 4, "StatusReported", status="READY")
    client.shows("READY", (5, "Get", 3600.0))
    client.hears(at, 5, "Lost", sent="NOT_SENT")
    assert client.may_end("ERROR", "UNREACHABLE", "READY")
    assert client.accepts("READY", (6, "Wait", at + 0.4)) == right


# From the loss of `run` at 7, or from the end of the Retry-After at 26.
@pytest.mark.rules("D19", "I3")
@pytest.mark.parametrize(("until", "right"), [(67.0, True), (86.0, True), (85.0, False), (87.0, False)])
def test_a_run_that_was_never_sent_takes_back_no_retry_after(until: float, right: bool) -> None:
    client = checking()
    client.hears(6.0, 4, "Refused", refusal="CREDENTIALS")
    client.shows("RUNNING", (2, "Run", 1800.0), (5, "RenewCredentials", 300.0))
    client.hears(6.0, 5, "Refused", refusal="BUSY", retry_after=20.0)
    client.shows("RUNNING", (2, "Run", 1800.0), (6, "Wait", 26.0))
    client.hears(7.0, 2, "Lost", sent="NOT_SENT")
    client.shows("RUNNING", (6, "Wait", 26.0))
    client.hears(26.0, 6, "WaitElapsed")
    assert client.accepts("RUNNING", (7, "RenewCredentials", until)) == right


@pytest.mark.rules("D19", "D21")
def test_a_transfer_is_taken_off_the_silence_once_it_goes_on_after_the_last_answer() -> None:
    client = checking()
    client.hears(6.0, 4, "StatusReported", status="READY")
    client.shows("READY", (2, "Run", 1800.0), (5, "Get", 3600.0))
    client.hears(100.0, 2, "RunFinished")
    client.shows("READY", (5, "Get", 3600.0))
    client.hears(130.0, 5, "Lost", sent="UNKNOWN")
    client.may_not_show("READY", (6, "Check", 160.0))  # 60 s from what `run` said, though the transfer went on
    client.may_not_show("READY", (6, "Check", 284.0))  # all of the transfer, though `run` said something in it
    client.shows("READY", (6, "Check", 190.0))
    client.hears(190.0, 6, "Lost", sent="UNKNOWN")
    client.ends("ERROR", "UNREACHABLE", "READY")


# `check` at 5 is refused at 10, renewed at 12: from the Retry-After's end at 26, from `run` at 6, from the token at 0.
@pytest.mark.rules("D19")
@pytest.mark.parametrize(("until", "right"), [(86.0, True), (66.0, True), (60.0, True), (72.0, False), (87.0, False)])
def test_a_retry_after_is_no_silence_though_something_else_is_out(until: float, right: bool) -> None:
    client = until_26()
    client.hears(10.0, 4, "Refused", refusal="CREDENTIALS")
    assert client.accepts("RUNNING", (5, "RenewCredentials", until)) == right


# From the beginning at 0 a silence is over at 60, as 429 without a time is no valid answer; told at 50, it is not.
@pytest.mark.rules("D19")
@pytest.mark.parametrize(("told", "right"), [(None, False), (0.0, False), (5.0, True)])
@pytest.mark.parametrize("kind", ["ListFormats", "Init", "Check", "RenewCredentials"])
def test_a_429_begins_a_silence_anew_only_if_it_names_a_time(kind: str, told: float | None, right: bool) -> None:
    state, number = "INIT", 1
    if kind == "Check":
        client, state, number = patient(), "RUNNING", 5
        client.hears(0.0, 2, "Lost", sent="UNKNOWN")
        client.shows("RUNNING", (4, "Wait", 0.4))
        client.hears(0.4, 4, "WaitElapsed")
        client.shows("RUNNING", (5, "Check", 310.4))
    else:
        preflight = "ON" if kind == "ListFormats" else "OFF"
        client = Client(preflight=preflight, silence=60.0, first_contact=60.0, request_timeout=310.0)
        client.shows("INIT", (1, "ListFormats" if kind == "ListFormats" else "Init", 310.0))
        if kind == "RenewCredentials":
            client.hears(1.0, 1, "Refused", refusal="CREDENTIALS")
            client.shows("INIT", (2, "RenewCredentials", 311.0))
            number = 2
    client.hears(50.0, number, "Refused", refusal="BUSY", retry_after=told)
    over = 50.0 + (told or 0.4)
    client.shows(state, (10, "Wait", over))
    client.hears(over, 10, "WaitElapsed")
    client.shows(state, (11, kind, over + 310.0))
    client.hears(61.0, 11, "Refused", refusal="BUSY")
    assert client.may_end("ERROR", "SERVER_ERROR", state)
    assert client.accepts(state, (12, "Wait", 61.5)) == right


@pytest.mark.rules("D19")
def test_a_429_without_a_time_again_and_again_ends_after_ten_minutes() -> None:
    client = Client(preflight="OFF")
    client.shows("INIT", (1, "Init", 30.0))
    at, number = 0.2, 1
    client.hears(at, number, "Refused", refusal="BUSY")
    while at + 15.0 <= 600.0:
        pause = min(15.0, 0.5 * 1.5 ** (number // 2))
        client.shows("INIT", (number + 1, "Wait", at + pause))
        client.hears(at + pause, number + 1, "WaitElapsed")
        client.shows("INIT", (number + 2, "Init", at + pause + 30.0))
        at, number = at + pause + 0.2, number + 2
        client.hears(at, number, "Refused", refusal="BUSY")
    client.shows("INIT", (number + 1, "Wait", 600.0))
    client.hears(600.1, number + 1, "WaitElapsed")
    client.may_not_show("INIT", (number + 2, "Init", 630.1))
    client.ends("ERROR", "SERVER_ERROR", "INIT")


@pytest.mark.rules("D19")
def test_what_a_needless_run_says_is_a_valid_answer() -> None:
    for told in ({"kind": "RunFinished"}, {"kind": "StatusReported", "status": "READY"}):
        client = checking()
        client.hears(6.0, 4, "StatusReported", status="READY")
        client.shows("READY", (2, "Run", 1800.0), (5, "Get", 3600.0))
        client.hears(100.0, 2, **told)
        assert not client.may_end("ERROR", "SERVER_ERROR", "READY")
        client.shows("READY", (5, "Get", 3600.0))
        client.hears(101.0, 5, "Refused", refusal="CREDENTIALS")
        client.shows("READY", (6, "RenewCredentials", 160.0))


# From the token at 0 the silence would be over at 60; `run`, which refused the format, ended at 100.
@pytest.mark.rules("D19", "D12")
@pytest.mark.parametrize(("until", "right"), [(160.0, True), (161.0, False), (159.0, False)])
def test_the_question_for_the_alternatives_may_begin_a_silence_where_run_ended(until: float, right: bool) -> None:
    client = checking()
    client.hears(100.0, 2, "Refused", refusal="INVALID_FORMAT")
    assert client.accepts("RUNNING", (5, "ListFormats", until)) == right


# `check` is told OK, which is none of its answers: it does not end the silence that began at 1.
DOES_NOT_BELONG = """
0    begin preflight=OFF silence=60.0
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
1    < 2 RunFinished
1    x 3
1    = READY
1    > 4 Get 3600
1    < 4 StatusReported status=IN_PROGRESS
1    > 5 Wait 1.4
1.4  < 5 WaitElapsed
1.4  > 6 Check 31.4
31   < 6 StatusReported status=OK
31   > 7 Wait 31.5
31.5 < 7 WaitElapsed
31.5 > 8 Check 61
61   < 8 Lost sent=UNKNOWN
61   = ERROR
61   ! ERROR UNREACHABLE READY
"""


@pytest.mark.rules("D19")
def test_a_status_that_does_not_belong_ends_no_silence() -> None:
    assert judge(parse(DOES_NOT_BELONG)) == []
    valid = DOES_NOT_BELONG.replace("StatusReported status=OK", "StatusReported status=IN_PROGRESS")
    assert {one.rule for one in judge(parse(valid))} == {"I8"}


def soon_silent(told: float) -> Client:
    """At 6 s another session begins, of a job whose server has answered; it was told at 2 s to come back."""
    return session_over(told, silence=60.0, first_contact=20.0, request_timeout=310.0)


@pytest.mark.rules("D19", "D21")
def test_the_silence_of_another_session_is_its_own_and_of_the_ordinary_length() -> None:
    # As one was told is no silence, or the silence wins; it begins with the session, and the server is no stranger.
    for until, right in ((102.0, True), (66.0, True), (26.0, False), (62.0, False), (22.0, False)):
        assert soon_silent(100.0).accepts("INIT", (7, "Wait", until)) == right, until
    wins = soon_silent(100.0)
    wins.shows("INIT", (7, "Wait", 66.0))
    wins.hears(66.0, 7, "WaitElapsed")
    wins.ends("ERROR", "TIMED_OUT", "INIT", sessions=2)
    for until, right in ((412.0, True), (162.0, True), (122.0, False), (152.0, False)):
        client = soon_silent(100.0)
        client.shows("INIT", (7, "Wait", 102.0))
        client.hears(102.0, 7, "WaitElapsed")
        assert client.accepts("INIT", (8, "Init", until)) == right, until
        if until != 162.0:
            continue
        client.hears(162.0, 8, "Lost", sent="UNKNOWN")
        client.ends("ERROR", "UNREACHABLE", "INIT", sessions=2)


@pytest.mark.rules("D19", "D21")
def test_without_a_retry_after_the_silence_of_another_session_begins_with_it() -> None:
    for until, right in ((66.0, True), (26.0, False), (61.5, False)):
        client = soon_silent(4.0)
        assert client.accepts("INIT", (7, "Init", until)) == right, until
