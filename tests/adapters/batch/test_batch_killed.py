"""Killed with -9 wherever it hurts, and started again: nothing is generated or fetched twice, or the ledger says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reportdl.batch.ledger import Ledger

BATCH = ("batch", "night.csv", "-o", "out", "--jobs", "4")
FOUR = [f"1042,csv,r{number}" for number in range(4)]
FILES = [f"r{number}.csv" for number in range(4)]


def generations(server: Any) -> int:
    """How many files the endpoint was made to generate: one for each session that was run."""
    return server.count("run")


@pytest.mark.rules("D43", "I3")
def test_killed_while_generating_every_job_is_taken_up_by_check(desk, serving):
    server = serving(generation_seconds=2.0, generations_at_once=8)
    desk.jobs(*FOUR)
    first = desk.start(*BATCH, url=server.url)
    server.wait_for("run", 4)
    desk.kill(first)
    assert desk.rows("state") == ["running"] * 4
    second = desk.run(*BATCH, url=server.url)
    assert second.code == 0
    assert desk.files == FILES
    assert (server.count("init"), generations(server), server.count("get")) == (4, 4, 4)
    assert server.count("check") >= 4
    assert desk.rows("state, runs, note") == [("done", 1, None)] * 4
    assert server.count("formats") == 1  # once for the element, over both starts (D12)


@pytest.mark.rules("D30", "D43")
def test_killed_while_generating_a_job_is_taken_up_at_its_own_node(desk, serving):
    """The cookie that `init` set stands in the ledger, sealed, and goes with whatever the next process asks."""
    server = serving(generation_seconds=1.0, faults=["init.cookie_lock"])
    desk.jobs(FOUR[0])
    words = (*BATCH, "--affinity-cookie", "reportdl_session")
    first = desk.start(*words, url=server.url)
    server.wait_for("run")
    desk.kill(first)
    (cookie,) = {value for call in server.calls for name, value in call.headers if name == "cookie"}
    assert cookie == "***"  # the endpoint keeps it to itself
    assert desk.run(*words, url=server.url).code == 0
    assert desk.files == FILES[:1]
    sent = {call.state: "cookie" in dict(call.headers) for call in server.calls}
    assert sent == {"formats": False, "init": False, "run": True, "check": True, "get": True}


@pytest.mark.deep
@pytest.mark.rules("D43")
def test_a_second_start_of_a_finished_batch_asks_nothing(desk, serving):
    server = serving()
    desk.jobs(*FOUR)
    assert desk.run(*BATCH, url=server.url).code == 0
    before = len(server.calls)
    again = desk.run(*BATCH, url=server.url)
    assert (again.code, again.out, len(server.calls)) == (0, "", before)
    assert ": nothing was left to do" in again.err
    desk.jobs(*FOUR, "1042,pdf,r4")  # a line is added: it alone is brought
    assert desk.run(*BATCH, url=server.url).out.endswith("r4.pdf\n")
    assert generations(server) == 5


# Where in a delivery the process dies, by the call that it does not survive.
DEATHS = {
    "before the name is told": "reportdl.batch.ledger.Ledger.choose",
    "before the name is taken": "os.link",
    "before the held one is let go": "os.unlink",
    "before it is called done": "reportdl.batch.ledger.Ledger.update:ended",
}

SCRIPT = """
import os, runpy, sys
from reportdl.batch.ledger import Ledger

death = sys.argv.pop(1)
if death.startswith("os."):
    name = death[3:]
    real = getattr(os, name)
    def fatal(path, *more, **options):
        if "reportdl-held" in str(path) and not str(path).endswith(".part"):
            os.kill(os.getpid(), 9)
        return real(path, *more, **options)
    setattr(os, name, fatal)
elif death.endswith("publish"):
    from reportdl.batch.holding import HoldingSink
    HoldingSink.publish = lambda self, **options: os.kill(os.getpid(), 9)
elif death.endswith("choose"):
    Ledger.choose = lambda self, row, path: os.kill(os.getpid(), 9)
else:
    column = death.rpartition(":")[2]
    real = Ledger.update
    def fatal(self, row, **values):
        if column in values:
            os.kill(os.getpid(), 9)
        return real(self, row, **values)
    Ledger.update = fatal
sys.argv[0] = "reportdl"
runpy.run_module("reportdl", run_name="__main__")
"""


def dying(desk: Any, server: Any, death: str, words: tuple[str, ...]) -> Any:
    """Run the command in a process that kills itself there."""
    env = {**os.environ, "REPORTDL_URL": server.url, "REPORTDL_TOKEN": "any", "NO_PROXY": "*"}
    command = [sys.executable, "-c", SCRIPT, death, *words]
    return subprocess.run(command, cwd=desk.folder, env=env, capture_output=True, timeout=50, check=False)


@pytest.mark.rules("D21", "D43")
def test_a_file_served_to_a_process_that_died_is_generated_again_and_named(desk, serving):
    server = serving()
    desk.jobs("1042,csv,r0")
    died = dying(desk, server, "reportdl.batch.holding.HoldingSink.publish", BATCH)  # all of it came, nothing is kept
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert desk.run("resume", "night.ledger", url=server.url).code == 0
    assert desk.files == ["r0.csv"]
    assert generations(server) == 2
    ((state, runs, note),) = desk.rows("state, runs, note")
    assert (state, runs) == ("done", 2)
    assert "served to a process that died before it kept it" in note


@pytest.mark.deep
@pytest.mark.rules("I10", "D43")
@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
@pytest.mark.parametrize("clash", ["", "--overwrite"], ids=["suffix", "overwrite"])
def test_killed_in_the_middle_of_a_delivery(desk, serving, death, clash):
    server = serving()
    desk.jobs("1042,csv,r0")
    words = (*BATCH, *([clash] if clash else []))
    died = dying(desk, server, death, words)
    if clash and death.startswith("os."):
        assert died.returncode == 0  # a rename takes the name and lets go in one step: there is no such moment
    else:
        assert died.returncode == -signal.SIGKILL, died.stderr
    again = desk.run(*words, url=server.url)
    assert again.code == 0, again.err
    assert desk.files == ["r0.csv"]
    assert (generations(server), server.count("get")) == (1, 1)
    assert desk.rows("state, runs") == [("done", 1)]


@pytest.mark.rules("D38")
def test_ctrl_c_stops_and_says_how_to_go_on(desk, serving):
    server = serving(generation_seconds=2.0)
    desk.jobs(*FOUR)
    process = desk.start(*BATCH, url=server.url)
    server.wait_for("run", 4)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, b"")
    assert "reportdl resume" in err.decode()
    assert [name for name in desk.files if not name.startswith(".")] == []
    assert desk.run("resume", "night.ledger", url=server.url).code == 0
    assert desk.files == FILES
    assert generations(server) == 4


@pytest.mark.deep
@pytest.mark.rules("D39")
def test_a_lost_key_costs_a_generation_and_is_named(desk, serving):
    server = serving(generation_seconds=1.0)
    desk.jobs("1042,csv,r0")
    first = desk.start(*BATCH, url=server.url)
    server.wait_for("run")
    desk.kill(first)
    Path(f"{desk.ledger}.key").unlink()
    assert desk.run("resume", "night.ledger", url=server.url).code == 0
    (note,) = desk.rows("note")
    assert "begun again: the checkpoint" in note
    assert generations(server) == 2


@pytest.mark.deep
@pytest.mark.rules("I2")
def test_a_ledger_is_not_taken_to_another_server(desk, serving):
    one, other = serving(), serving()
    desk.jobs("1042,csv,r0")
    assert desk.run(*BATCH, url=one.url).code == 0
    refused = desk.run("resume", "night.ledger", url=other.url)
    assert refused.code == 2
    assert "is a batch of" in refused.err
    assert other.calls == ()


@pytest.mark.deep
def test_two_at_one_ledger(desk, serving):
    server = serving()
    desk.jobs("1042,csv,r0")
    with Ledger(desk.ledger):
        refused = desk.run(*BATCH, url=server.url)
    assert refused.code == 2
    assert "another process is working on" in refused.err
    assert server.calls == ()
