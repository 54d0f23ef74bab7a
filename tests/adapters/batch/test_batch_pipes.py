"""A list that comes by a pipe, a reader of stdout that leaves, and signals while somebody else takes their time."""

from __future__ import annotations

import os
import subprocess
from typing import Any

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
