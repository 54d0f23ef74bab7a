"""A sync transport over the standard library's http.client: nothing to install beside reportdl.

One connection for each request, so that nothing is shared and nothing is stale. No proxy.
"""

from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
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
        self._errand, self._journey = errand, Journey(errand.exchange)
        host, port, patience = errand.origin.host, errand.origin.port, errand.exchange.connect_timeout
        if tls is None:
            self._connection = HTTPConnection(host, port, timeout=patience)
        else:
            self._connection = HTTPSConnection(host, port, timeout=patience, context=tls)

    def perform(self) -> Event:
        try:
            with closing(self._connection):
                self._converse()
        except (OSError, HTTPException, ValueError) as error:
            return self._journey.fail(error)
        return self._journey.arrive()

    def _converse(self) -> None:
        errand, exchange, connection = self._errand, self._errand.exchange, self._connection
        connection.response_class = UnbrokenResponse
        connection.connect()
        connection.sock.settimeout(exchange.read_timeout)
        self._journey.depart(connection.sock)
        # The target goes on the wire as it is; http.client adds Host and, for a body, Content-Length.
        headers = {**errand.headers, "Connection": "close"}
        connection.request(errand.method, errand.target, body=errand.body or None, headers=headers)
        with connection.getresponse() as response:
            wanted = exchange.head(response.status, response.getheaders())
            # read1 gives what is there: read would wait for a whole CHUNK while the server is silent.
            while wanted and (data := response.read1(CHUNK)):
                wanted = exchange.feed(data)

    def cancel(self) -> None:
        self._journey.cancel()
