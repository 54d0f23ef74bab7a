"""Traces of a batch: a file for every job that was begun, readable, replayable, and without a secret."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

import reportdl
import reportdl.batch
from reportdl.batch import Budget, Traces
from reportdl.trace import TraceUnwritable, read_trace, replay
from reportdl_core.commands import Finish
from reportdl_core.errors import Reason
from reportdl_core.lifecycle import State

JOBS = [(1043, "csv"), (9999, "csv"), (1043, "xls"), (1043, "pdf")]


def batch(server: Any, folder: Path, traces: Traces, jobs: Any = JOBS, **more: Any) -> reportdl.batch.Summary:
    far = {"emea": reportdl.batch.Server(server.url, credentials=reportdl.Token("canary-credential"))}
    asked = (reportdl.Job(element=element, format=key) for element, key in jobs)
    options = {"ledger": folder / "ledger", "to": str(folder / "out"), "budget": Budget(attempts=2, pause=0.01)}
    return reportdl.batch.run(asked, far, traces=traces, **{**options, **more})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "traces").iterdir())


@pytest.mark.rules("D39", "D12")
def test_every_job_has_a_trace_also_one_that_was_over_at_once(serving, tmp_path):
    server = serving()
    summary = batch(server, tmp_path, Traces(tmp_path / "traces"), at_once=1)
    assert (summary.done, summary.failed) == (2, 2)
    assert names(tmp_path) == [
        "000001-emea-1043-0-csv.jsonl",
        "000002-emea-9999-0-csv.jsonl",
        "000003-emea-1043-0-xls.jsonl",
        "000004-emea-1043-0-pdf.jsonl",
    ]
    traces = [read_trace(tmp_path / "traces" / name) for name in names(tmp_path)]
    ends = [end.outcome.reason for trace in traces for end in trace.moves[-1].new if isinstance(end, Finish)]
    assert ends == [Reason.DELIVERED, Reason.NOT_FOUND, Reason.INVALID_FORMAT, Reason.DELIVERED]
    assert [trace.formats is None for trace in traces] == [True, True, False, False]  # asked once for the element
    for trace in traces:
        assert replay(trace).differences == ()
    text = "".join((tmp_path / "traces" / name).read_text() for name in names(tmp_path))
    for secret in ("canary-credential", server.url, str(tmp_path)):
        assert secret not in text
    for call in server.calls:
        assert (token := call.target.partition("token=")[2].partition("&")[0]) == "" or token not in text


def test_those_of_jobs_that_went_well_may_be_left_out_and_a_second_try_has_its_own(serving, tmp_path):
    server = serving(faults=["get.cut_at=10:4"])  # twice two transfers: the job's own budget is used up, once
    traces = Traces(tmp_path / "traces", failed_only=True)
    assert batch(server, tmp_path, traces, jobs=[(1042, "csv"), (1044, "csv")], at_once=1).failed == 1
    assert names(tmp_path) == ["000001-emea-1042-0-csv.jsonl", "000002-emea-1044-0-csv.jsonl"]
    assert batch(server, tmp_path, traces, jobs=[(1042, "csv"), (1044, "csv")]).failed == 1
    assert names(tmp_path)[-1] == "000002-emea-1044-0-csv.jsonl"
    again = batch(server, tmp_path, Traces(tmp_path / "traces"), jobs=[], again=reportdl.batch.Again.ALL)
    assert again.failed == 1
    assert names(tmp_path)[1:] == ["000002-emea-1044-0-csv (2).jsonl", "000002-emea-1044-0-csv.jsonl"]


@pytest.mark.rules("I10")
def test_a_folder_that_takes_none_is_found_out_before_anything(serving, tmp_path):
    server = serving()
    (tmp_path / "traces").write_text("a file")
    with pytest.raises(TraceUnwritable, match="no traces can be written to"):
        batch(server, tmp_path, Traces(tmp_path / "traces"))
    assert server.calls == ()


def test_a_disk_that_fills_up_costs_traces_and_no_report(serving, tmp_path, monkeypatch):
    def full(self: Traces, row: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Traces, "taken", full)
    traces = Traces(tmp_path / "traces")
    assert batch(serving(), tmp_path, traces, jobs=[(1042, "csv"), (1042, "pdf")]).ok
    assert traces.broken is not None
    assert "No space left" in traces.broken


@pytest.mark.rules("D43")
def test_the_command_traces_what_it_takes_up_as_well(desk, serving):
    server = serving(generation_seconds=1.5)
    desk.jobs("1042,csv,r0")
    words = ("--trace", "traces")
    first = desk.start("batch", "night.csv", "-o", "out", *words, url=server.url)
    server.wait_for("run")
    desk.kill(first)
    assert desk.run("resume", "night.ledger", *words, url=server.url).code == 0
    assert names(desk.folder) == ["000002-1042-0-csv (2).jsonl", "000002-1042-0-csv.jsonl"]
    taken_up, died = (read_trace(desk.folder / "traces" / name) for name in names(desk.folder))
    assert (died.snapshot, died.moves[-1].state) == (None, State.RUNNING)
    assert taken_up.snapshot is not None
    assert taken_up.moves[-1].state is State.CONSUMED
    refused = desk.run("resume", "night.ledger", "--trace-failed", url=server.url)
    assert (refused.code, "--trace-failed says which" in refused.err) == (2, True)
