"""The fault matrix, over aiohttp."""

from typing import ClassVar

import pytest

from reportdl.testing.faults.contract import FaultContract
from reportdl.testing.faults.expected import Deviation, Word
from reportdl.transports.aiohttp import AiohttpTransport

pytestmark = pytest.mark.deep


class TestAiohttpFaults(FaultContract):
    library = "asyncio"
    deviations: ClassVar = {
        "longer than its length": Deviation(
            words={"formats": Word.AGAIN, "init": Word.AGAIN, "run": Word.POLL, "check": Word.AGAIN},
            why="aiohttp reads on after an answer, and gives a short one up with what is no HTTP there",
        ),
        "no length, and a reset": Deviation(
            words={"get": Word.ASIDE},
            why="aiohttp hands a reset on as the end of a body that has no length: the file is kept aside",
        ),
    }

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: AiohttpTransport(origin, network=network)
