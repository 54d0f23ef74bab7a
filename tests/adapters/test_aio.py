"""`AsyncClient` says `Client`'s words, on asyncio and trio, and leaves nothing behind (D38)."""

from __future__ import annotations

import io
import sys
from typing import Any

import anyio
import anyio.to_thread
import pytest

import reportdl
from reportdl import aio
from reportdl.server import LoopbackServer

TOKEN = reportdl.Token("any")


@pytest.fixture(params=["asyncio", "trio"])
def backend(request):
    return request.param


@pytest.fixture
def server():
    with LoopbackServer() as server:
        yield server


@pytest.mark.rules("R8", "R24")
def test_formats_and_download(server, backend, tmp_path):
    seen: list[Any] = []

    async def main():
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            assert "csv" in await client.formats(1042)
            return await client.download("1042", format="csv", to=tmp_path, on_progress=seen.append)

    got = anyio.run(main, backend=backend)
    assert got.path.read_bytes()
    assert got.path.stat().st_size == got.size
    assert [path.name for path in tmp_path.iterdir()] == [got.filename]
    assert seen[-1].state is reportdl.State.CONSUMED
    assert server.count("run") == server.count("init") == server.count("get") == 1


@pytest.mark.rules("R10", "D12")
def test_formats_that_are_known_are_not_asked_for_again(server, backend):
    async def main():
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            await client.download(1042, format="csv", to=io.BytesIO(), formats=("pdf", "csv"))
            with pytest.raises(reportdl.FormatNotOffered, match="does not offer xls; it offers pdf, csv") as refused:
                await client.download(1042, format="xls", to=io.BytesIO(), formats=("pdf", "csv"))
            assert refused.value.outcome.alternatives == ("pdf", "csv")

    anyio.run(main, backend=backend)
    with reportdl.Client(server.url, credentials=TOKEN) as client:
        client.download(1042, format="csv", to=io.BytesIO(), formats=("pdf", "csv"))
        with pytest.raises(reportdl.FormatNotOffered, match="does not offer xls; it offers pdf, csv"):
            client.download(1042, format="xls", to=io.BytesIO(), formats=("pdf", "csv"))
    assert [server.count(state) for state in ("formats", "init", "get")] == [0, 2, 2]


@pytest.mark.rules("D12")
def test_it_says_what_the_sync_client_says(server, backend):
    async def main():
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            buffer = io.BytesIO()
            return await client.formats(1042), await client.download(1042, format="csv", to=buffer), buffer.getvalue()

    formats, receipt, body = anyio.run(main, backend=backend)
    with reportdl.Client(server.url, credentials=TOKEN) as client:
        same = io.BytesIO()
        assert client.formats(1042) == formats
        assert client.download(1042, format="csv", to=same) == receipt
        assert same.getvalue() == body


@pytest.mark.rules("R5", "R10")
def test_what_fails_is_raised_as_itself(server, backend):
    async def main():
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            with pytest.raises(reportdl.ReportNotFound):
                await client.formats(999_999)
            with pytest.raises(reportdl.FormatNotOffered) as caught:
                await client.download(1042, format="docx", to=io.BytesIO())
            with pytest.raises(reportdl.InvalidJob):
                await client.download("../admin", format="pdf")
            return caught.value.alternatives

    assert "doc" in anyio.run(main, backend=backend)


@pytest.mark.rules("D24")
def test_what_stands_already_costs_no_request(server, backend, tmp_path):
    target = tmp_path / "sales.csv"
    target.write_text("old")

    async def main():
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            return await client.download(1042, format="csv", to=target, clash=reportdl.Clash.SKIP)

    assert anyio.run(main, backend=backend).size == 3
    assert server.calls == ()


@pytest.mark.rules("D30")
def test_many_at_once(server, backend, tmp_path):
    got = []

    async def one(client):
        got.append(await client.download(1042, format="csv", to=f"{tmp_path}/"))

    async def main():
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client, anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one, client)

    anyio.run(main, backend=backend)
    assert len({receipt.path for receipt in got}) == len(list(tmp_path.iterdir())) == 20
    assert len({receipt.sha256 for receipt in got}) == 1
    assert server.count("run") == 20


@pytest.mark.parametrize("state", ["formats", "init", "run", "get"])
@pytest.mark.rules("D38", "I10")
def test_cancelled_it_leaves_nothing(backend, tmp_path, state):
    async def main(server):
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.download(1042, format="csv", to=tmp_path))
            await anyio.to_thread.run_sync(server.wait_for, state)
            tasks.cancel_scope.cancel()

    with LoopbackServer(faults=[f"{state}.delay=30"]) as server:
        anyio.run(main, server, backend=backend)
        before = len(server.calls)
        assert list(tmp_path.iterdir()) == []
        assert len(server.calls) == before
        assert server.count(state) == 1


@pytest.mark.rules("D38")
def test_a_native_cancellation_of_asyncio_is_one_too(tmp_path):
    import asyncio

    async def main(server):
        async with aio.AsyncClient(server.url, credentials=TOKEN) as client:
            task = asyncio.create_task(client.download(1042, format="csv", to=tmp_path))
            await asyncio.to_thread(server.wait_for, "run")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return asyncio.all_tasks() - {asyncio.current_task()}

    with LoopbackServer(faults=["run.delay=30"]) as server:
        assert asyncio.run(main(server)) == set()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("D38")
def test_what_was_handed_in_stays_open(server):
    import aiohttp
    import httpx2

    async def main():
        async with aiohttp.ClientSession() as session:
            async with aio.AsyncClient(server.url, credentials=TOKEN, session=session) as client:
                await client.formats(1042)
            assert not session.closed
        async with httpx2.AsyncClient() as own:
            async with aio.AsyncClient(server.url, credentials=TOKEN, client=own) as client:
                await client.formats(1042)
            assert not own.is_closed

    anyio.run(main)
    assert server.count("formats") == 2


def test_one_way_at_a_time():
    with pytest.raises(TypeError, match="one of session, client and transport"):
        aio.AsyncClient("https://mi.example.com", credentials=TOKEN, session=object(), client=object())  # type: ignore[arg-type]


@pytest.mark.rules("D33")
def test_the_url_is_checked_before_anything():
    with pytest.raises(reportdl.InvalidUrl):
        aio.AsyncClient("http://mi.example.com", credentials=TOKEN)


@pytest.mark.parametrize(("backend", "library"), [("asyncio", "aiohttp"), ("trio", "httpx2")])
def test_a_missing_extra_is_named(backend, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"reportdl.transports.{library}", raising=False)

    async def main():
        async with aio.AsyncClient("https://mi.example.com", credentials=TOKEN) as client:
            with pytest.raises(ImportError, match=rf"reportdl\[{library}\]"):
                await client.formats(1042)

    anyio.run(main, backend=backend)


@pytest.mark.rules("D39")
def test_its_repr_shows_where_and_nothing_else():
    client = aio.AsyncClient("https://mi.example.com/base", credentials=TOKEN)
    assert repr(client) == "reportdl.aio.AsyncClient('https://mi.example.com/base')"
