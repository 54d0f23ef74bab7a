"""A head is read here as http.client reads it, whatever stands in it; only one that breaks off is an error (D21)."""

from __future__ import annotations

import io
from http.client import HTTPResponse, IncompleteRead
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportdl.transports.unbroken import UnbrokenResponse

HEAD = b"HTTP/1.1 200 OK\r\n"
PIECES = [
    HEAD,
    b"HTTP/1.0 404 No\r\n",
    b"HTTP/1.2 204\r\n",
    b"HTTP/2 200\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"Content-Length: 3\r\n",
    b"content-length:-1\r\n",
    b"Content-Length: 1_0\r\n",
    b"Transfer-Encoding: Chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"A:b\n",
    b"A:b\rC:d\r\n",
    b" folded\r\n",
    b"\tfolded\r\n",
    b"No colon\r\n",
    b"From me\r\n",
    b"X :y\r\n",
    b":v\r\n",
    b"X:\r\n",
    b"X:\x0b y \r\n",
    b"X: \x1c\x1dq\r\n",
    b"X: \xe9\x85z\r\n",
    b"X:  v\xa0 \t\r\n",
    b"\xa0: x\r\n",
    b"\r\n",
    b"\n",
    b"body",
]


class Connected:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


def read(kind: type[HTTPResponse], data: bytes) -> Any:
    response = kind(Connected(data), method="GET")  # type: ignore[arg-type]
    try:
        response.begin()
    except Exception as error:
        return type(error)
    seen: Any = response
    return (seen.status, seen.reason, seen.version, seen.msg.items(), seen.chunked, seen.length, seen.will_close)


@pytest.mark.rules("D21", "I11")
@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=9))
def test_a_head_says_the_same_as_to_http_client(pieces: list[bytes]) -> None:
    data = HEAD + b"".join(pieces) + b"\r\n"
    ours = read(UnbrokenResponse, data)
    assert ours is IncompleteRead or ours == read(HTTPResponse, data)


@pytest.mark.rules("D21")
@pytest.mark.parametrize("cut", [5, len(HEAD), len(HEAD) + 4, len(HEAD) + 6])
def test_a_head_that_breaks_off_is_no_head(cut: int) -> None:
    assert read(UnbrokenResponse, (HEAD + b"A: b\r\n\r\n")[:cut]) is IncompleteRead


@pytest.mark.rules("D36")
def test_a_head_without_end_is_refused_like_by_http_client() -> None:
    for endless in (HEAD + b"A: b\r\n" * 200, HEAD + b"A: " + b"x" * 100_000 + b"\r\n\r\n"):
        assert read(UnbrokenResponse, endless) is read(HTTPResponse, endless)
