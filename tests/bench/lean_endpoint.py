"""Serves what the benchmarks ask for: the five states with fixed answers, as fast as asyncio lets a socket be.

    python -m tests.bench.lean_endpoint [--cut SECONDS]

The reference endpoint generates, checks and logs; that would be measured too. This one runs in a process of its own and
says what it saw at `/log`: requests, connections, and when each file became ready, on the machine's monotonic clock,
which the client's process reads as well. The ids say what to do: the element is the generation's milliseconds, the
segment the file's KiB (0: 64). With `--cut`, `run`'s connection is dropped that many seconds after it came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from functools import cache
from typing import Any, BinaryIO

__all__: list[str] = []

KIB, BLOCK = 1024, 64 * 1024 * 1024
IN_MEMORY = 4 * 1024 * KIB
PATTERN = bytes(range(256)) * 4


@cache
def body(size: int) -> bytes:
    return b"%PDF-1.7\n" + (PATTERN * (size // len(PATTERN) + 1))[: size - 9]


@cache
def block() -> BinaryIO:
    """A file of 64 MiB, to be sent over and over: a body of gigabytes costs the server nearly nothing."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
    file.write(body(BLOCK))
    file.flush()
    return file


class Session:
    __slots__ = ("consumed", "ready_at", "size")

    def __init__(self, size: int) -> None:
        self.size, self.ready_at, self.consumed = size, 0.0, False


class Endpoint:
    """What all connections share."""

    def __init__(self, cut: float | None) -> None:
        self.cut = cut
        self.sessions: dict[str, Session] = {}
        self.clear()

    def clear(self) -> None:
        self.requests: Counter[str] = Counter()
        self.connections = self.open = self.most_open = 0
        self.ready: list[float] = []
        self.checks: list[float] = []

    def log(self) -> bytes:
        seen = {
            "requests": self.requests,
            "connections": self.connections,
            "most_open": self.most_open,
            "ready": self.ready,
            "checks": self.checks,
        }
        text = json.dumps(seen).encode()
        self.clear()
        return text


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next one."""

    transport: asyncio.Transport

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.buffer, self.gone, self.sending = endpoint, b"", False, None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.endpoint.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.buffer = rest
            self.answer(head)

    def answer(self, head: bytes) -> None:
        target = head.split(b" ", 2)[1].decode()
        close = b"\r\nconnection: close" in head.lower()
        path, _, query = target.partition("?")
        parts = path.split("/")
        state = parts[-1]
        endpoint = self.endpoint
        if state == "log":
            self.say(endpoint.log(), close)
            return
        endpoint.requests[state] += 1
        token = dict(pair.partition("=")[::2] for pair in query.split("&")).get("token", "")
        generation, size = int(parts[4]) / 1000, (int(parts[6]) or 64) * KIB
        match state:
            case "formats":
                self.say(b'{"status":"OK","formats":["image","pdf","csv"]}', close)
            case "init":
                token = f"abc{len(endpoint.sessions)}DEF%3D"
                endpoint.sessions[token] = Session(size)
                self.say(b'{"status":"OK","token":"%s"}' % token.encode(), close)
            case "run":
                loop = asyncio.get_running_loop()
                session = endpoint.sessions[token]
                loop.call_later(generation, self.become_ready, session, close)
                if endpoint.cut is not None and endpoint.cut < generation:
                    loop.call_later(endpoint.cut, self.transport.abort)
            case "check":
                endpoint.checks.append(time.monotonic())
                ready = endpoint.sessions[token].ready_at
                self.say(b'{"status":"READY"}' if ready else b'{"status":"IN PROGRESS"}', close)
            case "get":
                self.deliver(endpoint.sessions[token], close)
            case _:
                self.say(b'{"status":"ERROR","message":"Invalid state"}', close, status=b"400 Bad Request")

    def become_ready(self, session: Session, close: bool) -> None:
        session.ready_at = time.monotonic()
        self.endpoint.ready.append(session.ready_at)
        self.say(b'{"status":"OK"}', close)

    def deliver(self, session: Session, close: bool) -> None:
        if not session.ready_at:
            self.say(b'{"status":"IN PROGRESS"}', close)
            return
        if session.consumed:
            self.say(b'{"status":"ERROR","message":"Download failed"}', close, status=b"400 Bad Request")
            return
        session.consumed = True
        head = b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="Sales.pdf"\r\n'
        head = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (head, session.size)
        if session.size <= IN_MEMORY:
            self.transport.write(head + body(session.size))
            self.ended(close)
        else:
            self.transport.write(head)
            self.sending = asyncio.get_running_loop().create_task(self.pour(session.size, close))

    async def pour(self, left: int, close: bool) -> None:
        loop = asyncio.get_running_loop()
        while left and not self.gone:
            left -= await loop.sendfile(self.transport, block(), 0, min(left, BLOCK))
        self.ended(close)

    def say(self, text: bytes, close: bool, status: bytes = b"200 OK") -> None:
        if not self.gone:
            head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            self.transport.write(head % (status, len(text)) + text)
            self.ended(close)

    def ended(self, close: bool) -> None:
        if close:
            self.transport.close()


async def serve(cut: float | None) -> None:
    endpoint = Endpoint(cut)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(endpoint), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cut", type=float)
    asyncio.run(serve(parser.parse_args().cut))


if __name__ == "__main__":
    main()
