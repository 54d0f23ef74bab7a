"""A file into a binary stream: nothing before it is whole, and what the stream does not take is kept (I10, D44)."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

import reportdl
from reportdl.files import StreamSink, TargetUnusable, destination
from reportdl.server import LoopbackServer
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.sink import NotKept, Offer, Sink

JOB = Job(element=1042, segment=7, format="pdf")
BODY = b"%PDF-1.7 " + b"x" * 5000 + b"%%EOF"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


def offer(filename: str | None = "Sales.pdf") -> Offer:
    return Offer(job=JOB, filename=filename, content_type="application/pdf", length=None)


def spooled(sink: Sink, body: bytes = BODY, filename: str | None = "Sales.pdf") -> None:
    sink.open(offer(filename))
    for start in range(0, len(body), 1000):
        sink.write(body[start : start + 1000])


def delivered(sink: Sink, body: bytes = BODY, filename: str | None = "Sales.pdf") -> Receipt:
    spooled(sink, body, filename)
    return sink.publish(length_verified=True, warnings=())


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.rules("I10")
def test_a_stream_gets_nothing_before_the_file_is_whole_and_stays_open(tmp_path: Path) -> None:
    stream = io.BytesIO()
    sink = StreamSink(stream, directory=tmp_path)
    sink.prepare(JOB)
    spooled(sink)
    assert stream.getvalue() == b""
    receipt = sink.publish(length_verified=True, warnings=("odd",))
    assert stream.getvalue() == BODY
    assert (receipt.path, receipt.filename, receipt.size) == (None, "Sales.pdf", len(BODY))
    assert receipt.sha256 == hashlib.sha256(BODY).hexdigest()
    assert receipt.warnings == ("odd",)
    assert names(tmp_path) == []


@pytest.mark.rules("D21", "D22")
def test_a_stream_gets_nothing_of_a_file_that_is_discarded_or_set_aside(tmp_path: Path) -> None:
    stream = io.BytesIO()
    sink = StreamSink(stream, directory=tmp_path)
    spooled(sink, b"half")
    sink.discard()
    assert names(tmp_path) == []
    spooled(sink)
    assert sink.set_aside("no end mark") == str(tmp_path / "Sales.pdf.unverified")
    assert (tmp_path / "Sales.pdf.unverified").read_bytes() == BODY
    assert stream.getvalue() == b""


class Grudging(io.RawIOBase):
    """Takes a few bytes at a time, as a raw stream may; `taken` bytes in all."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.got = room, bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int | None:
        piece = bytes(data)[: min(700, self.room)]  # type: ignore[call-overload]
        self.got += piece
        self.room -= len(piece)
        return len(piece) or None


class Silent(io.BytesIO):
    """Takes everything and says nothing, as some wrappers do."""

    def write(self, data: object) -> int:
        super().write(data)  # type: ignore[arg-type]
        return None  # type: ignore[return-value]


def test_short_writes_of_a_stream_are_completed(tmp_path: Path) -> None:
    raw = Grudging(10**6)
    delivered(StreamSink(raw, directory=tmp_path))  # type: ignore[arg-type]
    assert bytes(raw.got) == BODY
    silent = Silent()
    delivered(StreamSink(silent, directory=tmp_path))
    assert silent.getvalue() == BODY


def broken_pipe() -> BinaryIO:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb", buffering=0)


def closed() -> BinaryIO:
    stream = io.BytesIO()
    stream.close()
    return stream


class BucketError(Exception):
    """As the libraries of object stores raise: no OSError."""


class Upload(io.RawIOBase):
    """Writes into a bucket; fails at the first byte, or at the end of all, when it is flushed."""

    def __init__(self, *, at_the_end: bool = False) -> None:
        super().__init__()
        self._at_the_end = at_the_end

    def write(self, data: object) -> int:
        if not self._at_the_end:
            raise BucketError("403 from the bucket")
        return len(data)  # type: ignore[arg-type]

    def flush(self) -> None:
        if not self.closed and self._at_the_end:
            self._at_the_end = False
            raise BucketError("403 from the bucket")


class TextInDisguise:
    """No stream of the standard library's, and it takes text."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self.write, self.flush, self.close = self._text.write, self._text.flush, self._text.close


@pytest.mark.rules("D44")
@pytest.mark.parametrize(
    "make",
    [broken_pipe, closed, lambda: Grudging(1000), Upload, lambda: Upload(at_the_end=True), TextInDisguise],
)
def test_what_a_stream_does_not_take_is_kept_and_named(tmp_path: Path, make: object) -> None:
    assert callable(make)
    stream = make()
    with pytest.raises(NotKept, match="the stream did not take the file") as caught:
        delivered(StreamSink(stream, directory=tmp_path))
    assert caught.value.path == str(tmp_path / "Sales.pdf.part")
    assert caught.value.path in caught.value.message
    assert (tmp_path / "Sales.pdf.part").read_bytes() == BODY
    assert names(tmp_path) == ["Sales.pdf.part"]
    stream.close()


@pytest.mark.rules("D44")
def test_the_reason_is_in_the_words_of_the_streams_own_library(tmp_path: Path) -> None:
    with pytest.raises(NotKept, match=r"file \(BucketError\): 403 from the bucket; its 5,014 bytes are kept as"):
        delivered(StreamSink(Upload(), directory=tmp_path))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "to", [b"/tmp/out.pdf", None, 1, SimpleNamespace(write=print)], ids=lambda to: type(to).__name__
)
def test_what_is_neither_a_path_nor_a_stream_is_refused_early(to: object) -> None:
    with pytest.raises(TargetUnusable, match=f"neither a path.* nor a binary stream: {type(to).__name__}"):
        destination(to, job=JOB)  # type: ignore[arg-type]


def test_what_takes_no_bytes_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"")
    with open(tmp_path / "there", "rb") as reading, pytest.raises(TargetUnusable, match="for reading only"):
        destination(reading, job=JOB)
    with pytest.raises(TargetUnusable, match="is closed"):
        destination(closed(), job=JOB)
    with tempfile.NamedTemporaryFile("w") as text, pytest.raises(TargetUnusable, match="binary mode"):
        destination(text, job=JOB)
    with LoopbackServer() as server, reportdl.Client(server.url, credentials=reportdl.Token("any")) as client:
        with pytest.raises(reportdl.TargetUnusable):
            client.download(1042, format="csv", to=closed())
        assert server.calls == ()


def test_what_only_looks_unlike_a_stream_is_taken() -> None:
    class Plain:
        """As a web framework's response: no more than it needs, and a word that means something else."""

        writable = "yes"

        def __init__(self) -> None:
            self.got = b""

        def write(self, data: bytes) -> None:
            self.got += data

        def flush(self) -> None:
            pass

    plain = Plain()
    sink = destination(plain, job=JOB)  # type: ignore[arg-type]
    delivered(sink)
    assert plain.got == BODY


def test_a_text_stream_and_a_missing_folder_are_refused_early(tmp_path: Path) -> None:
    with pytest.raises(TargetUnusable, match="buffer"):
        destination(sys.__stdout__, job=JOB)  # type: ignore[arg-type]
    with pytest.raises(TargetUnusable):
        StreamSink(io.BytesIO(), directory=tmp_path / "missing").prepare(JOB)
    with pytest.raises(FileNotFoundError, match="cannot write to"):
        StreamSink(io.BytesIO(), directory=tmp_path / "missing").open(offer())


@pytest.mark.rules("D44")
def test_a_temporary_file_that_lost_bytes_is_not_passed_off_as_the_file(tmp_path: Path) -> None:
    sink = StreamSink(io.BytesIO(), directory=tmp_path)
    spooled(sink)
    [hidden] = names(tmp_path)
    os.truncate(tmp_path / hidden, 100)
    with pytest.raises(NotKept, match="lost bytes"):
        sink.publish(length_verified=True, warnings=())
