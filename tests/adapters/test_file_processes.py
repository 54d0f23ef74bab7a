"""Processes that race for one name, die in the middle or run into the end of the disk (I10, D24, D44)."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import reportdl.files
import reportdl_core
from reportdl import spool

ROOTS = [str(Path(module.__file__ or "").parents[1]) for module in (reportdl_core, reportdl.files)]
PRELUDE = """
import json, os, signal, sys
from reportdl.files import *
from reportdl_core.job import Job
from reportdl_core.sink import NotKept, Offer
offer = Offer(job=Job(element=1, format="csv"), filename="r.csv", content_type="text/csv", length=None)
def say(what):
    print(json.dumps(what), flush=True)
def told():
    return sys.stdin.readline()
def deliver(sink, body, at_a_time=1 << 16):
    sink.open(offer)
    for start in range(0, len(body), at_a_time):
        sink.write(body[start:start + at_a_time])
    return sink.publish(length_verified=True, warnings=())
target = sys.argv[1]
"""


@contextmanager
def process(body: str, target: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + body, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def heard(running: subprocess.Popen[str]) -> Any:
    assert running.stdout is not None
    return json.loads(running.stdout.readline())


def tell(running: subprocess.Popen[str]) -> None:
    assert running.stdin is not None
    running.stdin.write("\n")
    running.stdin.flush()


RACE = """
if {links} == 0:
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")
    os.link = refuse
say("ready")
told()
say([deliver(FileSink(target), f"{{os.getpid()}}-{{n}}".encode()).filename for n in range(60)])
"""


@pytest.mark.rules("D24", "I10")
@pytest.mark.parametrize("links", [1, 0], ids=["links", "no links"])
def test_two_processes_never_overwrite_each_other(tmp_path: Path, links: int) -> None:
    body = RACE.format(links=links)
    with process(body, tmp_path) as one, process(body, tmp_path) as other:
        for running in (one, other):
            assert heard(running) == "ready"
        for running in (one, other):
            tell(running)
        names = [(running.pid, heard(running)) for running in (one, other)]
    published = {name: f"{pid}-{number}" for pid, kept in names for number, name in enumerate(kept)}
    assert len(published) == 120
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == published


HALF = """
sink = FileSink(target)
sink.prepare(offer.job)
sink.open(offer)
sink.write(b"half")
say("half")
told()
"""


@pytest.mark.rules("I10")
@pytest.mark.parametrize("name", ["", "r.csv"])
def test_a_process_killed_in_the_middle_leaves_nothing_under_the_final_name(tmp_path: Path, name: str) -> None:
    if name:
        (tmp_path / name).write_bytes(b"old")
    with process(HALF, tmp_path / name) as running:
        assert heard(running) == "half"
        [hidden] = tmp_path.glob(".reportdl-*")
        os.utime(hidden, (0, 0))
        assert spool.sweep(str(tmp_path)) == 0  # old, and its process lives
        running.kill()
        running.wait(10)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path != hidden} == (
        {name: b"old"} if name else {}
    )
    os.utime(hidden)
    assert spool.sweep(str(tmp_path)) == 0  # its process is dead, and it is young
    os.utime(hidden, (time.time() - 61,) * 2)
    assert spool.sweep(str(tmp_path)) == 1
    assert not hidden.exists()


AGAIN = """
say("ready")
for number in range(10**9):
    deliver(FileSink(target), b"%d" % (number % 10) * 300_000)
"""


@pytest.mark.rules("I10")
@pytest.mark.parametrize("name", ["", "r.csv"])
def test_whenever_a_process_is_killed_every_file_with_a_name_is_whole(tmp_path: Path, name: str) -> None:
    moments = random.Random(20261124)  # a list of moments, not a jitter
    for _ in range(8):
        with process(AGAIN, tmp_path / name) as running:
            assert heard(running) == "ready"
            time.sleep(moments.uniform(0.01, 0.12))
            running.send_signal(signal.SIGKILL)
            running.wait(10)
    shown = [path.read_bytes() for path in tmp_path.iterdir() if not path.name.startswith(".reportdl-")]
    assert shown
    for body in shown:
        assert len(body) == 300_000
        assert len(set(body)) == 1


FULL = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
before = sorted(os.listdir("/proc/self/fd"))
sink = FileSink(target)
sink.prepare(offer.job)
sink.open(offer)
try:
    for _ in range(100):
        sink.write(b"x" * 3_000)
except OSError as error:
    sink.discard()
    say([error.errno, str(error.strerror), sorted(os.listdir("/proc/self/fd")) == before])
say(deliver(FileSink(target), b"small").size)
"""


@pytest.mark.rules("D44", "D36")
def test_where_the_system_takes_no_more_bytes_nothing_stays_and_the_next_file_is_kept(tmp_path: Path) -> None:
    with process(FULL, tmp_path) as running:
        number, message, clean = heard(running)
        assert number == errno.EFBIG
        assert message == f"cannot write into {tmp_path}; nothing was kept: File too large"
        assert clean
        assert heard(running) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]
