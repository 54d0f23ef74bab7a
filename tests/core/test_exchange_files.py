"""One request, from command to event: file or envelope, whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core import (
    Check,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    Get,
    Init,
    Job,
    Kept,
    LocalProtocolError,
    Lost,
    Policy,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Run,
    Secret,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
)
from reportdl_core.coding import BadCoding, Decoder
from reportdl_core.exchange import Exchange
from reportdl_core.renewal import RenewalExchange, token_request
from reportdl_core.sink import NotKept, Offer

TOKEN = Secret("a+b/c=")
PDF = b"%PDF-1.7\nbody\n%%EOF\n"
ATTACHED = ("Content-Disposition", 'attachment; filename="Sales.pdf"')
TYPE = ("Content-Type", "application/pdf")


@dataclass
class Shelf:
    """A sink that remembers; `fails` names the call that raises, from its first or a later time on."""

    fails: dict[str, BaseException] = field(default_factory=dict)
    failing_from: int = 1
    calls: list[str] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    offer: Offer | None = None
    opened: bool = False

    def _called(self, name: str) -> None:
        if self.calls[-1:] != [name]:
            self.calls.append(name)
        if name in self.fails and self.calls.count(name) >= self.failing_from:
            raise self.fails[name]

    def open(self, offer: Offer) -> None:
        self.offer = offer
        self._called("open")
        assert not self.opened
        self.opened, self.body = True, bytearray()

    def write(self, data: bytes) -> None:
        self._called("write")
        self.body += data

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        self._called("publish")
        return Receipt(
            path=Path("out/Sales.pdf"),
            filename="Sales.pdf",
            content_type="" if self.offer is None else self.offer.content_type,
            size=len(self.body),
            sha256=hashlib.sha256(self.body).hexdigest(),
            length_verified=length_verified,
            warnings=warnings,
        )

    def set_aside(self, reason: str) -> str | None:
        self._called("set_aside")
        return "out/Sales.pdf.unverified"

    def discard(self) -> None:
        self.calls.append("discard")
        self.opened = False


def get(
    body: bytes = PDF,
    *headers: tuple[str, str],
    shelf: Shelf | None = None,
    policy: Policy | None = None,
    key: str = "pdf",
    cut: bool = False,
    chunk: int = 7,
    status: int = 200,
) -> tuple[Event, Shelf]:
    """A whole `get`, as a transport does it."""
    shelf = shelf or Shelf()
    command = Get(number=5, job=Job(element=1, format=key), token=TOKEN, deadline=9.0)
    exchange = Exchange(command, policy=policy or Policy(), sink=shelf)
    if exchange.head(status, headers or (ATTACHED, TYPE, ("Content-Length", str(len(body))))):
        all(exchange.feed(body[at : at + chunk]) for at in range(0, len(body), chunk))
    event = exchange.lost(sent=Sent.UNKNOWN, message="cut") if cut else exchange.finish()
    return event, shelf


def check(body: bytes, *headers: tuple[str, str], status: int = 200) -> Event:
    exchange = Exchange(Check(number=4, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0), policy=Policy())
    exchange.head(status, headers or (("Content-Type", "application/json"),))
    all(exchange.feed(body[at : at + 1000]) for at in range(0, len(body), 1000))
    return exchange.finish()


class TestWholeFiles:
    @pytest.mark.rules("R24", "R25", "I10")
    def test_a_file_is_opened_written_and_published(self) -> None:
        event, shelf = get()
        assert isinstance(event, FileReceived)
        assert (event.receipt.length_verified, event.receipt.warnings) == (True, ())
        assert (shelf.calls, bytes(shelf.body)) == (["open", "write", "publish"], PDF)
        assert shelf.offer is not None
        assert (shelf.offer.filename, shelf.offer.length) == ("Sales.pdf", len(PDF))

    @pytest.mark.rules("D22")
    def test_chunks_vouch_for_the_whole(self) -> None:
        event, _ = get(PDF, ATTACHED, TYPE, ("Transfer-Encoding", "chunked"))
        assert isinstance(event, FileReceived)
        assert event.receipt.length_verified

    @pytest.mark.rules("D22")
    def test_without_a_length_the_end_mark_must_be_there(self) -> None:
        event, shelf = get(PDF, ATTACHED, TYPE)
        assert isinstance(event, FileReceived)
        assert not event.receipt.length_verified
        event, shelf = get(PDF[:-8], ATTACHED, TYPE)
        assert isinstance(event, FileNotKept)
        assert (event.why, event.path) == (Kept.UNVERIFIED, "out/Sales.pdf.unverified")
        assert shelf.calls == ["open", "write", "set_aside"]
        event, _ = get(PDF[:-8], ATTACHED, TYPE, policy=Policy(allow_unverified=True))
        assert isinstance(event, FileReceived)

    @pytest.mark.rules("D22")
    def test_a_long_tail_in_small_and_large_pieces_is_judged_alike(self) -> None:
        body = b"%PDF" + b"x" * 200_000 + b"%%EOF"
        for chunk in (1000, 65_557, 200_009):
            event, _ = get(body, ATTACHED, TYPE, chunk=chunk)
            assert isinstance(event, FileReceived)

    @pytest.mark.rules("D22", "D11")
    @pytest.mark.parametrize("key", ["csv", "new"])
    def test_a_format_without_an_end_mark_cannot_be_verified_without_a_length(self, key: str) -> None:
        event, _ = get(b"a,b\n", ATTACHED, ("Content-Type", "text/csv"), key=key)
        assert isinstance(event, FileNotKept)

    @pytest.mark.rules("D25")
    def test_another_media_type_is_a_warning_and_strict_an_error(self) -> None:
        headers = (ATTACHED, ("Content-Type", "image/gif"), ("Content-Length", str(len(PDF))))
        event, _ = get(PDF, *headers)
        assert isinstance(event, FileReceived)
        assert event.receipt.warnings == ("the server calls it image/gif, application/pdf was expected",)
        event, _ = get(PDF, *headers, policy=Policy(strict=True))
        assert isinstance(event, FileNotKept)
        nothing, _ = get(PDF, ATTACHED, ("Content-Length", str(len(PDF))))
        assert isinstance(nothing, FileReceived)
        assert "nothing" in nothing.receipt.warnings[0]

    def test_an_empty_pdf_is_no_pdf_but_an_empty_csv_may_be(self) -> None:
        event, _ = get(b"", ATTACHED, TYPE, ("Content-Length", "0"))
        assert isinstance(event, FileNotKept)
        event, _ = get(b"", ATTACHED, ("Content-Type", "text/csv"), ("Content-Length", "0"), key="csv")
        assert isinstance(event, FileReceived)


class TestBrokenFiles:
    @pytest.mark.rules("D21", "R27", "I10")
    def test_a_transfer_that_breaks_leaves_nothing(self) -> None:
        event, shelf = get(PDF[:5], ATTACHED, TYPE, ("Content-Length", str(len(PDF))), cut=True)
        assert (event, shelf.calls[-1]) == (Lost(number=5, sent=Sent.UNKNOWN, message="cut"), "discard")
        event, shelf = get(PDF[:5], ATTACHED, TYPE, ("Content-Length", str(len(PDF))))
        assert (event, shelf.calls[-1]) == (
            Lost(number=5, sent=Sent.UNKNOWN, message=f"5 of {len(PDF)} bytes came"),
            "discard",
        )

    @pytest.mark.rules("D22")
    def test_lengths_that_contradict_each_other_are_no_framing(self) -> None:
        event, shelf = get(PDF, ATTACHED, TYPE, ("Content-Length", "7"), ("Content-Length", "8"))
        assert isinstance(event, Lost)
        assert shelf.calls == []

    @pytest.mark.rules("D36")
    def test_a_file_over_the_limit_is_not_kept(self) -> None:
        small = Policy(max_bytes=10)
        event, shelf = get(PDF, policy=small)
        assert isinstance(event, FileNotKept)
        assert (event.why, shelf.calls) == (Kept.FAILED, ["discard"])
        event, shelf = get(PDF, ATTACHED, TYPE, policy=small)
        assert isinstance(event, FileNotKept)
        assert (len(shelf.body) <= 10, shelf.calls[-1]) == (True, "discard")

    @pytest.mark.rules("D44")
    @pytest.mark.parametrize("call", ["open", "write", "publish"])
    @pytest.mark.parametrize(
        ("error", "message", "path"),
        [
            (OSError(28, "No space left on device"), "No space left on device", None),
            (NotKept("no room", "out/a.part"), "no room", "out/a.part"),
            (MemoryError(), "MemoryError", None),
            (OSError("odd"), "odd", None),
        ],
    )
    @pytest.mark.parametrize("cut", [True, False])
    def test_a_sink_that_refuses_is_neither_a_refusal_nor_a_loss(
        self, call: str, error: BaseException, message: str, path: str | None, cut: bool
    ) -> None:
        event, shelf = get(shelf=Shelf(fails={call: error}), cut=cut)
        if cut and call == "publish":
            assert isinstance(event, Lost)
        else:
            assert event == FileNotKept(number=5, why=Kept.FAILED, message=message, path=path)
        assert shelf.calls[-1] == "discard"

    def test_what_is_fed_after_a_failure_is_not_taken(self) -> None:
        shelf = Shelf(fails={"write": OSError(28, "full")})
        exchange = Exchange(
            Get(number=5, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0), policy=Policy(), sink=shelf
        )
        assert exchange.head(200, (ATTACHED, TYPE))
        assert exchange.blocking
        assert [exchange.feed(b"x"), exchange.feed(b"y")] == [False, False]
        assert isinstance(exchange.finish(), FileNotKept)

    @pytest.mark.rules("D44", "D22")
    def test_setting_aside_may_fail_too(self) -> None:
        event, _ = get(PDF[:-8], ATTACHED, TYPE, shelf=Shelf(fails={"set_aside": OSError(28, "full")}))
        assert event == FileNotKept(number=5, why=Kept.FAILED, message="full")


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


class TestCodings:
    @pytest.mark.rules("D34")
    @pytest.mark.parametrize(
        ("coding", "coded"),
        [("gzip", gzipped(PDF)), ("x-gzip", gzipped(PDF)), ("deflate", zlib.compress(PDF)), ("identity", PDF)],
    )
    def test_a_coded_file_is_decoded(self, coding: str, coded: bytes) -> None:
        event, shelf = get(coded, ATTACHED, TYPE, ("Content-Encoding", coding), ("Content-Length", str(len(coded))))
        assert isinstance(event, FileReceived)
        assert (bytes(shelf.body), event.receipt.length_verified) == (PDF, True)

    @pytest.mark.rules("D34", "D22")
    def test_raw_deflate_is_understood_and_a_checksum_vouches(self) -> None:
        raw = zlib.compressobj(wbits=-15)
        coded = raw.compress(PDF) + raw.flush()
        event, shelf = get(coded, ATTACHED, TYPE, ("Content-Encoding", "deflate"))
        assert isinstance(event, FileReceived)
        assert (bytes(shelf.body), event.receipt.length_verified) == (PDF, False)
        event, _ = get(gzipped(PDF), ATTACHED, TYPE, ("Content-Encoding", "gzip"))
        assert isinstance(event, FileReceived)
        assert event.receipt.length_verified

    @pytest.mark.rules("D34", "D44")
    @pytest.mark.parametrize(
        "coded", [gzipped(PDF)[:-4], gzipped(PDF)[:-8] + b"\0" * 8, gzipped(PDF) + b"more", b"not gzip at all"]
    )
    def test_a_damaged_one_is_set_aside(self, coded: bytes) -> None:
        event, shelf = get(coded, ATTACHED, TYPE, ("Content-Encoding", "gzip"), ("Content-Length", str(len(coded))))
        assert isinstance(event, FileNotKept)
        assert (event.why, shelf.calls[-1]) == (Kept.UNVERIFIED, "set_aside")

    @pytest.mark.rules("D34", "D44", "I10")
    @pytest.mark.parametrize("chunk", [1, 2, 7, 100_000, 2**20])
    @pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate"])
    @pytest.mark.parametrize(
        "body",
        [
            PDF,
            PDF * 20_000,
            b"PK\x03\x04" + bytes(range(256)) * 9,
            b"\x89PNG\r\n\x1a\n" + bytes(1000),
            b"element;name\r\n1042;Sales\r\n" * 300,
            b"xml",
            b"<",
        ],
        ids=["pdf", "large", "zip", "png", "csv", "xml", "short"],
    )
    def test_a_file_that_is_called_coded_and_is_not_is_set_aside_as_it_came(
        self, body: bytes, coding: str, chunk: int
    ) -> None:
        if chunk * 1000 < len(body):
            body = body[:3000]
        headers = (ATTACHED, TYPE, ("Content-Encoding", coding), ("Content-Length", str(len(body))))
        event, shelf = get(body, *headers, chunk=chunk)
        assert isinstance(event, FileNotKept)
        assert (event.why, event.path) == (Kept.UNVERIFIED, "out/Sales.pdf.unverified")
        assert (bytes(shelf.body), shelf.calls[-1], shelf.opened) == (body, "set_aside", True)
        if len(body) > 100:
            assert event.message == f"it is said to be {coding}, and is not: this is what came"

    @pytest.mark.rules("D34", "D36")
    def test_what_passes_for_deflate_at_first_is_no_part_of_what_came(self) -> None:
        raw = zlib.compressobj(wbits=-15)
        body = raw.compress(PDF * 9) + raw.flush(zlib.Z_SYNC_FLUSH) + b"\xff\xff not deflate any more"
        headers = (ATTACHED, TYPE, ("Content-Encoding", "deflate"), ("Content-Length", str(len(body))))
        event, shelf = get(body, *headers, chunk=5)
        assert isinstance(event, FileNotKept)
        assert (event.why, bytes(shelf.body)) == (Kept.UNVERIFIED, body)
        assert shelf.calls == ["open", "write", "discard", "open", "write", "set_aside"]
        # There is no room a second time; and what came is longer than what it would have unfolded to may be.
        full = Shelf(fails={"open": OSError(28, "No space left on device")}, failing_from=2)
        event, shelf = get(body, *headers, chunk=5, shelf=full)
        assert isinstance(event, FileNotKept)
        assert (event.why, event.message, shelf.calls[-1]) == (Kept.FAILED, "No space left on device", "discard")
        event, shelf = get(body, *headers, chunk=5, policy=Policy(max_bytes=len(body) - 1))
        assert isinstance(event, FileNotKept)
        assert (event.why, shelf.calls[-1]) == (Kept.FAILED, "discard")

    @pytest.mark.rules("D34", "D44")
    def test_what_came_and_cannot_be_written_at_the_end_is_said_to_be_that(self) -> None:
        full = Shelf(fails={"write": OSError(28, "No space left on device")})
        headers = (ATTACHED, TYPE, ("Content-Encoding", "gzip"), ("Content-Length", "2"))
        event, shelf = get(b"\x1f\x8b", *headers, shelf=full)
        assert isinstance(event, FileNotKept)
        assert (event.why, event.message) == (Kept.FAILED, "No space left on device")
        assert shelf.calls == ["open", "write", "discard"]

    @pytest.mark.rules("D34", "D21")
    def test_what_is_called_coded_and_breaks_off_is_lost_like_any_other(self) -> None:
        headers = (ATTACHED, TYPE, ("Content-Encoding", "gzip"), ("Content-Length", str(len(PDF))))
        event, shelf = get(PDF[:-1], *headers)
        assert isinstance(event, Lost)
        assert shelf.calls[-1] == "discard"

    @pytest.mark.rules("D34", "D36")
    @pytest.mark.parametrize(
        ("coding", "start", "more"),
        [
            ("gzip", b"\x1f\x8b\x08\x08" + bytes(6), b"a name without an end"),
            ("gzip", b"\x1f\x8b\x08\x00" + bytes(6), b"\x00\x00\x00\xff\xff"),
            ("deflate", b"\x78\x9c", b"\x00\x00\x00\xff\xff"),
            ("deflate", b"", b"\x00\x00\x00\xff\xff"),
        ],
        ids=["name", "empty blocks", "zlib", "raw"],
    )
    def test_bytes_of_which_nothing_comes_are_held_in_memory_for_a_while_alone(
        self, coding: str, start: bytes, more: bytes
    ) -> None:
        decoder, chunk = Decoder(coding), more * 200
        assert list(decoder.feed(start)) == []
        with pytest.raises(BadCoding, match="nothing comes out"):
            for _ in range(2_000):
                assert list(decoder.feed(chunk)) == []
        assert 256 * 1024 < len(decoder.undecoded or b"") <= 256 * 1024 + len(chunk)
        body = start + chunk * 1_000
        event, shelf = get(body, ATTACHED, TYPE, ("Content-Encoding", coding), ("Content-Length", str(len(body))))
        assert isinstance(event, FileNotKept)
        assert (event.why, bytes(shelf.body)) == (Kept.UNVERIFIED, body)

    @pytest.mark.rules("D34")
    def test_a_coding_that_is_not_known_is_set_aside_as_it_came(self) -> None:
        event, shelf = get(b"\x1b\x03", ATTACHED, TYPE, ("Content-Encoding", "br"), ("Content-Length", "2"))
        assert isinstance(event, FileNotKept)
        assert ("(br)" in event.message, bytes(shelf.body)) == (True, b"\x1b\x03")

    @pytest.mark.rules("D34", "D36")
    def test_a_bomb_is_bounded(self) -> None:
        bomb = gzipped(b"\0" * 50_000_000)
        event, shelf = get(bomb, ATTACHED, TYPE, ("Content-Encoding", "gzip"), policy=Policy(max_bytes=3_000_000))
        assert isinstance(event, FileNotKept)
        assert len(shelf.body) <= 3_000_000
        assert isinstance(check(bomb, ("Content-Encoding", "gzip")), Refused)


class TestEnvelopes:
    @pytest.mark.rules("R26", "D4", "I12")
    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/html"])
    def test_an_envelope_with_200_on_get_is_never_the_file(self, content_type: str) -> None:
        event, shelf = get(b'{"status":"IN PROGRESS"}', ("Content-Type", content_type))
        assert event == StatusReported(number=5, status=Status.IN_PROGRESS)
        assert shelf.calls == []

    @pytest.mark.rules("D34", "D36")
    def test_envelopes_may_be_coded_and_are_capped(self) -> None:
        ready = StatusReported(number=4, status=Status.READY)
        body = b'{"status":"READY"}'
        assert check(gzipped(body), ("Content-Encoding", "gzip")) == ready
        for bad in (
            check(gzipped(body)[:-3], ("Content-Encoding", "gzip")),
            check(body, ("Content-Encoding", "br")),
            check(body + b" " * 65_536),
        ):
            assert isinstance(bad, Refused)
            assert bad.refusal is Refusal.NO_ENVELOPE
        assert check(body + b" " * (65_536 - len(body))) == ready

    @pytest.mark.rules("D39", "D40")
    @pytest.mark.parametrize("shown", ["a+b/c=", "a%2Bb%2Fc%3D"])
    def test_a_token_that_a_server_echoes_comes_back_masked(self, shown: str) -> None:
        event = check(b'{"status":"ERROR","message":"no session %s here"}' % shown.encode())
        assert event == StatusReported(number=4, status=Status.ERROR, message="no session *** here")

    @pytest.mark.rules("D39", "R25")
    @pytest.mark.parametrize(
        ("token", "credential", "offered", "filename"),
        [
            ("tok+en/of=15==", "cred-ential-17", "a tok+en/of=15== b.pdf", "a *** b.pdf"),
            ("tok+en/of=15==", "cred-ential-17", "a tok%2Ben%2Fof%3D15%3D%3D b.pdf", "a *** b.pdf"),
            ("tok%2Ben%3D%3D", "cred-ential-17", "tok+en==.pdf", "***.pdf"),
            ("tok+en/of=15==", "cred-ential-17", "CRED cred-ential-17.pdf", "CRED ***.pdf"),
            # What is that short is a part of any name, and no secret.
            ("Sales", "pdf", "Sales.pdf", "Sales.pdf"),
        ],
    )
    def test_a_file_that_a_server_names_after_a_secret_is_named_otherwise(
        self, token: str, credential: str, offered: str, filename: str
    ) -> None:
        shelf = Shelf()
        command = Get(number=5, job=Job(element=1, format="pdf"), token=Secret(token), deadline=9.0)
        exchange = Exchange(command, policy=Policy(), sink=shelf, hidden=(Secret(credential),))
        disposition = ("Content-Disposition", f'attachment; filename="{offered}"')
        exchange.head(200, (disposition, ("Content-Type", f"text/{credential}"), ("Content-Length", str(len(PDF)))))
        exchange.feed(PDF)
        event = exchange.finish()
        assert isinstance(event, FileReceived)
        assert shelf.offer is not None
        assert shelf.offer.filename == filename
        if len(credential) > 8:
            assert credential not in f"{event!r} {shelf.offer!r}"
            assert event.receipt.warnings == ("the server calls it text/***, application/pdf was expected",)

    @pytest.mark.rules("D39", "D26")
    @pytest.mark.parametrize("status", [200, 302, 400, 401, 503])
    def test_a_credential_that_a_server_echoes_comes_back_masked(self, status: int) -> None:
        command = Check(number=4, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0)
        exchange = Exchange(command, policy=Policy(), hidden=(Secret("cred-ential-17"),))
        exchange.head(
            status, (("Content-Type", "application/json"), ("Location", "https://cred-ential-17.example.com/"))
        )
        exchange.feed(b'{"status":"cred-ential-17","message":"who is cred-ential-17?"}')
        event = exchange.finish()
        assert isinstance(event, Refused)
        assert "***" in event.message
        assert "ential" not in event.message

    def test_init_hands_out_the_token_and_no_answer_is_a_loss(self) -> None:
        init = Init(number=2, job=Job(element=1, format="pdf"), deadline=9.0)
        exchange = Exchange(init, policy=Policy())
        assert exchange.finish() == Lost(number=2, sent=Sent.UNKNOWN, message="no answer")
        exchange.head(200, ())
        exchange.feed(b'{"status":"OK","token":"t"}')
        assert exchange.finish() == TokenIssued(number=2, token=Secret("t"))
        assert exchange.lost(sent=Sent.NOT_SENT, message="x") == Lost(number=2, sent=Sent.NOT_SENT, message="x")

    @pytest.mark.rules("D35", "D30", "R20")
    def test_run_is_silent_by_nature_and_has_its_own_connection(self) -> None:
        run = Exchange(Run(number=3, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0), policy=Policy())
        init = Exchange(Init(number=2, job=Job(element=1, format="pdf"), deadline=9.0), policy=Policy())
        assert (run.own_connection, init.own_connection) == (True, False)
        assert (run.read_timeout, init.read_timeout, run.connect_timeout) == (1800.0, 60.0, 10.0)
        assert not run.blocking

    def test_get_without_a_sink_is_a_mistake(self) -> None:
        with pytest.raises(LocalProtocolError):
            Exchange(Get(number=5, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0), policy=Policy())

    def test_progress_is_told_in_bytes(self) -> None:
        told = list[tuple[int, int | None]]()
        command = Get(number=5, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0)
        exchange = Exchange(command, policy=Policy(), sink=Shelf(), progress=lambda *said: told.append(said))
        exchange.head(200, (ATTACHED, TYPE, ("Content-Length", "4")))
        exchange.feed(b"ab")
        exchange.feed(b"cd")
        assert told == [(2, 4), (4, 4)]


class TestRenewal:
    KEY = Secret("key-canary")

    def renew(self, status: int, body: bytes, *headers: tuple[str, str]) -> tuple[Event, list[Secret]]:
        kept = list[Secret]()
        request = token_request(application_id="app", application_key=self.KEY, user="me")
        command = RenewCredentials(number=8, deadline=9.0)
        exchange = RenewalExchange(command, request, policy=Policy(), keep=kept.append)
        assert (exchange.own_connection, exchange.blocking) == (False, False)
        assert (exchange.connect_timeout, exchange.read_timeout) == (10.0, 30.0)
        assert exchange.head(status, headers)
        exchange.feed(body)
        return exchange.finish(), kept

    @pytest.mark.rules("D16", "D39")
    def test_a_token_comes_back_and_is_kept(self) -> None:
        request = token_request(application_id="app", application_key=self.KEY, user="me")
        assert (request.method, request.target) == ("POST", "/api/get_token")
        assert "canary" not in repr(request)
        assert self.renew(200, b'{"token":"new","expires":"soon"}') == (CredentialsRenewed(number=8), [Secret("new")])

    @pytest.mark.rules("D16")
    @pytest.mark.parametrize(
        ("status", "body", "refusal"),
        [
            (200, b"[]", Refusal.CREDENTIALS),
            (200, b'{"token":""}', Refusal.CREDENTIALS),
            (200, b'{"token":"a\\nb"}', Refusal.CREDENTIALS),
            (200, b'{"status":1,"status":2}', Refusal.CREDENTIALS),
            (401, b'{"message":"Unauthorized"}', Refusal.CREDENTIALS),
            (404, b"<html>", Refusal.CREDENTIALS),
            (429, b"", Refusal.BUSY),
            (408, b"", Refusal.UNAVAILABLE),
            (500, b"", Refusal.UNAVAILABLE),
        ],
    )
    def test_anything_else_is_a_refusal(self, status: int, body: bytes, refusal: Refusal) -> None:
        event, kept = self.renew(status, body)
        assert isinstance(event, Refused)
        assert (event.refusal, kept) == (refusal, [])

    def test_retry_after_no_answer_and_a_loss(self) -> None:
        event, _ = self.renew(503, b"", ("Retry-After", "9"))
        assert isinstance(event, Refused)
        assert (event.refusal, event.retry_after) == (Refusal.BUSY, 9.0)
        request = token_request(application_id="app", application_key=self.KEY, user="me")
        exchange = RenewalExchange(
            RenewCredentials(number=8, deadline=9.0), request, policy=Policy(), keep=lambda _: None
        )
        assert isinstance(exchange.finish(), Lost)
        assert not exchange.feed(b"x" * 70_000)


@pytest.mark.rules("I10", "D22")
@given(
    body=st.binary(max_size=60),
    length=st.one_of(st.none(), st.integers(0, 70)),
    chunk=st.integers(1, 30),
    cut=st.booleans(),
    coding=st.sampled_from(["", "gzip", "deflate", "br"]),
    key=st.sampled_from(["pdf", "csv", "xls"]),
)
def test_nothing_is_published_that_is_not_known_to_be_whole(
    body: bytes, length: int | None, chunk: int, cut: bool, coding: str, key: str
) -> None:
    headers = [ATTACHED, TYPE]
    headers += [] if length is None else [("Content-Length", str(length))]
    headers += [("Content-Encoding", coding)] if coding else []
    event, shelf = get(body, *headers, chunk=chunk, cut=cut, key=key)
    if isinstance(event, FileReceived):
        assert not cut
        assert length in (None, len(body))
        assert coding or bytes(shelf.body) == body
    else:
        assert "publish" not in shelf.calls
