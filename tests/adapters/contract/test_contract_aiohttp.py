"""The contract, over aiohttp."""

import aiohttp
import pytest

from reportdl.testing.driver_contract import AsyncDriverContract
from reportdl.testing.handed_in_contract import HandedIn, HandedInContract
from reportdl.testing.transport_contract import TransportContract
from reportdl.transports.aiohttp import AiohttpTransport


class TestAiohttp(TransportContract):
    library = "asyncio"

    @pytest.fixture
    def make_transport(self):
        return lambda origin, network: AiohttpTransport(origin, network=network)


class TestAiohttpDriver(AsyncDriverContract):
    library = "asyncio"
    make_transport = TestAiohttp.make_transport


class TestAiohttpHandedIn(HandedInContract):
    library = "asyncio"

    @pytest.fixture
    def handed_in(self):
        async def again(request, handler):
            try:
                return await handler(request)
            except aiohttp.ClientError:
                return await handler(request)

        async def make(origin, network):
            # All that a session could do to break the rules: a jar, a middleware that repeats, headers, a time limit.
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=network.tls() if origin.scheme == "https" else True),
                cookie_jar=aiohttp.CookieJar(unsafe=True),
                headers={"User-Agent": "mine", "Accept-Encoding": "gzip"},
                timeout=aiohttp.ClientTimeout(total=0.3),
                middlewares=(again,),
                raise_for_status=True,
            )

            async def ask(url):
                async with session.get(url) as response:
                    await response.read()
                    return response.status

            return HandedIn(AiohttpTransport(origin, session=session), ask, session.close)

        return make
