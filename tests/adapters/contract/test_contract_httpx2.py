"""The contract, over httpx2, under asyncio and under trio."""

import httpx2
import pytest

from reportdl.testing.driver_contract import AsyncDriverContract
from reportdl.testing.handed_in_contract import HandedIn, HandedInContract
from reportdl.testing.transport_contract import TransportContract
from reportdl.transports.httpx2 import Httpx2Transport


class TestHttpx2Asyncio(TransportContract):
    library = "asyncio"

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: Httpx2Transport(origin, network=network)


class TestHttpx2Trio(TestHttpx2Asyncio):
    library = "trio"


class TestHttpx2DriverAsyncio(AsyncDriverContract):
    library = "asyncio"
    make_transport = TestHttpx2Asyncio.make_transport


class TestHttpx2DriverTrio(TestHttpx2DriverAsyncio):
    library = "trio"


class TestHttpx2HandedInAsyncio(HandedInContract):
    library = "asyncio"

    @pytest.fixture
    def handed_in(self):
        def make(origin, network):
            # All that a client could do to break the rules: a jar, redirects, headers, parameters, a time limit, auth.
            client = httpx2.AsyncClient(
                verify=network.tls(),
                headers={"User-Agent": "mine", "Accept-Encoding": "gzip"},
                params={"mine": "1"},
                cookies={"mine": "1"},
                auth=("me", "mine"),
                timeout=0.3,
                follow_redirects=True,
                trust_env=False,
            )

            async def ask(url):
                return (await client.get(url)).status_code

            return HandedIn(Httpx2Transport(origin, client=client), ask, client.aclose)

        return make


class TestHttpx2HandedInTrio(TestHttpx2HandedInAsyncio):
    library = "trio"
