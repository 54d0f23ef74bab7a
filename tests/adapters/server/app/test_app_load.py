"""Many sessions at once: nobody waits for somebody else's generation, and in the end nothing is left of any of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer, Switches

POOL, RUNS, CHECKS = 4, 60, 100


@pytest.mark.rules("R19", "R20", "D8")
def test_a_hundred_checks_and_ten_files_pass_sixty_runs(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    running = serving(sources=[source], generations_at_once=POOL)
    caller.port = running.port
    ready = [caller.ready() for _ in range(10)]
    tokens = [caller.token(7000) for _ in range(RUNS)]
    before = source.made
    runs = [caller.begin(caller.path("run", 7000, token=token, format="pdf")) for token in tokens]
    try:
        running.wait_for("run", 10 + RUNS)
        soon(lambda: source.made == before + POOL)
        # The gate is shut: whatever is answered from here on did not wait for a generation.
        for nth in range(CHECKS):
            assert caller.state("check", 7000, token=tokens[nth % RUNS]).json == {"status": "IN PROGRESS"}
        for token in ready:
            assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"
        assert caller.token()
        assert source.made == before + POOL
        source.gate.set()
        assert [caller.answer(run).json for run in runs] == [{"status": "OK"}] * RUNS
        assert source.made == before + RUNS
        assert [one.generations for one in running.sessions()] == [1] * (10 + RUNS) + [0]
    finally:
        for run in runs:
            run.close()


@pytest.mark.rules("R15", "R16", "D36")
def test_after_the_ttl_store_and_disk_are_empty_generations_under_way_included(
    source: Any, caller: Any, soon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    switches = Switches(ttl=1.0, remember=0.5, max_age=60.0)
    with LoopbackServer(sources=[source], switches=switches, generations_at_once=2) as running:
        caller.port = running.port
        caller.token()  # never run
        caller.ready()  # never fetched
        spent = caller.ready()
        caller.state("get", token=spent, format="pdf")
        failed = caller.token(5000)
        caller.state("run", 5000, token=failed, format="pdf")
        # Two in their threads, two that wait for one.
        held = [caller.begin(caller.path("run", 7000, token=caller.token(7000), format="pdf")) for _ in range(4)]
        running.wait_for("run", 7)
        soon(lambda: source.made == 5)
        assert sorted(one.state.name for one in running.sessions()) == sorted(
            ["INIT", "READY", "CONSUMED", "ERROR", *["RUNNING"] * 4]
        )
        assert len(list(tmp_path.glob("reportdl-*/*"))) == 3
        for run in held:
            with run:
                assert caller.answer(run).json == {"status": "ERROR", "message": "Download failed"}
        soon(lambda: running.sessions() == ())
        # A thread cannot be stopped: its directory goes when it is done, and nobody's session with it.
        soon(lambda: len(list(tmp_path.glob("reportdl-*/*"))) == 2)
        source.gate.set()
        soon(lambda: not list(tmp_path.glob("reportdl-*/*")))
        assert source.made == 5, "a generation that nobody wanted any more was begun"
        assert running.sessions() == ()
    assert not list(tmp_path.iterdir())
