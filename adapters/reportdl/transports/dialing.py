"""Decides how a connection is made so that another thread can give it up: every address in turn, within one time limit.

The system's own `connect` cannot be woken, and waits the whole limit for each address. Must never wait without having
shown its socket. A name look-up alone cannot be woken; the system bounds it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, final

__all__ = ["Dialled", "dial", "shut"]

_SHORTEST: Final = 0.001  # seconds; 0 would mean something else
_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK})


class _GivenUp(ConnectionAbortedError):
    """Nobody wants a connection any more: no other address is tried."""


@final
class Dialled:
    """A socket that is being connected, or in a TLS handshake: `give_up`, from any thread, wakes whoever waits."""

    __slots__ = ("_given_up", "_sock")

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._given_up = False

    def show(self, sock: socket.socket) -> None:
        """This one is waited for from now on. Raises ConnectionAbortedError where it was given up already."""
        self.forget()
        # A descriptor of our own: TLS will take the other away from this socket, and its handshake must be woken too.
        self._sock = sock.dup()
        if self._given_up:
            raise _GivenUp(errno.ECONNABORTED, "cancelled")

    def forget(self) -> None:
        """Nobody waits for it any more."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def give_up(self) -> None:
        """Wake whoever waits, now or as soon as anybody does."""
        self._given_up = True
        shut(self._sock)


def shut(sock: Any) -> None:
    """Shut a socket down under whoever reads from it; nothing happens for None, and where that is over.

    A library's own TLS, within that of a proxy say, is no socket: the one that it stands on is its `socket`.
    """
    while sock is not None and not isinstance(sock, socket.socket):
        sock = getattr(sock, "socket", None)
    if sock is not None:
        with contextlib.suppress(OSError, ValueError):
            # Not SSLSocket's own: it drops its TLS object under the thread that reads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def dial(
    address: tuple[str, int],
    *,
    timeout: float,
    options: Sequence[tuple[Any, ...]],
    source: tuple[str, int] | None,
    show: Callable[[socket.socket], None],
) -> socket.socket:
    """A connected socket, whose timeout is what is left of `timeout`. Raises OSError.

    `show` is given each one as soon as it waits: a shutdown wakes it.
    """
    end, failure = time.monotonic() + timeout, OSError("no address")
    found = _looked_up(address)
    for left, (family, kind, protocol, _, place) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family that this system does not have: the next address may be of another
            failure = error
            continue
        try:
            for option in options:
                sock.setsockopt(*option)
            if source is not None:
                sock.bind(source)
            # A share each: one address that swallows everything must leave time for the next.
            _connect(sock, place, (end - time.monotonic()) / left, show)
        except _GivenUp:
            sock.close()
            raise
        except OSError as error:
            failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(max(_SHORTEST, end - time.monotonic()))
            return sock
    raise failure


def _looked_up(address: tuple[str, int]) -> list[Any]:
    try:
        return list(socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
    except UnicodeError:  # a label that is empty, or too long for a name
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None


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
