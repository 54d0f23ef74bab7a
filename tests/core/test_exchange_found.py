"""Bugs of the wire that a second reading brought up: half a token, an echoed key, a full slice, a framing that lies."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core import (
    Check,
    CredentialsRenewed,
    Event,
    Evidence,
    Job,
    Outcome,
    Policy,
    Reason,
    Refusal,
    Refused,
    RenewCredentials,
    Request,
    Run,
    Secret,
    State,
    StatusReported,
)
from reportdl_core.envelope import Envelope, read_envelope
from reportdl_core.exchange import Exchange
from reportdl_core.http_head import Framing, Head
from reportdl_core.renewal import RenewalExchange, token_request
from reportdl_core.wire import Outgoing

JOB = Job(element=1042, format="pdf")
TOKEN = "Zm9vYmFy+c2VjcmV0/dG9rZW4="
KEY = "application-key-4711"
MIB = 1024 * 1024


def asked(said: object, *, status: int = 400, token: str = TOKEN, kind: type[Check | Run] = Check) -> Event:
    command: Request = kind(number=4, job=JOB, token=Secret(token), deadline=9.0)
    exchange = Exchange(command, policy=Policy())
    exchange.head(status, [("Content-Type", "application/json")])
    exchange.feed(json.dumps(said).encode())
    return exchange.finish()


def message_of(event: Event) -> str:
    assert isinstance(event, Refused | StatusReported), event
    return event.message


class TestWhatAServerEchoes:
    @pytest.mark.rules("D39", "D36")
    @given(before=st.integers(0, 1300), gaps=st.booleans())
    def test_no_part_of_a_token_is_left_where_the_message_is_cut(self, before: int, gaps: bool) -> None:
        filler = "x " if gaps else "x"
        shown = message_of(asked({"status": "ERROR", "message": filler * before + TOKEN}))
        assert len(shown) <= 300
        for length in range(4, len(TOKEN)):
            assert TOKEN[:length] not in shown

    @pytest.mark.rules("D39")
    def test_an_unknown_status_that_is_the_token_is_masked_too(self) -> None:
        event = asked({"status": f"bad {TOKEN}"}, status=200)
        assert message_of(event) == "unknown status 'bad ***'"

    @pytest.mark.rules("D26", "D39")
    @pytest.mark.parametrize("token", ["token", "a", "Download", "%44ownload", "in"])
    def test_a_token_that_is_a_word_of_the_document_hides_no_refusal(self, token: str) -> None:
        for message, refusal in (
            ("Invalid token", Refusal.INVALID_TOKEN),
            ("Download failed", Refusal.DOWNLOAD_FAILED),
            (" invalid FORMAT. ", Refusal.INVALID_FORMAT),
        ):
            event = asked({"status": "ERROR", "message": message}, token=token)
            assert isinstance(event, Refused)
            assert (event.refusal, event.message) == (refusal, message.strip())

    @pytest.mark.rules("D39")
    def test_every_spelling_of_it_is_masked(self) -> None:
        said = f"got abc%3Ddef, that is abc=def, for {JOB.element}"
        assert message_of(asked({"message": said}, token="abc%3Ddef", kind=Run)) == "got ***, that is ***, for 1042"

    @pytest.mark.rules("D39")
    def test_an_envelope_does_not_show_its_token(self) -> None:
        envelope = read_envelope(json.dumps({"status": "OK", "token": TOKEN}).encode())
        assert isinstance(envelope, Envelope)
        assert envelope.token == TOKEN
        assert TOKEN not in repr(envelope)


def renewed(body: bytes, *headers: tuple[str, str], status: int = 200) -> tuple[Event, list[Secret]]:
    kept: list[Secret] = []
    request = token_request(application_id="app", application_key=Secret(KEY), user="ann")
    assert KEY.encode() in request.body
    assert KEY not in repr(request)
    exchange = RenewalExchange(RenewCredentials(number=3, deadline=9.0), request, policy=Policy(), keep=kept.append)
    exchange.head(status, headers)
    exchange.feed(body)
    return exchange.finish(), kept


class TestRenewals:
    @pytest.mark.rules("D16", "D39")
    @pytest.mark.parametrize("status", [200, 401, 403])
    def test_an_application_key_that_comes_back_in_a_message_is_masked(self, status: int) -> None:
        body = json.dumps({"message": "x" * 285 + KEY + f" is not the key: {KEY}"}).encode()
        event, kept = renewed(body, status=status)
        assert isinstance(event, Refused)
        assert event.refusal is Refusal.CREDENTIALS
        assert "application" not in event.message
        assert not kept

    @pytest.mark.rules("D16", "D34")
    @pytest.mark.parametrize(("coding", "code"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_a_coded_answer_is_understood(self, coding: str, code: object) -> None:
        body = json.dumps({"token": "fresh", "expires": "soon"}).encode()
        event, kept = renewed(code(body), ("Content-Encoding", coding))  # type: ignore[operator]
        assert event == CredentialsRenewed(number=3)
        assert kept == [Secret("fresh")]

    @pytest.mark.rules("D16", "D36")
    @pytest.mark.parametrize("token", ["", "   ", "a\nb", "\u00e9", None, 7, "x" * 4097, ["fresh"]])
    def test_a_credential_that_no_header_can_carry_is_none(self, token: object) -> None:
        event, kept = renewed(json.dumps({"token": token}).encode())
        assert isinstance(event, Refused)
        assert (event.refusal, event.message, kept) == (Refusal.CREDENTIALS, "no token came back", [])

    @pytest.mark.rules("D16", "D36")
    def test_an_answer_over_the_cap_is_none(self) -> None:
        event, kept = renewed(b'{"token":"fresh"}' + b" " * 70_000)
        assert isinstance(event, Refused)
        assert not kept

    @pytest.mark.rules("D16")
    def test_spaces_around_it_are_no_part_of_it(self) -> None:
        assert renewed(b'{"token":" fresh "}')[1] == [Secret("fresh")]

    def test_without_secrets_nothing_is_masked(self) -> None:
        request = replace(token_request(application_id="a", application_key=Secret(""), user="u"), hidden=(Secret(""),))
        exchange = RenewalExchange(RenewCredentials(number=3, deadline=9.0), request, policy=Policy(), keep=print)
        exchange.head(401, [])
        exchange.feed(b'{"message":"Unauthorized"}')
        assert message_of(exchange.finish()) == "Unauthorized"

    def test_a_request_holds_no_secret_unless_it_says_so(self) -> None:
        assert Outgoing(method="GET", target="/", headers=()).hidden == ()


@pytest.mark.rules("D22")
@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        ([("Transfer-Encoding", "identity")], Framing.CLOSE),
        ([("Transfer-Encoding", "gzip")], Framing.BROKEN),
        ([("Transfer-Encoding", "identity"), ("Content-Length", "7")], Framing.LENGTH),
        ([("Transfer-Encoding", "Chunked")], Framing.CHUNKED),
        ([("Transfer-Encoding", "gzip, chunked")], Framing.BROKEN),
        ([("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], Framing.BROKEN),
        ([("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], Framing.BROKEN),
        ([("Transfer-Encoding", "")], Framing.CLOSE),
    ],
)
def test_only_chunks_are_chunks(headers: list[tuple[str, str]], framing: Framing) -> None:
    assert Head.of(200, headers).framing is framing


@pytest.mark.rules("D41", "D21")
@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
@pytest.mark.parametrize("ended_in", [State.INIT, State.RUNNING, State.READY], ids=lambda state: state.name)
def test_which_ends_are_worth_another_try(reason: Reason, ended_in: State) -> None:
    evidence = Evidence(asked="Check", answer="lost, unknown", message="", age=1.0)
    outcome = Outcome(state=State.EXPIRED, reason=reason, ended_in=ended_in, evidence=(evidence,))
    passing = {Reason.TIMED_OUT, Reason.UNREACHABLE, Reason.SERVER_ERROR, Reason.TRANSFER_LOST}
    expected = reason in passing or (reason is Reason.EXPIRED and ended_in is not State.RUNNING)
    assert outcome.retryable is expected
    held = reason in passing or reason is Reason.EXPIRED
    assert replace(outcome, unheld=True).retryable is held
    assert replace(outcome, run_unproven=True).retryable is held
