"""The fault matrix, over urllib3: plain in `make test`, TLS in `make deep`."""

import pytest

from reportdl.testing import FaultContract
from reportdl.testing.faults.deviations import URLLIB3
from reportdl.transports.urllib3 import Urllib3Transport


class TestUrllib3Faults(FaultContract):
    deviations = URLLIB3

    @pytest.fixture(params=["http", pytest.param("https", marks=pytest.mark.deep)])
    def scheme(self, request):
        return request.param

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: Urllib3Transport(origin, network=network)
