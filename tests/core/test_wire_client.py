"""The client's half of the wire: golden requests, and what each HTTP answer says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core import (
    Check,
    Event,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    Refusal,
    Refused,
    Request,
    Run,
    RunFinished,
    Secret,
    Status,
    StatusReported,
    TokenIssued,
)
from reportdl_core.http_head import Framing, Head
from reportdl_core.wire import answer, outgoing, query_token

JOB = Job(element=1042, segment=0, format="pdf")
TOKEN = Secret("abcDEF123%3D")
PATH = "/api/element/id/1042/segment/0/download/state"

FORMATS = ListFormats(number=1, job=JOB, deadline=9.0)
INIT = Init(number=2, job=JOB, deadline=9.0)
RUN = Run(number=3, job=JOB, token=TOKEN, deadline=9.0)
CHECK = Check(number=4, job=JOB, token=TOKEN, deadline=9.0)
GET = Get(number=5, job=JOB, token=TOKEN, deadline=9.0)


@pytest.mark.rules("R1", "R4", "R13", "R14", "R18", "R20", "R24", "D3", "D9", "D10", "D14", "D23", "I2")
@pytest.mark.parametrize(
    ("command", "target"),
    [
        (FORMATS, f"{PATH}/formats"),
        (INIT, f"{PATH}/init"),
        (RUN, f"{PATH}/run?token=abcDEF123%3D&format=pdf"),
        (CHECK, f"{PATH}/check?token=abcDEF123%3D"),
        (GET, f"{PATH}/get?token=abcDEF123%3D&format=pdf"),
    ],
)
def test_the_document_s_own_requests(command: Request, target: str) -> None:
    request = outgoing(command)
    assert (request.method, request.target, request.body) == ("GET", target, b"")
    assert dict(request.headers)["Accept-Encoding"] == "identity"
    assert dict(request.headers)["Cache-Control"] == "no-cache"
    assert "abc" not in repr(request) + repr(command)


@pytest.mark.rules("R13", "D3")
@pytest.mark.parametrize(
    ("token", "sent"),
    [
        ("abc", "abc"),
        ("a%2Fb%3d~._-", "a%2Fb%3d~._-"),
        ("a+b/c=", "a%2Bb%2Fc%3D"),
        ("50%", "50%25"),
        ("%zz", "%25zz"),
        ("%3D+", "%253D%2B"),
        ("ü", "%C3%BC"),
        ("%4", "%254"),
    ],
)
def test_a_token_goes_as_it_came_or_is_encoded_once(token: str, sent: str) -> None:
    assert query_token(Secret(token)) == sent


def said(command: Request, body: object, *, code: int = 200, headers: dict[str, str] | None = None) -> Event:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    event = answer(command, Head.of(code, (headers or {}).items()), raw)
    assert event.number == command.number
    return event


def refusal(event: Event) -> Refusal:
    assert isinstance(event, Refused), event
    return event.refusal


@pytest.mark.rules("R8", "R12", "R18", "R21", "R31", "R32", "D11", "D17")
def test_the_document_s_own_answers() -> None:
    assert said(FORMATS, {"status": "OK", "formats": ["image", "PDF"]}) == FormatsListed(
        number=1, formats=("image", "PDF")
    )
    assert said(INIT, {"status": "OK", "token": "abcDEF123%3D"}) == TokenIssued(number=2, token=TOKEN)
    assert said(RUN, {"status": "OK"}) == RunFinished(number=3)
    for text in ("IN PROGRESS", "in_progress", "In-Progress", " INPROGRESS "):
        assert said(CHECK, {"status": text}) == StatusReported(number=4, status=Status.IN_PROGRESS)
    assert said(CHECK, {"status": "READY"}) == StatusReported(number=4, status=Status.READY)
    assert said(GET, {"status": "ERROR", "message": "no"}) == StatusReported(
        number=5, status=Status.ERROR, message="no"
    )
    assert said(GET, {"status": "OK"}) == StatusReported(number=5, status=Status.OK)


@pytest.mark.rules("R2", "R3", "R5", "R6", "R9", "R10", "R14", "R17", "R30", "D26")
@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (400, "Invalid state", Refusal.INVALID_STATE),
        (400, " invalid TOKEN. ", Refusal.INVALID_TOKEN),
        (400, "No downloads available", Refusal.NO_DOWNLOADS),
        (400, "Invalid format", Refusal.INVALID_FORMAT),
        (400, "Not implemented for this Element Type", Refusal.NOT_IMPLEMENTED),
        (400, "Download failed", Refusal.DOWNLOAD_FAILED),
        (403, "Element not allowed", Refusal.ELEMENT_NOT_ALLOWED),
        (404, "Element not found", Refusal.ELEMENT_NOT_FOUND),
        (404, "Not Found", Refusal.ENDPOINT_MISSING),
        (400, "Element not found", Refusal.OTHER),
        (400, "", Refusal.OTHER),
        (400, "Something new", Refusal.OTHER),
        (418, "Download failed", Refusal.OTHER),
        (401, "Unauthorized", Refusal.CREDENTIALS),
        (412, "Session expired", Refusal.CREDENTIALS),
        (405, "", Refusal.METHOD_NOT_ALLOWED),
        (408, "", Refusal.UNAVAILABLE),
        (500, "Download failed", Refusal.UNAVAILABLE),
        (503, "", Refusal.UNAVAILABLE),
        (599, "", Refusal.UNAVAILABLE),
        (100, "", Refusal.UNAVAILABLE),
        (429, "", Refusal.BUSY),
        (302, "", Refusal.REDIRECTED),
    ],
)
def test_each_refusal_by_its_code_and_words(code: int, message: str, expected: Refusal) -> None:
    event = said(CHECK, {"status": "ERROR", "message": message}, code=code)
    assert refusal(event) is expected
    assert isinstance(event, Refused)
    assert event.code == code
    for body in (b"", b"<html>login</html>", b"\xff\xfe", b"[]"):
        if expected in (Refusal.CREDENTIALS, Refusal.BUSY, Refusal.UNAVAILABLE, Refusal.REDIRECTED):
            assert refusal(said(CHECK, body, code=code)) is expected


@pytest.mark.rules("D19")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Tue, 24 Nov 2026 04:00:30 GMT", "Date": "Tue, 24 Nov 2026 04:00:00 GMT"}, 30.0),
        ({"Retry-After": "Tue, 24 Nov 2026 03:00:00 GMT", "Date": "Tue, 24 Nov 2026 04:00:00 GMT"}, 0.0),
        ({"Retry-After": "Tue, 24 Nov 2026 04:00:30 GMT"}, None),
        ({"Retry-After": "Tue, 24 Foo 2026 04:00:30 GMT", "Date": "Tue, 24 Nov 2026 04:00:00 GMT"}, None),
        ({"Retry-After": "Tue, 99 Nov 2026 04:00:30 GMT", "Date": "Tue, 24 Nov 2026 04:00:00 GMT"}, None),
        ({"Retry-After": "Tue, 2x Nov 2026 04:00:30 GMT", "Date": "Tue, 24 Nov 2026 04:00:00 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    event = said(CHECK, b"", code=429, headers=headers)
    assert isinstance(event, Refused)
    assert event.retry_after == seconds
    busy = Refusal.UNAVAILABLE if seconds is None else Refusal.BUSY
    assert refusal(said(CHECK, b"", code=503, headers=headers)) is busy


@pytest.mark.rules("D4", "D26", "D29", "D36")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", Refusal.NO_ENVELOPE),
        (b"<!doctype html><p>log in", Refusal.NO_ENVELOPE),
        (b"[]", Refusal.NO_ENVELOPE),
        (b'"READY"', Refusal.NO_ENVELOPE),
        (b'{"status":"READY"', Refusal.NO_ENVELOPE),
        (b'{"status":"READY","x":NaN}', Refusal.NO_ENVELOPE),
        (b'{"status":"RE\xffADY"}', Refusal.NO_ENVELOPE),
        (b'{"a":' * 20_000, Refusal.NO_ENVELOPE),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, Refusal.NO_ENVELOPE),
        (b'{"n":' + b"9" * 10_000 + b"}", Refusal.NO_ENVELOPE),
        (b'{"status":"READY","status":"ERROR"}', Refusal.UNREADABLE),
        (b"{}", Refusal.UNREADABLE),
        (b'{"status":7}', Refusal.UNREADABLE),
        (b'{"status":"DONE"}', Refusal.UNREADABLE),
        ('{"status":"ready\u0131"}'.encode(), Refusal.UNREADABLE),
        (b'{"message":"Unauthorized"}', Refusal.UNREADABLE),
    ],
)
def test_bodies_that_are_no_status(body: bytes, expected: Refusal) -> None:
    assert refusal(said(CHECK, body)) is expected


def test_a_byte_order_mark_and_other_success_codes_are_understood() -> None:
    assert said(CHECK, b'\xef\xbb\xbf{"status":"READY"}') == StatusReported(number=4, status=Status.READY)
    assert said(CHECK, {"status": "READY"}, code=202) == StatusReported(number=4, status=Status.READY)
    assert refusal(said(CHECK, {"status": "READY"}, code=206)) is Refusal.NO_ENVELOPE
    assert refusal(said(CHECK, b"", code=204)) is Refusal.NO_ENVELOPE


@pytest.mark.rules("D3", "D26", "R12")
@pytest.mark.parametrize("token", [None, 7, "", "a b", "a\nb", "a\u00a0b", "x" * 4097, "a\x7f", "\ud800"])
def test_a_token_that_cannot_go_into_a_query_is_unreadable(token: object) -> None:
    assert refusal(said(INIT, {"status": "OK", "token": token})) is Refusal.UNREADABLE


@pytest.mark.rules("R8")
@pytest.mark.parametrize("formats", [None, "pdf", ["pdf", 7], {"pdf": 1}, ["x"] * 1001])
def test_formats_that_are_not_a_list_of_keys_are_unreadable(formats: object) -> None:
    assert refusal(said(FORMATS, {"status": "OK", "formats": formats})) is Refusal.UNREADABLE


@pytest.mark.rules("D26")
def test_an_error_with_200_before_there_is_a_token_is_named_by_its_message() -> None:
    said_so = {"status": "ERROR", "message": "No downloads available"}
    assert refusal(said(FORMATS, said_so)) is Refusal.NO_DOWNLOADS
    assert isinstance(said(CHECK, said_so), StatusReported)
    assert isinstance(said(INIT, {"status": "ERROR", "message": "Download failed"}), StatusReported)
    assert isinstance(said(INIT, {"status": "ERROR", "message": "?"}), StatusReported)


@pytest.mark.rules("D31")
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.example.com/saml?RelayState=secret", "https://login.example.com"),
        ("http://user:pw@other:8080/x", "http://other:8080"),
        ("/login", "the same origin"),
        ("http://[broken", "an unreadable address"),
        ("http://a" + "b" * 300 + "/", "an unreadable address"),
    ],
)
def test_a_redirect_says_where_it_pointed_without_path_or_credentials(location: str, shown: str) -> None:
    event = said(CHECK, b"", code=307, headers={"Location": location})
    assert isinstance(event, Refused)
    assert event.message == f"points to {shown}"


@pytest.mark.rules("D36", "D40")
def test_messages_are_cleaned_and_cut() -> None:
    event = said(CHECK, {"status": "ERROR", "message": "a\x1b[31m\n\u202eb" + "x" * 999})
    assert isinstance(event, StatusReported)
    assert event.message.startswith("a [31m b")
    assert len(event.message) == 300


@pytest.mark.rules("D39", "R13")
@pytest.mark.parametrize("issued", ["a+b/c=d3f4", "a%2Bb%2Fc%3Dd3f4"])
@pytest.mark.parametrize("shown", ["a+b/c=d3f4", "a%2Bb%2Fc%3Dd3f4"])
def test_an_answer_that_shows_the_token_it_issues_is_told_without_it(issued: str, shown: str) -> None:
    odd = said(INIT, {"status": f"done {shown}", "token": issued})
    assert isinstance(odd, Refused)
    assert odd.message == "unknown status 'done ***'"
    refused = said(INIT, {"status": "ERROR", "token": issued, "message": f"no {shown}!"})
    assert isinstance(refused, StatusReported)
    assert refused.message == "no ***!"
    refused = said(INIT, {"token": issued, "message": f"no {shown}!"}, code=400)
    assert isinstance(refused, Refused)
    assert refused.message == "no ***!"


@pytest.mark.rules("D39", "I11")
def test_a_token_that_is_no_text_hides_what_it_can() -> None:
    odd = said(INIT, b'{"status": "\\ud800 s", "token": "\\ud800 s"}')
    assert isinstance(odd, Refused)
    assert odd.message == "unknown status '***'"


@pytest.mark.rules("D39", "D11")
def test_a_credential_among_the_formats_is_masked() -> None:
    body = json.dumps({"status": "OK", "formats": ["pdf", "x-credential"]}).encode()
    event = answer(FORMATS, Head.of(200, ()), body, hidden=("credential",))
    assert event == FormatsListed(number=1, formats=("pdf", "x-***"))
    assert said(FORMATS, {"status": "OK", "formats": ["pdf", "csv"]}) == FormatsListed(number=1, formats=("pdf", "csv"))


@pytest.mark.rules("I11", "D26", "D36")
@given(
    st.sampled_from([FORMATS, INIT, RUN, CHECK, GET]),
    st.integers(100, 999),
    st.one_of(
        st.binary(max_size=60),
        st.dictionaries(
            st.sampled_from(["status", "token", "formats", "message"]),
            st.one_of(st.none(), st.integers(), st.text(max_size=8), st.sampled_from([one.value for one in Status])),
        ).map(lambda said: json.dumps(said).encode()),
    ),
    st.dictionaries(st.sampled_from(["Location", "Retry-After", "Date", "Content-Type"]), st.text(max_size=20)),
)
def test_whatever_comes_is_an_event(command: Request, code: int, body: bytes, headers: dict[str, str]) -> None:
    assert answer(command, Head.of(code, headers.items()), body).number == command.number


@pytest.mark.rules("I11", "D36")
@pytest.mark.parametrize("opening", [b"[", b'{"status":', b'{"status":"OK","formats":['])
@pytest.mark.parametrize("code", [200, 400])
def test_a_body_that_is_nested_without_end_is_no_envelope(opening: bytes, code: int) -> None:
    said = answer(ListFormats(number=1, job=JOB, deadline=1.0), Head.of(code, ()), opening * 100_000)
    assert isinstance(said, Refused)
    assert said.refusal is (Refusal.NO_ENVELOPE if code == 200 else Refusal.OTHER)


@pytest.mark.rules("D4", "R24")
@pytest.mark.parametrize(
    ("headers", "code", "is_file"),
    [
        ({"Content-Disposition": 'attachment; filename="a.pdf"', "Content-Type": "application/json"}, 200, True),
        ({"Content-Disposition": "attachment"}, 200, True),
        ({"Content-Disposition": "inline", "Content-Type": "application/pdf"}, 200, True),
        ({"Content-Disposition": "inline", "Content-Type": "text/html"}, 200, False),
        ({"Content-Type": "application/pdf"}, 200, True),
        ({"Content-Type": "application/json; charset=utf-8"}, 200, False),
        ({"Content-Type": "application/problem+json"}, 200, False),
        ({"Content-Type": "text/plain"}, 200, False),
        ({"Content-Type": "TEXT/HTML"}, 200, False),
        ({}, 200, False),
        ({"Content-Disposition": "attachment"}, 206, False),
        ({"Content-Disposition": "attachment"}, 400, False),
    ],
)
def test_a_file_is_known_by_its_headers(headers: dict[str, str], code: int, is_file: bool) -> None:
    assert Head.of(code, headers.items()).is_file is is_file


@pytest.mark.rules("D22")
@pytest.mark.parametrize(
    ("headers", "framing", "length"),
    [
        ([("Content-Length", "7")], Framing.LENGTH, 7),
        ([("Content-Length", "7"), ("Content-Length", "7")], Framing.LENGTH, 7),
        ([("Content-Length", "7, 7")], Framing.LENGTH, 7),
        ([("Content-Length", "7"), ("Content-Length", "8")], Framing.BROKEN, None),
        ([("Content-Length", "-7")], Framing.BROKEN, None),
        ([("Content-Length", "7x")], Framing.BROKEN, None),
        ([("Content-Length", "\u0667")], Framing.BROKEN, None),
        ([("Content-Length", "9" * 30)], Framing.BROKEN, None),
        ([("Transfer-Encoding", "chunked"), ("Content-Length", "7")], Framing.BROKEN, None),
        ([], Framing.CLOSE, None),
    ],
)
def test_framing(headers: list[tuple[str, str]], framing: Framing, length: int | None) -> None:
    head = Head.of(200, headers)
    assert (head.framing, head.length) == (framing, length)


@pytest.mark.rules("D36")
def test_a_message_is_short_with_our_own_words_around_it_too() -> None:
    """Found by the fuzzer: what the server said was cut at 300 characters, and ours came on top."""
    odd = said(CHECK, {"status": "x" * 400})
    assert isinstance(odd, Refused)
    assert len(odd.message) == 300
    assert odd.message.startswith("unknown status 'xxx")
