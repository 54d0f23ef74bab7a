"""A mock by someone who had read the document alone: its choices are read rightly, and a rule that it breaks is found.

The mock was written before its author saw conform. The breaking handlers change one answer of it each.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import reportdl
from reportdl.conform import Elements, Examination, Verdict
from reportdl_core.job import Job
from tests.adapters.conform.conftest import document_mock

Conform = Callable[..., Examination]
Mock = Callable[..., str]

MOCK = Path(__file__).with_name("document_mock.py")
READER = reportdl.Bearer("reader-key")
OTHERS = Elements(denied=1046, other_type=1044, no_downloads=1045, other=1049, failing=1047)
GENERATING = ("generation", "second-run", "dropped-run", "run-refusals")
SLOW = {"D7", "D8"}  # what only a report shows that takes its time
FREE = {f"R{number}" for number in (1, 2, 4, 5, 7, 8, 12, 13, 14, 21, 26, 31, 32)}
DONE = FREE | {f"R{number}" for number in (3, 6, 9, 10, 11, 18, 20, 22, 24, 25, 27, 28, 29, 30)}

READ = {
    "D3": {"the token comes URL-encoded", "encoded twice it is 400 Invalid token"},
    "D4": {"attachment", "envelopes are application/json"},
    "D5": {"check of a failed run is 200 with status ERROR", "get of a failed run is 400 Download failed"},
    "D6": {"run says OK when ready", "a failed run is 400 Download failed"},
    "D7": {"a dropped run goes on"},
    "D8": {"while one goes on: it generates again", "once ready: it generates again", "with another format: 200 OK"},
    "D9": {"refused: 400 Download failed"},
    "D10": {"run without a format is 400 Invalid format"},
    "D11": {"listed in lower case", "the other case is refused"},
    "D12": {"formats needs no token"},
    "D13": {"one that was never issued is 400 Download failed", "another user's check is 400 Invalid token"},
    "D14": {"on another element it is 400 Invalid token"},
    "D15": {"credential before state, state before element, element before token, token before format"},
    "D16": {"no credential is 401 Not authenticated"},
    "D17": {"as documented"},
    "D18": {"in progress"},
    "D20": {"400 Download failed"},
    "D22": {"a length"},
    "D23": {"POST is 405", "answers may be stored"},
    "D24": {"filename alone"},
    "D25": {"text/csv, registered"},
    "D26": {"all with the document's texts, as application/json"},
    "D29": {"the endpoint is there"},
    "D30": {"sets no cookie"},
    "D32": {"an id that is no number is 404 Element not found"},
    "D34": {"not coded"},
    "D40": {"none"},
    "D42": {"the file is there after OK"},
}


def verdicts(found: Examination, verdict: Verdict) -> set[str]:
    return {one.entry.rule for one in found.findings if one.verdict is verdict}


@pytest.fixture
def mocked(conform: Conform, mock: Mock) -> Callable[..., Examination]:
    """Examines the mock, as it is or broken."""

    def run(*steps: str, element: int = 1042, lifetime: float = 300.0, handler: Any = None, **options: Any) -> Any:
        url = mock(handler, lifetime=lifetime)
        said = {"credentials": READER, "elements": Elements(), "ttl": lifetime, **options}
        return conform(url, job=Job(element=element, format="csv"), steps=steps, **said)

    return run


@pytest.mark.rules("D7", "D8", "D9", "D13", "D15")
def test_each_choice_of_its_author_is_read_as_its_author_wrote_it_down(mocked: Callable[..., Examination]) -> None:
    others = {"elements": OTHERS, "other_credentials": reportdl.Bearer("other-key")}
    found, slow = mocked(*GENERATING, **others), mocked("second-run", "dropped-run", element=1051)
    assert [(one.entry.rule, one.why) for one in found.broken + slow.broken] == []
    assert verdicts(found, Verdict.KEPT) == DONE
    assert verdicts(found, Verdict.READING) | verdicts(slow, Verdict.READING) == READ.keys()
    for rule, readings in READ.items():
        assert set((slow if rule in SLOW else found).readings(rule)) == readings, rule
    assert all(one.evidence for one in found.findings if one.verdict is Verdict.KEPT)


def test_what_a_quick_report_with_a_small_file_does_not_show_is_not_claimed(
    mocked: Callable[..., Examination],
) -> None:
    found = mocked("dropped-run", "broken-get", element=1042)
    assert found.of("D7").why.startswith("run was answered within")
    # It is luck whether the last byte was on its way when the connection was dropped. Where it was not, the file is
    # there again, which is proof; all else proves nothing.
    spent = found.of("D21")
    if spent.reading:
        assert spent.reading == "a broken get may be repeated"
    else:
        assert spent.why.endswith(("take a larger report", "each was over too soon"))


@pytest.mark.rules("D21")
def test_a_get_that_was_cut_leaves_the_file(mocked: Callable[..., Examination]) -> None:
    assert mocked("broken-get", element=1050).readings("D21") == ("a broken get may be repeated",)


@pytest.mark.rules("R27", "D42")
def test_two_gets_at_once_which_its_author_did_not_think_of_bring_the_file_twice(
    mocked: Callable[..., Examination],
) -> None:
    found = mocked("broken-get", element=1050)
    assert [one.entry.rule for one in found.broken] == ["R27"]
    finding = found.of("R27")
    assert finding.why == "two gets at once brought the file twice"
    assert [answer.size for answer in finding.evidence] == [27_000_013, 27_000_013]
    assert "get beside a get that goes on: 200 with a file" in found.readings("D42")


@pytest.mark.rules("R15", "R16", "R17", "D1")
def test_five_minutes_bound_everything_and_nothing_prolongs_them(mocked: Callable[..., Examination]) -> None:
    found = mocked("expiry", "expiry-ready", element=1051, lifetime=1.0)
    assert {rule: found.of(rule).verdict for rule in ("R15", "R16", "R17")} == dict.fromkeys(
        ("R15", "R16", "R17"), Verdict.KEPT
    )
    assert found.readings("D1") == ("check does not prolong a token", "absolute: the whole session ends")
    assert found.readings("D41") == ("an expired token is 400 Download failed",)


def test_it_is_asked_for_nothing_that_was_not_named(mocked: Callable[..., Examination]) -> None:
    found = mocked()
    assert found.steps == ("free",)
    assert verdicts(found, Verdict.KEPT) == FREE
    assert not [answer for answer in found.answers if "/state/run" in answer.asked]


def test_it_runs_as_the_program_it_is(conform: Conform) -> None:
    with subprocess.Popen([sys.executable, str(MOCK), "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert conform(url, credentials=READER).broken == ()
        finally:
            process.kill()


def bent(change: Callable[[str, dict[str, Any], int], tuple[dict[str, Any], int]]) -> type:
    """The mock with its envelopes changed on their way: by state, from what it would have said."""

    class Bent(document_mock.Handler):
        def send_json(self, value: dict[str, Any], code: int = 200) -> None:
            state = self.path.partition("?")[0].rpartition("/")[2]
            value, code = change(state, dict(value), code)
            super().send_json(value, code)

    return Bent


def code_of(message: str, code: int) -> type:
    """Another status code for one refusal."""
    return bent(lambda state, value, now: (value, code if value.get("message") == message else now))


def status_of(state: str, said: str, status: str) -> type:
    """Another status in one state's answers."""
    return bent(
        lambda at, value, now: ({**value, "status": status} if (at, value["status"]) == (state, said) else value, now)
    )


def member(state: str, **members: Any) -> type:
    """Members that one state's good answers have as well, or instead."""
    return bent(lambda at, value, now: ({**value, **members} if at == state and now == 200 else value, now))


def headed(pattern: str, instead: str) -> type:
    """A file with another Content-Disposition."""

    class Headed(document_mock.Handler):
        def send(self, code: int, mime: str, body: bytes, extra: Any = ()) -> None:
            super().send(
                code, mime, body, {name: re.sub(pattern, instead, value) for name, value in dict(extra).items()}
            )

    return Headed


class AnyMethod(document_mock.Handler):
    do_POST = document_mock.Handler.do_GET  # noqa: N815


class AnySegment(document_mock.Handler):
    path: str

    def answer(self) -> None:
        self.path = re.sub("/segment/[0-9]+/", "/segment/0/", self.path)
        super().answer()


class RawToken(document_mock.Handler):
    def send_json(self, value: dict[str, Any], code: int = 200) -> None:
        super().send_json({**value, "token": unquote(value["token"])} if "token" in value else value, code)


class AnyFormat(document_mock.Handler):
    path: str

    def answer(self) -> None:
        self.path = self.path.replace("nosuchformat", "csv")
        super().answer()


class NeverSpent(document_mock.Handler):
    def get(self, element: Any, token: str, session: Any, wanted: str) -> None:
        super().get(element, token, session, wanted)
        self.server.sessions[token] = session


class Anybody(document_mock.Handler):
    def session(self, token: str, owner: tuple[str, ...]) -> Any:
        held = self.server.sessions.get(token)
        return super().session(token, owner if held is None else held.owner)


class StillReady(document_mock.Handler):
    def session(self, token: str, owner: tuple[str, ...]) -> Any:
        try:
            return super().session(token, owner)
        except document_mock.Refusal as refusal:
            if refusal.message == "Invalid token" or "/check" not in self.path:
                raise
            return document_mock.Session(*owner, 300.0)


BREAKING = [
    ("R1", (), AnyMethod, "POST is 200 OK"),
    ("R2", (), code_of("Invalid state", 404), "404 Invalid state"),
    ("R3", (), code_of("Not implemented for this Element Type", 501), "501 Not implemented for this Element Type"),
    ("R4", (), AnySegment, "another segment is 200 OK"),
    ("R5", (), code_of("Element not found", 400), "400 Element not found"),
    ("R6", (), code_of("Element not allowed", 404), "404 Element not allowed"),
    ("R7", (), member("formats", formats=["csv", "hologram"]), "not documented: hologram"),
    ("R8", (), status_of("formats", "OK", "READY"), "200 READY"),
    ("R9", (), code_of("No downloads available", 404), "formats: 404 No downloads available"),
    ("R10", ("run-refusals",), AnyFormat, "200 OK"),
    ("R12", (), Anybody, "another user's check is 200 IN PROGRESS"),
    ("R13", (), RawToken, "it holds characters that a query cannot: encoded once"),
    ("R14", (), code_of("Invalid token", 401), "missing: 401 Invalid token"),
    ("R17", ("expiry",), code_of("Download failed", 410), "410 Download failed"),
    ("R18", ("generation",), status_of("run", "OK", "READY"), "200 READY after"),
    ("R21", ("generation",), status_of("check", "READY", "DONE"), "after run: 200 DONE"),
    ("R22", ("failing",), status_of("check", "ERROR", "OK"), "check is 200 OK"),
    ("R24", ("generation",), headed("attachment", "inline"), "text/csv, inline"),
    ("R25", ("generation",), headed('"[^"]*"', '"report"'), "report"),
    ("R26", ("generation",), status_of("get", "IN PROGRESS", "OK"), "get before run is 200 OK"),
    ("R27", ("generation",), NeverSpent, "a second get is 200 with a file"),
    ("R28", ("generation",), StillReady, "check is 200 IN PROGRESS"),
    ("R30", ("failing",), code_of("Download failed", 500), "run is 500 Download failed"),
    ("R31", (), status_of("formats", "OK", "ok"), "other statuses: '200 ok'"),
    ("R32", (), member("check", message=""), "a member where it does not belong"),
]
# What breaks one rule by its nature breaks another: a segment is refused as an element is, R31 holds for every answer.
WITH_IT = {"R5": {"R4"}, "R21": {"R31"}, "R22": {"R21"}, "R27": {"R28"}, "R30": {"R22", "R26"}}


@pytest.mark.parametrize(("rule", "steps", "handler", "why"), BREAKING)
def test_a_rule_that_it_breaks_is_found_with_its_exchange_and_no_other(
    mocked: Callable[..., Examination], rule: str, steps: tuple[str, ...], handler: type, why: str
) -> None:
    failing = 1047 if "failing" in steps else None
    found = mocked(
        *(step for step in steps if step != "failing"),
        handler=handler,
        lifetime=0.8 if "expiry" in steps else 300.0,
        elements=Elements(denied=1046, other_type=1044, no_downloads=1045, failing=failing),
        other_credentials=reportdl.Bearer("other-key"),
    )
    assert {one.entry.rule: one.why for one in found.broken}.keys() == {rule} | WITH_IT.get(rule, set())
    assert why in found.of(rule).why
    assert found.of(rule).evidence
