"""The fault matrix, over aiohttp."""

import pytest

from reportdl.testing import FaultContract
from reportdl.testing.faults.deviations import AIOHTTP
from reportdl.transports.aiohttp import AiohttpTransport

pytestmark = pytest.mark.deep


class TestAiohttpFaults(FaultContract):
    library = "asyncio"
    deviations = AIOHTTP

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: AiohttpTransport(origin, network=network)
