"""Jobs driven by hand, so that a trace is written in no time and says the same each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from reportdl.trace import Trace, read_trace, recording
from reportdl_core.download import Download
from reportdl_core.events import Event
from reportdl_core.job import Job
from reportdl_core.policy import Policy

START = 98_765.432_1


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Trace]:
    """Makes the trace of a job to which a story happened, at these seconds after it began."""

    def record(story: Iterable[tuple[float, Event]], *, policy: Policy | None = None) -> Trace:
        job = Job(element=1042, format="pdf")
        download = Download(job, policy=policy or Policy(), seed=7, now=START)
        observer = recording(tmp_path / "job.jsonl")(download)
        observer.moved(None, download.outstanding, now=START)
        for at, event in story:
            observer.moved(event, download.receive(event, now=START + at), now=START + at)
        observer.close()
        return read_trace(tmp_path / "job.jsonl")

    return record
