"""Somebody's mock, written from the article alone: what it does differently is found, and what it does right."""

from __future__ import annotations

from collections.abc import Callable

from reportdl.conform import Examination, Verdict
from reportdl_core.job import Job

BROKEN = {
    "R1": "POST is 200 ok",
    "R2": "404 with text/html",
    "R4": "another segment is 200 ok",
    "R5": "200 ok",
    "R10": "200 ok",
    "R13": "it holds characters that a query cannot: encoded once",
    "R14": "missing: 200 ERROR, unknown token",
    "R17": "403 token expired",
    "R21": "before run: 200 not started",
    "R24": "application/csv, inline",
    "R25": "report",
    "R26": "get before run is 500 with text/html",
    "R27": "a second get is 200 with a file",
    "R28": "check is 200 ready",
    "R31": "other statuses: '200 IN_PROGRESS'",
    "R32": "a member where it does not belong",
}
READ = {
    "D1": "absolute: the whole session ends",
    "D3": "the token comes raw",
    "D4": "envelopes are text/plain",
    "D7": "a dropped run goes on",
    "D8": "while one goes on: it generates again",
    "D10": "run without a format is 200 ok",
    "D11": "listed in upper case",
    "D17": "as 'IN_PROGRESS'",
    "D20": "check is 200 ready, get is 200 with a file",
    "D21": "a broken get may be repeated",
    "D22": "nothing but the connection's end",
    "D25": "application/csv, accepted",
    "D30": "sets cookies",
    "D40": "none",
}
STEPS = ("generation", "second-run", "dropped-run", "broken-get", "run-refusals")


def test_a_mock_is_found_out(conform: Callable[..., Examination], mock: Callable[..., str]) -> None:
    found = conform(mock(MOCK_SECONDS="0.7"), job=Job(element=7, format="CSV"), steps=STEPS)
    hasty = mock(MOCK_SECONDS="0.1", MOCK_TTL="0.8")
    expiring = conform(hasty, job=Job(element=7, format="CSV"), steps=("expiry", "expiry-ready"), ttl=0.8)
    later = {"R15", "R17", "D1"}
    assert {one.entry.rule for one in found.broken} == BROKEN.keys() - later
    for rule, why in BROKEN.items():
        source = expiring if rule in later else found
        assert source.of(rule).why.startswith(why), rule
    assert expiring.of("R15").verdict is Verdict.KEPT
    for rule, reading in READ.items():
        assert reading in (expiring if rule in later else found).readings(rule), rule
    kept = {one.entry.rule for one in found.findings if one.verdict is Verdict.KEPT}
    assert kept == {"R7", "R8", "R12", "R18", "R20", "R29"}


def test_a_mock_is_asked_for_nothing_that_was_not_named(
    conform: Callable[..., Examination], mock: Callable[..., str]
) -> None:
    found = conform(mock(), job=Job(element=7, format="CSV"))
    assert found.steps == ("free",)
    assert not [answer for answer in found.answers if "/state/run" in answer.asked]
    assert found.took < 20
