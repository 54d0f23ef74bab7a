"""A head that no answer can be read after: nothing that stands in it is believed, and the request is lost."""

from __future__ import annotations

import pytest

from reportdl_core import Check, Event, Get, Job, Lost, Policy, RenewCredentials, Secret, Sent
from reportdl_core.exchange import Exchange
from reportdl_core.http_head import Head
from reportdl_core.renewal import RenewalExchange, token_request

JOB = Job(element=1042, format="pdf")
CHUNKS = ("Transfer-Encoding", "chunked")
LENGTH = ("Content-Length", "2")
FLAWED = [
    (103, [], "interim"),
    (101, [("Upgrade", "h2c")], "interim"),
    (200, [CHUNKS, LENGTH], "contradict"),
    (200, [("Content-Length", "-1")], "contradict"),
    (200, [("Transfer-Encoding", "gzip, chunked")], "coding"),
    (200, [(f"X-{number}", "x" * 8000) for number in range(9)], "64 KiB"),
]


class Untouched:
    """A sink that is not to be opened."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def check() -> Exchange:
    return Exchange(Check(number=4, job=JOB, token=Secret("t"), deadline=9.0), policy=Policy())


def get() -> Exchange:
    command = Get(number=4, job=JOB, token=Secret("t"), deadline=9.0)
    return Exchange(command, policy=Policy(), sink=Untouched())  # type: ignore[arg-type]


def renewal() -> RenewalExchange:
    request = token_request(application_id="app", application_key=Secret("key"), user="ann")
    return RenewalExchange(RenewCredentials(number=4, deadline=9.0), request, policy=Policy(), keep=print)


@pytest.mark.rules("D21", "D36", "I10", "I11")
@pytest.mark.parametrize("exchange", [check, get, renewal])
@pytest.mark.parametrize(("status", "headers", "word"), FLAWED)
def test_after_a_head_with_a_flaw_nothing_is_read(exchange, status: int, headers, word: str) -> None:
    asked = exchange()
    assert not asked.head(status, [*headers, ("Content-Type", "application/json")])
    event: Event = asked.finish()
    assert isinstance(event, Lost)
    assert event.sent is Sent.UNKNOWN
    assert word in event.message


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.rules("D36")
def test_64_kib_of_headers_are_enough(size: int) -> None:
    value = "x" * (64 * 1024 - len("X") - 4 + size)
    assert bool(Head.of(200, [("X", value)]).flaw) is bool(size)


@pytest.mark.rules("D4", "D23")
def test_a_head_without_a_disposition_has_none() -> None:
    assert Head.of(200, [("Content-Type", "text/csv")]).disposition is None


@pytest.mark.rules("D34")
def test_codings_of_several_fields_are_one_list() -> None:
    assert Head.of(200, [("Content-Encoding", "gzip"), ("Content-Encoding", "BR")]).coding == "gzip,br"


@pytest.mark.rules("D19")
@pytest.mark.parametrize(("text", "seconds"), [("1234567890", 1234567890.0), ("12345678901", 1234567890.0)])
def test_a_retry_after_of_centuries_is_cut_to_ten_digits(text: str, seconds: float) -> None:
    assert Head.of(429, [("Retry-After", text)]).retry_after == seconds


@pytest.mark.rules("D31")
@pytest.mark.parametrize(("length", "shown"), [(200, True), (201, False)])
def test_the_origin_of_a_redirect_is_shown_up_to_200_characters(length: int, *, shown: bool) -> None:
    origin = "https://" + "a" * (length - len("https://"))
    assert Head.of(302, [("Location", f"{origin}/?token=abc")]).location_origin == (
        origin if shown else "an unreadable address"
    )
