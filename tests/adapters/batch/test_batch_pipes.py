"""A list that comes by a pipe, a reader of stdout that leaves, and signals while somebody else takes their time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import reportdl
import reportdl.batch
from tests.adapters.batch.conftest import COMMAND, environment

LIST = b"element,format,name\n1042,csv,r0\n1042,pdf,r1\n"
TO = ("-o", "out", "--ledger", "night.ledger")


def started(desk: Any, *words: str, url: str, **options: Any) -> subprocess.Popen[bytes]:
    """The command with descriptors of the test's own."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*COMMAND, *words], cwd=desk.folder, env=environment(url), **pipes)


def piped(content: bytes = LIST) -> int:
    """The end of a pipe that holds all of a list, and whose writer has gone."""
    end, other = os.pipe()
    os.write(other, content)
    os.close(other)
    return end


def test_a_list_from_a_pipe_is_read_once(desk, serving):
    """As `<(...)` gives it: what is read of it is gone."""
    end, server = piped(), serving()
    process = started(desk, "batch", f"/dev/fd/{end}", *TO, url=server.url, pass_fds=(end,))
    os.close(end)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err.decode()
    assert len(out.splitlines()) == 2
    assert desk.files == ["r0.csv", "r1.pdf"]
    assert desk.run("resume", "night.ledger", url=server.url).code == 0
    assert server.count("run") == 2


def test_a_pipe_has_no_place_for_a_ledger_beside_it(desk):
    end = piped()
    process = started(desk, "batch", f"/dev/fd/{end}", url="https://mi.example.com", pass_fds=(end,))
    os.close(end)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 2
    assert "jobs from stdin or a pipe need a --ledger" in err.decode()
    assert list(desk.folder.iterdir()) == []


def test_a_pipe_by_a_name_of_its_own(desk, serving, tmp_path):
    """From Python, by a path that stands for a pipe."""
    end, server = piped(), serving()
    far = reportdl.batch.Server(server.url, credentials=reportdl.Token("any"))
    try:
        summary = reportdl.batch.run(f"/dev/fd/{end}", far, ledger=desk.ledger, to=str(desk.folder / "out"))
    finally:
        os.close(end)
    assert (summary.ok, summary.done, summary.source) == (True, 2, None)


# -- whoever reads stdout -------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), pytest.param(("--json",), marks=pytest.mark.deep)])
def test_a_reader_of_stdout_that_leaves_is_no_bug(desk, serving, more):
    desk.jobs(*(f"1042,csv,r{number}" for number in range(6)))
    server = serving()
    process = started(desk, "batch", "night.csv", "-o", "out", *more, url=server.url)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None  # for communicate
    _, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (141, b"")
    resumed = desk.run("resume", "night.ledger", url=server.url)
    assert resumed.code == 0, resumed.err
    assert len(desk.files) == 6
    assert server.count("run") == server.count("init")  # what was under way was taken up


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_stdout_that_takes_nothing_is_no_bug(desk, serving):
    desk.jobs("1042,csv,r0")
    with Path("/dev/full").open("wb") as full:
        process = started(desk, "batch", "night.csv", "-o", "out", url=serving().url, stdout=full)
        _, err = process.communicate(timeout=40)
    said = err.decode()
    assert process.returncode == 1
    assert "stdout did not take the result: No space left on device" in said
    assert "bug" not in said
    assert desk.files == ["r0.csv"]


# -- whoever makes the list -----------------------------------------------------------------------


@pytest.mark.rules("D38")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.deep)]
)
def test_a_list_that_takes_its_time_does_not_keep_the_batch_from_its_end(desk, number, code):
    process = started(desk, "batch", "-", *TO, url="http://127.0.0.1:9", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        process.stdin.write(LIST)  # and never says that this is all
        process.stdin.flush()
        while not list(desk.folder.glob("out/.reportdl-held-*")):
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(number)
        process.wait(timeout=10)
        said = process.stderr.read().decode()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == code
    assert "go on with: reportdl resume" in said
    assert "Fatal" not in said


@pytest.mark.deep
def test_a_stdin_that_is_closed_has_no_jobs(desk):
    words = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "batch", "-", *TO]
    env = environment("https://mi.example.com")
    ran = subprocess.run(words, cwd=desk.folder, env=env, capture_output=True, timeout=40, check=False)
    assert ran.returncode == 2
    assert b"stdin is closed, so that there are no jobs to read" in ran.stderr
