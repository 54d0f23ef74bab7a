"""The contract, over the transports that `docs/bring-your-own-transport.md` shows."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import pytest

from reportdl.testing.transport_contract import TransportContract

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
PAGE = EXAMPLES.parent / "bring-your-own-transport.md"
TRANSPORTS = sorted(EXAMPLES.glob("transport_*.py"))


@cache
def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestHttpClientExample(TransportContract):
    @pytest.fixture
    def make_transport(self):
        made = example("transport_http_client").HttpClientTransport
        return lambda origin, network: made(origin, network=network)


class TestRequestsExample(TransportContract):
    @pytest.fixture
    def make_transport(self):
        made = example("transport_requests").RequestsTransport
        return lambda origin, network: made(origin, network=network)


class TestTrioH11Example(TransportContract):
    library = "trio"

    @pytest.fixture
    def make_transport(self):
        made = example("transport_trio_h11").TrioTransport
        return lambda origin, network: made(origin, network=network)
