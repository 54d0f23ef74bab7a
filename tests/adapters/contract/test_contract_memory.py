"""The contract, in memory: what a driver does, told from what a network does. Connections there are none."""

import pytest

from reportdl.testing.body_contract import BodyContract
from reportdl.testing.driver_contract import DriverContract
from reportdl.testing.memory_peer import MemoryPeer, MemoryTransport
from reportdl.testing.request_contract import RequestContract


class TestMemory(RequestContract, BodyContract):
    peer = MemoryPeer

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: MemoryTransport(origin, network=network)

    @pytest.fixture
    def scheme(self):
        return "http"


class TestMemoryDriver(DriverContract):
    peer = MemoryPeer
    make_transport = TestMemory.make_transport
    scheme = TestMemory.scheme
