"""Decides how a connection is made so that another thread can give it up: every address in turn, within one time limit.

The system's own `connect` cannot be woken, and waits the whole limit for each address. Must never wait without having
shown its socket. A name look-up alone cannot be woken; the system bounds it.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["dial"]

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK})


def dial(
    address: tuple[str, int],
    *,
    timeout: float,
    options: Sequence[tuple[Any, ...]],
    source: tuple[str, int] | None,
    show: Callable[[socket.socket], None],
) -> socket.socket:
    """A connected socket. `show` is given each one as soon as it waits: a shutdown wakes it. Raises OSError."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    end, failure = time.monotonic() + timeout, OSError("no address")
    for left, (family, kind, protocol, _, place) in zip(range(len(found), 0, -1), found, strict=True):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            if source is not None:
                sock.bind(source)
            # A share each: one address that swallows everything must leave time for the next.
            _connect(sock, place, (end - time.monotonic()) / left, show)
        except OSError as error:
            failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(timeout)
            return sock
    raise failure


def _connect(sock: socket.socket, place: Any, patience: float, show: Callable[[socket.socket], None]) -> None:
    sock.setblocking(False)
    begun = sock.connect_ex(place)
    if begun not in _UNDER_WAY:
        raise OSError(begun, os.strerror(begun))
    show(sock)  # not before: a socket that is not yet connecting cannot be shut down
    with selectors.DefaultSelector() as waiting:
        waiting.register(sock, selectors.EVENT_WRITE)
        if not waiting.select(max(0.0, patience)):
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))
    sock.getpeername()  # raises where it was shut down meanwhile, which is no error of the socket's
