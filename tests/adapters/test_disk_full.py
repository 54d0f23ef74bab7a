"""The whole client on a disk that is full, or fails at any call in any way: a typed error, nothing left (D44)."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reportdl
import reportdl_core
from reportdl import files, spool, spooling, streams
from reportdl.server import LoopbackServer
from reportdl.server.sources import ReportInfo

ROOTS = [str(Path(module.__file__ or "").parents[1]) for module in (reportdl_core, reportdl)]
SMALL, LARGE = 30_000, 3_000_000
ERRORS: dict[str, OSError | MemoryError] = {
    **{errno.errorcode[one]: OSError(one, os.strerror(one)) for one in (errno.ENOSPC, errno.EIO, errno.EACCES)},
    **{errno.errorcode[one]: OSError(one, os.strerror(one)) for one in (errno.EDQUOT, errno.EINTR)},
    "ENOMEM": MemoryError(),
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")


class TwoSizes:
    """A source of a small report and of one that is larger than the disk."""

    name = "TwoSizes"

    def reports(self) -> list[ReportInfo]:
        return [ReportInfo(element=1, name="Small"), ReportInfo(element=2, name="Large")]

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        path = directory / "report.csv"
        path.write_bytes(b"0123456789abcde\n" * ((SMALL if report.element == 1 else LARGE) // 16))
        return path


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(sources=[TwoSizes()]) as server:
        yield server


class Failing:
    """The `os` module; the first call of one of its functions that a test waits for fails, once."""

    def __init__(self, name: str, error: BaseException) -> None:
        self.name, self.error, self.path = name, error, os.path
        self.calls, self._once = 0, threading.Lock()

    def __getattr__(self, name: str) -> object:
        real: Callable[..., object] = getattr(os, name)
        if name != self.name:
            return real

        def call(*arguments: object, **options: object) -> object:
            with self._once:
                self.calls += 1
                first = self.calls == self.nth
            if not first:
                return real(*arguments, **options)
            if name == "close":
                real(*arguments)
            raise self.error

        return call

    nth = 1


def named(error: reportdl.FileNotKeptError) -> None:
    """What is left of the file is whole, and stands in the error."""
    kept = error.outcome.kept
    assert kept is None or os.path.getsize(kept) == SMALL
    assert kept is None or kept in str(error)


def opened_below(folder: Path) -> list[str]:
    """The files that this process still has open there."""
    found: list[str] = []
    for one in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # a connection of the server's, closed just now
            found.append(os.readlink(f"/proc/self/fd/{one}"))
    return [path for path in found if path.startswith(str(folder))]


# The calls that a download into a folder makes, each once or more.
CALLS = ("open", "write", "fsync", "link", "unlink", "close", "fstat", "lstat", "fchmod")


@pytest.mark.rules("D44", "I10")
@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
def test_whichever_call_fails_once_the_client_says_so_by_type_or_the_file_is_there(
    server: LoopbackServer, tmp_path: Path, error: OSError | MemoryError
) -> None:
    # A server has given the file once by then: what the error does not name is lost, so it is named.
    ends = {"kept": 0, "unusable": 0, "not kept": 0}
    with reportdl.Client(server.url, credentials=reportdl.Token("t")) as client:
        for name in CALLS:
            for nth in itertools.count(1) if error is ERRORS["ENOSPC"] else (1,):
                folder = tmp_path / f"{name}-{nth}"
                folder.mkdir()
                failing = Failing(name, error)
                failing.nth = nth
                spooling.sweep_once.cache_clear()
                with pytest.MonkeyPatch.context() as patch:
                    for module in (files, spool, spooling, streams):
                        patch.setattr(module, "os", failing)
                    try:
                        got = client.download(1, format="csv", to=folder)
                    except reportdl.TargetUnusable:
                        ends["unusable"] += 1
                    except reportdl.FileNotKeptError as caught:
                        ends["not kept"] += 1
                        named(caught)
                    else:
                        ends["kept"] += 1
                        assert got.path is not None
                        assert got.path.stat().st_size == SMALL
                if failing.calls < nth:  # it is called less often: they have all failed
                    break
                whole = [path for path in folder.iterdir() if not path.name.startswith(".reportdl-")]
                assert {path.stat().st_size for path in whole} <= {SMALL}
                assert {path.name for path in whole} <= {"Small.csv", "Small.csv.part", "Small.csv.unverified"}
                assert not opened_below(tmp_path)
    assert all(ends.values()), ends
    assert sum(ends.values()) >= (2 * len(CALLS) if error is ERRORS["ENOSPC"] else len(CALLS))


# On a disk of 256 KiB, or with files of 256 KiB at most where the system sets that limit.
ON_A_SMALL_DISK = """
import json, os, sys
limit, url, disk = sys.argv[1:]
if limit == "rlimit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))
import reportdl
def files(): return sorted((path.name, path.stat().st_size) for path in os.scandir(disk))
said = []
with reportdl.Client(url, credentials=reportdl.Token("t")) as client:
    for element in (2, 1):
        for to in (disk, disk + "/named.csv"):
            try:
                said.append(client.download(element, format="csv", to=to).size)
            except reportdl.FileNotKeptError as error:
                said.append([str(error), error.outcome.kept, error.retryable])
            said.append(files())
print(json.dumps(said))
"""
MOUNTED = 'mount -t tmpfs -o size=256k none "$4" && exec "$0" -c "$1" "$2" "$3" "$4"'


def mounting() -> list[str]:
    """The words before a command that give it mounts of its own: anybody's with user namespaces, or root's."""
    for words in (["unshare", "-Urm"], ["unshare", "-m"]):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    if os.environ.get("CI") == "true":
        pytest.fail("a small disk cannot be mounted: there are no user namespaces, and this is not root")
    pytest.skip("a small disk cannot be mounted: there are no user namespaces, and this is not root")


@pytest.mark.rules("D44", "I10", "D36")
@pytest.mark.needs("unshare", "mount")
@pytest.mark.parametrize(("limit", "why"), [("disk", "No space left on device"), ("rlimit", "File too large")])
def test_on_a_disk_that_is_too_small_nothing_stays_and_the_next_file_is_kept(
    server: LoopbackServer, tmp_path: Path, limit: str, why: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS), "NO_PROXY": "*"}
    words = [sys.executable, "-c", ON_A_SMALL_DISK, limit, server.url, str(tmp_path)]
    if limit == "disk":
        words = [*mounting(), "sh", "-c", MOUNTED, sys.executable, ON_A_SMALL_DISK, limit, server.url, str(tmp_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    first, left, second, still, *rest = json.loads(done.stdout)
    for message, kept, retryable in (first, second):
        assert "could not be kept here (get: " in message
        assert f"nothing was kept: {why}" in message
        assert "Make room or rights there" in message
        assert (kept, retryable) == (None, False)
    assert left == still == []
    assert rest == [SMALL, [["Small.csv", SMALL]], SMALL, [["Small.csv", SMALL], ["named.csv", SMALL]]]
