"""Decides what must be true of a body: the whole file as it came, or none, however the connection ends.

Must never be content with an event: it looks into the sink as well.
"""

from __future__ import annotations

import gzip
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from reportdl.errands import Exchanging
from reportdl.testing.canned import (
    FILE,
    JSON,
    PDF,
    WAKE,
    WHOLE,
    chunk,
)
from reportdl.testing.memory_sink import MemorySink
from reportdl.testing.raw_server import Answer, Then, message
from reportdl.testing.stage import Stage
from reportdl.testing.staging import Staged
from reportdl_core.commands import Check, Get
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    FileNotKept,
    FileReceived,
    Kept,
    Lost,
    Refused,
    Sent,
)

__all__ = ["BodyContract"]

_PATIENCE = 5.0  # seconds: half of what a body may stall here
_CODED: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    # Not the real thing: who decodes by itself fails over it, who hands on does not look.
    "br": lambda body: b"br" + body,
    "zstd": lambda body: b"zstd" + body,
}
_FRAMINGS = ("chunked", "one large chunk", "by its length", "by the connection's end")


class _Overheard:
    """An exchange that keeps what a transport tells it."""

    def __init__(self, exchange: Exchanging) -> None:
        self._exchange = exchange
        self.headers: list[tuple[str, str]] = []
        self.fed = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bool:
        self.headers = list(headers)
        return self._exchange.head(status, self.headers)

    def feed(self, data: bytes) -> bool:
        self.fed += data
        return self._exchange.feed(data)


class BodyContract(Staged):
    """What becomes of a file."""

    @pytest.mark.parametrize("length", [None, len(PDF), -1])
    @pytest.mark.rules("D38", "I10")
    def test_cancel_in_the_middle_of_a_file_leaves_nothing(self, stage: Stage, length: int | None) -> None:
        # Whole to its end mark, so that only the cancellation can keep it from being published.
        data = message(200, FILE, PDF, length=len(PDF) + 1 if length is None else length)
        if length == len(PDF):
            data = data[:-1]
        server = stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        sink = MemorySink()
        begun = stage.begin(Get, sink)
        seen = server.wait_for("get")
        deadline = time.monotonic() + WAKE
        while not sink.open_now and time.monotonic() < deadline:
            time.sleep(0.005)
        begun.cancel()
        assert server.left(seen.connection, timeout=WAKE)
        assert not isinstance(begun.event(WAKE), FileReceived)
        assert (sink.published, sink.open_now) == (None, False)

    @pytest.mark.rules("R24", "I10")
    def test_a_file_arrives_whole(self, stage: Stage) -> None:
        stage.serve(lambda _: WHOLE)
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert sink.published == PDF
        assert event.receipt.length_verified
        assert sink.offer is not None
        assert (sink.offer.filename, sink.offer.content_type, sink.offer.length) == (
            "Sales.pdf",
            "application/pdf",
            len(PDF),
        )

    @pytest.mark.parametrize("coding", ["chunked", "Chunked", "chunked "])
    @pytest.mark.rules("R24", "I10")
    def test_a_file_in_chunks_arrives_whole(self, stage: Stage, coding: str) -> None:
        pieces = [PDF[at : at + 7001] for at in range(0, len(PDF), 7001)]
        body = b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
        data = message(200, {**FILE, "Transfer-Encoding": coding}, body, length=-1)
        stage.serve(lambda _: Answer(data=data))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert sink.published == PDF

    @pytest.mark.parametrize("then", [Then.CLOSE, Then.CUT, Then.RESET])
    @pytest.mark.rules("D21", "I10")
    def test_a_body_short_of_its_length_is_lost(self, stage: Stage, then: Then) -> None:
        server = stage.serve(lambda _: Answer(data=message(200, FILE, PDF, length=len(PDF) + 1), then=then))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        assert (sink.published, sink.aside, sink.open_now) == (None, None, False)
        assert len(server.seen) == 1

    @pytest.mark.parametrize("end", [b"", b"0", b"0\r\n", b"5", b"5\r\nabc"])
    @pytest.mark.rules("D21", "I10")
    def test_chunks_without_their_end_are_lost(self, stage: Stage, end: bytes) -> None:
        data = message(200, {**FILE, "Transfer-Encoding": "chunked"}, chunk(PDF) + end, length=-1)
        stage.serve(lambda _: Answer(data=data, then=Then.CLOSE))
        sink = MemorySink()
        assert isinstance(stage.perform(Get, sink), Lost)
        assert (sink.published, sink.aside, sink.open_now) == (None, None, False)

    @pytest.mark.parametrize("then", [Then.CLOSE, Then.CUT])
    @pytest.mark.rules("D22")
    def test_under_the_connections_end_a_cut_file_is_not_published(self, stage: Stage, then: Then) -> None:
        stage.serve(lambda _: Answer(data=message(200, FILE, PDF[:200_000], length=-1), then=then))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        # Under TLS a missing farewell may also count as a loss: either way nothing is published.
        assert isinstance(event, Lost) or (isinstance(event, FileNotKept) and event.why is Kept.UNVERIFIED)
        assert (sink.published, sink.open_now) == (None, False)

    @pytest.mark.rules("D22")
    def test_under_the_connections_end_the_end_mark_vouches(self, stage: Stage) -> None:
        stage.serve(lambda _: Answer(data=message(200, FILE, PDF, length=-1), then=Then.CLOSE))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert not event.receipt.length_verified
        assert sink.published == PDF

    @pytest.mark.rules("D34")
    def test_coded_bytes_are_handed_on_as_they_came(self, stage: Stage) -> None:
        coded = gzip.compress(PDF)
        stage.serve(lambda _: Answer(data=message(200, {**FILE, "Content-Encoding": "gzip"}, coded)))
        sink, said = MemorySink(), list[tuple[int, int | None]]()
        event = stage.perform(Get, errands=stage.errands(sink, lambda came, whole: said.append((came, whole))))
        assert isinstance(event, FileReceived)
        assert sink.published == PDF
        assert said[-1] == (len(coded), len(coded))

    @pytest.mark.parametrize("coding", _CODED)
    @pytest.mark.rules("D34", "D36")
    def test_nothing_is_decoded_on_the_way(self, stage: Stage, coding: str) -> None:
        coded = {state: _CODED[coding](body) for state, body in (("check", b'{"status": "READY"}'), ("get", PDF))}
        said = {**FILE, "Content-Encoding": coding}
        stage.serve(lambda seen: Answer(data=message(200, said, coded[seen.state])))
        for kind in (Check, Get):
            errand = stage.errand(stage.command(kind))
            overheard = _Overheard(errand.exchange)
            stage.carry(replace(errand, exchange=cast("Exchanging", overheard))).event()
            assert ("content-encoding", coding) in [(name.lower(), value) for name, value in overheard.headers]
            assert overheard.fed == coded[kind.__name__.lower()]

    @pytest.mark.rules("D24")
    def test_header_bytes_are_handed_on_as_latin_1(self, stage: Stage) -> None:
        name = 'attachment; filename="Caf\xe9.pdf"'
        stage.serve(lambda _: Answer(data=message(200, {**FILE, "Content-Disposition": name}, PDF)))
        sink = MemorySink()
        stage.perform(Get, sink)
        assert sink.offer is not None
        assert sink.offer.filename == "Caf\xe9.pdf"

    @pytest.mark.parametrize("framed", _FRAMINGS)
    @pytest.mark.rules("D36")
    def test_an_endless_envelope_is_cut_off(self, stage: Stage, framed: str) -> None:
        data = _held(JSON, b" " * 300_000, framed)
        server = stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        event = stage.perform(Check)
        assert isinstance(event, Refused)
        assert event.refusal is Refusal.NO_ENVELOPE
        assert server.left(server.seen[0].connection, timeout=WAKE)

    @pytest.mark.parametrize("framed", _FRAMINGS)
    @pytest.mark.rules("D36")
    def test_what_has_come_of_a_file_is_given_while_the_server_is_silent(self, stage: Stage, framed: str) -> None:
        data = _held(FILE, PDF[:100_000], framed)
        stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        came, sink = threading.Event(), MemorySink()

        def progress(received: int, _: int | None) -> None:
            if received == 100_000:
                came.set()

        begun = stage.begin(Get, errands=stage.errands(sink, progress))
        assert came.wait(_PATIENCE)
        begun.cancel()
        assert not isinstance(begun.event(WAKE), FileReceived)

    @pytest.mark.rules("D21", "D35")
    def test_a_body_that_stalls_is_left_too(self, stage: Stage) -> None:
        data = message(200, FILE, PDF[:100_000], length=len(PDF))
        server = stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        stage.policy = replace(stage.policy, stall_timeout=0.2)
        sink = MemorySink()
        assert isinstance(stage.perform(Get, sink), Lost)
        assert (sink.published, sink.open_now) == (None, False)
        assert server.left(server.seen[0].connection, timeout=WAKE)


def _held(headers: Mapping[str, str], body: bytes, framed: str) -> bytes:
    """An answer whose first bytes are `body`, and of which more is to come."""
    if framed == "by the connection's end":
        return message(200, headers, body, length=-1)
    if framed == "by its length":
        return message(200, headers, body, length=2 * 1024 * 1024)
    head = message(200, {**headers, "Transfer-Encoding": "chunked"}, b"", length=-1)
    return head + (chunk(body) if framed == "chunked" else b"200000\r\n" + body)
