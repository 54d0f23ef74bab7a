"""A sync transport over the standard library's http.client: nothing to install beside reportdl.

One connection for each request, so that nothing is shared and nothing is stale. No proxy.
"""

from contextlib import closing
from http.client import HTTPConnection, HTTPException
from ssl import SSLContext

from reportdl import Network
from reportdl.errands import Errand
from reportdl.origin import Origin
from reportdl.transports.journey import Journey
from reportdl.transports.unbroken import UnbrokenResponse
from reportdl_core import Event
from reportdl_core.exchange import CHUNK

__all__ = ["HttpClientFlight", "HttpClientTransport"]


class HttpClientTransport:
    """`reportdl.Client(url, credentials=..., transport=HttpClientTransport(Origin.parse(url)))`."""

    def __init__(self, origin: Origin, *, network: Network | None = None) -> None:
        self._tls = (network or Network()).tls() if origin.scheme == "https" else None

    def flight(self, errand: Errand) -> "HttpClientFlight":
        return HttpClientFlight(errand, self._tls)

    def close(self) -> None:
        """Every flight closes its own connection."""


class HttpClientFlight:
    def __init__(self, errand: Errand, tls: SSLContext | None) -> None:
        self._errand, self._journey, self._tls = errand, Journey(errand.exchange), tls
        self.cancel = self._journey.cancel

    def perform(self) -> Event:
        origin = self._errand.origin
        try:
            with closing(HTTPConnection(origin.host, origin.port)) as connection:
                self._converse(connection)
        except (OSError, HTTPException, ValueError) as error:
            return self._journey.fail(error)
        return self._journey.arrive()

    def _converse(self, connection: HTTPConnection) -> None:
        errand, exchange, journey = self._errand, self._errand.exchange, self._journey
        connection.response_class = UnbrokenResponse
        # TLS and all: http.client's own `connect` could not be woken.
        connection.sock = journey.connect(errand.origin, tls=self._tls)
        journey.depart(connection.sock)
        # The target goes on the wire as it is; http.client adds Content-Length for a body.
        headers = {"Host": errand.origin.authority, **errand.headers, "Connection": "close"}
        connection.request(errand.method, errand.target, body=errand.body or None, headers=headers)
        with connection.getresponse() as response:
            wanted = exchange.head(response.status, response.getheaders())
            # read1 gives what is there: read would wait for a whole CHUNK while the server is silent.
            while wanted and (data := response.read1(CHUNK)):
                wanted = exchange.feed(data)
