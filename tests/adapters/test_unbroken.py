"""What http.client would take for an answer, and what it would leave for the next one."""

from __future__ import annotations

import io
from http.client import HTTPException, HTTPResponse

import pytest

from reportdl.transports.unbroken import UnbrokenResponse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))


def read(kind: type[HTTPResponse], data: bytes) -> tuple[int, dict[str, str], bytes]:
    response = kind(Socket(data))  # type: ignore[arg-type]
    response.begin()
    return response.status, dict(response.getheaders()), response.read()


@pytest.mark.rules("I11")
@pytest.mark.parametrize("count", [1, 2, 50])
def test_interim_answers_are_passed_over(count: int) -> None:
    assert read(HTTPResponse, INTERIM * count + OK)[0] == 103
    assert read(UnbrokenResponse, INTERIM * count + OK) == (200, {"Content-Length": "2"}, b"{}")


@pytest.mark.rules("D21", "I10", "I11")
@pytest.mark.parametrize(
    "line",
    [b"no colon here", b"X : 1", b"X-One: 1\rContent-Length: 1", b"X-Nul: \0", b"\xe4: 1", b": nameless"],
)
def test_a_line_that_is_no_header_breaks_the_head(line: bytes) -> None:
    data = OK.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)
    assert read(HTTPResponse, data)[0] == 200
    with pytest.raises(HTTPException):
        read(UnbrokenResponse, data)


@pytest.mark.rules("I11")
def test_a_folded_header_is_one() -> None:
    data = OK.replace(b"\r\n", b"\r\nX: 1\r\n  2\r\n", 1)
    assert read(UnbrokenResponse, data)[2] == b"{}"


@pytest.mark.rules("D36")
@pytest.mark.parametrize("data", [INTERIM * 2000 + OK, OK.replace(b"\r\n", b"\r\n" + b"X: xxxx\r\n" * 9000, 1)])
def test_heads_are_bounded_together(data: bytes) -> None:
    with pytest.raises(HTTPException):
        read(UnbrokenResponse, data)


@pytest.mark.rules("D21")
@pytest.mark.parametrize("size", range(4, len(OK) - 2))
def test_a_head_that_breaks_off_is_none(size: int) -> None:
    with pytest.raises(HTTPException):
        read(UnbrokenResponse, OK[:size])
