"""The page of a batch is asked for beside it: what goes wrong with it costs nothing of the batch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.adapters.batch.conftest import environment

BATCH = ("batch", "night.csv", "-o", "out")
STRUCK = """
import os, signal, sys
import reportdl.batch.report_page as page
page.write_page = lambda *_, **__: os.kill(os.getpid(), getattr(signal, {name!r}))
from reportdl.__main__ import main
sys.exit(main())
"""


def test_a_page_that_cannot_be_written_is_told_before_anything_is_asked(desk, serving):
    desk.jobs("1042,csv,r0")
    server = serving()
    ran = desk.run(*BATCH, "--report", "no/night.html", url=server.url)
    assert ran.code == 2
    assert "--report no/night.html cannot be written: No such file or directory" in ran.err.replace("\n", " ")
    assert server.calls == ()
    assert [one.name for one in desk.folder.iterdir()] == ["night.csv"]


@pytest.mark.parametrize(("lines", "code"), [(("1042,csv,r0",), 1), (("1042,csv,r0", "9999,csv,r1"), 8)])
def test_a_page_that_fails_at_the_end_leaves_the_summary(desk, serving, lines, code):
    desk.jobs(*lines)
    ran = desk.run(*BATCH, "--report", "/dev/full", url=serving().url)
    assert ran.code == code, ran.err
    assert desk.files == ["r0.csv"]
    assert f"1 of {len(lines)} report" in ran.err
    assert "/dev/full cannot be written: something that is not a regular file has this name" in ran.err
    assert "bug" not in ran.err


@pytest.mark.rules("D38")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_the_page_is_written_ends_as_any_other(desk, serving, name, code):
    desk.jobs("1042,csv,r0")
    command = [sys.executable, "-c", STRUCK.format(name=name), *BATCH, "--report", "night.html"]
    env = environment(serving().url)
    ran = subprocess.run(command, cwd=desk.folder, env=env, capture_output=True, timeout=50, check=False)
    said = ran.stderr.decode()
    assert ran.returncode == code, said
    assert "1 of 1 reports are in " in said
    assert "what came is here; only night.html was not written" in said
    assert "bug" not in said
    assert desk.files == ["r0.csv"]
