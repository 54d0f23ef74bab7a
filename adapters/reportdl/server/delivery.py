"""Decides how an answer's bytes go out: headers, chunks, the end, and the faults that are done to them.

Says `Whole` only when the operating system has taken the last byte (D21), and cuts a client that does not read
(D35). Must never decide what is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from starlette.types import Message, Send

from reportdl.server.connection import Connection
from reportdl.server.faults import (
    Chunked,
    ContentType,
    CutAt,
    Filename,
    NoDisposition,
    NoLength,
    Shape,
    TextPlain,
)
from reportdl.server.plain import Plain

__all__ = ["STALL", "Broken", "Delivery", "Sent", "Whole"]

_CHUNK: Final = 256 * 1024
STALL: Final = 60.0  # seconds that a client may take for one chunk

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The operating system has taken every byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The connection ended after `sent` bytes of the body."""

    sent: int


Sent = Whole | Broken


def _without(headers: Headers, name: str) -> Headers:
    return tuple(header for header in headers if header[0].lower() != name)


def _reshaped(headers: Headers, shape: Shape) -> Headers:
    match shape:
        case TextPlain():
            return (*_without(headers, "content-type"), ("Content-Type", "text/plain; charset=utf-8"))
        case ContentType(value=value):
            return (*_without(headers, "content-type"), ("Content-Type", value))
        case Filename(name=name):
            hostile = ("Content-Disposition", f'attachment; filename="{name}"')
            return (*_without(headers, "content-disposition"), hostile)
        case NoDisposition():
            return _without(headers, "content-disposition")
        case NoLength() | Chunked():
            return _without(headers, "content-length")
        case CutAt():
            return headers


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    # A name that a fault makes up may hold any character; what ISO-8859-1 cannot say goes out as UTF-8, as in the wild.
    return [(name.encode("ascii"), _bytes(value)) for name, value in headers]


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    # An empty chunk comes last, so that an empty file has one.
    chunk = b" "
    while chunk:
        chunk = await asyncio.to_thread(file.read, _CHUNK)
        yield chunk


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


class Delivery:
    """The way out of one call. `stall` is how many seconds the client may take for one chunk."""

    def __init__(self, *, send: Send, connection: Connection, stall: float = STALL) -> None:
        self._send = send
        self._connection = connection
        self._stall = stall
        self._sent = 0

    async def plain(self, answer: Plain, shapes: Iterable[Shape] = ()) -> Sent:
        """Send a short answer."""
        return await self._deliver(answer.status, answer.headers, _once(answer.body), len(answer.body), tuple(shapes))

    async def file(self, headers: Headers, file: BinaryIO, length: int, shapes: Iterable[Shape] = ()) -> Sent:
        """Send `length` bytes of `file` with 200, read from disk as they go."""
        return await self._deliver(200, headers, _read(file), length, tuple(shapes))

    async def cut(self) -> None:
        """Close the connection without an answer."""
        await self._connection.cut()

    async def _deliver(
        self, status: int, headers: Headers, chunks: AsyncIterator[bytes], length: int, shapes: tuple[Shape, ...]
    ) -> Sent:
        for shape in shapes:
            headers = _reshaped(headers, shape)
        if any(isinstance(shape, NoLength) for shape in shapes):
            self._connection.frame_by_close()
        cuts = [shape.size for shape in shapes if isinstance(shape, CutAt)]
        stop = min((*cuts, length - 1)) if cuts else length
        try:
            return await self._body(status, _encoded(headers), chunks, stop=max(stop, 0), length=length)
        except TimeoutError:
            await self._connection.cut()
            return Broken(sent=self._sent)

    async def _body(
        self, status: int, headers: list[tuple[bytes, bytes]], chunks: AsyncIterator[bytes], *, stop: int, length: int
    ) -> Sent:
        start: Message | None = {"type": "http.response.start", "status": status, "headers": headers}
        async for chunk in chunks:
            # The head goes with the first chunk: a client that knows an empty file by its length must not be gone
            # before the file's end is sent.
            if start is not None:
                await self._message(start)
                start = None
            part = chunk[: stop - self._sent]
            more = self._sent + len(part) < length
            if not await self._message({"type": "http.response.body", "body": part, "more_body": more}):
                break
            self._sent += len(part)
            if self._sent == stop:
                break
        return await self._end(length)

    async def _end(self, length: int) -> Sent:
        async with asyncio.timeout(self._stall):
            flushed = await self._connection.flushed()
        if flushed and self._sent == length:
            return Whole()
        await self._connection.cut()
        return Broken(sent=self._sent)

    async def _message(self, message: Message) -> bool:
        async with asyncio.timeout(self._stall):
            if not await self._connection.ready():
                return False
            await self._send(message)
            return True
