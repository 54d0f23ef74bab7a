"""A file into a binary stream: nothing before it is whole, and what the stream does not take is kept (I10, D44)."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from reportdl.files import StreamSink, TargetUnusable, destination
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


@pytest.mark.rules("D44")
@pytest.mark.parametrize("make", [broken_pipe, closed, lambda: Grudging(1000)])
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
