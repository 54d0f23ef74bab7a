"""Decides how a coded body is decoded: gzip and deflate, in bounded memory, with their checksums (D34).

We ask for identity; a server that codes all the same is understood. Must never give out more than it is asked to
bound: the caller counts what comes out, and small input may become large output, so it comes in slices. Must never let
go of a body's first bytes before something sound has come out of them: it may not be coded at all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["BadCoding", "Decoder", "decodable", "plain"]

_SLICE: Final = 1024 * 1024
_DOUBTED: Final = 256 * 1024  # bytes: a header with a name, a comment and a field of the longest is shorter
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class BadCoding(Exception):
    """The coded bytes are damaged: their checksum, their structure or their end."""


def decodable(coding: str) -> bool:
    """Whether a body with this Content-Encoding can be decoded here; the empty text is identity."""
    return not coding or coding in _WINDOWS


class Decoder:
    """Decodes one body. Raises BadCoding from `feed` and `end`."""

    __slots__ = ("_came", "_first", "_guessed", "_inner", "_raw")

    def __init__(self, coding: str) -> None:
        self._inner = zlib.decompressobj(_WINDOWS[coding]) if coding else None
        self._first = coding == "deflate"
        self._guessed = False  # without a wrapper: anything may pass for deflate for a while
        self._came = False
        self._raw: bytes | None = b"" if coding else None

    @property
    def undecoded(self) -> bytes | None:
        """All that went in, while nothing has come out that can be relied on; None afterwards."""
        return self._raw

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes decode to, in slices of at most 1 MiB."""
        if self._inner is None:
            yield data
            return
        if self._raw is not None:
            self._raw += data
        if self._first and data:
            # Some servers send raw deflate without its wrapper; the first byte tells: a wrapper's ends in 8.
            self._first = False
            if data[0] & 0x0F != 8:
                self._inner, self._guessed = zlib.decompressobj(-15), True
        piece = b""
        # A full slice may leave more inside, even where every byte of `data` has been taken.
        while data or len(piece) == _SLICE:
            if self._inner.eof:
                if data:
                    raise BadCoding("bytes after the end of the coded body")
                return
            try:
                piece = self._inner.decompress(data, _SLICE)
            except zlib.error:
                raise BadCoding("the coded body is damaged") from None
            data = self._inner.unconsumed_tail or self._inner.unused_data
            if piece:
                self._came = True
                if not self._guessed:
                    self._raw = None
                yield piece
        if self._raw is not None and len(self._raw) > _DOUBTED:
            if not self._came:
                raise BadCoding("nothing comes out of the coded body")
            self._raw = None

    def end(self) -> None:
        """Say that the body is over; a coded body must have come to its own end, checksum included."""
        if self._inner is not None and not self._inner.eof:
            raise BadCoding("the coded body stops before its end")


def plain(body: bytes, coding: str, *, cap: int) -> bytes:
    """A small body decoded whole; empty where it is unreadable, damaged, or longer than `cap` bytes (D36)."""
    if len(body) > cap or not decodable(coding):
        return b""
    if not coding:
        return body
    decoded, decoder = bytearray(), Decoder(coding)
    try:
        for piece in decoder.feed(body):
            decoded += piece
            if len(decoded) > cap:
                return b""
        decoder.end()
    except BadCoding:
        return b""
    return bytes(decoded)
