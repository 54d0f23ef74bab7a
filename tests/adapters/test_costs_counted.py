"""What a job costs in things that can be counted: requests, connections, threads, descriptors, objects.

Times are for `make bench`; these counts are the same on every machine, so they are tests.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import reportdl
from reportdl.aio import AsyncClient
from reportdl.drivers import workers
from reportdl.testing.canned import good_answer
from reportdl.testing.raw_server import RawServer
from reportdl_core import (
    Download,
    FileReceived,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Receipt,
    Run,
    RunFinished,
    Secret,
    TokenIssued,
)

TOKEN = reportdl.Token("t")
OFF = reportdl.Policy(preflight=reportdl.Preflight.OFF)
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are counted in /proc")


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(good_answer) as server:
        yield server


def ours() -> int:
    return sum(thread.name == "reportdl" for thread in threading.enumerate())


@pytest.mark.rules("D12", "R20")
@pytest.mark.parametrize(("policy", "requests"), [(reportdl.Policy(), 4), (OFF, 3)])
def test_a_short_job_is_four_requests_or_three_over_two_connections(
    server: RawServer, tmp_path: Path, policy: reportdl.Policy, requests: int
) -> None:
    with reportdl.Client(server.url, credentials=TOKEN, policy=policy) as client:
        client.download(1, format="pdf", to=tmp_path / "a.pdf")
    assert len(server.seen) == requests
    assert len({seen.connection for seen in server.seen}) == 2


def test_jobs_one_after_the_other_share_two_threads(server: RawServer, tmp_path: Path) -> None:
    before = ours()
    most = 0
    with reportdl.Client(server.url, credentials=TOKEN) as client:
        for _ in range(20):
            client.download(1, format="pdf", to=tmp_path / "a.pdf")
            most = max(most, ours())
    assert 1 <= most <= max(before, 2)
    assert len(server.seen) == 80


def test_an_idle_thread_ends(server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LINGER", 0.05)
    reportdl.download(server.url, 1, format="pdf", credentials=TOKEN, to=tmp_path / "a.pdf")
    mine = list(workers._idle)
    assert mine
    until = time.monotonic() + 10
    while ours() and time.monotonic() < until:
        time.sleep(0.02)
    assert ours() == 0
    assert workers._idle == []


@LINUX
def test_a_child_process_takes_no_thread_of_its_parents(server: RawServer, tmp_path: Path) -> None:
    script = (
        "import os, sys, reportdl\n"
        "job = lambda name: reportdl.download(sys.argv[1], 1, format='pdf', credentials=reportdl.Token('t'), to=name)\n"
        "job('a.pdf')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    job('b.pdf'); os._exit(0)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    command = [sys.executable, "-P", "-W", "ignore", "-c", script, server.url]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "b.pdf"]


def test_fifty_async_jobs_at_once_are_one_thread_and_four_that_publish(server: RawServer, tmp_path: Path) -> None:
    async def all_of_them() -> int:
        async with AsyncClient(server.url, credentials=TOKEN) as client:
            await asyncio.gather(*(client.download(1, format="pdf", to=tmp_path / f"{n}.pdf") for n in range(50)))
        # The threads that publish stay for a while after: this is how many there have been.
        return sum(thread.name.startswith(("AnyIO", "asyncio")) for thread in threading.enumerate())

    before = ours()
    assert 1 <= asyncio.run(all_of_them()) <= 4
    assert ours() == before
    assert len(server.seen) == 200


@LINUX
def test_no_descriptor_stays_behind(server: RawServer, tmp_path: Path) -> None:
    def open_now() -> int:
        return len(os.listdir("/proc/self/fd"))

    with reportdl.Client(server.url, credentials=TOKEN) as client:
        client.download(1, format="pdf", to=tmp_path / "a.pdf")
        gc.collect()
        before = open_now()
        for _ in range(10):
            client.download(1, format="pdf", to=tmp_path / "a.pdf")
        gc.collect()
        # Each of the server's own connections is one of this process, and may end a moment later.
        assert open_now() <= before + 2


def test_the_core_leaves_no_object_behind() -> None:
    receipt = Receipt(
        path=None, filename="a.pdf", content_type="application/pdf", size=3, sha256="0" * 64, length_verified=True
    )

    def one(seed: int) -> None:
        download, now = Download(Job(element=1, format="pdf"), seed=seed, now=0.0), 0.0
        while download.outcome is None:
            now += 0.25
            match download.outstanding[0]:
                case ListFormats(number=number):
                    download.receive(FormatsListed(number=number, formats=("pdf",)), now=now)
                case Init(number=number):
                    download.receive(TokenIssued(number=number, token=Secret("abc")), now=now)
                case Run(number=number):
                    download.receive(RunFinished(number=number), now=now)
                case Get(number=number):
                    download.receive(FileReceived(number=number, receipt=receipt), now=now)
                case command:
                    raise AssertionError(command)

    def left(jobs: int) -> int:
        gc.collect()
        before = sys.getallocatedblocks()
        for seed in range(jobs):
            one(seed)
        gc.collect()
        return sys.getallocatedblocks() - before

    left(200)
    assert min(left(1_000) for _ in range(3)) < 100  # a tenth of an object a job would be seen
