"""Decides how a server is reached that takes nobody: a port whose queue of connections is full, so that a SYN is lost.

Such a port neither refuses nor answers, as one behind a firewall. Must never take a connection itself.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

import pytest

__all__ = ["FullQueue"]

_TABLE: Final = Path("/proc/net/tcp")  # Linux says here what each connection is at
_SYN_SENT: Final = "02"
_MOST: Final = 1024  # connections that a queue of length 0 holds on any system
_LOST: Final = 0.1  # seconds after which a connection to ourselves is not coming any more


@final
class FullQueue:
    """A context manager. `port` is on 127.0.0.1."""

    def __init__(self) -> None:
        self._cleanup = contextlib.ExitStack()
        self._listener = self._cleanup.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        self.port: Final[int] = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as failing:
            failing.push(self._cleanup)
            if not any(self._is_full() for _ in range(_MOST)):
                pytest.skip("this system queues connections without end")
            failing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def tried(self, count: int, *, timeout: float) -> bool:
        """Whether so many connections are being tried, or will be within `timeout` seconds.

        Linux alone says so; elsewhere it is taken for granted after a moment.
        """
        if not _TABLE.exists():
            time.sleep(_LOST)
            return True
        end = time.monotonic() + timeout
        while self._trying() != count and time.monotonic() < end:
            time.sleep(0.005)
        return self._trying() == count

    def _trying(self) -> int:
        rows = [line.split() for line in _TABLE.read_text().splitlines()[1:]]
        return sum(row[2].endswith(f":{self.port:04X}") and row[3] == _SYN_SENT for row in rows)

    def _is_full(self) -> bool:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", self.port))
        with selectors.DefaultSelector() as waiting:
            waiting.register(sock, selectors.EVENT_WRITE)
            taken = bool(waiting.select(_LOST))
        if taken:
            self._cleanup.enter_context(sock)
        else:
            sock.close()
        return not taken
