"""Carries out errands with httpx2, under asyncio or trio: one request on the wire for each.

httpx2 is given the path without its query, and the real target as the extension that goes on the wire as it is: so no
token reaches its INFO log or its exceptions, and none is normalised. Its trace says when the request's first byte is
about to leave. Each of its timeouts is set: the default of 5 s would end every `run`. Every request asks for its
connection to be closed: httpx2 would use one again with bytes left over in it, and take them for the next answer.
No policy here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, Protocol, final

import anyio
import httpx2

from reportdl.errands import Errand
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.transports import described
from reportdl.transports.asynchronous import fed, finished
from reportdl_core.events import Event, Sent

__all__ = ["Httpx2Client", "Httpx2Transport"]

_UNLIMITED: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=8)
_ALONE: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
_CONNECTING: Final = ("connect_tcp.started", "connect_unix_socket.started")
_NO_COOKIES: Final = DefaultCookiePolicy(allowed_domains=())  # those that are sent are not httpx2's business (D30)


class Httpx2Client(Protocol):
    """What is needed of an `httpx2.AsyncClient` that a user hands in. It is never closed by us."""

    async def send(
        self, request: httpx2.Request, *, stream: bool = ..., auth: None = ..., follow_redirects: bool = ...
    ) -> httpx2.Response:
        """Send one request."""
        ...


@final
class Httpx2Transport:
    """Errands over httpx2: a user's `client`, which stays theirs, or two of our own that reach `origin`.

    A client of the user's should not speak HTTP/2, where `run` and `check` would share a connection (D30).
    """

    def __init__(self, origin: Origin, *, network: Network | None = None, client: Httpx2Client | None = None) -> None:
        self._base = str(replace(origin, path=""))
        self._own: tuple[httpx2.AsyncClient, ...] = ()
        if client is not None:
            self._client = self._alone = client
            return
        network = network or Network()
        self._own = (_client(network, origin, _UNLIMITED), _client(network, origin, _ALONE))
        self._client, self._alone = self._own

    async def perform(self, errand: Errand) -> Event:
        """Send it once, read the answer, return the event."""
        exchange, journey = errand.exchange, _Journey()
        client = self._alone if exchange.own_connection else self._client
        try:
            # Made here and not by the client, whose headers, cookies and parameters are for the user's own requests.
            request = httpx2.Request(
                errand.method,
                self._base + errand.place,
                headers={**errand.headers, "Connection": "close"},
                content=errand.body or None,
                extensions={
                    "target": errand.target.encode("ascii"),
                    "timeout": httpx2.Timeout(exchange.read_timeout, connect=exchange.connect_timeout).as_dict(),
                    "trace": journey.trace,
                },
            )
            response: httpx2.Response | None = None
            # A user's client may keep it waiting for a place first; httpx2's own limit leaves out a proxy's answer.
            with journey.connecting(exchange.connect_timeout if self._own else math.inf):
                response = await client.send(request, stream=True, auth=None, follow_redirects=False)
            if response is None:
                return exchange.lost(sent=journey.sent, message="connect timeout")
            try:
                headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
                if exchange.head(response.status_code, headers):
                    await fed(exchange, response.aiter_raw())
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            return exchange.lost(sent=journey.sent, message=described(error))
        finally:
            await journey.let_go()
        return await finished(exchange)

    async def aclose(self) -> None:
        """Close the clients, if they are ours."""
        for client in self._own:
            await client.aclose()


class _Journey:
    """How far a request has come: whether a byte of it may have left, and a connection that nobody holds yet.

    It takes the trace as its proof, and nothing else: a transport of the user's own may tell nothing, and send (I3).
    """

    def __init__(self) -> None:
        self.sent = Sent.UNKNOWN
        self._departed = False
        self._loose: Any = None
        self._scope = anyio.CancelScope()

    def connecting(self, patience: float) -> anyio.CancelScope:
        """Has so many seconds until the request's first byte leaves, tunnel and TLS included; swallows the rest."""
        self._scope.deadline = anyio.current_time() + patience
        return self._scope

    async def trace(self, name: str, info: dict[str, Any]) -> None:
        """httpx2 is about to do this, or has done it."""
        if name.endswith(_CONNECTING):
            self.sent = Sent.UNKNOWN if self._departed else Sent.NOT_SENT
        elif name.endswith("connect_tcp.complete"):
            self._loose = info["return_value"]
        # A tunnel's own CONNECT goes to the proxy, with nothing of ours in it.
        elif name.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.sent, self._departed, self._loose = Sent.UNKNOWN, True, None
            self._scope.deadline = math.inf
        # Its DEBUG log shows what stands here next; headers and broken lines may echo what was asked (D39).
        elif name.endswith("receive_response_headers.complete"):
            info["return_value"] = info["return_value"][:2]
        elif name.endswith(".failed"):
            info["exception"] = type(info["exception"]).__name__

    async def let_go(self) -> None:
        """Close what httpx2 forgets: a connection whose TLS handshake was cancelled (D38)."""
        if self._loose is not None:
            with anyio.CancelScope(shield=True):
                await self._loose.aclose()


def _client(network: Network, origin: Origin, limits: httpx2.Limits) -> httpx2.AsyncClient:
    found, tls = network.proxy_for(origin), network.tls()
    # What `Network` says of certificates holds for a proxy's own too; one without TLS must be given no context.
    proxy = None if found is None else httpx2.Proxy(found, ssl_context=tls if found.startswith("https:") else None)
    transport = httpx2.AsyncHTTPTransport(verify=tls, proxy=proxy, trust_env=False, limits=limits)
    return httpx2.AsyncClient(transport=transport, trust_env=False, cookies=CookieJar(_NO_COOKIES))
