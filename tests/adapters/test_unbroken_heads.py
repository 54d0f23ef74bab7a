"""A sound head is read as http.client reads it; one that breaks off, or holds what is no header, is an error (D21)."""

from __future__ import annotations

import io
import re
from http.client import HTTPException, HTTPResponse, IncompleteRead
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

SOUND = re.compile(rb"(?:[!-9;-~]+:| |\t)[^\r\n]*\r?\n")


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
    assert isinstance(ours, type) or ours == read(HTTPResponse, data)


@pytest.mark.rules("D21")
@given(st.lists(st.sampled_from([piece for piece in PIECES if SOUND.fullmatch(piece)]), max_size=9))
def test_a_sound_head_is_read(pieces: list[bytes]) -> None:
    data = HEAD + b"A: b\r\n" + b"".join(pieces) + b"\r\n"
    assert read(UnbrokenResponse, data) == read(HTTPResponse, data)


@pytest.mark.rules("D21")
@pytest.mark.parametrize("cut", [5, len(HEAD), len(HEAD) + 4, len(HEAD) + 6])
def test_a_head_that_breaks_off_is_no_head(cut: int) -> None:
    assert read(UnbrokenResponse, (HEAD + b"A: b\r\n\r\n")[:cut]) is IncompleteRead


@pytest.mark.rules("D36")
def test_a_head_without_end_is_refused_like_by_http_client() -> None:
    for endless in (HEAD + b"A: b\r\n" * 200, HEAD + b"A: " + b"x" * 100_000 + b"\r\n\r\n"):
        assert issubclass(read(UnbrokenResponse, endless), HTTPException)
