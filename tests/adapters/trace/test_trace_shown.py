"""How a trace reads: as a transcript and as a diagram."""

from __future__ import annotations

from collections.abc import Callable

from reportdl.trace import Arrow, Trace, diagram, head, line, transcript
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Event,
    FileReceived,
    FormatsListed,
    Lost,
    Refused,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.outcome import Receipt
from reportdl_core.secret import Secret

Record = Callable[..., Trace]

RECEIPT = Receipt(
    path=None,
    filename="a.pdf",
    content_type="application/pdf",
    size=9000,
    sha256="0",
    length_verified=True,
)
STORY: list[tuple[float, Event]] = [
    (0.1, FormatsListed(number=1, formats=("pdf", "csv"))),
    (0.2, TokenIssued(number=2, token=Secret("abcDEF123%3D"))),
    (5.21, WaitElapsed(number=4)),
    (5.3, Refused(number=5, refusal=Refusal.BUSY, message="slow; down <b>", code=429, retry_after=0.5)),
    (6.2, Lost(number=3, sent=Sent.UNKNOWN, message="connection reset")),
    (7.9, WaitElapsed(number=7)),
    (8.0, StatusReported(number=8, status=Status.READY)),
    (8.5, FileReceived(number=9, receipt=RECEIPT)),
]

TRANSCRIPT = """\
     0.000         == INIT
            other  <<   1 formats
     0.100  other  >>   1 pdf, csv
            other  <<   2 init
     0.200  other  >>   2 a token
                   == RUNNING
            run    <<   3 run pdf
            other  <<   4 wait 5.0 s
     5.210  other  >>   4 elapsed
            other  <<   5 check
     5.300  other  >>   5 429 busy: slow; down <b>, again after 0.5 s
            other  <<   6 wait 3.8 s
     6.200  run    >>   3 lost, perhaps sent: connection reset
            other  x    6 superseded
            other  <<   7 wait 0.5 s
     7.900  other  >>   7 elapsed
            other  <<   8 check
     8.000  other  >>   8 READY
                   == READY
            other  <<   9 get pdf
     8.500  other  >>   9 a.pdf, 9,000 bytes
                   == CONSUMED: delivered
"""

DIAGRAM = """\
sequenceDiagram
    participant other as connection for all else
    participant server as server, element 1042/0
    participant running as connection for run
    Note over other,running: INIT
    other->>server: formats
    server-->>other: pdf, csv (0.1 s)
    other->>server: init
    server-->>other: a token (0.2 s)
    Note over other,running: RUNNING
    running->>server: run pdf
    Note right of other: wait 5.0 s
    other->>server: check
    server-->>other: #10007; 429 busy#58; slow#59; down #60;b#62;, again after 0.5 s (5.3 s)
    Note right of other: wait 3.8 s
    server--xrunning: #10007; lost, perhaps sent#58; connection reset (6.2 s)
    Note right of other: wait 0.5 s
    other->>server: check
    server-->>other: READY (8.0 s)
    Note over other,running: READY
    other->>server: get pdf
    server-->>other: a.pdf, 9,000 bytes (8.5 s)
    Note over other,running: CONSUMED#58; delivered (8.5 s)
"""


def test_a_trace_reads_as_a_transcript(recorded: Record) -> None:
    trace = recorded(STORY)
    assert "\n".join([*(line(row) for row in transcript(trace)), ""]) == TRANSCRIPT
    assert head(trace).startswith("element 1042, segment 0, pdf; 20")
    assert [row.words for row in transcript(trace) if row.trouble] == [
        "429 busy: slow; down <b>, again after 0.5 s",
        "lost, perhaps sent: connection reset",
    ]
    assert {row.arrow for row in transcript(trace)} == set(Arrow)


def test_a_trace_is_a_diagram_in_which_a_server_s_words_draw_nothing(recorded: Record) -> None:
    assert diagram(recorded(STORY)) == DIAGRAM
