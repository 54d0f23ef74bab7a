"""What a job did: recorded move by move, read as a transcript or a diagram, decided again by today's core.

    from reportdl.trace import read_trace, recording, replay

    client.download(1042, format="pdf", observe=recording("job.jsonl"))
    assert replay(read_trace("job.jsonl")).same

A trace holds no token, no credential, no URL and no folder. Built on the client, which knows nothing of it.
"""

from __future__ import annotations

from reportdl.trace.diagram import diagram
from reportdl.trace.reading import Moved, Trace, TraceDamaged, parse_trace, read_trace
from reportdl.trace.recording import Recording, TraceUnwritable, recording
from reportdl.trace.replaying import Difference, Kind, Replay, replay
from reportdl.trace.transcript import Arrow, Row, head, line, transcript

__all__ = [
    "Arrow",
    "Difference",
    "Kind",
    "Moved",
    "Recording",
    "Replay",
    "Row",
    "Trace",
    "TraceDamaged",
    "TraceUnwritable",
    "diagram",
    "head",
    "line",
    "parse_trace",
    "read_trace",
    "recording",
    "replay",
    "transcript",
]
