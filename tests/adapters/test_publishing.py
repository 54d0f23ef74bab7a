"""A file is finished beside the event loop: a cancellation leaves it settled, and nothing waits without end."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial

import anyio
import pytest

import reportdl
import reportdl.aio
from reportdl.testing.canned import PDF, good_answer
from reportdl.testing.raw_server import RawServer
from reportdl.transports import publishing
from reportdl.transports.publishing import beside_the_loop
from reportdl_core.events import Event, Lost, Sent

EVENT: Event = Lost(number=1, sent=Sent.UNKNOWN, message="an event like any other")
_PATIENCE = 5.0
_MOMENT = 0.05
loops = pytest.mark.parametrize("library", ["asyncio", "trio"])


class Disk:
    """Takes its time: `finish` returns when it may."""

    def __init__(self):
        self.reached, self.go_on, self.ended = threading.Event(), threading.Event(), threading.Event()

    def finish(self):
        self.reached.set()
        assert self.go_on.wait(_PATIENCE)
        self.ended.set()
        return EVENT


@pytest.fixture
def disks():
    disks = [Disk() for _ in range(6)]
    yield disks
    for disk in disks:
        disk.go_on.set()


async def until(thing):
    with anyio.fail_after(_PATIENCE):
        while not thing.is_set():  # noqa: ASYNC110 - it is set in a thread
            await anyio.sleep(0.002)


def later(event):
    threading.Timer(_MOMENT, event.set).start()


@pytest.mark.rules("D38", "I10")
@loops
def test_what_has_begun_is_waited_for_and_told(library, disks):
    async def job():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel, scope)
                events.append(await beside_the_loop(disks[0].finish))
        assert disks[0].ended.is_set()

    async def cancel(scope):
        await until(disks[0].reached)
        later(disks[0].go_on)
        scope.cancel()

    events: list[Event] = []
    anyio.run(job, backend=library)
    assert events == [EVENT]


@pytest.mark.rules("D38", "I10")
def test_a_cancellation_of_asyncio_s_own_is_raised_after_it_has_ended(disks):
    async def job():
        task = asyncio.create_task(beside_the_loop(disks[0].finish))
        await until(disks[0].reached)
        later(disks[0].go_on)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert disks[0].ended.is_set()

    anyio.run(job)


@pytest.mark.rules("D38", "I10")
@loops
def test_what_waits_for_its_turn_is_cancelled_and_never_begins(library, disks):
    async def job():
        async with anyio.create_task_group() as tasks:
            for disk in disks[:4]:
                tasks.start_soon(beside_the_loop, disk.finish)
            for disk in disks[:4]:
                await until(disk.reached)
            with anyio.move_on_after(_MOMENT) as scope:
                await beside_the_loop(disks[4].finish)
            assert scope.cancelled_caught
            for disk in disks:
                disk.go_on.set()
        await beside_the_loop(disks[5].finish)

    anyio.run(job, backend=library)
    assert [disk.reached.is_set() for disk in disks] == [True, True, True, True, False, True]


@pytest.mark.rules("D38", "I10")
@loops
def test_what_is_cancelled_on_the_way_to_its_thread_never_begins(library, disks, monkeypatch):
    async def on_its_way(function, **kwargs):
        handed_over.append(function)
        await anyio.sleep_forever()

    async def job():
        with anyio.move_on_after(_MOMENT) as scope:
            await beside_the_loop(disks[0].finish)
        assert scope.cancelled_caught

    handed_over: list[Callable[[], object]] = []
    monkeypatch.setattr(anyio.to_thread, "run_sync", on_its_way)
    anyio.run(job, backend=library)
    (function,) = handed_over
    function()
    assert not disks[0].reached.is_set()


@pytest.mark.rules("D38")
@loops
def test_what_does_not_end_is_left(library, disks, monkeypatch):
    monkeypatch.setattr(publishing, "_GRACE", _MOMENT)

    async def job():
        with anyio.fail_after(_PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(beside_the_loop, disks[0].finish)
                await until(disks[0].reached)
                tasks.cancel_scope.cancel()
        assert not disks[0].ended.is_set()
        disks[0].go_on.set()

    anyio.run(job, backend=library)


@pytest.mark.rules("D38")
@loops
def test_what_does_not_end_keeps_nobody_else_waiting_for_long(library, disks, monkeypatch):
    monkeypatch.setattr(publishing, "_QUEUE", _MOMENT)

    async def job():
        async with anyio.create_task_group() as tasks:
            for disk in disks[:4]:
                tasks.start_soon(beside_the_loop, disk.finish)
            for disk in disks[:4]:
                await until(disk.reached)
            disks[4].go_on.set()
            with anyio.fail_after(_PATIENCE):
                assert await beside_the_loop(disks[4].finish) is EVENT
            assert not any(disk.ended.is_set() for disk in disks[:4])
            for disk in disks:
                disk.go_on.set()

    anyio.run(job, backend=library)


async def download(url, to):
    async with reportdl.aio.AsyncClient(url, credentials=reportdl.Token("any")) as client:
        return await client.download(1042, format="pdf", to=to)


@pytest.mark.rules("D38", "I10")
def test_when_a_cancellation_is_raised_the_folder_is_as_it_will_be(tmp_path, monkeypatch):
    disk, flush = Disk(), os.fsync

    def slowly(descriptor):
        flush(descriptor)
        disk.finish()

    monkeypatch.setattr(os, "fsync", slowly)

    async def job(url):
        task = asyncio.create_task(download(url, tmp_path))
        await until(disk.reached)
        later(disk.go_on)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sorted(path.name for path in tmp_path.iterdir())

    with RawServer(good_answer) as server:
        assert anyio.run(job, server.url) == ["Sales.pdf"]
    assert (tmp_path / "Sales.pdf").read_bytes() == PDF


@pytest.mark.rules("D38", "I10")
@loops
def test_a_pipe_that_nobody_reads_can_be_left(library, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "_GRACE", _MOMENT)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "wb", buffering=0)
    rescue = threading.Timer(2 * _PATIENCE, partial(drained, reading))  # a test that fails must end
    rescue.start()

    async def job(url):
        with anyio.fail_after(_PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(download, url, stream))
                await anyio.to_thread.run_sync(partial(filled, reading))
                tasks.cancel_scope.cancel()
        assert list(tmp_path.iterdir()) == []
        return os.read(reading, len(PDF))  # what was under way goes on

    with RawServer(good_answer) as server:
        begun = anyio.run(partial(job, server.url), backend=library)
    rescue.cancel()
    stream.close()
    assert PDF.startswith(begun + drained(reading))
    os.close(reading)
    assert [seen for seen in server.states if seen == "get"] == ["get"]


def drained(descriptor):
    """What is in the pipe, and still comes."""
    return b"".join(iter(partial(os.read, descriptor, len(PDF)), b""))


def filled(descriptor):
    """Wait until there is something in the pipe."""
    import select

    assert select.select([descriptor], [], [], _PATIENCE)[0]
