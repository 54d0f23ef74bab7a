"""The fault matrix, over urllib3."""

from typing import ClassVar

import pytest

from reportdl.testing.faults.contract import FaultContract
from reportdl.testing.faults.expected import Deviation, Word
from reportdl.transports.urllib3 import Urllib3Transport


class TestUrllib3Faults(FaultContract):
    @pytest.fixture(params=["http", pytest.param("https", marks=pytest.mark.deep)])
    def scheme(self, request):
        return request.param

    deviations: ClassVar = {
        "no length, and a reset": Deviation(
            words={"get": Word.ASIDE},
            schemes=("https",),
            why="Python's ssl hands a reset on as an end: a body that has no length is kept aside",
        ),
    }

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: Urllib3Transport(origin, network=network)
