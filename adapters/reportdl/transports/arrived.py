"""Decides how much of a body one read takes, for every library that stands on http.client: all that has come, no more.

A plain socket's `recv` does so by itself. TLS gives one record of at most 16 KiB at a time, which would be hashed and
written each by itself; here those that have come are taken together. Must never wait with bytes in hand.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, final

from reportdl_core.exchange import CHUNK

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ["arrived", "pieces"]

_RECORD: Final = 16 * 1024  # bytes: the longest that TLS has


def arrived(reader: Any, sock: Any) -> Any:
    """`reader`, which is `sock.makefile("rb")`, as one whose `read1` gives all that has come."""
    return _Records(reader, sock) if isinstance(sock, ssl.SSLSocket) else reader


def pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    """urllib3's answer as its bytes come: its own `stream` would wait for a whole CHUNK while the server is silent."""
    while not response.closed:
        if data := response.read1(CHUNK, decode_content=False):
            yield data


@final
class _Records:
    def __init__(self, reader: Any, sock: ssl.SSLSocket) -> None:
        self._reader, self._sock = reader, sock
        self._failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read1(self, size: int) -> bytes:
        """Wait for one record, and take those behind it that are here; b"" at the end."""
        if self._failure is not None:
            raise self._failure
        taken: list[bytes] = [self._reader.read1(min(size, _RECORD))]
        left, patience = size - len(taken[0]), self._sock.gettimeout()
        if left <= 0 or not taken[0]:
            return taken[0]
        self._sock.settimeout(0.0)
        try:
            while left > 0 and taken[-1]:
                taken.append(self._reader.read1(min(left, _RECORD)))
                left -= len(taken[-1])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # half a record at most, or new keys to be said to the other side
        except OSError as error:
            self._failure = error  # said only once by the socket; what came before it counts
        finally:
            self._sock.settimeout(patience)
        return b"".join(taken)
