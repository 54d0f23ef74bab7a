"""A network of 50 ms: forwards bytes to a port, each half a round trip late; a new connection costs a round trip more.

python delay_proxy.py PORT MILLISECONDS
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

__all__: list[str] = []


class Late(asyncio.Protocol):
    """One direction of one connection: what comes in leaves at the other side after half a round trip."""

    def __init__(self, half: float) -> None:
        self.half = half
        self.other: Late | None = None
        self.transport: Any = None
        self.held: list[bytes] | None = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.held is not None:
            self.held.append(data)
            return
        asyncio.get_running_loop().call_later(self.half, self.pass_on, data)

    def connection_lost(self, error: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self.half, self.close)

    def pass_on(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def close(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def open(self) -> None:
        held, self.held = self.held or [], None
        for data in held:
            self.data_received(data)


class Door(Late):
    """The client's side: joined to the server once the handshake's round trip is over."""

    def __init__(self, half: float, port: int) -> None:
        super().__init__(half)
        self.port = port

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.joining = asyncio.get_running_loop().create_task(self.join())

    async def join(self) -> None:
        loop, inner = asyncio.get_running_loop(), Late(self.half)
        inner.other, self.other = self, inner
        await loop.create_connection(lambda: inner, "127.0.0.1", self.port)
        inner.open()
        await asyncio.sleep(2 * self.half)
        self.open()


async def serve(port: int, half: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Door(half, port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 2000))
