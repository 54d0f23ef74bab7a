"""Right runs, written by hand from the document and the rules: the judge finds nothing wrong with them."""

from __future__ import annotations

import pytest

from tests.oracle.judge import differences, judge
from tests.oracle.transcripts import parse

# The document's section 7, both ends.
SECTION_7 = """
0    begin
0    = INIT
0    > 1 ListFormats 30
0    ask 1
0.1  @ 1 formats number=1
0.1  : 1 FORMATS
0.2  < 1 FormatsListed image pdf csv
0.2  > 2 Init 30.2
0.2  ask 2
0.3  @ 2 init number=2
0.3  @= A INIT
0.3  : 2 TOKEN token=A
0.4  < 2 TokenIssued token=A
0.4  = RUNNING
0.4  > 3 Run 1800.4
0.4  > 4 Wait 5.4
0.4  ask 3
0.5  @ 3 run number=3
0.5  @= A RUNNING
0.5  gen A
5.4  < 4 WaitElapsed
5.4  > 5 Check 35.4
5.4  ask 5
5.5  @ 5 check number=5
5.5  : 5 IN_PROGRESS
5.6  < 5 StatusReported status=IN_PROGRESS
5.6  > 6 Wait 12
9    made A
9    @= A READY
9    : 3 OK
9.1  < 3 RunFinished
9.1  x 6
9.1  = READY
9.1  > 7 Get 3600
9.1  ask 7
9.2  @ 7 get number=7
9.2  : 7 FILE
9.9  sent 7 whole
9.9  @= A CONSUMED
10   publish whole
10   < 7 FileReceived
10   = CONSUMED
10   > 8 Finish 0
10   ! CONSUMED DELIVERED READY
"""

# `run` is cut by a proxy after a minute; `check` decides (D6); the transfer breaks once, and is fetched again (D21).
LOST_RUN = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
5.2  < 4 StatusReported status=IN_PROGRESS
5.2  > 5 Wait 12
12   < 5 WaitElapsed
12   > 6 Check 42
12.1 < 6 Lost sent=UNKNOWN
12.1 > 7 Wait 20
18   < 2 Lost sent=UNKNOWN
18   x 7
18   > 8 Wait 18.4
18.4 < 8 WaitElapsed
18.4 > 9 Check 48.4
18.5 < 9 StatusReported status=READY
18.5 = READY
18.5 > 10 Get 3600
40   < 10 Lost sent=UNKNOWN
40   > 11 Check 70
40.1 < 11 StatusReported status=READY
40.1 > 12 Get 3600
50   < 12 FileReceived
50   publish whole
50   = CONSUMED
50   ! CONSUMED DELIVERED READY
"""

# The credential expires twice, once in the middle of `run` (D16).
RENEWALS = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.1  < 1 Refused refusal=CREDENTIALS
0.1  > 2 RenewCredentials 30.1
0.2  < 2 CredentialsRenewed
0.2  > 3 Init 30.2
0.3  < 3 TokenIssued token=A
0.3  = RUNNING
0.3  > 4 Run 1800.3
0.3  > 5 Wait 5.3
5.3  < 5 WaitElapsed
5.3  > 6 Check 35.3
5.4  < 6 Refused refusal=CREDENTIALS
5.4  > 7 RenewCredentials 35.4
5.5  < 7 CredentialsRenewed
5.5  > 8 Check 35.5
5.6  < 8 StatusReported status=IN_PROGRESS
5.6  > 9 Wait 10
7    < 4 RunFinished
7    x 9
7    = READY
7    > 10 Get 3600
9    < 10 FileReceived
9    publish whole
9    = CONSUMED
9    ! CONSUMED DELIVERED READY
"""

# A check is refused again right after its renewal, twice over: that ends no live `run` (D19, D16).
REFUSED_TWICE = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
5.2  < 4 Refused refusal=CREDENTIALS
5.2  > 5 RenewCredentials 35.2
5.3  < 5 CredentialsRenewed
5.3  > 6 Check 35.3
5.4  < 6 Refused refusal=CREDENTIALS
5.4  > 7 Wait 11
11   < 7 WaitElapsed
11   > 8 Check 41
11.1 < 8 Refused refusal=CREDENTIALS
11.1 > 9 RenewCredentials 41.1
11.2 < 9 CredentialsRenewed
11.2 > 10 Check 41.2
11.3 < 10 Refused refusal=CREDENTIALS
11.3 > 11 Wait 22
15   < 2 RunFinished
15   x 11
15   = READY
15   > 12 Get 3600
16   < 12 FileReceived
16   publish whole
16   = CONSUMED
16   ! CONSUMED DELIVERED READY
"""

# `run` is lost within 5 s, the server never saw it: unproven, EXPIRED at D1's check, and once more from `init`.
UNPROVEN = """
0    begin preflight=OFF ttl=3.0 expiry_margin=0.5
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 3.5
1    < 2 Lost sent=UNKNOWN
1    x 3
1    > 4 Wait 1.5
1.5  < 4 WaitElapsed
1.5  > 5 Check 31.5
1.6  < 5 StatusReported status=IN_PROGRESS
1.6  > 6 Wait 2.2
2.2  < 6 WaitElapsed
2.2  > 7 Check 32.2
2.3  < 7 StatusReported status=IN_PROGRESS
2.3  > 8 Wait 3.4
3.4  < 8 WaitElapsed
3.4  > 9 Check 33.4
3.5  < 9 StatusReported status=IN_PROGRESS
3.5  = EXPIRED
3.5  = INIT #2
3.5  > 10 Init 33.5
3.6  < 10 TokenIssued token=B
3.6  = RUNNING
3.6  > 11 Run 1803.6
3.6  > 12 Wait 7
4    < 11 RunFinished
4    x 12
4    = READY
4    > 13 Get 3600
5    < 13 FileReceived
5    publish whole
5    = CONSUMED
5    ! CONSUMED DELIVERED READY
"""

# Taken up again by another process after 20 s: all in flight is lost, `check` decides, no second `run` (D43).
RESUMED = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0    save
0    ask 1
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
0.1  save
0.1  ask 2
20.1 restore
20.1 < 2 Lost sent=UNKNOWN
20.1 x 3
20.1 > 4 Wait 20.4
20.1 save
20.4 < 4 WaitElapsed
20.4 > 5 Check 50.4
20.4 save
20.4 ask 5
20.5 < 5 StatusReported status=ERROR
20.5 = ERROR
20.5 ! ERROR GENERATION_FAILED RUNNING
"""

# The token dies while it waits for generation, and the server says so (D1, D41).
EXPIRED = """
0    begin preflight=OFF ttl=6.0
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
5.2  < 4 StatusReported status=IN_PROGRESS
5.2  > 5 Wait 7
7    < 5 WaitElapsed
7    > 6 Check 37
7.1  < 6 Refused refusal=DOWNLOAD_FAILED
7.1  = EXPIRED
7.1  ! EXPIRED EXPIRED RUNNING
"""

# `check` is refused for the format while `run` is out; what `run` says then adds nothing to the question that is asked.
NAMING = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
5.2  < 4 Refused refusal=INVALID_FORMAT
5.2  > 5 ListFormats 35.2
5.3  < 2 Refused refusal=INVALID_FORMAT
6    < 5 FormatsListed csv
6    = ERROR
6    ! ERROR INVALID_FORMAT RUNNING
"""

# A renewal is owed when `run` is refused for the format. It was told to wait past the job's end, and is waited for.
OWED = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
5.2  < 4 Refused refusal=CREDENTIALS
5.2  > 5 RenewCredentials 35.2
"""
WAITED_FOR = (
    OWED
    + """
6    < 5 Refused refusal=BUSY retry_after=5000
6    > 6 Wait 3600
9    < 2 Refused refusal=INVALID_FORMAT
3600 < 6 WaitElapsed
3600 = ERROR
3600 ! ERROR INVALID_FORMAT RUNNING
"""
)

# The same, and the renewal that is on its way is lost, repeated, and comes about: then the alternatives are asked for.
RENEWED_FIRST = (
    OWED
    + """
6    < 2 Refused refusal=INVALID_FORMAT
7    < 5 Lost sent=UNKNOWN
7    > 6 Wait 7.4
7.4  < 6 WaitElapsed
7.4  > 7 RenewCredentials 37.4
8    < 7 CredentialsRenewed
8    > 8 ListFormats 38
9    < 8 FormatsListed csv
9    = ERROR
9    ! ERROR INVALID_FORMAT RUNNING
"""
)

# `run` is refused at the very moment at which a Wait is over: the renewal leaves, is lost, and that is the end.
OVER_AT_ONCE = (
    OWED
    + """
6    < 5 Lost sent=UNKNOWN
6    > 6 Wait 6.4
6.4  < 6 WaitElapsed
6.4  > 7 Check 36.4
7    < 7 Refused refusal=UNAVAILABLE
7    > 8 Wait 12
12   < 2 Refused refusal=INVALID_FORMAT
12   x 8
12   > 9 RenewCredentials 42
13   < 9 Lost sent=UNKNOWN
13   = ERROR
13   ! ERROR INVALID_FORMAT RUNNING
"""
)

# Taken up again from before `run` was refused: what the answer had decided is not known any more (D43).
FORGOTTEN = (
    OWED
    + """
5.2  save
6    < 2 Refused refusal=INVALID_FORMAT
9    restore
9    < 2 Lost sent=UNKNOWN
9.1  < 5 Lost sent=UNKNOWN
9.1  > 6 Wait 9.4
9.4  < 6 WaitElapsed
9.4  > 7 RenewCredentials 39.4
9.5  < 7 CredentialsRenewed
9.5  > 8 Check 39.5
9.6  < 8 StatusReported status=ERROR
9.6  = ERROR
9.6  ! ERROR GENERATION_FAILED RUNNING
"""
)

# A token expires by the clock, its `run` unproven, as a check is told to come back: the next session waits for that.
TOLD_AT_THE_END = """
0    begin preflight=OFF expiry=DOCUMENTED ttl=6.0 first_contact=20.0
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
1    < 2 Lost sent=UNKNOWN
1    x 3
1    > 4 Wait 1.5
1.5  < 4 WaitElapsed
1.5  > 5 Check 31.5
6.2  < 5 Refused refusal=BUSY retry_after=100
6.2  = EXPIRED
6.2  = INIT #2
6.2  > 6 Wait 106.2
106.2 < 6 WaitElapsed
106.2 > 7 Init 136.2
107  < 7 TokenIssued token=B
107  = RUNNING
107  > 8 Run 1907
107  > 9 Wait 112
110  < 8 RunFinished
110  x 9
110  = READY
110  > 10 Get 3600
111  < 10 FileReceived
111  publish whole
111  = CONSUMED
111  ! CONSUMED DELIVERED READY
"""

# The same, told a while before the end; and the server is silent then, for the ordinary ten minutes from its own word.
TOLD_BEFORE = (
    TOLD_AT_THE_END.split("6.2  <")[0]
    + """
2    < 5 Refused refusal=BUSY retry_after=100
2    > 6 Wait 6
6    < 6 WaitElapsed
6    = EXPIRED
6    = INIT #2
6    > 7 Wait 102
102  < 7 WaitElapsed
102  > 8 Init 132
132  < 8 Lost sent=UNKNOWN
132  > 9 Wait 132.5
"""
)

# Told to come back after the job's end: another session, that asks nothing, or none.
TOLD_PAST_THE_END = TOLD_AT_THE_END.replace("retry_after=100", "retry_after=5000").split("6.2  = INIT")[0]
NO_TIME_LEFT = TOLD_PAST_THE_END + "6.2 ! EXPIRED EXPIRED RUNNING run_unproven=True"
WAITS_TO_THE_END = (
    TOLD_PAST_THE_END
    + """
6.2  = INIT #2
6.2  > 6 Wait 3600
3600 < 6 WaitElapsed
3600 = ERROR
3600 ! ERROR TIMED_OUT INIT
"""
)

# `run` is refused for its format while a Retry-After is on: the end at once, or the question once that is over.
TOLD_AND_REFUSED = OWED.split("5.2  <")[0] + "5.2 < 4 Refused refusal=BUSY retry_after=400\n5.2 > 5 Wait 406\n"
UNNAMED = (
    TOLD_AND_REFUSED
    + """
9    < 2 Refused refusal=INVALID_FORMAT
9    = ERROR
9    ! ERROR INVALID_FORMAT RUNNING
"""
)
NAMED_LATER = (
    TOLD_AND_REFUSED
    + """
9    < 2 Refused refusal=INVALID_FORMAT
9    x 5
9    > 6 Wait 405.2
405.2 < 6 WaitElapsed
405.2 > 7 ListFormats 435.2
406  < 7 FormatsListed csv
406  = ERROR
406  ! ERROR INVALID_FORMAT RUNNING
"""
)

# READY while a Retry-After is on: `get` leaves at once, and is told no time, so that it is repeated after a pause; but
# the check that its loss asks for waits as it was told (D19), and so would the next session.
TOLD_NO_TIME = (
    TOLD_AND_REFUSED
    + """
9    < 2 RunFinished
9    x 5
9    = READY
9    > 6 Get 3600
10   < 6 Refused refusal=BUSY
10   > 7 Wait 10.4
10.4 < 7 WaitElapsed
10.4 > 8 Get 3600
11   < 8 Lost sent=UNKNOWN
11   > 9 Wait 405.2
405.2 < 9 WaitElapsed
405.2 > 10 Check 435.2
406  < 10 StatusReported status=READY
406  > 11 Get 3600
407  < 11 FileReceived
407  publish whole
407  = CONSUMED
407  ! CONSUMED DELIVERED READY
"""
)
UNRENEWED = OWED + "6 < 2 Refused refusal=INVALID_FORMAT\n6 = ERROR\n6 ! ERROR INVALID_FORMAT RUNNING"

# A check is told to come back in 20 s; `run`, proven never sent, leaves again meanwhile: its first check waits, too.
SENT_AGAIN = (
    OWED.split("5.2  <")[0]
    + """
5.2  < 4 Refused refusal=BUSY retry_after=20
5.2  > 5 Wait 25.2
6    < 2 Lost sent=NOT_SENT
6    x 5
6    > 6 Wait 6.4
6.4  < 6 WaitElapsed
6.4  > 7 Run 1806.4
6.4  > 8 Wait 25.2
25.2 < 8 WaitElapsed
25.2 > 9 Check 55.2
26   < 9 StatusReported status=ERROR
26   = ERROR
26   ! ERROR GENERATION_FAILED RUNNING
"""
)

# READY, though `run` says ERROR afterwards: `check` has decided (D6). What is left of a Retry-After may be very short.
READY_BESIDE_RUN = OWED.split("5.2  <")[0] + "6 < 4 StatusReported status=READY\n6 = READY\n6 > 5 Get 3600"
CONTRADICTED = (
    READY_BESIDE_RUN
    + """
6.1  < 5 Lost sent=NOT_SENT
6.1  > 6 Wait 6.5
6.2  < 2 StatusReported status=ERROR
6.5  < 6 WaitElapsed
6.5  > 7 Get 3600
7    < 7 FileReceived
7    publish whole
7    = CONSUMED
7    ! CONSUMED DELIVERED READY
"""
)
LEFT_OVER = (
    READY_BESIDE_RUN
    + """
7    < 5 Lost sent=UNKNOWN
7    > 6 Check 37
8    < 6 Refused refusal=BUSY retry_after=2
8    > 7 Wait 10.175
8.2  < 2 Refused refusal=BUSY retry_after=2
10.175 < 7 WaitElapsed
10.175 > 8 Wait 10.2
10.2 < 8 WaitElapsed
10.2 > 9 Check 40.2
11   < 9 StatusReported status=ERROR
11   = ERROR
11   ! ERROR GENERATION_FAILED READY
"""
)

# While the alternatives are asked for, `run` may finish, and the token may grow old: neither is asked about any more.
NAMING_AND_DONE = NAMING.replace("2 Refused refusal=INVALID_FORMAT", "2 RunFinished")
NAMING_AND_OLD = (
    NAMING.split("5.3  <")[0].replace("preflight=OFF", "preflight=OFF ttl=6.5")
    + """
7.3  < 5 Lost sent=UNKNOWN
7.3  > 6 Wait 7.7
7.7  < 6 WaitElapsed
7.7  > 7 ListFormats 37.7
8    < 7 FormatsListed csv
8    = ERROR
8    ! ERROR INVALID_FORMAT RUNNING
"""
)

# What `run` says then need not be a valid answer that ends a silence (D12, D19): a wait is cut as if it were none.
NAMING_AND_SILENT = (
    NAMING_AND_DONE.split("6    <")[0].replace("preflight=OFF", "preflight=OFF silence=30.0 first_contact=30.0")
    + """
30   < 5 Refused refusal=BUSY retry_after=25
30   > 6 Wait 30.1
30.1 < 6 WaitElapsed
30.1 = ERROR
30.1 ! ERROR TIMED_OUT RUNNING
"""
)

# A silence is counted from the loss of `run` (D19), and a wait that was told is cut there.
CUT_BY_SILENCE = (
    OWED.split("5.2  <")[0].replace("preflight=OFF", "preflight=OFF silence=30.0 first_contact=30.0")
    + """
5.2  < 4 StatusReported status=IN_PROGRESS
5.2  > 5 Wait 12
9    < 2 Lost sent=UNKNOWN
9    x 5
9    > 6 Wait 9.4
9.4  < 6 WaitElapsed
9.4  > 7 Check 39.4
9.5  < 7 Refused refusal=UNAVAILABLE
9.5  > 8 Wait 10
10   < 8 WaitElapsed
10   > 9 Check 39
11   < 9 Refused refusal=BUSY retry_after=100
11   > 10 Wait 39
39   < 10 WaitElapsed
39   = ERROR
39   ! ERROR UNREACHABLE RUNNING
"""
)

# A token of 300 s that no `run` used is given up: when `run` is refused for its credential, or its check is cut there.
SECOND_SESSION = """
{0} = EXPIRED
{0} = INIT #2
{0} > 5 Init {1}
45   < 5 Refused refusal=ELEMENT_NOT_FOUND
45   = ERROR
45   ! ERROR NOT_FOUND INIT
"""
UNUSED = """
0    begin preflight=OFF ttl=20.0
0    = INIT
0    > 1 Init 30
29   < 1 TokenIssued token=A
29   = RUNNING
29   > 2 Run 1829
29   > 3 Wait 34
29.5 < 2 Refused refusal=CREDENTIALS
29.5 x 3
""" + SECOND_SESSION.format(29.5, 59.5)
UNUSED_ON_A_GRID = """
21.05 begin preflight=OFF ttl=20.0
21.05 = INIT
21.05 > 1 Init 51.05
21.1 < 1 TokenIssued token=A
21.1 = RUNNING
21.1 > 2 Run 1821.1
21.1 > 3 Wait 26.1
26.1 < 3 WaitElapsed
26.1 > 4 Check 41.05
30   < 2 Lost sent=NOT_SENT
41.05 < 4 Lost sent=UNKNOWN
""" + SECOND_SESSION.format(41.05, 71.05)

# The clock ends the token under a lost transfer, a hair too soon for who counts the hairs: either name, either budget.
LOST_ON_A_GRID = """
0    begin preflight=OFF expiry=DOCUMENTED ttl=6.0
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 6
0.1  > 3 Wait 5.1
1    < 2 RunFinished
1    x 3
1    = READY
1    > 4 Get 3600
2    < 4 Lost sent=UNKNOWN
2    > 5 Check 6
5.999 < 5 Lost sent=UNKNOWN
5.999 = ERROR
5.999 ! ERROR TRANSFER_LOST READY
"""

# A `get` waits as it was told; `run` says OK as the Wait is over, and takes it away: it was a pause all the same (I13).
PAUSED_ALL_THE_SAME = """
0    begin preflight=OFF
0    = INIT
0    > 1 Init 30
0.1  < 1 TokenIssued token=A
0.1  = RUNNING
0.1  > 2 Run 1800.1
0.1  > 3 Wait 5.1
5.1  < 3 WaitElapsed
5.1  > 4 Check 35.1
35   < 4 StatusReported status=READY
35   = READY
35   > 5 Get 3600
332  < 5 Refused refusal=BUSY retry_after=1.0
332  > 6 Wait 333
333  < 2 RunFinished
333  x 6
333  > 7 Get 3600
338  < 7 FileReceived
338  publish whole
338  = CONSUMED
338  ! CONSUMED DELIVERED READY
"""

# A Retry-After is no silence (D19): the wait that was told at 20 is over at 22, and with it begins what ends at 52.
TOLD_IN_TIME = """
0    begin preflight=OFF silence=30.0 first_contact=30.0
0    = INIT
0    > 1 Init 30
20   < 1 Refused refusal=BUSY retry_after=2
20   > 2 Wait 22
22   < 2 WaitElapsed
22   > 3 Init 52
31   < 3 Refused refusal=BUSY
31   > 4 Wait 31.5
31.5 < 4 WaitElapsed
31.5 > 5 Init 61.5
53   < 5 Refused refusal=BUSY
53   = ERROR
53   ! ERROR SERVER_ERROR INIT
"""

GOOD = {
    "section 7": SECTION_7,
    "lost run": LOST_RUN,
    "renewals": RENEWALS,
    "refused twice": REFUSED_TWICE,
    "unproven": UNPROVEN,
    "resumed": RESUMED,
    "expired": EXPIRED,
    "naming": NAMING,
    "a renewal that is waited for": WAITED_FOR,
    "renewed first": RENEWED_FIRST,
    "a wait that is over at once": OVER_AT_ONCE,
    "renewed first and forgotten": FORGOTTEN,
    "told at the end of a session": TOLD_AT_THE_END,
    "no time for another session": NO_TIME_LEFT,
    "another session waits to the job's end": WAITS_TO_THE_END,
    "the alternatives are not waited for": UNNAMED,
    "the alternatives are waited for": NAMED_LATER,
    "a get that is told no time": TOLD_NO_TIME,
    "the alternatives need no renewal": UNRENEWED,
    "a first check waits for a Retry-After": SENT_AGAIN,
    "ready though run says error": CONTRADICTED,
    "the rest of a Retry-After": LEFT_OVER,
    "run finishes while the alternatives are asked for": NAMING_AND_DONE,
    "run finishes while the alternatives are asked for, and is not heard": NAMING_AND_SILENT,
    "a token grows old while the alternatives are asked for": NAMING_AND_OLD,
    "a wait is cut where a silence from the loss of run ends": CUT_BY_SILENCE,
    "a token that no run used": UNUSED,
    "a token that no run used, on a grid": UNUSED_ON_A_GRID,
    "a lost transfer, on a grid": LOST_ON_A_GRID,
    "a 429 that names a time is no silence": TOLD_IN_TIME,
    "a pause that run takes away when it is over": PAUSED_ALL_THE_SAME,
}


@pytest.mark.rules("R12", "R18", "R21", "R24", "D1", "D6", "D12", "D16", "D21", "D43")
@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_right_run_is_found_right(text: str) -> None:
    assert judge(parse(text)) == []


@pytest.mark.rules("I9")
def test_the_same_run_twice_is_the_same() -> None:
    assert differences(parse(LOST_RUN), parse(LOST_RUN)) == []
    other = parse(LOST_RUN.replace("> 8 Wait 18.4", "> 8 Wait 18.3"))
    assert [one.rule for one in differences(parse(LOST_RUN), other)] == ["I9"]
    assert [one.rule for one in differences(parse(LOST_RUN), parse(LOST_RUN)[:-1])] == ["I9"]
