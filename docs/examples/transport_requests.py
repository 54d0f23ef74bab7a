"""A sync transport over requests: one connection for each request, no proxy.

requests rewrites percent-encodings and urllib3 logs targets: a connection class puts the token in below both of them.
It connects too, so that it can be woken: for requests this is plain HTTP, and TLS the connection's own affair.
"""

from ssl import SSLContext
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from reportdl import Network
from reportdl.errands import Errand
from reportdl.origin import Origin
from reportdl.transports.journey import Journey
from reportdl.transports.unbroken import UnbrokenResponse
from reportdl_core import Event
from reportdl_core.exchange import CHUNK

__all__ = ["RequestsFlight", "RequestsTransport"]


class RequestsTransport:
    """`reportdl.Client(url, credentials=..., transport=RequestsTransport(Origin.parse(url)))`."""

    def __init__(self, origin: Origin, *, network: Network | None = None) -> None:
        self._tls = (network or Network()).tls() if origin.scheme == "https" else None

    def flight(self, errand: Errand) -> "RequestsFlight":
        return RequestsFlight(errand, self._tls)

    def close(self) -> None:
        """Every flight closes its own connection."""


class RequestsFlight(HTTPAdapter):
    def __init__(self, errand: Errand, tls: SSLContext | None) -> None:
        self._errand, self._journey, self._tls = errand, Journey(errand.exchange), tls
        self.cancel = self._journey.cancel
        super().__init__()  # retries nothing

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = self.poolmanager.connection_from_host(self._errand.origin.host, self._errand.origin.port, "http")
        pool.ConnectionCls = _departing(pool.ConnectionCls, self._errand, self._journey, self._tls)
        return pool

    def perform(self) -> Event:
        errand, exchange = self._errand, self._errand.exchange
        headers = {"Host": errand.origin.authority, **errand.headers}
        try:
            asked = requests.Request(errand.method, errand.url, headers=headers, data=errand.body or None).prepare()
            # No Session: it keeps cookies.
            with self.send(asked, stream=True, timeout=exchange.read_timeout) as response:
                wanted = exchange.head(response.status_code, response.raw.headers.items())
                # read1 gives what is there: stream would wait for a whole CHUNK while the server is silent.
                while wanted and (data := response.raw.read1(CHUNK, decode_content=False)):
                    wanted = exchange.feed(data)
        except (requests.RequestException, HTTPError, OSError) as error:
            return self._journey.fail(error)
        finally:
            self.close()
        return self._journey.arrive()


def _departing(base: Any, errand: Errand, journey: Journey, tls: SSLContext | None) -> Any:
    class Departing(base):  # type: ignore[misc]
        response_class = UnbrokenResponse

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            self.sock = journey.connect(errand.origin, tls=tls)
            journey.depart(self.sock)
            super().request(method, errand.target, *args, **kwargs)

    return Departing
