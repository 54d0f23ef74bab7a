"""A sync transport over requests: one connection for each request, no proxy.

requests rewrites percent-encodings and urllib3 logs targets: a connection class puts the token in below both of them.
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

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context knows whom to trust; requests would add authorities of its own."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        origin, tls = self._errand.origin, {"ssl_context": self._tls}
        pool = self.poolmanager.connection_from_host(origin.host, origin.port, origin.scheme, pool_kwargs=tls)
        pool.ConnectionCls = _departing(pool.ConnectionCls, self._errand.target, self._journey)
        return pool

    def perform(self) -> Event:
        errand, exchange = self._errand, self._errand.exchange
        asked = requests.Request(errand.method, errand.url, headers=errand.headers, data=errand.body or None)
        try:
            patience = (exchange.connect_timeout, exchange.read_timeout)
            with self.send(asked.prepare(), stream=True, timeout=patience) as response:  # no Session: it keeps cookies
                pieces = response.raw.stream(CHUNK, decode_content=False)
                wanted = exchange.head(response.status_code, response.raw.headers.items())
                while wanted and (data := next(pieces, b"")):
                    wanted = exchange.feed(data)
        except (requests.RequestException, HTTPError, OSError) as error:
            return self._journey.fail(error)
        finally:
            self.close()
        return self._journey.arrive()


def _departing(base: Any, target: str, journey: Journey) -> Any:
    class Departing(base):  # type: ignore[misc]
        response_class = UnbrokenResponse

        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()
            journey.depart(self.sock)
            super().request(method, target, *args, **kwargs)

    return Departing
