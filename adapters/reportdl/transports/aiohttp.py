"""Carries out errands with aiohttp: one request on the wire for each, on a session of ours or the user's own.

aiohttp sends an idempotent request a second time by itself when a kept connection breaks; its one switch is a client
middleware that turns the error into one it does not know. It is given with each request, so that it holds on any
session, and a user's own middlewares, which might repeat too, are left out. No policy here.
"""

from __future__ import annotations

import functools
import ssl
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final, final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from reportdl.errands import Errand, Exchanging
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.transports import described
from reportdl.transports.asynchronous import finished
from reportdl_core.events import Event, Sent

__all__ = ["AiohttpTransport"]

_BUFFER: Final = 512 * 1024  # bytes: larger reads gain nothing, smaller ones cost CPU
_FIELD: Final = 64 * 1024

# Raised by the connector alone, before a byte of the request: the proof behind NOT_SENT.
_UNSENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
)
_timeout: Final = functools.lru_cache(maxsize=32)(ClientTimeout)
_BROKEN: Final = (aiohttp.ClientError, OSError)


class _Failed(Exception):
    """What aiohttp raised, as something that it cannot repeat a request for."""

    def __init__(self, error: Exception, sent: Sent) -> None:
        super().__init__(described(error))
        self.sent = sent


async def _once(ours: dict[str, str], request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    request.headers.popall("Cookie", None)  # a user's session may keep a jar (D30)
    request.headers.update(ours)
    try:
        return await handler(request)
    except _UNSENT as error:
        raise _Failed(error, Sent.NOT_SENT) from None
    except _BROKEN as error:
        raise _Failed(error, Sent.UNKNOWN) from None


@final
class AiohttpTransport:
    """Errands over aiohttp: a user's `session`, which stays theirs, or two of our own that reach `origin`."""

    def __init__(self, origin: Origin, *, network: Network | None = None, session: ClientSession | None = None) -> None:
        ours = (network or Network()) if session is None else None
        self._session = self._alone = session
        self._owned = ours is not None
        self._base = str(replace(origin, path=""))
        self._proxy = None if ours is None else ours.proxy_for(origin)
        schemes = (origin.scheme, (self._proxy or "").partition(":")[0])
        self._tls = ours.tls() if ours is not None and "https" in schemes else True

    async def perform(self, errand: Errand) -> Event:
        """Send it once, read the answer, return the event."""
        exchange = errand.exchange
        try:
            async with self._request(errand) as response:
                await _read(response, exchange)
        except _Failed as error:
            return exchange.lost(sent=error.sent, message=str(error))
        except _BROKEN as error:
            return exchange.lost(sent=Sent.UNKNOWN, message=described(error))
        return await finished(exchange)

    def _request(self, errand: Errand) -> AbstractAsyncContextManager[ClientResponse]:
        if self._session is None or self._alone is None:  # not before: a session belongs to the loop that runs
            self._session, self._alone = _session(self._tls), _session(self._tls, force_close=True)
        exchange = errand.exchange
        connect, read = exchange.connect_timeout, exchange.read_timeout
        return (self._alone if exchange.own_connection else self._session).request(
            errand.method,
            URL(self._base + errand.target, encoded=True),  # verbatim: a token's %2F and %3d are its own (D3)
            headers=errand.headers,
            data=errand.body or None,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            proxy=self._proxy,
            # Look-up and tunnel included (D35); a user's session may keep it waiting for a place first.
            timeout=_timeout(connect=connect if self._owned else None, sock_connect=connect, sock_read=read),
            # Connections are pooled by this name too: on a user's session `run` shares none with the others (D30).
            server_hostname=errand.origin.host if exchange.own_connection else None,
            read_bufsize=_BUFFER,
            max_field_size=_FIELD,
            middlewares=(lambda request, handler: _once(errand.headers, request, handler),),
        )

    async def aclose(self) -> None:
        """Close the sessions, if they are ours."""
        if self._owned and self._session is not None and self._alone is not None:
            await self._session.close()
            await self._alone.close()
            self._session = self._alone = None


def _session(tls: ssl.SSLContext | bool, *, force_close: bool = False) -> ClientSession:
    # limit=0: a thousand silent `run` must not keep a `check` waiting.
    connector = aiohttp.TCPConnector(ssl=tls, limit=0, force_close=force_close)
    return ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def _read(response: ClientResponse, exchange: Exchanging) -> None:
    whole = False
    try:
        headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers)
        if exchange.head(response.status, headers):
            async for chunk in response.content.iter_any():  # no generator: it may be left at any chunk
                if not exchange.feed(chunk):
                    return
            whole = True
    finally:
        if not whole:
            response.close()
