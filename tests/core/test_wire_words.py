"""What the wire says of an answer it cannot use, to the letter; and the edges of what it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reportdl_core import (
    Check,
    CredentialsRenewed,
    Event,
    FormatsListed,
    Get,
    Init,
    Job,
    ListFormats,
    LookUp,
    Policy,
    Refusal,
    Refused,
    RenewCredentials,
    Request,
    Run,
    Secret,
    StatusReported,
    TokenIssued,
)
from reportdl_core.answers import answer_of
from reportdl_core.disposition import format_disposition, parse_disposition
from reportdl_core.endpoint_messages import Refuse, StatusIs, Token
from reportdl_core.envelope import Envelope, clean_message, masked, read_envelope
from reportdl_core.events import Status
from reportdl_core.facts import Facts
from reportdl_core.http_head import Framing, Head
from reportdl_core.lookup_exchange import LookupExchange, rows_of
from reportdl_core.renewal import RenewalExchange, token_request
from reportdl_core.verdicts import note
from reportdl_core.wire import answer, hidden_in, outgoing
from reportdl_core.wire_endpoint import response

JOB = Job(element=1042, format="pdf")
TOKEN = Secret("a+b/c=")
PATH = "/api/element/id/1042/segment/0/download/state"
FORMATS = ListFormats(number=1, job=JOB, deadline=9.0)
INIT = Init(number=2, job=JOB, deadline=9.0)
RUN = Run(number=3, job=JOB, token=TOKEN, deadline=9.0)
CHECK = Check(number=4, job=JOB, token=TOKEN, deadline=9.0)
GET = Get(number=5, job=JOB, token=TOKEN, deadline=9.0)
MIB = 1024 * 1024


def said(command: Request, body: object, *headers: tuple[str, str], code: int = 200) -> Event:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(command, Head.of(code, headers), raw)


def refused(event: Event) -> Refused:
    assert isinstance(event, Refused), event
    return event


def facts() -> Facts:
    return Facts(number=1, began=0.0, end=9.0, due=0.0, quiet_since=0.0)


# ---- requests


@pytest.mark.rules("D4", "R24")
def test_only_get_takes_anything_but_json() -> None:
    asked = {type(one): dict(outgoing(one).headers)["Accept"] for one in (FORMATS, INIT, RUN, CHECK, GET)}
    assert asked.pop(Get) == "*/*"
    assert set(asked.values()) == {"application/json"}
    assert len(asked) == 4


@pytest.mark.rules("D39")
@pytest.mark.parametrize(("command", "state"), [(INIT, "init"), (RUN, "run"), (GET, "get")])
def test_a_request_shows_its_path_and_nothing_behind_it(command: Request, state: str) -> None:
    assert repr(outgoing(command)) == f"Outgoing(method='GET', target='{PATH}/{state}')"


@pytest.mark.rules("D39")
def test_of_a_token_s_spellings_the_longest_is_looked_for_first() -> None:
    # Were a shorter one masked first, the rest of a longer one would stay.
    command = Check(number=4, job=JOB, token=Secret("%61+b/c="), deadline=9.0)
    assert hidden_in(command) == ("%2561%2Bb%2Fc%3D", "%61+b/c=", "a+b/c=")
    assert hidden_in(INIT) == ()


@pytest.mark.parametrize(
    ("told", "of"),
    [
        (outgoing, "a command"),
        (response, "an answer"),
        (answer_of, "a failure"),
        (lambda stranger: answer_of(StatusReported(number=1, status=stranger)), "a status"),
        (lambda stranger: answer_of(Refused(number=1, refusal=stranger)), "a refusal"),
        (lambda stranger: note(facts(), CHECK, stranger, 0.0), "a failure"),
        (lambda stranger: rows_of(stranger, {}), "a question"),
        (
            lambda stranger: LookupExchange(LookUp(number=1, question=stranger, deadline=9.0), policy=Policy()),
            "a look-up",
        ),
        (lambda stranger: response(Refuse(refusal=stranger, message="no")), "a refusal"),
    ],
)
def test_what_is_no_member_of_a_closed_union_is_named_and_not_passed_over(
    told: Callable[[Any], object], of: str
) -> None:
    with pytest.raises(AssertionError, match=f"unreachable, but got: '{of}'"):
        told(of)


# ---- what an answer without its fields is called (D26)


@pytest.mark.rules("D26", "R31", "R32")
@pytest.mark.parametrize(
    ("command", "body", "refusal", "message"),
    [
        (CHECK, b"", Refusal.NO_ENVELOPE, "200 with no content type instead of a JSON object"),
        (CHECK, b'{"status":"READY","status":"ERROR"}', Refusal.UNREADABLE, "the envelope says two things at once"),
        (CHECK, {}, Refusal.UNREADABLE, "no status"),
        (CHECK, {"status": 7}, Refusal.UNREADABLE, "no status"),
        (CHECK, {"status": "DONE"}, Refusal.UNREADABLE, "unknown status 'DONE'"),
        (FORMATS, {"status": "OK"}, Refusal.UNREADABLE, "OK without formats"),
        (INIT, {"status": "OK"}, Refusal.UNREADABLE, "OK without a token that can be used"),
        (INIT, {"status": "ERROR", "message": "Invalid Format."}, Refusal.INVALID_FORMAT, "Invalid Format."),
    ],
)
def test_an_answer_without_what_it_must_say(command: Request, body: object, refusal: Refusal, message: str) -> None:
    event = refused(said(command, body))
    assert (event.refusal, event.message, event.code) == (refusal, message, 200)


@pytest.mark.rules("D39", "D26")
def test_a_token_in_a_media_type_is_masked_in_either_case() -> None:
    command = Check(number=4, job=JOB, token=Secret("SecretToken"), deadline=9.0)
    event = refused(said(command, b"", ("Content-Type", "text/SecretToken; charset=utf-8")))
    assert event.message == "200 with text/*** instead of a JSON object"
    assert masked("SecretToken or secrettoken", ("SecretToken",)) == "*** or ***"


@pytest.mark.rules("D26")
@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 405, 412, 429, 500])
def test_where_no_envelope_came_no_message_did(code: int) -> None:
    event = refused(said(CHECK, b"<html>", code=code))
    assert (event.message, event.code) == ("", code)


@pytest.mark.rules("D26")
@pytest.mark.parametrize(
    ("code", "message", "refusal"),
    [
        (402, "", Refusal.OTHER),
        (409, "Invalid token", Refusal.OTHER),
        (400, "Invalid tokenX", Refusal.OTHER),
        (499, "", Refusal.OTHER),
        (504, "", Refusal.UNAVAILABLE),
    ],
)
def test_refusals_that_are_like_the_document_s(code: int, message: str, refusal: Refusal) -> None:
    assert refused(said(CHECK, {"status": "ERROR", "message": message}, code=code)).refusal is refusal


@pytest.mark.rules("D19")
@pytest.mark.parametrize("code", [400, 403, 500, 504])
def test_only_who_is_busy_says_when_to_come_again(code: int) -> None:
    assert refused(said(CHECK, b"", ("Retry-After", "7"), code=code)).retry_after is None


@pytest.mark.rules("D17")
@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("\u0131n progress", "unknown status '\u0131n progress'"),  # a dotless i has a capital I
        ("R" + "-" * 36 + "EADY", "unknown status 'R" + "-" * 36 + "EADY'"),
    ],
)
def test_what_folds_onto_a_status_and_is_none(status: str, message: str) -> None:
    assert refused(said(CHECK, {"status": status})).message == message


@pytest.mark.rules("D17")
def test_a_status_may_be_spread_over_forty_characters() -> None:
    assert isinstance(said(CHECK, {"status": "R" + "-" * 35 + "EADY"}), StatusReported)


@pytest.mark.rules("D26", "D39")
def test_an_envelope_names_its_status_in_the_document_s_words() -> None:
    envelope = read_envelope(b'{"status":"in_progress"}', hidden=lambda: ("progress", "PROGRESS"))
    assert isinstance(envelope, Envelope)
    assert (envelope.status, envelope.status_text) == (Status.IN_PROGRESS, "IN PROGRESS")


@pytest.mark.rules("D36")
def test_only_a_status_must_not_stand_twice() -> None:
    assert isinstance(said(CHECK, b'{"message":"a","message":"b","status":"READY"}'), StatusReported)


@pytest.mark.rules("D3")
def test_a_token_of_4096_characters_is_one() -> None:
    event = said(INIT, {"status": "OK", "token": "x" * 4096})
    assert event == TokenIssued(number=2, token=Secret("x" * 4096))


@pytest.mark.rules("R8", "D11", "D36")
def test_formats_may_be_many_and_are_cleaned() -> None:
    event = said(FORMATS, {"status": "OK", "formats": ["pdf", "a\n\x1bb", *["x"] * 998]})
    assert isinstance(event, FormatsListed)
    assert event.formats[:2] == ("pdf", "a b")
    assert len(event.formats) == 1000


@pytest.mark.rules("R8", "D11", "D39")
@pytest.mark.parametrize(
    ("keys", "read"),
    [
        (["pdf", "csv"], ("pdf", "csv")),
        (["a\nb"], ("a b",)),
        (["pdf", "my-pdf"], ("pdf", "my-***")),
        (["PDF", "pdf\t"], ("PDF", "***")),
    ],
)
def test_a_key_of_the_document_is_no_secret(keys: list[str], read: tuple[str, ...]) -> None:
    envelope = read_envelope(json.dumps({"status": "OK", "formats": keys}).encode(), hidden=lambda: ("pdf",))
    assert isinstance(envelope, Envelope)
    assert envelope.formats == read


@pytest.mark.rules("D36")
@pytest.mark.parametrize(("length", "shown"), [(299, "x" * 299), (300, "x" * 300), (301, "x" * 299 + "\u2026")])
def test_a_message_of_300_characters_stays_as_it_is(length: int, shown: str) -> None:
    assert clean_message("x" * length) == shown


# ---- heads


@pytest.mark.rules("D22")
@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        ([("Content-Length", "9" * 18)], Framing.LENGTH),
        ([("Content-Length", "9" * 19)], Framing.BROKEN),
        ([("Transfer-Encoding", "identity, identity"), ("Content-Length", "7")], Framing.LENGTH),
        ([("Transfer-Encoding", "chunked, chunked")], Framing.BROKEN),
    ],
)
def test_lengths_and_codings_at_the_edge(headers: list[tuple[str, str]], framing: Framing) -> None:
    assert Head.of(200, headers).framing is framing


@pytest.mark.rules("D19")
@pytest.mark.parametrize(
    ("wanted", "sent", "seconds"),
    [
        ("Fri, 01 Jan 2027 00:00:30 GMT", "Thu, 31 Dec 2026 23:59:00 GMT", 90.0),
        ("Tue, 24 Nov 2026 05:10:00 GMT", "Tue, 24 Nov 2026 04:00:00 GMT", 4200.0),
        ("Sat, 01 Jan 2028 00:00:00 GMT", "Fri, 01 Jan 2027 00:00:00 GMT", 365 * 86400.0),
        ("Thu, 31 Dec 2026 23:59:60 GMT", "Thu, 31 Dec 2026 23:59:00 GMT", 59.0),  # a leap second
        ("Thu, 31 Dec 2026 23:59:00030 GMT", "Thu, 31 Dec 2026 23:59:00 GMT", None),
    ],
)
def test_a_date_less_the_answer_s_own(wanted: str, sent: str, seconds: float | None) -> None:
    assert Head.of(429, [("Retry-After", wanted), ("Date", sent)]).retry_after == seconds


# ---- small answers


@pytest.mark.rules("D36", "D16")
@pytest.mark.parametrize(("more", "wanted"), [(-1, True), (0, True), (1, False)])
def test_a_body_is_read_until_it_is_longer_than_its_cap(more: int, wanted: bool) -> None:
    body = json.dumps({"token": "t" * 40}).encode()
    request = token_request(application_id="app", application_key=Secret("key"), user="ann")
    kept: list[Secret] = []
    exchange = RenewalExchange(
        RenewCredentials(number=4, deadline=9.0),
        request,
        policy=Policy(max_envelope=len(body) - more),
        keep=kept.append,
    )
    assert exchange.head(200, [("Content-Type", "application/json")])
    assert exchange.feed(body[:9])
    assert exchange.feed(body[9:]) is wanted
    assert isinstance(exchange.finish(), CredentialsRenewed) is wanted
    assert kept == [Secret("t" * 40)] * wanted


# ---- the server's half


@pytest.mark.rules("R12", "R13", "R31", "R32")
@pytest.mark.parametrize(
    ("told", "body"),
    [
        (Token(token=Secret("a/b=")), b'{"status":"OK","token":"a%2Fb%3D"}'),
        (Token(token=Secret("\ud800")), b'{"status":"OK","token":"%ED%A0%80"}'),
        (StatusIs(status=Status.IN_PROGRESS), b'{"status":"IN PROGRESS"}'),
        (Refuse(refusal=Refusal.INVALID_TOKEN), b'{"status":"ERROR","message":"Invalid token"}'),
    ],
    ids=ascii,
)
def test_envelopes_are_as_short_as_the_document_s(told: Token | StatusIs | Refuse, body: bytes) -> None:
    _, headers, sent = response(told)
    assert sent == body
    assert dict(headers)["Content-Length"] == str(len(body))


# ---- Content-Disposition


@pytest.mark.rules("D24", "R25")
@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("\u6771.pdf", "filename=\"_.pdf\"; filename*=UTF-8''%E6%9D%B1.pdf"),
        ("\u0301", "filename=\"_\"; filename*=UTF-8''%CC%81"),
        ("a/b!c", "filename=\"a_b!c\"; filename*=UTF-8''a%2Fb!c"),
    ],
    ids=ascii,
)
def test_a_name_is_written_twice(name: str, written: str) -> None:
    assert format_disposition(name) == f"attachment; {written}"


@pytest.mark.rules("D24", "R24")
@pytest.mark.parametrize(
    ("header", "filename"),
    [
        # A parameter without a name has its quoted string all the same.
        ('="a; filename=trap"; filename=b', "b"),
        ('="a; filename=trap"', None),
        # Blanks, tabs and line ends are space; what other alphabets call so is part of the text.
        ("attachment; \u00a0filename=a", None),
        ("attachment; filename=\u00a0a\u00a0", "\u00a0a\u00a0"),
        # A drive, and nothing or one letter behind it.
        ('attachment; filename="C:\\', "C:"),
        ('attachment; filename="C:\\x"', "C:\\x"),
        ('attachment; filename="C:\\\\"', "C:\\"),
        # What stands after a quoted string up to the next semicolon is passed over.
        ("attachment; filename=\"a\"b; x=y; filename*=UTF-8''c", "c"),
        ("attachment; filename=\"a\"; filename*=UTF-8''c; x=y", "c"),
        ('attachment; filename="a\\"; filename=b', 'a"'),
        # The character set that an old browser meant, without its controls.
        ("attachment; filename*=latin1''caf%E9", "caf\u00e9"),
        ("attachment; filename*=latin1''a%7F", "a\x7f"),
        ("attachment; filename*=latin1''a%80; filename=b", "b"),
        ("attachment; filename*=latin1''a%9F; filename=b", "b"),
        ("attachment; filename*=latin1''a%A0", "a\u00a0"),
    ],
    ids=ascii,
)
def test_names_at_the_edge(header: str, filename: str | None) -> None:
    assert parse_disposition(header).filename == filename
