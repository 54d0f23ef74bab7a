"""Wrong runs, written by hand, each with one thing wrong: the judge names just the rule that it breaks."""

from __future__ import annotations

import pytest

from tests.oracle.judge import judge
from tests.oracle.test_oracle_judge_good import (
    CUT_BY_SILENCE,
    EXPIRED,
    LEFT_OVER,
    LOST_RUN,
    NAMED_LATER,
    NAMING,
    NAMING_AND_SILENT,
    NO_TIME_LEFT,
    OWED,
    PAUSED_ALL_THE_SAME,
    RENEWED_FIRST,
    RESUMED,
    SECTION_7,
    SENT_AGAIN,
    TOLD_AT_THE_END,
    TOLD_BEFORE,
    TOLD_IN_TIME,
    TOLD_NO_TIME,
    UNNAMED,
    UNPROVEN,
    WAITED_FOR,
)
from tests.oracle.transcripts import parse

# The beginnings of runs that are not told to their ends.
BEGUN = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
"""
RUNNING = (
    BEGUN
    + """
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
"""
)
CHECKING = (
    RUNNING
    + """
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
"""
)
READY = (
    RUNNING
    + """
3    < 2 RunFinished
3    x 3
3    = READY
3    > 4 Get 3600
"""
)
# A `get` lost, its check READY, the second get on its way.
LOST_ONCE = (
    READY
    + """
9    < 4 Lost sent=UNKNOWN
9    > 5 Check 39
"""
)


def edited(text: str, *edits: tuple[str, str]) -> str:
    """The same run with a few lines changed; a line is named by how it begins."""
    for old, new in edits:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new.replace(" / ", "\n"))
    return text


def broken(text: str, *, complete: bool = True) -> set[str]:
    return {violation.rule for violation in judge(parse(text), complete=complete)}


def then(text: str, lines: str) -> str:
    """The same run, gone on: lines are parted by slashes."""
    return text + lines.replace(" / ", "\n")


COMPLETE = {
    "D12 the alternatives could be asked for": edited(
        UNNAMED, ("retry_after=400", "retry_after=1"), ("Wait 406", "Wait 10")
    ),
    "D21 there is time for another session": edited(NO_TIME_LEFT, ("retry_after=5000", "retry_after=100")),
    "I1 a state is skipped": edited(SECTION_7, ("9.1  = READY\n", "")),
    "I1 a request after the end": then(SECTION_7, "10 > 9 Init 40"),
    "I1 a request leaves after the end": then(SECTION_7, "10 ask 6"),
    "I1 an outcome of another state": edited(EXPIRED, ("! EXPIRED EXPIRED", "! ERROR EXPIRED")),
    "I1 the server goes back": edited(SECTION_7, ("9.9  @= A CONSUMED", "9.9 @= A CONSUMED / 9.95 @= A READY")),
    "I2 another token": edited(LOST_RUN, ("> 9 Check 48.4", "> 9 Check 48.4 token=B")),
    "I2 no token": edited(
        SECTION_7, ("@ 5 check number=5\n5.5  : 5 IN_PROGRESS", "@ 5 check number=5 token= / 5.5 : 5 INVALID_TOKEN")
    ),
    "I2 another element": edited(LOST_RUN, ("> 9 Check 48.4", "> 9 Check 48.4 element=7")),
    "D3 a token encoded twice": edited(
        SECTION_7, ("@ 5 check number=5\n5.5  : 5 IN_PROGRESS", "@ 5 check number=5 token=A%25 / 5.5 : 5 INVALID_TOKEN")
    ),
    "I3 at the server": edited(SECTION_7, ("0.5  gen A", "0.5 gen A / 0.6 @ 20 run number=3")),
    "I4 two beside run": edited(SECTION_7, ("9.1  x 6\n", "")),
    "I5 two whole files": edited(
        SECTION_7, ("9.9  sent 7 whole", "9.9 sent 7 whole / 9.9 @ 8 get download=0 / 9.9 : 8 FILE / 9.9 sent 8 whole")
    ),
    "I6 a check past the clock": edited(EXPIRED, ("ttl=6.0", "ttl=6.0 expiry=DOCUMENTED")),
    "I7 a number twice": edited(SECTION_7, ("> 6 Wait 12", "> 3 Wait 12"), ("9.1  x 6", "9.1 x 3")),
    "I8 past the deadline": edited(SECTION_7, ("0    begin", "0 begin job_timeout=9.0")),
    "I8 never": edited(SECTION_7, ("10   ! CONSUMED DELIVERED READY", "")),
    "I9 restored with another token": edited(RESUMED, ("20.1 restore", "20.1 restore token=C")),
    "I10 half a file": edited(SECTION_7, ("publish whole", "publish half")),
    "I10 no file": edited(SECTION_7, ("10   publish whole\n", "")),
    "I10 a file of a failure": then(EXPIRED, "7.2 publish whole"),
    "I10 two files": then(SECTION_7, "11 publish whole"),
    "I11 an error of its own": then(SECTION_7, "11 raise KeyError"),
    "I12 the file was cut": edited(SECTION_7, ("sent 7 whole", "sent 7 cut")),
    "I12 not ready yet": edited(SECTION_7, ("9    @= A READY\n9    : 3 OK", "9 : 3 OK / 9 @= A READY")),
    "I12 nobody answered": edited(SECTION_7, ("9    : 3 OK\n", "")),
    "D1 unasked": edited(
        EXPIRED, ("7    > 6 Check 37\n", ""), ("7.1  < 6 Refused refusal=DOWNLOAD_FAILED\n", ""), ("7.1  =", "7 =")
    ),
    "D8 two generations": edited(SECTION_7, ("0.5  gen A", "0.5 gen A / 0.6 gen A")),
    "D9 another format to get": edited(LOST_RUN, ("> 10 Get 3600", "> 10 Get 3600 format=csv")),
    "D11 not as it is listed": edited(SECTION_7, ("FormatsListed image pdf csv", "FormatsListed IMAGE PDF CSV")),
    "D13 a foreign user": edited(SECTION_7, ("9.1  < 3", "9 @ 9 check user=eve download=0 / 9 : 9 READY / 9.1 < 3")),
    "D14 another segment": edited(SECTION_7, ("9.1  < 3", "9 @ 9 check segment=4 download=0 / 9 : 9 READY / 9.1 < 3")),
    "R14 an unknown token": edited(SECTION_7, ("9.1  < 3", "9 @ 9 check token=Z download=0 / 9 : 9 READY / 9.1 < 3")),
    "D20 a success that is none": edited(
        LOST_RUN,
        ("50   publish whole\n", ""),
        ("50   = CONSUMED", "50 = ERROR"),
        ("! CONSUMED DELIVERED", "! ERROR NOT_KEPT"),
    ),
    "D21 no budget": edited(UNPROVEN, ("ttl=3.0", "ttl=3.0 restarts_unproven=0")),
    "D21 sessions told wrong": then(
        edited(UNPROVEN, ("5    ! CONSUMED DELIVERED READY", "")), "5 ! CONSUMED DELIVERED READY sessions=1"
    ),
    "D23 sent twice": edited(SECTION_7, ("0.4  ask 3", "0.4 ask 3 / 0.4 ask 3")),
    "D28 run without a limit": edited(SECTION_7, ("Run 1800.4", "Run 3000")),
    "D35 check without a limit": edited(SECTION_7, ("Check 35.4", "Check 99")),
    "D35 answered too late": edited(SECTION_7, ("Check 35.4", "Check 5.5")),
    "D41 early": edited(EXPIRED, ("ttl=6.0", "ttl=300.0")),
    "D41 late": edited(EXPIRED, ("7.1  = EXPIRED", "7.1 = ERROR"), ("! EXPIRED EXPIRED", "! ERROR GENERATION_FAILED")),
    "D42 two files at once": edited(SECTION_7, ("9.9  sent 7", "9.5 @ 8 get download=0 / 9.5 : 8 FILE / 9.9 sent 7")),
    "D43 sent before it was saved": edited(RESUMED, ("20.4 save\n20.4 ask 5", "20.4 ask 5 / 20.4 save")),
    "D43 not held for lost": edited(RESUMED, ("20.1 < 2 Lost sent=UNKNOWN", "20.1 < 2 Lost sent=NOT_SENT")),
    "R17 an expired token": then(
        SECTION_7,
        "20 @ 20 init download=0 / 20 @= B INIT / 20 : 20 TOKEN token=B / 400 @= B EXPIRED / "
        "400 @ 21 check token=B download=0 / 400 : 21 READY",
    ),
    "R26 a file before it is there": edited(
        SECTION_7, ("5.6  < 5", "5.5 @ 9 get download=0 / 5.5 : 9 FILE / 5.5 sent 9 cut / 5.6 < 5")
    ),
    "R27 not consumed": edited(SECTION_7, ("9.9  @= A CONSUMED\n", "")),
    "R28 a file of a consumed token": edited(
        SECTION_7, ("10   publish", "9.95 @ 9 get download=0 / 9.95 : 9 FILE / 9.95 sent 9 cut / 10 publish")
    ),
}

BEGINNINGS = {
    "I3 run again": then(
        RUNNING,
        "3 < 2 Lost sent=UNKNOWN / 3 x 3 / 3 > 4 Wait 3.4 / 3.4 < 4 WaitElapsed / "
        "3.4 > 5 Run 1803.4 / 3.4 > 6 Wait 8.4",
    ),
    "R29+I2 a session from the middle": then(UNPROVEN.split("3.5  > 10 Init")[0], "3.5 > 10 Check 33.5 token=A"),
    "D16 renewed for nothing": then(RUNNING, "3 < 2 RunFinished / 3 x 3 / 3 = READY / 3 > 4 RenewCredentials 33"),
    "I4 no get at once": then(RUNNING, "3 < 2 RunFinished / 3 = READY / 3 x 3 / 3 > 4 Wait 3.4"),
    "I5 get after the end": then(READY, "4 < 4 FileNotKept why=FAILED / 4 = ERROR / 4 > 5 Get 3600"),
    "I7 an answer to nothing": then(RUNNING, "2 < 77 WaitElapsed"),
    "I7 a late answer counts": then(READY, "4 < 3 WaitElapsed / 4 > 5 Check 34 / 4 x 4"),
    "I11 no such state": edited(BEGUN, ("0    = INIT", "0 = DANCING")),
    "I13 again at once": then(BEGUN, "1 < 1 Lost sent=UNKNOWN / 1 > 2 Init 31"),
    "I13 again before its pause is over, whatever takes that away": then(
        PAUSED_ALL_THE_SAME.split("333  < 2")[0], "332.5 < 2 RunFinished / 332.5 x 6 / 332.5 > 7 Get 3600"
    ),
    "I13 a wait of no length": then(BEGUN, "1 < 1 Lost sent=UNKNOWN / 1 > 2 Wait 1"),
    "I13 an endless get": then(
        READY,
        "4 < 4 StatusReported status=IN_PROGRESS / 4 > 5 Check 34 / 5 < 5 StatusReported status=READY / 5 > 6 Get 3600",
    ),
    "D1 asleep": then(
        edited(RUNNING, ("preflight=OFF", "preflight=OFF ttl=8.0")),
        "5.1 < 3 WaitElapsed / 5.1 > 4 Check 35.1 / 5.2 < 4 StatusReported status=IN_PROGRESS / 5.2 > 5 Wait 11",
    ),
    "D1 alive": then(
        edited(RUNNING, ("preflight=OFF", "preflight=OFF ttl=8.0 expiry=DOCUMENTED")),
        "5.1 < 3 WaitElapsed / 5.1 > 4 Check 8 / 9 < 2 Lost sent=UNKNOWN / 9 x 4 / 9 > 5 Wait 9.4",
    ),
    "D2 no get on READY": then(CHECKING, "6 < 4 StatusReported status=READY / 6 = READY / 6 > 5 Wait 9"),
    "D6 run is lost": then(RUNNING, "60 x 3 / 60 < 2 Lost sent=UNKNOWN / 60 = ERROR"),
    "D6 run says no": then(RUNNING, "4 x 3 / 4 < 2 Refused refusal=DOWNLOAD_FAILED / 4 = ERROR"),
    "D10 no format": edited(RUNNING, ("> 2 Run 1800.1", "> 2 Run 1800.1 format=")),
    "D12 no preflight": edited(BEGUN, ("> 1 Init 30", "> 1 ListFormats 30")),
    "D16 no renewal": then(BEGUN, "1 < 1 Refused refusal=CREDENTIALS / 1 = ERROR"),
    "D16 renewed for an older credential": then(
        CHECKING,
        "6 < 4 Refused refusal=CREDENTIALS / 6 > 5 RenewCredentials 36 / 7 < 5 CredentialsRenewed / "
        "7 > 6 Check 37 / 8 < 2 Refused refusal=CREDENTIALS / 8 x 6 / 8 > 7 RenewCredentials 38",
    ),
    "D19 refused twice beside a live run": then(
        CHECKING,
        "6 < 4 Refused refusal=CREDENTIALS / 6 > 5 RenewCredentials 36 / 7 < 5 CredentialsRenewed / "
        "7 > 6 Check 37 / 8 < 6 Refused refusal=CREDENTIALS / 8 = ERROR",
    ),
    "I13 renewed twice without a pause": then(
        CHECKING,
        "6 < 4 Refused refusal=CREDENTIALS / 6 > 5 RenewCredentials 36 / 7 < 5 CredentialsRenewed / "
        "7 > 6 Check 37 / 8 < 6 Refused refusal=CREDENTIALS / 8 > 7 RenewCredentials 38",
    ),
    "D16 nothing after a renewal": then(
        BEGUN,
        "1 < 1 Refused refusal=CREDENTIALS / 1 > 2 RenewCredentials 31 / 2 < 2 CredentialsRenewed / 2 > 3 Wait 2.4",
    ),
    "D17 an unreadable envelope": then(BEGUN, "1 < 1 Refused refusal=UNREADABLE / 1 > 2 Wait 1.4"),
    "D18 an early error": then(CHECKING, "6 < 4 StatusReported status=ERROR / 6 = ERROR"),
    "R22 a late error": then(CHECKING, "20 < 4 StatusReported status=ERROR / 20 > 5 Wait 25"),
    "D19 a failed check": then(CHECKING, "6 < 4 Refused refusal=UNAVAILABLE / 6 = ERROR"),
    "D19 a get that was told no time": then(
        TOLD_NO_TIME.split("11   > 9")[0], "11 > 9 Wait 11.4 / 11.4 < 9 WaitElapsed / 11.4 > 10 Check 41.4"
    ),
    "D19 a lost get": then(TOLD_NO_TIME.split("10   < 6")[0], "10 < 6 Lost sent=UNKNOWN / 10 > 7 Check 40"),
    "D19 a Wait that was shorter": then(
        RUNNING, "5 < 2 Refused refusal=BUSY retry_after=20 / 5.1 < 3 WaitElapsed / 5.1 > 4 Check 35.1"
    ),
    "D19 Retry-After": then(BEGUN, "1 < 1 Refused refusal=BUSY retry_after=20 / 1 > 2 Wait 1.4"),
    "D19 a 429 without a time ends no silence": edited(
        TOLD_IN_TIME.split("31.5 <")[0], ("refusal=BUSY retry_after=2", "refusal=BUSY")
    ),
    "D19 a 429 that names no moment to come ends no silence": edited(
        TOLD_IN_TIME.split("31.5 <")[0], ("refusal=BUSY retry_after=2", "refusal=BUSY retry_after=0")
    ),
    "D19 a wait that was told long ago is no excuse": edited(
        TOLD_IN_TIME, ("53   = ERROR\n53   ! ERROR SERVER_ERROR INIT", "53 > 6 Wait 54")
    ),
    "D21 not asked about": then(
        READY,
        "9 < 4 Lost sent=UNKNOWN / 9 > 5 Wait 9.4 / 9.4 < 5 WaitElapsed / 9.4 > 6 Get 3600",
    ),
    "D21 given up": then(READY, "9 < 4 Lost sent=UNKNOWN / 9 = ERROR"),
    "D21 a third get": then(
        LOST_ONCE,
        "9.1 < 5 StatusReported status=READY / 9.1 > 6 Get 3600 / 12 < 6 Lost sent=UNKNOWN / 12 > 7 Check 42",
    ),
    "D21 a lost file": then(LOST_ONCE, "9.1 < 5 Refused refusal=DOWNLOAD_FAILED / 9.1 > 6 Wait 9.5"),
    "D21 a failed generation again": then(
        CHECKING,
        "20 < 4 StatusReported status=ERROR / 20 = ERROR / 20 = INIT #2 / 20 > 5 Init 50",
    ),
    "D21 budget left": then(
        LOST_ONCE,
        "9.1 < 5 Refused refusal=DOWNLOAD_FAILED / 9.1 = ERROR / 9.1 ! ERROR TRANSFER_LOST READY",
    ),
    "D26 a refusal": then(BEGUN, "1 < 1 Refused refusal=OTHER / 1 > 2 Wait 1.4"),
    "D27 revoked": then(CHECKING, "6 < 4 Refused refusal=ELEMENT_NOT_ALLOWED / 6 > 5 Wait 10"),
    "D29 no such endpoint": then(BEGUN, "1 < 1 Refused refusal=ENDPOINT_MISSING / 1 > 2 Wait 1.4"),
    "D31 a redirect": then(BEGUN, "1 < 1 Refused refusal=REDIRECTED / 1 > 2 Wait 1.4"),
    "D42 not yet, and over": then(READY, "4 < 4 StatusReported status=IN_PROGRESS / 4 = ERROR"),
    "D42 not yet, and get": then(
        READY,
        "4 < 4 StatusReported status=IN_PROGRESS / 4 > 5 Wait 4.4 / 4.4 < 5 WaitElapsed / 4.4 > 6 Get 3600",
    ),
    "D44 another get": then(READY, "4 < 4 FileNotKept why=FAILED / 4 > 5 Check 34"),
    "R2 invalid state": then(BEGUN, "1 < 1 Refused refusal=INVALID_STATE / 1 > 2 Wait 1.4"),
    "R3 no report": then(BEGUN, "1 < 1 Refused refusal=NOT_IMPLEMENTED / 1 > 2 Wait 1.4"),
    "R9 no downloads": then(BEGUN, "1 < 1 Refused refusal=NO_DOWNLOADS / 1 > 2 Wait 1.4"),
    "R10 no such format": then(RUNNING, "1 < 2 Refused refusal=INVALID_FORMAT"),
    "R10 goes on where nothing names it": edited(
        NAMING.split("6    < 5")[0], ("5.2  > 5 ListFormats 35.2\n", "5.2 > 5 Wait 10\n")
    ),
    "R10 waits though no renewal is owed": then(
        CHECKING, "6 < 4 StatusReported status=IN_PROGRESS / 6 > 5 Wait 12 / 7 < 2 Refused refusal=INVALID_FORMAT"
    ),
    "R10 waits though it was renewed": then(
        OWED,
        "6 < 5 CredentialsRenewed / 6 > 6 Check 36 / 7 < 6 StatusReported status=IN_PROGRESS / 7 > 7 Wait 13 / "
        "8 < 2 Refused refusal=INVALID_FORMAT",
    ),
    "R10 waits though the last refusal has asked for no renewal": then(
        OWED,
        "6 < 5 CredentialsRenewed / 6 > 6 Check 36 / 7 < 6 Refused refusal=CREDENTIALS / 7 > 7 Wait 13 / "
        "8 < 2 Refused refusal=INVALID_FORMAT",
    ),
    "R10 renews first though the formats are listed": then(
        edited(
            OWED,
            ("preflight=OFF", "preflight=ON"),
            ("0    > 1 Init 30", "0 > 91 ListFormats 30 / 0 < 91 FormatsListed pdf / 0 > 1 Init 30"),
        ),
        "6 < 2 Refused refusal=INVALID_FORMAT",
    ),
    "R10 a check once the wait is over": edited(NAMED_LATER.split("406  <")[0], ("7 ListFormats", "7 Check")),
    "R10 a shorter wait": edited(NAMED_LATER.split("405.2 <")[0], ("6 Wait 405.2", "6 Wait 9.4")),
    "D19 another session leaves before it may": edited(
        TOLD_AT_THE_END.split("106.2 <")[0], ("> 6 Wait 106.2", "> 6 Init 36.2")
    ),
    "D19 another session waits as if it were told nothing": edited(
        TOLD_AT_THE_END.split("106.2 <")[0], ("> 6 Wait 106.2", "> 6 Wait 6.467557")
    ),
    "D19 another session was told by the last one": edited(
        TOLD_BEFORE.split("102  <")[0], ("> 7 Wait 102", "> 7 Wait 6.4")
    ),
    "D19 a known server is waited for as a stranger": edited(
        TOLD_BEFORE.split("102  <")[0], ("> 7 Wait 102", "> 7 Wait 26")
    ),
    "I8 a known server is given up as a stranger": edited(
        TOLD_BEFORE, ("132  > 9 Wait 132.5", "132 = ERROR / 132 ! ERROR UNREACHABLE INIT")
    ),
    "R10 another wait than the one for the renewal": edited(
        WAITED_FOR.split("3600 <")[0], ("INVALID_FORMAT", "INVALID_FORMAT / 9 x 6 / 9 > 7 Wait 3599")
    ),
    "R10+I13 a renewal before its wait is over": edited(
        WAITED_FOR.split("3600 <")[0], ("INVALID_FORMAT", "INVALID_FORMAT / 9 x 6 / 9 > 7 RenewCredentials 39")
    ),
    "R10 a check that is out goes on": then(
        OWED,
        "6 < 5 Lost sent=UNKNOWN / 6 > 6 Wait 6.4 / 6.4 < 6 WaitElapsed / 6.4 > 7 Check 36.4 / "
        "7 < 2 Refused refusal=INVALID_FORMAT",
    ),
    "R10 a check instead of the renewal": then(OWED, "6 < 2 Refused refusal=INVALID_FORMAT / 6 x 5 / 6 > 6 Check 36"),
    "R10 a check once it is renewed": edited(RENEWED_FIRST.split("9    <")[0], ("8 ListFormats", "8 Check")),
    "R10 a check where the renewal was waited for": edited(
        RENEWED_FIRST.split("8    <")[0], ("7 RenewCredentials", "7 Check")
    ),
    "R10 D1 asks after the renewal": edited(
        RENEWED_FIRST.split("9    <")[0], ("preflight=OFF", "preflight=OFF ttl=6.5"), ("8 ListFormats", "8 Check")
    ),
    "R10 another token after the renewal": edited(RENEWED_FIRST.split("9    <")[0], ("8 ListFormats", "8 Init")),
    "D16 nothing is asked for once it is renewed": edited(
        RENEWED_FIRST.split("9    <")[0], ("8 ListFormats 38", "8 Wait 8.4")
    ),
    "D16 renewed again though it is renewed": edited(
        RENEWED_FIRST.split("9    <")[0], ("8 ListFormats", "8 RenewCredentials")
    ),
    "R14 no such token": then(RUNNING, "1 < 2 Refused refusal=INVALID_TOKEN"),
    "R23 get after ERROR": then(
        CHECKING,
        "6 < 4 StatusReported status=ERROR / 6 > 5 Check 36 / 7 < 5 StatusReported status=IN_PROGRESS / 7 > 6 Get 3600",
    ),
    "I8 a request outlives the job": edited(RUNNING, ("preflight=OFF", "preflight=OFF job_timeout=100.0")),
    "D1 too early": then(
        edited(CHECKING, ("preflight=OFF", "preflight=OFF ttl=8.0")),
        "6 < 4 Refused refusal=OTHER / 6 = EXPIRED / 6 ! EXPIRED REFUSED RUNNING",
    ),
    "D19 the first check": edited(RUNNING, ("> 3 Wait 5.1", "> 3 Wait 4.1")),
    "D19 the first check while a Retry-After is on": edited(
        SENT_AGAIN.split("25.2 <")[0], ("> 8 Wait 25.2", "> 8 Wait 11.4")
    ),
    "D19 the first check long after a Retry-After": edited(
        SENT_AGAIN.split("25.2 <")[0], ("> 8 Wait 25.2", "> 8 Wait 27")
    ),
    "D19 not the rest of a Retry-After": edited(LEFT_OVER.split("10.2 <")[0], ("> 8 Wait 10.2", "> 8 Wait 10.19")),
    "D19 cut where no silence ends": edited(CUT_BY_SILENCE.split("39   <")[0], ("> 10 Wait 39", "> 10 Wait 37")),
    "D19 cut where no silence ends, heard or not": edited(
        NAMING_AND_SILENT.split("30.1 <")[0], ("> 6 Wait 30.1", "> 6 Wait 33")
    ),
    "I8 run is heard where no alternatives are asked for": then(
        edited(READY, ("preflight=OFF", "preflight=OFF silence=30.0 first_contact=30.0")),
        "32 < 4 Lost sent=NOT_SENT / 32 = ERROR / 32 ! ERROR UNREACHABLE READY",
    ),
    "D19 too long": then(RUNNING, "18 x 3 / 18 < 2 Lost sent=UNKNOWN / 18 > 4 Wait 34"),
    "D19 grown too fast": then(RUNNING, "18 x 3 / 18 < 2 Lost sent=UNKNOWN / 18 > 4 Wait 27"),
}


@pytest.mark.rules("R2", "R3", "R9", "R10", "R14", "R17", "R22", "R23", "R26", "R27", "R28", "R29")
@pytest.mark.rules("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13")
@pytest.mark.rules("D1", "D2", "D3", "D6", "D8", "D9", "D10", "D11", "D12", "D13", "D14")
@pytest.mark.rules("D16", "D17", "D18", "D19", "D20", "D21", "D23", "D26", "D27", "D28", "D29")
@pytest.mark.rules("D31", "D35", "D41", "D42", "D43", "D44")
@pytest.mark.parametrize("name", [*COMPLETE, *BEGINNINGS])
def test_a_wrong_run_is_called_by_its_rule(name: str) -> None:
    rules = set(name.split()[0].split("+"))
    if name in COMPLETE:
        assert broken(COMPLETE[name]) == rules
    else:
        assert broken(BEGINNINGS[name], complete=False) == rules


def test_the_beginnings_are_right_themselves() -> None:
    for text in (BEGUN, RUNNING, CHECKING, READY, LOST_ONCE, TOLD_BEFORE):
        assert broken(text, complete=False) == set()


def test_each_invariant_has_a_run_that_breaks_it() -> None:
    named = {name.split()[0] for name in (*COMPLETE, *BEGINNINGS)}
    assert {f"I{number}" for number in range(1, 14)} <= named
