"""The fault matrix, over httpx2, under asyncio and under trio."""

import pytest

from reportdl.testing import FaultContract
from reportdl.transports.httpx2 import Httpx2Transport

pytestmark = pytest.mark.deep


class TestHttpx2AsyncioFaults(FaultContract):
    library = "asyncio"

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: Httpx2Transport(origin, network=network)


class TestHttpx2TrioFaults(TestHttpx2AsyncioFaults):
    library = "trio"
