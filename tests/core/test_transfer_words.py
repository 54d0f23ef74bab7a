"""What becomes of a file, a renewal and a look-up, to the byte and to the letter: limits, offers, words, requests."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reportdl_core import (
    Check,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    Get,
    Job,
    Kept,
    ListedReport,
    LookedUp,
    LookUp,
    Policy,
    Receipt,
    Refusal,
    Refused,
    RenewCredentials,
    Secret,
)
from reportdl_core.exchange import Exchange
from reportdl_core.lookup_exchange import LookupExchange, rows_of
from reportdl_core.questions import DimensionValues, ElementInfo, Elements
from reportdl_core.renewal import RenewalExchange, token_request
from reportdl_core.sink import NotKept, Offer

TOKEN = Secret("a-token-of-a-session")
PDF = b"%PDF-1.7\nbody\n%%EOF\n"
ATTACHED = ("Content-Disposition", 'attachment; filename="Sales.pdf"')
TYPE = ("Content-Type", "application/pdf")
JSON = ("Content-Type", "application/json")
KEY = Secret("application-key")
POLICY = Policy()


@dataclass
class Shelf:
    """A sink that notes what it is told; `refusing` stands for a disk that takes nothing."""

    refusing: BaseException | None = None
    body: bytearray = field(default_factory=bytearray)
    offers: list[Offer] = field(default_factory=list[Offer])
    aside: list[str] = field(default_factory=list[str])

    def open(self, offer: Offer) -> None:
        self.offers.append(offer)

    def write(self, data: bytes) -> None:
        if self.refusing is not None:
            raise self.refusing
        self.body += data

    def publish(self, *, length_verified: bool, warnings: tuple[str, ...]) -> Receipt:
        return Receipt(
            path=Path("out/Sales.pdf"),
            filename="Sales.pdf",
            content_type=self.offers[-1].content_type,
            size=len(self.body),
            sha256="",
            length_verified=length_verified,
            warnings=warnings,
        )

    def set_aside(self, reason: str) -> str | None:
        self.aside.append(reason)
        return "out/Sales.pdf.unverified"

    def discard(self) -> None:
        self.body.clear()


def exchange(shelf: Shelf, *, policy: Policy = POLICY, key: str = "pdf", hidden: tuple[Secret, ...] = ()) -> Exchange:
    command = Get(number=5, job=Job(element=1, format=key), token=TOKEN, deadline=9.0)
    return Exchange(command, policy=policy, sink=shelf, hidden=hidden)


def got(
    body: bytes, *headers: tuple[str, str], shelf: Shelf | None = None, policy: Policy = POLICY, key: str = "pdf"
) -> Event:
    """The whole of a file in one piece."""
    asked = exchange(shelf or Shelf(), policy=policy, key=key)
    if asked.head(200, headers):
        asked.feed(body)
    return asked.finish()


def length(body: bytes) -> tuple[str, str]:
    return ("Content-Length", str(len(body)))


def received(event: Event) -> Receipt:
    assert isinstance(event, FileReceived), event
    assert event.number == 5
    return event.receipt


def not_kept(event: Event, why: Kept = Kept.UNVERIFIED) -> str:
    assert isinstance(event, FileNotKept), event
    assert (event.number, event.why) == (5, why)
    return event.message


# ---- what a sink is offered


@pytest.mark.rules("D4", "D24", "D34", "R24")
def test_a_sink_is_offered_what_the_headers_say() -> None:
    shelf = Shelf()
    received(got(PDF, ATTACHED, TYPE, length(PDF), shelf=shelf))
    job = Job(element=1, format="pdf")
    assert shelf.offers == [Offer(job=job, filename="Sales.pdf", content_type="application/pdf", length=len(PDF))]


@pytest.mark.rules("D34")
def test_of_a_coded_file_the_length_is_not_known() -> None:
    shelf, coded = Shelf(), gzip.compress(PDF)
    assert received(got(coded, ATTACHED, TYPE, length(coded), ("Content-Encoding", "gzip"), shelf=shelf)).size == 20
    assert [offer.length for offer in shelf.offers] == [None]


@pytest.mark.rules("D4", "D24")
@pytest.mark.parametrize("headers", [(TYPE,), (TYPE, ("Content-Disposition", "attachment"))])
def test_a_file_may_come_without_a_name(headers: tuple[tuple[str, str], ...]) -> None:
    shelf = Shelf()
    assert exchange(shelf, hidden=(KEY,)).head(200, headers)
    assert [offer.filename for offer in shelf.offers] == [None]


# ---- limits


@pytest.mark.rules("D36")
@pytest.mark.parametrize("headers", [(ATTACHED, TYPE, length(PDF)), (ATTACHED, TYPE)])
def test_a_file_of_just_max_bytes_is_kept_and_one_byte_more_is_not(headers: tuple[tuple[str, str], ...]) -> None:
    assert received(got(PDF, *headers, policy=Policy(max_bytes=len(PDF)))).size == len(PDF)
    message = not_kept(got(PDF, *headers, policy=Policy(max_bytes=len(PDF) - 1)), Kept.FAILED)
    assert message == "the file is larger than max_bytes (19 bytes)"


@pytest.mark.rules("D36")
def test_of_a_file_that_is_too_large_no_more_is_read() -> None:
    announced = exchange(Shelf(), policy=Policy(max_bytes=10))
    assert not announced.head(200, [ATTACHED, TYPE, ("Content-Length", "11")])
    growing = exchange(Shelf(), policy=Policy(max_bytes=10))
    assert growing.head(200, [ATTACHED, TYPE])
    assert [growing.feed(b"0123456789"), growing.feed(b"x")] == [True, False]


@pytest.mark.rules("D36")
@pytest.mark.parametrize(("more", "wanted"), [(-1, True), (0, True), (1, False)])
def test_an_envelope_is_read_until_it_is_longer_than_its_cap(more: int, wanted: bool) -> None:
    check = Check(number=4, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0)
    asked = Exchange(check, policy=Policy(max_envelope=100 - more))
    assert asked.head(200, [JSON])
    assert asked.feed(b" " * 100) is wanted


# ---- doubts: the end of a file without a length, and the words that a sink and a user get


def archive(comment: int) -> bytes:
    return bytes(50) + b"PK\x05\x06" + bytes(16) + comment.to_bytes(2, "little") + b"x" * comment


@pytest.mark.rules("D22")
@pytest.mark.parametrize("step", [1000, 65_557, 65_600, 100_000])
def test_an_end_mark_is_found_before_the_longest_comment_however_it_comes(step: int) -> None:
    body = archive(65_535)
    asked = exchange(Shelf(), key="xls")
    assert asked.head(200, [ATTACHED, TYPE])
    assert all(asked.feed(body[at : at + step]) for at in range(0, len(body), step))
    assert not received(asked.finish()).length_verified


@pytest.mark.rules("D22")
def test_of_a_small_file_all_is_looked_at_and_nothing_else() -> None:
    assert not received(got(b"--b--", ATTACHED, ("Content-Type", "message/rfc822"), key="mhtml")).length_verified


@pytest.mark.rules("D22", "D34", "D44")
@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (PDF[:-8], (), "nothing proves that it is whole: no length came, and no end mark is there"),
        (b"", (("Content-Length", "0"),), "the file is empty"),
        (gzip.compress(PDF, mtime=0)[:-1], (("Content-Encoding", "gzip"),), "the coded body stops before its end"),
        (b"not gzip", (("Content-Encoding", "gzip"),), "it is said to be gzip, and is not: this is what came"),
        (PDF, (("Content-Encoding", "b" * 50),), f"coded in a way that cannot be read here ({'b' * 40})"),
    ],
)
def test_a_doubt_is_told_to_the_sink_and_to_the_user(
    body: bytes, headers: tuple[tuple[str, str], ...], words: str
) -> None:
    shelf = Shelf()
    event = got(body, ATTACHED, TYPE, *headers, shelf=shelf)
    assert event == FileNotKept(number=5, why=Kept.UNVERIFIED, message=words, path="out/Sales.pdf.unverified")
    assert shelf.aside == [words]


@pytest.mark.rules("D34")
def test_of_a_damaged_body_no_more_is_read() -> None:
    coder, asked = zlib.compressobj(wbits=31), exchange(Shelf())
    assert asked.head(200, [ATTACHED, TYPE, ("Content-Encoding", "gzip")])
    assert asked.feed(coder.compress(PDF) + coder.flush(zlib.Z_FULL_FLUSH))
    assert not asked.feed(b"\xff" * 9)
    event = asked.finish()
    assert isinstance(event, FileNotKept)
    assert event.message == "the coded body is damaged"


def passing_for_deflate() -> bytes:
    raw = zlib.compressobj(level=0, wbits=-15)
    return raw.compress(b"x" * 100) + raw.flush(zlib.Z_SYNC_FLUSH) + b"\xff\xff no deflate any more"


@pytest.mark.rules("D34", "D36")
def test_what_was_not_coded_counts_once_towards_its_limit() -> None:
    body, shelf = passing_for_deflate(), Shelf()
    asked = exchange(shelf, policy=Policy(max_bytes=len(body)))
    assert asked.head(200, [ATTACHED, TYPE, ("Content-Encoding", "deflate")])
    assert all(asked.feed(body[at : at + 5]) for at in range(0, len(body), 5))
    assert not_kept(asked.finish()) == "it is said to be deflate, and is not: this is what came"
    assert bytes(shelf.body) == body


@pytest.mark.rules("D34", "D44")
def test_where_there_is_no_room_for_it_a_second_time_no_more_is_read() -> None:
    class Once(Shelf):
        def open(self, offer: Offer) -> None:
            super().open(offer)
            if len(self.offers) > 1:
                raise OSError(28, "No space left on device")

    asked = exchange(Once())
    body = passing_for_deflate()
    assert asked.head(200, [ATTACHED, TYPE, ("Content-Encoding", "deflate")])
    assert [asked.feed(body[:50]), asked.feed(body[50:])] == [True, False]
    assert not_kept(asked.finish(), Kept.FAILED) == "No space left on device"


@pytest.mark.rules("D22", "D34")
@pytest.mark.parametrize(("coding", "verified"), [("gzip", True), ("x-gzip", True), ("", False)])
def test_a_checksum_vouches_where_no_length_does(coding: str, verified: bool) -> None:
    body = gzip.compress(PDF) if coding else PDF
    assert received(got(body, ATTACHED, TYPE, ("Content-Encoding", coding))).length_verified is verified


@pytest.mark.rules("D25")
@pytest.mark.parametrize(
    ("headers", "warnings"),
    [
        ((("Content-Type", "application/octet-stream"),), ()),
        ((), ("the server calls it nothing, application/pdf was expected",)),
    ],
)
def test_a_type_that_says_nothing(headers: tuple[tuple[str, str], ...], warnings: tuple[str, ...]) -> None:
    assert received(got(PDF, ATTACHED, length(PDF), *headers)).warnings == warnings


@pytest.mark.rules("D44")
def test_what_a_sink_says_it_kept_is_handed_on() -> None:
    refused = NotKept("no room", "out/a.part")
    assert (str(refused), refused.message, refused.path, NotKept("no").path) == (
        "no room",
        "no room",
        "out/a.part",
        None,
    )
    event = got(PDF, ATTACHED, TYPE, length(PDF), shelf=Shelf(refusing=NotKept("no room", "out/a.part")))
    assert event == FileNotKept(number=5, why=Kept.FAILED, message="no room", path="out/a.part")


@pytest.mark.rules("D39")
@pytest.mark.parametrize(("key", "shown"), [("12345678", "***"), ("1234567", "1234567")])
def test_what_is_shorter_than_eight_characters_is_no_secret(key: str, shown: str) -> None:
    check = Check(number=4, job=Job(element=1, format="pdf"), token=TOKEN, deadline=9.0)
    asked = Exchange(check, policy=Policy(), hidden=(Secret(key),))
    asked.head(400, [JSON])
    asked.feed(json.dumps({"message": f"key {key} is dead"}).encode())
    event = asked.finish()
    assert isinstance(event, Refused)
    assert event.message == f"key {shown} is dead"


# ---- renewals (D16)


def renewed(status: int, said: object, *headers: tuple[str, str]) -> tuple[Event, list[Secret]]:
    kept = list[Secret]()
    request = token_request(application_id="app", application_key=KEY, user="ann")
    asked = RenewalExchange(RenewCredentials(number=8, deadline=9.0), request, policy=Policy(), keep=kept.append)
    assert asked.head(status, [JSON, *headers])
    assert asked.feed(json.dumps(said).encode())
    return asked.finish(), kept


@pytest.mark.rules("D16", "D23", "D34")
def test_the_request_for_a_token() -> None:
    request = token_request(application_id="app", application_key=KEY, user="ann")
    assert (request.method, request.target, request.hidden) == ("POST", "/api/get_token", (KEY,))
    assert json.loads(request.body) == {"application_id": "app", "application_key": "application-key", "user": "ann"}
    assert request.headers == (
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Cache-Control", "no-cache"),
        ("Content-Type", "application/json"),
    )


@pytest.mark.rules("D16")
@pytest.mark.parametrize(
    ("status", "said", "refusal", "message"),
    [
        (408, {"message": "no"}, Refusal.UNAVAILABLE, ""),
        (429, {"message": "no"}, Refusal.BUSY, ""),
        (500, {"message": "no"}, Refusal.UNAVAILABLE, ""),
        (200, [], Refusal.CREDENTIALS, "no token came back"),
        (401, {"message": "Unauthorized"}, Refusal.CREDENTIALS, "Unauthorized"),
        (401, {"token": "t"}, Refusal.CREDENTIALS, "no token came back"),
        (200, {"token": "x" * 4097}, Refusal.CREDENTIALS, "no token came back"),
    ],
)
def test_a_renewal_that_failed_says_why(status: int, said: object, refusal: Refusal, message: str) -> None:
    event, kept = renewed(status, said)
    assert (event, kept) == (Refused(number=8, refusal=refusal, message=message, code=status), [])


@pytest.mark.rules("D16")
@pytest.mark.parametrize("status", [200, 201, 299])
@pytest.mark.parametrize("token", ["t", "x" * 4096])
def test_any_success_with_a_token_of_one_to_4096_characters_renews(status: int, token: str) -> None:
    assert renewed(status, {"token": token}) == (CredentialsRenewed(number=8), [Secret(token)])


# ---- look-ups


def looked_up(status: int, body: bytes) -> Event:
    asked = LookupExchange(LookUp(number=6, question=Elements(), deadline=9.0), policy=Policy())
    assert asked.head(status, [JSON])
    assert asked.feed(body)
    return asked.finish()


@pytest.mark.rules("D26")
@pytest.mark.parametrize(
    ("status", "body", "refusal", "message"),
    [
        (200, b"[]", Refusal.NO_ENVELOPE, "no JSON object came back"),
        (200, b"{}", Refusal.UNREADABLE, "the answer is not of the form that was asked for"),
        (403, b'{"message":"Element not allowed"}', Refusal.ELEMENT_NOT_ALLOWED, "Element not allowed"),
    ],
)
def test_a_look_up_that_failed_says_why(status: int, body: bytes, refusal: Refusal, message: str) -> None:
    assert looked_up(status, body) == Refused(number=6, refusal=refusal, message=message, code=status)


@pytest.mark.rules("R4")
def test_a_description_is_of_the_element_that_was_asked_for() -> None:
    (row,) = rows_of(ElementInfo(element=8, segment=0), {"info": {"element_id": 9}}) or ()
    assert isinstance(row, ListedReport)
    assert row.element == 8


@pytest.mark.rules("D39")
def test_a_credential_in_a_row_is_masked_wherever_a_person_reads_it() -> None:
    key, told = KEY.reveal(), "a *** b"
    row = {
        "element_id": 1,
        "element_type": "external report",
        "element_dashboard_name": f"a {key} b",
        "content_type": f"a {key} b",
        "segment_value_name": f"a {key} b",
    }
    for question, said in (
        (Elements(), {"elements": [row]}),
        (ElementInfo(element=1, segment=0), {"info": row}),
        (DimensionValues(dimension=3), {"dimension_values": [{"id": 7, "name": f"a {key} b"}]}),
    ):
        command = LookUp(number=6, question=question, deadline=9.0)
        asked = LookupExchange(command, policy=POLICY, hidden=(KEY,))
        asked.head(200, [JSON])
        asked.feed(json.dumps(said).encode())
        event = asked.finish()
        assert isinstance(event, LookedUp)
        (found,) = event.found
        assert found.name == told
        if isinstance(found, ListedReport):
            assert (found.source, found.segment_name) == (told, told)


@pytest.mark.rules("R4")
def test_a_row_s_segment_comes_with_its_name() -> None:
    row = {"element_id": 1, "element_type": "external report", "segment_value_id": 7, "segment_value_name": "North"}
    event = looked_up(201, json.dumps({"elements": [row]}).encode())
    assert isinstance(event, LookedUp)
    (one,) = event.found
    assert isinstance(one, ListedReport)
    assert (one.segment, one.segment_name) == (7, "North")
