"""Ends that come from outside: signals at any moment, a reader that leaves, a stdout or stderr that takes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer
from reportdl.server.sources import ReportInfo

Run = Callable[..., Any]
Start = Callable[..., subprocess.Popen[bytes]]
Serving = Callable[..., LoopbackServer]

COMMAND = [sys.executable, "-m", "reportdl"]
MOST = 4_000_000
"""More than a pipe holds, and more than one chunk."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")


class Large:
    """A source of one report that is long."""

    name = "Large"

    def reports(self) -> list[ReportInfo]:
        return [ReportInfo(element=1, name="Large")]

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        path = directory / "large.csv"
        path.write_bytes(b"0123456789abcde\n" * (MOST // 16))
        return path


@pytest.fixture
def large(serving: Serving) -> LoopbackServer:
    return serving(sources=[Large()])


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, so that what is left behind there is seen."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    assert Path(os.environ["TMPDIR"]) != Path(tempfile.gettempdir())
    return place


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.rules("D38")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_generation_ends_all_that_runs(
    start: Start, serving: Serving, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    server = serving(generation_seconds=30)
    running = start("get", "1042", "-f", "pdf", "-o", "out/", "--json", url=server.url)
    server.wait_for("run")
    running.send_signal(number)
    running.send_signal(number)  # impatience changes nothing
    out, err = running.communicate(timeout=20)  # long before the generation ends
    assert (running.returncode, out, left(tmp_path)) == (code, b"", [])
    assert b'"message": "%s: nothing was kept"' % (b"interrupted" if code == 130 else b"terminated") in err
    assert b"Traceback" not in err
    calls = len(server.calls)
    time.sleep(0.5)
    assert len(server.calls) == calls


# Ctrl-C as a module is looked for: by itself, and in a callback of which Python lets no exception out.
LOADING = """
import signal, sys, weakref
from reportdl.cli import main
wanted, how = sys.argv.pop(1), sys.argv.pop(1)
class Thing: pass
class Finder:
    def find_spec(self, name, *rest):
        if name != wanted:
            return
        if how == "callback":
            thing = Thing()
            seen = weakref.ref(thing, lambda gone: signal.raise_signal(signal.SIGINT))
            del thing
        else:
            signal.raise_signal(signal.SIGINT)
        raise SystemExit("not heard")
sys.meta_path.insert(0, Finder())
main()
"""


@pytest.mark.rules("D38")
@pytest.mark.parametrize("how", ["plain", "callback"])
@pytest.mark.parametrize("module", ["reportdl.cli.app", "reportdl.cli.stops"])
def test_ctrl_c_while_python_still_loads_the_command(module: str, how: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOADING, module, how, "get", "1", "-f", "csv"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr == b"reportdl: interrupted: nothing was kept\n"
    assert left(tmp_path) == []


@pytest.mark.rules("D38")
def test_ctrl_c_while_a_module_of_the_command_itself_is_loaded_is_told_like_any_other(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOADING, "reportdl.cli.get", "plain", "get", "1", "-f", "csv", "--json"]
    later = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=50, check=False)
    words[3] = "reportdl.cli.app"
    early = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=50, check=False)
    assert (early.returncode, early.stderr) == (later.returncode, later.stderr)
    assert json.loads(early.stderr)["exit_code"] == 130


def test_ctrl_c_that_is_ignored_stays_so_while_python_loads(tmp_path: Path) -> None:
    loud = LOADING.replace('raise SystemExit("not heard")', "return")
    words = [sys.executable, "-c", loud, "reportdl.cli.app", "plain", "--version"]
    ignored = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *words]
    done = subprocess.run(ignored, cwd=tmp_path, capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.rules("D38", "I10")
def test_ctrl_c_while_the_file_comes_leaves_nothing_of_it(start: Start, serving: Serving, tmp_path: Path) -> None:
    server = serving(faults=["get.delay=30"])
    running = start("get", "1042", "-f", "pdf", "-o", "report.pdf", url=server.url)
    server.wait_for("get")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert (running.returncode, left(tmp_path)) == (130, [])
    assert b"nothing was kept" in err


def test_a_signal_while_stdout_takes_nothing_more(
    start: Start, large: LoopbackServer, tmp_path: Path, room: Path
) -> None:
    running = start("get", "1", "-f", "csv", "-o", "-", url=large.url)
    assert running.stdout is not None
    running.stdout.read(1)  # the file has come whole, or not one byte of it would have been written
    time.sleep(0.3)
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 143
    assert running.stderr is not None
    assert b"stdout may hold the beginning of it" in running.stderr.read()
    assert left(tmp_path) == []


def test_a_signal_that_is_ignored_from_the_start_stays_ignored(serving: Serving, tmp_path: Path) -> None:
    server = serving(generation_seconds=1.0)
    env = {**os.environ, "REPORTDL_TOKEN": "t", "REPORTDL_URL": server.url}
    words = " ".join([*COMMAND, "get", "1042", "-f", "csv", "-o", "report.csv"])
    script = f"trap '' HUP; exec {words}"
    running = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
    server.wait_for("run")
    running.send_signal(signal.SIGHUP)
    assert running.wait(20) == 0
    assert left(tmp_path) == ["report.csv"]


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(
    start: Start, large: LoopbackServer, tmp_path: Path, room: Path
) -> None:
    running = start("get", "1", "-f", "csv", "-o", "-", url=large.url)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.read(10) == b"0123456789"
    running.stdout.close()
    assert running.wait(20) == 141
    err = running.stderr.read()
    assert b"reportdl:" not in err
    assert b"Traceback" not in err
    assert left(tmp_path) == []


def test_the_bytes_on_stdout_are_the_file(reportdl: Run, large: LoopbackServer, tmp_path: Path) -> None:
    ran = reportdl("get", "1", "-f", "csv", "-o", "-", "--json", url=large.url)
    assert (ran.code, len(ran.out)) == (0, MOST)
    assert f'"size": {MOST}' in ran.err.splitlines()[-1]


def shell(tmp_path: Path, url: str, line: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "REPORTDL_TOKEN": "t", "REPORTDL_URL": url, "reportdl": " ".join(COMMAND)}
    env.pop("PYTHONUNBUFFERED", None)  # as people have it: what a stream does not take stays in its buffer
    return subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, timeout=50, check=False)


@pytest.mark.rules("D44")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_stdout_that_is_full_is_an_error_that_names_the_file(serving: Serving, tmp_path: Path) -> None:
    done = shell(tmp_path, serving().url, "$reportdl get 1042 -f csv -o report.csv > /dev/full")
    assert (done.returncode, left(tmp_path)) == (1, ["report.csv"])
    assert f"No space left on device: {tmp_path / 'report.csv'}".encode() in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_ends_no_job(serving: Serving, tmp_path: Path, stderr: str) -> None:
    done = shell(tmp_path, serving().url, f"$reportdl get 1042 -f csv -o report.csv {stderr}")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'report.csv'}\n".encode())


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("words", ["get", "nosuch", "get 1042 -f csv --json --nosuch"])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(tmp_path: Path, stderr: str, words: str) -> None:
    done = shell(tmp_path, "http://127.0.0.1:9", f"$reportdl {words} {stderr}")
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_path_that_is_no_text_is_printed_as_its_own_bytes(serving: Serving, tmp_path: Path) -> None:
    script = f"LC_ALL=C PYTHONIOENCODING=ascii exec {' '.join(COMMAND)} get 1042 -f csv -o '{chr(0xFC)}\\377.csv'"
    env = {**os.environ, "REPORTDL_TOKEN": "t", "REPORTDL_URL": serving().url}
    words: list[bytes] = [b"sh", b"-c", script.encode().replace(b"\\377", b"\xff")]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (0, os.fsencode(tmp_path) + b"/\xc3\xbc\xff.csv\n")
