"""Ctrl-C typed in a real terminal at any moment: 130, nothing left behind, a line that says what was kept (D38)."""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from reportdl.server import LoopbackServer
from reportdl.server.sources import ReportInfo

CODE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")
SIZE = 4_000_000
OLD = b"old"

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a pty is POSIX"),
    pytest.mark.needs("setsid"),  # gives the command the pty as its controlling terminal: ^C reaches it as typed
]


class Large:
    """A source of one report that is long."""

    name = "Large"

    def reports(self) -> list[ReportInfo]:
        return [ReportInfo(element=1, name="Large")]

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        path = directory / "large.csv"
        path.write_bytes(b"0123456789abcde\n" * (SIZE // 16))
        return path


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(sources=[Large()], generation_seconds=0.3) as server:
        yield server


class End(NamedTuple):
    """How the command ended, and what its terminal shows."""

    code: int
    shown: str


def typed(server: LoopbackServer, folder: Path, *moments: float | Callable[[], object], target: str = "out/") -> End:
    """Run the command in a terminal, and type Ctrl-C after seconds from its start or when a call returns."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    env = {**kept, "REPORTDL_URL": server.url, "REPORTDL_TOKEN": "t", "TERM": "xterm-256color", "NO_PROXY": "*"}
    words = ["setsid", "--ctty", sys.executable, "-m", "reportdl", "get", "1", "-f", "csv", "-o", target]
    came: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 65536):
                came.append(piece)
        except OSError:  # what Linux says at the end of a pty
            pass

    began = time.monotonic()
    with subprocess.Popen(words, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        for moment in moments:
            if callable(moment):
                moment()
            else:
                time.sleep(max(0.0, began + moment - time.monotonic()))
            if running.poll() is None:
                os.write(ours, b"\x03")
        code = running.wait(30)
    reader.join(10)
    os.close(ours)
    return End(code, CODE.sub("", b"".join(came).decode()))


def judged(end: End, out: Path, *, old: bool) -> str:
    """What came of one run: `done`, `stopped`, `told` (it came, and was told) or `early`."""
    found = {path.name: path.stat().st_size for path in out.iterdir()} if out.exists() else {}
    whole = SIZE in found.values()
    # Nothing hidden, nothing half: the old file as it was, or the new one whole.
    assert set(found) <= {"Large.csv", "large.csv"}, found
    assert set(found.values()) <= ({SIZE, len(OLD)} if old else {SIZE}), found
    assert not old or found
    lines = [line for line in re.split(r"[\r\n]+", end.shown) if line.strip() and line.strip() != "^C"]
    if end.code == 0:
        assert whole
        return "done"
    if end.code == -signal.SIGINT or (end.code == 1 and "KeyboardInterrupt" in end.shown):
        # Python was still loading itself, and nobody else could take the signal.
        assert not whole
        assert "reportdl:" not in end.shown
        return "early"
    assert end.code == 130, end
    assert "Traceback" not in end.shown
    assert lines, end
    assert "interrupted" in lines[-1], end
    if "nothing was kept" in lines[-1]:
        assert not whole, end
        return "stopped"
    assert re.search(r"it may be at|the file is kept as", lines[-1]), end
    return "told"


def ctrl_c(server: LoopbackServer, tmp_path: Path, runs: int, seed: int) -> Counter[str]:
    moments = random.Random(seed)  # a list of moments, not a jitter
    (tmp_path / "first").mkdir()
    began = time.monotonic()
    assert typed(server, tmp_path / "first").code == 0
    took = time.monotonic() - began  # here and now, whatever the machine is doing
    seen: Counter[str] = Counter()
    for number in range(runs):
        folder = tmp_path / str(number)
        out = folder / "out"
        out.mkdir(parents=True)
        old = number % 2 == 1
        if old:
            (out / "large.csv").write_bytes(OLD)
        at = moments.uniform(0.2, 1.1) * took
        twice = (at, at + moments.uniform(0.0, 0.1)) if number % 3 == 0 else (at,)
        end = typed(server, folder, *twice, target="out/large.csv" if old else "out/")
        seen[judged(end, out, old=old)] += 1
    return seen


@pytest.mark.rules("D38", "I10")
def test_ctrl_c_at_some_moments(server: LoopbackServer, tmp_path: Path) -> None:
    assert ctrl_c(server, tmp_path, 3, seed=20261127).total() == 3


@pytest.mark.rules("D38", "I10")
def test_ctrl_c_while_the_report_is_generated_says_that_nothing_was_kept(
    server: LoopbackServer, tmp_path: Path
) -> None:
    runs = server.count("run")
    end = typed(server, tmp_path, lambda: server.wait_for("run", runs + 1))
    assert judged(end, tmp_path / "out", old=False) == "stopped"
    asked = len(server.calls)
    time.sleep(0.5)
    assert len(server.calls) == asked


@pytest.mark.deep
@pytest.mark.rules("D38", "I10")
def test_ctrl_c_at_two_hundred_moments(server: LoopbackServer, tmp_path: Path) -> None:
    seen = ctrl_c(server, tmp_path, 200, seed=20261128)
    assert seen.total() == 200
    assert seen["stopped"] > 30
