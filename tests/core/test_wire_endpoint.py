"""The server's half of the wire: requests in, envelopes and headers out."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core.disposition import parse_disposition
from reportdl_core.endpoint_messages import Formats, Kind, Refuse, Report, StatusIs, Token
from reportdl_core.errors import Refusal
from reportdl_core.events import Status
from reportdl_core.formats import FORMATS
from reportdl_core.secret import Secret
from reportdl_core.wire_endpoint import SECURITY, Parsed, file_headers, parse, response

SALES = Report(
    element=1042, segment=0, name="Sales Dashboard", kind=Kind.EXTERNAL_REPORT, formats=("pdf",), allowed=True
)
MISSING = Refuse(refusal=Refusal.ENDPOINT_MISSING, message="Not found")


def path(element: str = "1042", segment: str = "0", state: str = "get") -> str:
    return f"/api/element/id/{element}/segment/{segment}/download/state/{state}"


def parsed(raw_path: str, raw_query: bytes = b"") -> Parsed:
    call = parse("GET", raw_path, raw_query)
    assert isinstance(call, Parsed)
    return call


# ---- requests


@pytest.mark.rules("R1", "R13", "R14", "D3")
def test_the_documents_own_request() -> None:
    assert parsed(path(), b"token=abcDEF123%3D&format=pdf") == Parsed(
        element=1042, segment=0, state="get", token="abcDEF123=", format="pdf"
    )


@pytest.mark.rules("R1", "D29")
@pytest.mark.parametrize(
    "raw_path",
    [
        "",
        "/",
        "/api",
        "/API/element/id/1/segment/0/download/state/get",
        "/api/element/id/1/segment/0/download/state",
        "/api/element/id/1/segment/0/download/state/get/",
        "/api/element/id/1/segment/0/download/state/get/more",
        "//api/element/id/1/segment/0/download/state/get",
        "/x/../api/element/id/1/segment/0/download/state/get",
        "/api/element/id/1/2/segment/0/download/state/get",
        "/api/element%2Fid/1/segment/0/download/state/get",
        "/api/%65lement/id/1/segment/0/download/state/get",
        "api/element/id/1/segment/0/download/state/get",
    ],
)
def test_another_path_is_not_this_endpoint(raw_path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        assert parse(method, raw_path, b"token=t") == MISSING


@pytest.mark.rules("R1", "D23")
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "", "TRACE"])
def test_get_is_the_only_method(method: str) -> None:
    refused = parse(method, path(), b"token=t")
    assert refused == Refuse(refusal=Refusal.METHOD_NOT_ALLOWED, message="Method not allowed")
    assert isinstance(refused, Refuse)
    status, headers, _ = response(refused)
    assert status == 405
    assert dict(headers)["Allow"] == "GET"


@pytest.mark.rules("D32", "R4")
@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 19, 10**19 - 1),
        ("%31", 1),
        ("1" * 20, None),
        ("", None),
        ("-1", None),
        ("1.0", None),
        ("abc", None),
        ("..", None),
        ("..%2F..%2Fadmin", None),
        ("%2531", None),
        ("%FF", None),
        ("%", None),
        ("1%00", None),
        ("\u0661", None),
        ("\ud800", None),
    ],
    ids=ascii,
)
def test_ids_are_integers_or_nothing(raw: str, read: int | None) -> None:
    assert parsed(path(element=raw)).element == read
    assert parsed(path(segment=raw)).segment == read


@pytest.mark.rules("R2")
@pytest.mark.parametrize(
    ("raw", "read"),
    [("run", "run"), ("", ""), ("Run", "Run"), ("r%75n", "run"), ("run%2F", "run/"), ("%FF", ""), ("\ud800", "")],
    ids=ascii,
)
def test_a_state_is_handed_on_as_it_came(raw: str, read: str) -> None:
    assert parsed(path(state=raw)).state == read


@pytest.mark.rules("D3", "R13", "R14", "D10")
@pytest.mark.parametrize(
    ("raw_query", "token", "format"),
    [
        (b"", None, None),
        (b"token=&format=", "", ""),
        (b"token&format", "", ""),
        (b"format=pdf&token=t", "t", "pdf"),
        (b"token=a%2Bb%2Fc%3D", "a+b/c=", None),
        (b"token=a+b", "a b", None),
        (b"token=a%252Bb", "a%2Bb", None),
        (b"token=a=b==", "a=b==", None),
        (b"token=%C3%A9", "\u00e9", None),
        (b"token=%FF", None, None),
        (b"token=\xff", None, None),
        (b"token=%zz%", "%zz%", None),
        (b"token=t&token=t", None, None),
        (b"token=t&token=u&token=v", None, None),
        (b"token=t&format=pdf&format=csv", "t", None),
        (b"token[]=t", None, None),
        (b"Token=t", None, None),
        (b"t%6Fken=t", "t", None),
        (b"token=t;format=pdf", "t;format=pdf", None),
        (b"&&token=t&", "t", None),
        (b"%FF=1&token=t", "t", None),
    ],
    ids=ascii,
)
def test_a_query_is_decoded_exactly_once(raw_query: bytes, token: str | None, format: str | None) -> None:
    call = parsed(path(), raw_query)
    assert (call.token, call.format) == (token, format)


@pytest.mark.rules("I11", "D32")
@given(st.text(), st.text() | st.from_regex(r"(/[^/]*){9}", fullmatch=True), st.binary())
def test_no_request_makes_it_raise(method: str, raw_path: str, raw_query: bytes) -> None:
    assert isinstance(parse(method, raw_path, raw_query), Parsed | Refuse)


@pytest.mark.rules("I11", "D32")
@given(st.text().filter(lambda text: "/" not in text), st.binary())
def test_no_request_of_this_endpoint_makes_it_raise(piece: str, raw_query: bytes) -> None:
    call = parsed(path(piece, piece, piece), raw_query)
    assert call.element == call.segment


@pytest.mark.rules("D39")
def test_a_token_is_not_shown() -> None:
    assert "hush" not in repr(parsed(path(), b"token=hush"))


# ---- answers


@pytest.mark.rules("R8", "R12", "R13", "R18", "R21", "R26", "R31", "R32", "D4", "D26", "D17")
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (Formats(formats=("image", "pdf", "csv")), 200, {"status": "OK", "formats": ["image", "pdf", "csv"]}),
        (Token(token=Secret("abcDEF123=")), 200, {"status": "OK", "token": "abcDEF123%3D"}),
        (StatusIs(status=Status.OK), 200, {"status": "OK"}),
        (StatusIs(status=Status.READY), 200, {"status": "READY"}),
        (StatusIs(status=Status.IN_PROGRESS), 200, {"status": "IN PROGRESS"}),
        (StatusIs(status=Status.ERROR, message="No."), 200, {"status": "ERROR", "message": "No."}),
        (Refuse(refusal=Refusal.INVALID_STATE), 400, {"status": "ERROR", "message": "Invalid state"}),
        (Refuse(refusal=Refusal.BUSY, message="Too many"), 429, {"status": "ERROR", "message": "Too many"}),
    ],
    ids=repr,
)
def test_envelopes(answer: Formats | Token | StatusIs | Refuse, status: int, body: dict[str, object]) -> None:
    code, headers, raw = response(answer)
    assert code == status
    assert json.loads(raw) == body
    assert headers[:2] == (("Content-Type", "application/json"), ("Content-Length", str(len(raw))))


@pytest.mark.rules("R2", "R3", "R5", "R6", "R9", "R10", "R14", "R17", "R30", "D26", "D29")
@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refusal.INVALID_STATE, 400),
        (Refusal.INVALID_TOKEN, 400),
        (Refusal.NO_DOWNLOADS, 400),
        (Refusal.INVALID_FORMAT, 400),
        (Refusal.NOT_IMPLEMENTED, 400),
        (Refusal.DOWNLOAD_FAILED, 400),
        (Refusal.OTHER, 400),
        (Refusal.CREDENTIALS, 401),
        (Refusal.ELEMENT_NOT_ALLOWED, 403),
        (Refusal.ELEMENT_NOT_FOUND, 404),
        (Refusal.ENDPOINT_MISSING, 404),
        (Refusal.METHOD_NOT_ALLOWED, 405),
        (Refusal.BUSY, 429),
        (Refusal.REDIRECTED, 500),
        (Refusal.NO_ENVELOPE, 500),
        (Refusal.UNREADABLE, 500),
        (Refusal.UNAVAILABLE, 503),
    ],
    ids=repr,
)
def test_the_error_table(refusal: Refusal, status: int) -> None:
    code, _, raw = response(Refuse(refusal=refusal))
    assert code == status
    assert json.loads(raw) == {"status": "ERROR", "message": refusal.value}


def test_the_error_table_has_every_refusal() -> None:
    assert {response(Refuse(refusal=one))[0] for one in Refusal} == {400, 401, 403, 404, 405, 429, 500, 503}


@pytest.mark.rules("D19", "D36")
@pytest.mark.parametrize(("seconds", "header"), [(5.0, "5"), (0.2, "1"), (7.01, "8"), (None, None)])
def test_retry_after_is_in_whole_seconds_and_never_too_early(seconds: float | None, header: str | None) -> None:
    _, headers, _ = response(Refuse(refusal=Refusal.BUSY, retry_after=seconds))
    assert dict(headers).get("Retry-After") == header
    assert "Allow" not in dict(headers)


@pytest.mark.rules("D40", "D23", "D34")
@pytest.mark.parametrize(
    "headers",
    [
        response(StatusIs(status=Status.OK))[1],
        response(Refuse(refusal=Refusal.BUSY))[1],
        response(Refuse(refusal=Refusal.METHOD_NOT_ALLOWED))[1],
        file_headers(SALES, "pdf", 10),
    ],
)
def test_security_headers_stand_on_every_answer(headers: tuple[tuple[str, str], ...]) -> None:
    assert set(SECURITY) <= set(headers)
    assert dict(SECURITY) == {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    assert "Content-Encoding" not in dict(headers)
    assert len(dict(headers)) == len(headers)


@pytest.mark.rules("R12", "R13", "D3")
@given(st.text(min_size=1))
def test_a_token_comes_back_as_it_was_issued(token: str) -> None:
    _, _, raw = response(Token(token=Secret(token)))
    encoded = json.loads(raw)["token"]
    assert encoded.isascii()
    assert not set(encoded) & set("+/= &?#")
    back = parsed(path(), f"token={encoded}".encode()).token
    assert back == (None if any("\ud800" <= one <= "\udfff" for one in token) else token)


# ---- files


@pytest.mark.rules("R24", "R25", "D4", "D22", "D24", "D25")
def test_the_documents_own_file() -> None:
    assert file_headers(SALES, "pdf", 4711) == (
        ("Content-Type", "application/pdf"),
        ("Content-Disposition", "attachment; filename=\"Sales Dashboard.pdf\"; filename*=UTF-8''Sales%20Dashboard.pdf"),
        ("Content-Length", "4711"),
        *SECURITY,
    )


@pytest.mark.rules("R7", "R25", "D11", "D25")
@pytest.mark.parametrize("key", FORMATS)
def test_each_format_has_its_type_and_extension(key: str) -> None:
    for spelling in (key, key.upper()):
        headers = dict(file_headers(SALES, spelling, 1))
        assert headers["Content-Type"] == FORMATS[key].media_types[0]
        name = parse_disposition(headers["Content-Disposition"]).filename
        assert name == f"Sales Dashboard.{FORMATS[key].extension}"


@pytest.mark.rules("R11", "D11")
def test_a_format_of_a_plugins_own() -> None:
    headers = dict(file_headers(SALES, "../Par-quet", 1))
    assert headers["Content-Type"] == "application/octet-stream"
    assert parse_disposition(headers["Content-Disposition"]).filename == "Sales Dashboard.parquet"


@pytest.mark.rules("R25", "D24")
@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ('a\\b/c:d*e?f"g<h>i|j', "abcdefghij.pdf"),
        ("Ums\u00e4tze \u6771\u4eac", "Ums\u00e4tze \u6771\u4eac.pdf"),
        ("x\r\nSet-Cookie: a=b", "xSet-Cookie a=b.pdf"),
        ("///", "element-1042.pdf"),
        ("", "element-1042.pdf"),
    ],
)
def test_reserved_characters_are_stripped(name: str, filename: str) -> None:
    value = dict(file_headers(dataclasses.replace(SALES, name=name), "pdf", 1))["Content-Disposition"]
    assert parse_disposition(value).filename == filename


@pytest.mark.rules("D24", "D40", "I11")
@given(st.text(), st.sampled_from(["pdf", "csv", "own"]))
def test_no_name_breaks_the_header(name: str, format: str) -> None:
    for _, value in file_headers(dataclasses.replace(SALES, name=name), format, 1):
        assert value.isascii()
        assert value.isprintable()
