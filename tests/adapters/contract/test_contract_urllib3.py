"""The contract, over urllib3."""

import pytest
import urllib3

from reportdl.testing.driver_contract import DriverContract
from reportdl.testing.handed_in_contract import HandedIn, HandedInContract
from reportdl.testing.transport_contract import TransportContract
from reportdl.transports.urllib3 import Urllib3Transport


class TestUrllib3(TransportContract):
    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: Urllib3Transport(origin, network=network)


class TestUrllib3Driver(DriverContract):
    make_transport = TestUrllib3.make_transport


class TestUrllib3HandedIn(HandedInContract):
    @pytest.fixture
    def handed_in(self):
        def make(origin, network):
            # All that a manager could do to break the rules: retries, headers, a time limit, one connection.
            pools = urllib3.PoolManager(
                num_pools=4,
                headers={"User-Agent": "mine", "Accept-Encoding": "gzip"},
                retries=urllib3.Retry(total=5, status_forcelist=[302, 503]),
                timeout=0.3,
                maxsize=1,
                block=True,
                **({"ssl_context": network.tls()} if origin.scheme == "https" else {}),
            )
            return HandedIn(
                Urllib3Transport(origin, pools=pools), lambda url: pools.request("GET", url).status, pools.clear
            )

        return make
