"""An async transport over trio's own streams and raw h11: one connection for each request, no proxy."""

import h11
import trio

from reportdl import Network
from reportdl.errands import Errand
from reportdl.origin import Origin
from reportdl.transports import described
from reportdl.transports.asynchronous import finished
from reportdl_core import Event, Sent
from reportdl_core.exchange import CHUNK

__all__ = ["TrioTransport"]

_HEADERS = 64 * 1024  # bytes: h11 itself stops at 16 KiB (D36)


class TrioTransport:
    """`reportdl.aio.AsyncClient(url, credentials=..., transport=TrioTransport(Origin.parse(url)))`."""

    def __init__(self, origin: Origin, *, network: Network | None = None) -> None:
        self._tls = (network or Network()).tls() if origin.scheme == "https" else None

    async def perform(self, errand: Errand) -> Event:
        exchange, sent = errand.exchange, Sent.NOT_SENT
        try:
            stream = await self._connected(errand)
            sent = Sent.UNKNOWN
            try:
                await _converse(stream, errand)
            finally:
                await trio.aclose_forcefully(stream)
        except (OSError, h11.ProtocolError, trio.BrokenResourceError, trio.TooSlowError) as error:
            return exchange.lost(sent=sent, message=described(error))
        return await finished(exchange)

    async def _connected(self, errand: Errand) -> trio.abc.Stream:
        with trio.fail_after(errand.exchange.connect_timeout):
            plain = await trio.open_tcp_stream(errand.origin.host, errand.origin.port)
            if self._tls is None:
                return plain
            try:
                stream = trio.SSLStream(plain, self._tls, server_hostname=errand.origin.host)
                await stream.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(plain)
                raise
            return stream

    async def aclose(self) -> None:
        """Every request closes its own connection."""


async def _converse(stream: trio.abc.Stream, errand: Errand) -> None:
    exchange, patience = errand.exchange, errand.exchange.read_timeout
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEADERS)
    headers = {"Host": errand.origin.authority, **errand.headers, "Connection": "close"}
    if errand.body:
        headers["Content-Length"] = str(len(errand.body))
    request = h11.Request(method=errand.method, target=errand.target, headers=list(headers.items()))
    data = connection.send(request) + connection.send(h11.Data(data=errand.body)) + connection.send(h11.EndOfMessage())
    with trio.fail_after(patience):
        await stream.send_all(data)
    while not isinstance(head := await _next(connection, stream, patience), h11.Response):
        pass  # 100 Continue and its like
    wanted = exchange.head(head.status_code, ((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers))
    while wanted and isinstance(event := await _next(connection, stream, patience), h11.Data):
        wanted = exchange.feed(bytes(event.data))


async def _next(connection: h11.Connection, stream: trio.abc.Stream, patience: float) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        with trio.fail_after(patience):
            connection.receive_data(bytes(await stream.receive_some(CHUNK)))
    return event
