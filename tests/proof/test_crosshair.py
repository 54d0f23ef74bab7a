"""The arithmetic of time and the parsers, under a solver that looks for the input that breaks them.

`make deep-crosshair` runs it; `make test` runs the same properties under Hypothesis' own generator. What a solver
cannot follow (C code, some regular expressions) it falls back from: a pass says that no counterexample was found.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reportdl_core import InvalidJob, Job, Policy
from reportdl_core.deadlines import ended_by_clock, expires_at, horizon, rest
from reportdl_core.disposition import parse_disposition
from reportdl_core.endpoint_messages import Refuse
from reportdl_core.envelope import Envelope, Unreadable, clean_message, read_envelope
from reportdl_core.facts import Facts, RunPhase
from reportdl_core.formats import listed
from reportdl_core.http_head import Framing, Head
from reportdl_core.job import identifier
from reportdl_core.policy import instant, insurance, pause
from reportdl_core.secret import Secret
from reportdl_core.wire import query_token
from reportdl_core.wire_endpoint import Parsed, parse

SOLVED: Final = os.environ.get("REPORTDL_BACKEND") == "crosshair"
EXAMPLES: Final = int(os.environ.get("REPORTDL_EXAMPLES", "60"))

SECONDS: Final = st.floats(0.0, 1e7, allow_nan=False)
COUNTS: Final = st.integers(0, 200)
TICK: Final = 2.0**-20
KEYS: Final = ("pdf", "PDF", "Pdf", "xls", "XLS", "csv")


def solved(test: Callable[..., None]) -> Any:
    """Run it under the solver, where that is asked for."""
    kept = settings(max_examples=EXAMPLES, deadline=None)
    if SOLVED:
        kept = settings(kept, backend="crosshair", derandomize=False, database=None)
    return kept(test)


def facts(*, began: float, due: float, end: float, token_from: float | None, run: RunPhase) -> Facts:
    return Facts(number=3, began=began, end=end, due=due, quiet_since=began, token_from=token_from, run=run)


@pytest.mark.rules("I9", "D43")
@solved
@given(seconds=st.floats(-1e9, 1e9, allow_nan=False))
def test_the_grid_of_time_loses_less_than_a_tick(seconds: float) -> None:
    cut = instant(seconds)
    assert cut <= seconds <= cut + TICK
    assert instant(cut) == cut


@pytest.mark.rules("I9", "D43")
@solved
@given(one=SECONDS, other=SECONDS)
def test_on_the_grid_what_is_added_comes_off_again(one: float, other: float) -> None:
    first, second = instant(one), instant(other)
    assert (first + second) - second == first


@pytest.mark.rules("D19", "I13")
@solved
@given(seed=st.integers(0, 2**64), number=st.integers(1, 10_000), times=COUNTS)
def test_a_pause_is_never_nothing_and_never_longer_than_the_longest(seed: int, number: int, times: int) -> None:
    policy = Policy()
    assert 0.0 < pause(policy, seed=seed, number=number, times=times) <= policy.longest_pause
    assert 0.0 < insurance(policy, seed=seed, number=number, times=times) <= policy.longest_insurance


@pytest.mark.rules("D19", "D1", "I13")
@solved
@given(
    age=st.floats(0.0, 3000.0),
    init=st.floats(0.0, 400.0),
    pauses=COUNTS,
    polls=COUNTS,
    insuring=st.booleans(),
    held=st.none() | st.floats(0.0, 4000.0),
)
def test_what_is_repeated_is_repeated_later_and_before_the_question_of_five_minutes(
    age: float, init: float, pauses: int, polls: int, insuring: bool, held: float | None
) -> None:
    policy, now = Policy(), instant(age)
    known = facts(began=0.0, due=0.0, end=3600.0, token_from=instant(init), run=RunPhase.ALIVE)
    known.pauses, known.polls = pauses, polls
    rest(known, policy, seed=1, now=now, insuring=insuring, held=None if held is None else instant(held))
    question = instant(init) + 301.0
    assert known.due > now
    assert held is None or known.due >= instant(held)
    if now < question:
        assert known.due <= max(question, instant(held or 0.0))


@pytest.mark.rules("I8", "I13", "D1")
@solved
@given(
    now=st.floats(0.0, 4000.0),
    init=st.none() | st.floats(0.0, 4000.0),
    run=st.sampled_from(RunPhase),
    receiving=st.booleans(),
)
def test_a_command_never_outlives_the_moment_when_the_clock_ends_it(
    now: float, init: float | None, run: RunPhase, receiving: bool
) -> None:
    known = facts(began=0.0, due=0.0, end=3600.0, token_from=None if init is None else instant(init), run=run)
    moment, policy = instant(now), Policy()
    ended = ended_by_clock(known, policy, now=moment, receiving=receiving, answered=False)
    if ended is None and not receiving:
        assert horizon(known, policy) > moment, "a command of no length (I13)"
    at = horizon(known, policy)
    assert at <= known.end
    assert ended_by_clock(known, policy, now=max(at, moment), receiving=False, answered=False) is not None
    assert (expires_at(known) is None) == (init is None)


@pytest.mark.rules("D32")
@solved
@given(value=st.text(max_size=24))
def test_an_id_is_digits_or_an_error(value: str) -> None:
    try:
        number = identifier(value, "element")
    except InvalidJob:
        assert not (value.isascii() and value.isdigit() and len(value) <= 19)
    else:
        assert str(number) == (value.lstrip("0") or "0")


@pytest.mark.rules("R24", "D24", "I11")
@solved
@given(value=st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_a_disposition_is_read_whatever_it_is(value: str) -> None:
    found = parse_disposition(value)
    assert found.type == found.type.lower()
    assert found.filename is None or found.filename.strip()


@pytest.mark.rules("D26", "D36", "I11")
@solved
@given(body=st.binary(max_size=40))
def test_an_envelope_is_read_whatever_it_is(body: bytes) -> None:
    assert isinstance(read_envelope(body), Envelope | Unreadable)


@pytest.mark.rules("D36")
@solved
@given(text=st.text(max_size=40))
def test_a_message_is_one_line_without_controls(text: str) -> None:
    cleaned = clean_message(text)
    assert cleaned == clean_message(cleaned)
    assert all(character.isprintable() for character in cleaned)


@pytest.mark.rules("R13", "D3")
@solved
@given(token=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12))
def test_a_token_is_left_as_it_is_or_encoded_once(token: str) -> None:
    sent = query_token(Secret(token))
    assert not set(sent) & set(" &#?+"), "nothing that a query would take apart"
    assert query_token(Secret(sent)) == sent, "what has been encoded is not encoded again"


@pytest.mark.rules("D19", "I11")
@solved
@given(value=st.text(alphabet=st.characters(max_codepoint=255), max_size=30))
def test_a_retry_after_is_a_time_or_none(value: str) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    told = Head.of(503, [("Retry-After", value), ("Date", date)]).retry_after
    assert told is None or told >= 0.0
    if value.strip().isascii() and value.strip().isdigit():
        assert told == float(value.strip()[:10])


@pytest.mark.rules("D22", "D36", "I11")
@solved
@given(length=st.text(alphabet="0123456789, -+x\x00", max_size=24), coding=st.sampled_from(["", "chunked", "gzip"]))
def test_the_end_of_a_body_is_known_in_one_way_or_the_head_is_flawed(length: str, coding: str) -> None:
    head = Head.of(200, [("Content-Length", length), *([("Transfer-Encoding", coding)] if coding else [])])
    assert (head.length is not None) == (head.framing is Framing.LENGTH)
    assert bool(head.flaw) == (head.framing is Framing.BROKEN)
    assert head.length is None or (head.length >= 0 and not coding)


@pytest.mark.rules("D3", "D32", "I11")
@solved
@given(query=st.binary(max_size=24), element=st.text(max_size=6))
def test_a_request_is_read_whatever_it_asks(query: bytes, element: str) -> None:
    asked = parse("GET", f"/api/element/id/{element}/segment/0/download/state/run", query)
    assert isinstance(asked, Parsed) != ("/" in element)
    if isinstance(asked, Refuse):
        return
    assert asked.element is None or asked.element >= 0
    assert asked.segment == 0


@pytest.mark.rules("D11", "R10")
@solved
@given(key=st.sampled_from(KEYS), formats=st.lists(st.sampled_from(KEYS), max_size=4))
def test_a_key_is_sent_as_it_is_listed(key: str, formats: list[str]) -> None:
    found = listed(key, tuple(formats))
    assert (found is None) == (key.lower() not in [one.lower() for one in formats])
    assume(found is not None)
    assert found is not None
    assert found in formats
    assert found == key or (key not in formats and found.lower() == key.lower())
    assert Job(element=1, format=found).format == found
