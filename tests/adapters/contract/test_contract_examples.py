"""The contracts, over the transports that `docs/bring-your-own-transport.md` shows."""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path

import pytest

import reportdl
from reportdl.origin import Origin
from reportdl.server import LoopbackServer
from reportdl.testing.driver_contract import AsyncDriverContract, DriverContract
from reportdl.testing.transport_contract import TransportContract

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
TRANSPORTS = sorted(EXAMPLES.glob("transport_*.py"))


@cache
def example(name, made):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))[made]


def http_client(origin, network=None):
    return example("transport_http_client", "HttpClientTransport")(origin, network=network)


def by_requests(origin, network=None):
    return example("transport_requests", "RequestsTransport")(origin, network=network)


def trio_h11(origin, network=None):
    return example("transport_trio_h11", "TrioTransport")(origin, network=network)


class TestHttpClientExample(TransportContract):
    @pytest.fixture
    def make_transport(self):
        return http_client


class TestHttpClientExampleDriver(DriverContract):
    make_transport = TestHttpClientExample.make_transport


class TestRequestsExample(TransportContract):
    @pytest.fixture
    def make_transport(self):
        return by_requests


class TestRequestsExampleDriver(DriverContract):
    make_transport = TestRequestsExample.make_transport


class TestTrioH11Example(TransportContract):
    library = "trio"

    @pytest.fixture
    def make_transport(self):
        return trio_h11


class TestTrioH11ExampleDriver(AsyncDriverContract):
    library = "trio"
    make_transport = TestTrioH11Example.make_transport


@pytest.mark.parametrize("make", [http_client, by_requests])
def test_a_client_takes_it(make, tmp_path):
    with LoopbackServer() as server:
        transport = make(Origin.parse(server.url))
        with reportdl.Client(server.url, credentials=reportdl.Token("any"), transport=transport) as client:
            got = client.download(1042, format="csv", to=tmp_path / "sales.csv")
        assert got.path is not None
        assert got.path.stat().st_size == got.size
        assert server.count("run") == server.count("init") == 1


def test_an_async_client_takes_it(tmp_path):
    import trio

    async def job(url):
        client = reportdl.aio.AsyncClient(url, credentials=reportdl.Token("any"), transport=trio_h11(Origin.parse(url)))
        async with client:
            return await client.download(1042, format="csv", to=tmp_path / "sales.csv")

    with LoopbackServer() as server:
        got = trio.run(job, server.url)
        assert got.path is not None
        assert got.path.stat().st_size == got.size
        assert server.count("run") == server.count("init") == 1


@pytest.mark.parametrize("path", TRANSPORTS, ids=lambda path: path.name)
def test_an_example_fits_on_a_page_and_stands_on_it(path):
    assert len(path.read_text().splitlines()) < 80
    page = EXAMPLES.parent / "bring-your-own-transport.md"
    assert f"(examples/{path.name})" in page.read_text()


def test_every_example_is_run():
    assert [path.stem for path in TRANSPORTS] == ["transport_http_client", "transport_requests", "transport_trio_h11"]
