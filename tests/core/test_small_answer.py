"""An answer that is small: gathered whole, up to a cap, and understood once."""

from __future__ import annotations

import gzip

import pytest

from reportdl_core import Event, Lost, Policy, RenewCredentials, Sent
from reportdl_core.events import CredentialsRenewed
from reportdl_core.http_head import Head
from reportdl_core.small_answer import SmallAnswer, said_in
from reportdl_core.wire import plain_get

CAP = 8
POLICY = Policy(connect_timeout=7.0, request_timeout=11.0)


class Kept(SmallAnswer[RenewCredentials]):
    """One that remembers what it was given to understand."""

    understood: list[tuple[int, bytes]]

    def __init__(self) -> None:
        super().__init__(RenewCredentials(number=3, deadline=9.0), plain_get("/"), policy=POLICY, cap=CAP)
        self.understood = []

    def _understood(self, head: Head, body: bytes) -> Event:
        self.understood.append((head.status, body))
        return CredentialsRenewed(number=self.command.number)


def heard(*pieces: bytes, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """What comes of a body that arrives in these pieces, for as long as more are wanted."""
    answer = Kept()
    assert answer.head(200, headers)
    for piece in pieces:
        if not answer.feed(piece):
            break
    assert answer.finish() == CredentialsRenewed(number=3)
    [(status, body)] = answer.understood
    assert status == 200
    return body


@pytest.mark.rules("D36")
def test_a_body_is_understood_whole_up_to_the_cap_and_not_at_all_beyond_it() -> None:
    assert heard() == b""
    assert heard(b"1234", b"5678") == b"12345678"
    assert heard(b"1234", b"56789") == b""
    assert heard(b"1" * 1_000_000) == b""
    answer = Kept()
    answer.head(200, ())
    assert answer.feed(b"1" * CAP)
    assert not answer.feed(b"2")


@pytest.mark.rules("D34", "D36")
def test_the_cap_holds_for_what_a_coded_body_becomes() -> None:
    coded = (("Content-Encoding", "gzip"),)
    assert heard(gzip.compress(b"1" * 100), headers=coded) == b""  # longer than the cap, coded or not
    assert heard(b"1234", headers=coded) == b""  # it is not gzip


@pytest.mark.rules("D35")
def test_it_waits_as_long_as_the_policy_says() -> None:
    assert (Kept().connect_timeout, Kept().read_timeout) == (7.0, 11.0)
    assert not Kept().own_connection
    assert not Kept().blocking


@pytest.mark.rules("D21", "D36", "I11")
def test_without_a_head_or_with_a_flawed_one_the_request_is_lost_and_nothing_understood() -> None:
    headless, interim = Kept(), Kept()
    assert headless.finish() == Lost(number=3, sent=Sent.UNKNOWN, message="no answer")
    assert not interim.head(103, ())
    assert interim.finish() == Lost(number=3, sent=Sent.UNKNOWN, message="an interim answer instead of one")
    assert interim.lost(sent=Sent.NOT_SENT, message="refused") == Lost(number=3, sent=Sent.NOT_SENT, message="refused")
    assert headless.understood == interim.understood == []


@pytest.mark.rules("D26", "I11")
@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b"1", b"null", b'{"a": ', b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"status": 1, "status": 2}'],
)
def test_what_is_no_json_object_says_nothing(body: bytes) -> None:
    assert said_in(body) is None


def test_a_json_object_says_what_is_in_it() -> None:
    assert said_in(b'{"a": [1]}') == {"a": [1]}
