"""A process is killed before each call to the system, or at any moment: no half file, the old one intact (I10, D44).

Run as a program it does the killing: it forks a child for each call, which dies there, and looks at what is left.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import reportdl
import reportdl_core
from reportdl import Clash, files, spool, spooling, streams
from reportdl.files import FileSink, StreamSink
from reportdl.seal import Seal
from reportdl.server import LoopbackServer
from reportdl_core import Job
from reportdl_core.sink import Offer

ROOTS = [str(Path(module.__file__ or "").parents[1]) for module in (reportdl_core, reportdl)]
JOB = Job(element=1042, segment=7, format="pdf")
OFFER = Offer(job=JOB, filename="Sales.pdf", content_type="application/pdf", length=None)
OLD, BODY = b"old", b"%PDF" + b"x" * 3000 + b"%%EOF"
CALLS = frozenset(
    {"open", "write", "read", "lseek", "fsync", "fchmod", "chmod", "link", "rename", "replace", "unlink", "close"}
    | {"fstat", "lstat", "makedirs", "listdir"}
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL")


class Dying:
    """The `os` module, in which this process dies before its call number `last`."""

    def __init__(self, last: int) -> None:
        self.last, self.calls, self.path = last, 0, os.path

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*arguments: object, **options: object) -> object:
            if self.calls == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            self.calls += 1
            return real(*arguments, **options)

        return call


def delivered(target: str, clash: Clash | None = None) -> Callable[[Path], object]:
    def work(folder: Path) -> None:
        sink = FileSink(f"{folder}/{target}", clash=clash)
        sink.prepare(JOB)
        sink.open(OFFER)
        for start in range(0, len(BODY), 1000):
            sink.write(BODY[start : start + 1000])
        sink.publish(length_verified=True, warnings=())

    return work


def streamed(folder: Path) -> None:
    with open(folder / "stream", "wb", buffering=0) as stream:
        sink = StreamSink(stream, directory=folder)
        sink.prepare(JOB)
        sink.open(OFFER)
        sink.write(BODY)
        sink.publish(length_verified=True, warnings=())


# What is done, whether an old file is there, and what may stand under the names afterwards.
SCENES: dict[str, tuple[Callable[[Path], object], bool, dict[str, set[bytes]]]] = {
    "new in a folder": (delivered(""), False, {"Sales.pdf": {BODY}}),
    "beside one in a folder": (delivered(""), True, {"Sales.pdf": {OLD}, "Sales (2).pdf": {BODY}}),
    "over one in a folder": (delivered("", Clash.OVERWRITE), True, {"Sales.pdf": {OLD, BODY}}),
    "skipped in a folder": (delivered("", Clash.SKIP), True, {"Sales.pdf": {OLD}}),
    "new by name": (delivered("Sales.pdf"), False, {"Sales.pdf": {BODY}}),
    "over one by name": (delivered("Sales.pdf"), True, {"Sales.pdf": {OLD, BODY}}),
    "to a stream": (streamed, False, {"stream": {b"", BODY}}),
    "a checkpoint": (lambda folder: spool.write_whole(f"{folder}/Sales.pdf", BODY), True, {"Sales.pdf": {OLD, BODY}}),
    "a key": (lambda folder: Seal.from_key_file(folder / "key"), False, {"key": set()}),
}


def fork_and_die(work: Callable[[Path], object], folder: Path, last: int) -> bool:
    """Whether the child died before that call; False where it came to its end."""
    child = os.fork()
    if child == 0:
        spooling.sweep_once.cache_clear()
        dying = Dying(last)
        for module in (files, spool, spooling, streams):
            module.os = dying  # type: ignore[attr-defined]
        work(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed otherwise"
    return os.WIFSIGNALED(status)


def judged(folder: Path, old: bool, allowed: dict[str, set[bytes]]) -> None:
    hidden = {path for path in folder.iterdir() if path.name.startswith(".reportdl-")}
    for path in set(folder.iterdir()) - hidden:
        assert path.name in allowed, path
        if path.name == "key":
            Seal.from_key_file(path)  # raises unless it is whole
        else:
            assert path.read_bytes() in allowed[path.name], path
    assert not old or (folder / "Sales.pdf").exists()
    # Orphans are swept, once they are old enough to be nobody's.
    for path in hidden:
        os.utime(path, (0, 0))
    spool.sweep(str(folder))
    assert not [path for path in folder.iterdir() if path.name.startswith(".reportdl-")]


def kill_at_every_call(base: Path) -> dict[str, int]:
    deaths: dict[str, int] = {}
    for name, (work, old, allowed) in SCENES.items():
        for last in range(1000):
            folder = base / f"{len(deaths)}-{last}"
            folder.mkdir()
            if old:
                (folder / "Sales.pdf").write_bytes(OLD)
            died = fork_and_die(work, folder, last)
            judged(folder, old, allowed)
            shutil.rmtree(folder)
            if not died:
                deaths[name] = last
                break
    return deaths


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS), "NO_PROXY": "*"}


@pytest.mark.rules("I10", "D38", "D44", "D39")
def test_killed_before_any_call_no_half_file_has_a_name_and_orphans_are_swept(tmp_path: Path) -> None:
    # In a program of its own: pytest has threads, and a fork of those is a trap.
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    deaths = json.loads(done.stdout)
    assert deaths.keys() == SCENES.keys()
    assert min(deaths.values()) > 7
    assert sum(deaths.values()) > 150


class Large:
    """A source of one report that is long."""

    name = "Large"

    def reports(self) -> list[object]:
        from reportdl.server.sources import ReportInfo

        return [ReportInfo(element=1, name="Large")]

    def capabilities(self, report: object) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: object, format: str, directory: Path) -> Path:
        path = directory / "large.csv"
        path.write_bytes(b"0123456789abcde\n" * 250_000)
        return path


@pytest.mark.deep
@pytest.mark.rules("I10", "D38")
@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "new"])
def test_the_command_killed_at_two_hundred_moments(tmp_path: Path, old: bool) -> None:
    moments = random.Random(20261127)  # a list of moments, not a jitter
    target = tmp_path / "out" / "large.csv"
    target.parent.mkdir()
    seen = {"whole": 0, "old": 0, "none": 0}
    with LoopbackServer(sources=[Large()], generation_seconds=0.1) as server:  # type: ignore[list-item]
        command = [sys.executable, "-m", "reportdl", "get", "1", "-f", "csv", "-o", str(target)]
        env = {**environment(), "REPORTDL_URL": server.url, "REPORTDL_TOKEN": "t"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # How long a run takes here and now, so that the moments fall into it whatever the machine is doing.
        began = time.monotonic()
        subprocess.run(command, env=env, check=True, **quiet)  # type: ignore[call-overload]
        whole, took = target.read_bytes(), time.monotonic() - began
        for _ in range(200):
            target.unlink(missing_ok=True)
            if old:
                target.write_bytes(OLD)
            with subprocess.Popen(command, env=env, **quiet) as running:  # type: ignore[call-overload]
                time.sleep(moments.uniform(0.0, 1.2 * took))
                running.kill()
            found = target.read_bytes() if target.exists() else None
            assert found in ((OLD, whole) if old else (None, whole))
            seen["none" if found is None else "old" if found == OLD else "whole"] += 1
    assert seen["whole"] > 5
    assert seen["old"] + seen["none"] > 50
    for path in target.parent.glob(".reportdl-*"):
        os.utime(path, (0, 0))
    spool.sweep(str(target.parent))
    assert [path.name for path in target.parent.iterdir()] in ([], ["large.csv"])


if __name__ == "__main__":
    print(json.dumps(kill_at_every_call(Path(sys.argv[1]))))
