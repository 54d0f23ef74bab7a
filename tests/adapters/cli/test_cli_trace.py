"""`get --trace`, `trace` and `replay` as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer

Run = Callable[..., Any]
Serving = Callable[..., LoopbackServer]


@pytest.mark.rules("D39", "I9")
def test_a_job_is_recorded_shown_drawn_and_decided_again(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    server = serving(faults=["run.drop_after=0.1:1"], generation_seconds=0.3)
    ran = reportdl("get", "1042", "-f", "csv", "-o", "out/", "--trace", "job.jsonl", url=server.url)
    assert ran.code == 0
    shown = reportdl("trace", "job.jsonl")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("element 1042, segment 0, csv; ")
    assert "run    <<   3 run csv\n" in shown.out
    assert shown.out.endswith("== CONSUMED: delivered\n")
    assert "\x1b" not in shown.out
    drawn = reportdl("trace", "job.jsonl", "--mermaid")
    assert drawn.out.startswith("sequenceDiagram\n")
    again = reportdl("replay", "job.jsonl")
    moves = len((tmp_path / "job.jsonl").read_text().splitlines()) - 1
    assert (again.code, again.out.partition(":")[0]) == (0, f"{moves} moves")


def test_another_policy_decides_otherwise_and_the_exit_code_says_so(reportdl: Run, serving: Serving) -> None:
    url = serving(faults=["run.drop_after=0.1:1"], generation_seconds=0.3).url
    assert reportdl("get", "1042", "-f", "csv", "-o", "out/", "--trace", "job.jsonl", url=url).code == 0
    ran = reportdl("replay", "job.jsonl", "--policy", "job_timeout=2", "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["same"], said["differences"][0]["kind"]) == (1, False, "deadline")
    assert "  + 1 formats, until 2.000 s\n" in reportdl("replay", "job.jsonl", "--policy", "job_timeout=2").out
    ran = reportdl("replay", "job.jsonl", "--policy", "mood=good")
    assert (ran.code, "no member of a policy" in " ".join(ran.err.split())) == (2, True)
    ran = reportdl("replay", "job.jsonl", "--policy", "strict=maybe")
    assert (ran.code, "strict takes yes|no" in " ".join(ran.err.split())) == (2, True)


def test_what_is_no_trace_is_told_in_one_line(reportdl: Run, tmp_path: Path) -> None:
    (tmp_path / "job.jsonl").write_text("hello\n")
    for command in ("trace", "replay"):
        ran = reportdl(command, "job.jsonl")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == "reportdl: not a trace: line 1 is no JSON object\n"


def test_a_trace_that_cannot_be_written_is_told_before_anything_is_asked(reportdl: Run, serving: Serving) -> None:
    server = serving()
    ran = reportdl("get", "1042", "-f", "csv", "--trace", "no/job.jsonl", url=server.url)
    assert (ran.code, server.calls) == (2, ())
    assert ran.err == "reportdl: the trace cannot be written: No such file or directory\n"
