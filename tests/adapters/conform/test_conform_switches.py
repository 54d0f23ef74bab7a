"""The reference endpoint under every switch: each reading is told from the others by what can be seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, Final

import pytest

from reportdl.conform import STEPS, Elements, Examination, Verdict
from reportdl.server.sources import ReportInfo
from reportdl_core.switches import (
    AbortOnDisconnect,
    BeforeRun,
    ConsumeOn,
    FailedRun,
    FailedSession,
    FormatKeys,
    RunSaysOk,
    Switches,
    TtlPolicy,
)

Reference = Callable[..., Examination]

OTHERS: Final = Elements(denied=1046, other_type=2001, no_downloads=1048, other=1043, failing=1047)
ALL: Final = tuple(step.name for step in STEPS)


class Large:
    """One report whose file no system takes at once."""

    name = "Large"

    def reports(self) -> tuple[ReportInfo, ...]:
        return (ReportInfo(element=1042, name="Large"),)

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        path = directory / "large.csv"
        path.write_bytes(b"0123456789abcde\n" * 2_000_000)
        return path


def said(examination: Examination, rule: str) -> str:
    return "; ".join(examination.readings(rule))


@pytest.mark.rules(
    "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R12", "R13", "R14", "R15", "R17", "R18",
    "R20", "R21", "R22", "R24", "R25", "R26", "R27", "R28", "R29", "R30", "R31", "R32",
)  # fmt: skip
def test_the_reference_endpoint_keeps_every_rule_that_can_be_seen(reference: Reference) -> None:
    found = reference(*ALL, seconds=0.8, server={"switches": Switches(ttl=1.5)}, elements=OTHERS, ttl=1.5)
    assert [(one.entry.rule, one.why) for one in found.broken] == []
    kept = {one.entry.rule for one in found.findings if one.verdict is Verdict.KEPT}
    rules = {f"R{number}" for number in range(1, 33)}
    assert rules - kept == {"R16", "R19", "R23"}, "a slow report, half an hour, and what no server shows"
    assert said(found, "D7") == "a dropped run goes on"
    assert "while one goes on: it joins" in said(found, "D8")
    assert all(
        one.evidence
        for one in found.findings
        if one.verdict in (Verdict.KEPT, Verdict.READING) and one.entry.rule not in ("D4", "D30")
    )


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("free", {"before_run": BeforeRun.IN_PROGRESS}, "D18", "in progress"),
    ("free", {"before_run": BeforeRun.ERROR}, "D18", "error"),
    ("free", {"format_keys": FormatKeys.LOWER}, "D11", "listed in lower case"),
    ("free", {"format_keys": FormatKeys.CAPABILITY}, "D11", "listed in upper case"),
    ("run-refusals", {"format_keys": FormatKeys.LOWER}, "D11", "the other case is refused"),
    ("run-refusals", {"format_keys": FormatKeys.FOLDED}, "D11", "any case is taken"),
    ("generation", {"run_says_ok": RunSaysOk.WHEN_READY}, "D6", "run says OK when ready"),
    ("generation", {"run_says_ok": RunSaysOk.AT_ONCE}, "D6", "run says OK at once"),
    ("generation", {"run_says_ok": RunSaysOk.AT_ONCE}, "D42", "the file may come later than OK"),
    ("failing", {"failed_run": FailedRun.REFUSAL}, "D6", "a failed run is 400 Download failed"),
    ("failing", {"failed_run": FailedRun.STATUS}, "D6", "a failed run is 200 with status ERROR"),
    ("failing", {"failed_session": FailedSession.STATUS}, "D5", "check of a failed run is 200 with status ERROR"),
    ("failing", {"failed_session": FailedSession.REFUSAL}, "D5", "get of a failed run is 400 Download failed"),
    ("dropped-run", {"abort_on_disconnect": AbortOnDisconnect.OFF}, "D7", "a dropped run goes on"),
    ("dropped-run", {"abort_on_disconnect": AbortOnDisconnect.ON}, "D7", "a dropped run is aborted"),
    ("broken-get", {"consume_on": ConsumeOn.END}, "D21", "a broken get may be repeated"),
    ("broken-get", {"consume_on": ConsumeOn.START}, "D21", "a broken get spends the file"),
    ("broken-get", {"consume_on": ConsumeOn.END}, "D42", "get beside a get that goes on: 200 IN PROGRESS"),
    ("expiry-ready", {"ttl_policy": TtlPolicy.ABSOLUTE}, "D1", "absolute: the whole session ends"),
    ("expiry-ready", {"ttl_policy": TtlPolicy.START}, "D1", "start: only the time until run is bounded"),
    ("expiry-ready", {"ttl_policy": TtlPolicy.SLIDING}, "D1", "sliding: run and check renew it"),
    ("expiry", {"ttl_policy": TtlPolicy.SLIDING}, "D1", "check keeps an unused token alive"),
    ("expiry", {"ttl_policy": TtlPolicy.ABSOLUTE}, "D1", "check does not prolong a token"),
]


@pytest.mark.rules("D1", "D5", "D6", "D7", "D11", "D18", "D21", "D42")
@pytest.mark.parametrize(("step", "switches", "rule", "reading"), CASES)
def test_each_switch_is_detected(
    reference: Reference, step: str, switches: dict[str, Any], rule: str, reading: str
) -> None:
    server: dict[str, Any] = {"switches": Switches(ttl=1.0 if step.startswith("expiry") else 300.0, **switches)}
    if step == "broken-get":
        server["sources"] = [Large()]
    elements = OTHERS if step == "failing" else Elements()
    steps = () if step in ("free", "failing") else (step,)
    found = reference(*steps, seconds=0.5 if step == "dropped-run" else 0.1, server=server, elements=elements, ttl=1.0)
    assert any(one.startswith(reading) for one in found.readings(rule)), found.readings(rule)


def test_every_switch_that_is_a_choice_was_tried_in_every_reading() -> None:
    tried = {value for case in CASES for value in case[1].values()}
    choices = {value for spec in fields(Switches) if isinstance(spec.default, Enum) for value in type(spec.default)}
    assert choices == tried


@pytest.mark.rules("D28")
def test_a_generation_that_is_cut_short_is_told_with_its_age(reference: Reference) -> None:
    found = reference("generation", seconds=5.0, server={"switches": Switches(run_timeout=0.4)})
    (reading,) = found.readings("D28")
    seconds = float(reading.removeprefix("this one ended after ").partition(" s")[0])
    assert 0.4 <= seconds < 5
    assert reading.endswith(": 400 Download failed")


@pytest.mark.rules("R15")
@pytest.mark.parametrize(
    ("ttl", "why"),
    [(0.3, "over before 0.5 s"), (0.7, "over between 0.5 and 0.9 s"), (30.0, "still alive after 1.1 s")],
)
def test_a_life_of_another_length_is_a_broken_rule(reference: Reference, ttl: float, why: str) -> None:
    finding = reference("expiry", server={"switches": Switches(ttl=ttl)}, ttl=1.0).of("R15")
    assert (finding.verdict, finding.why.partition(":")[0]) == (Verdict.BROKEN, why)


@pytest.mark.rules("R16")
@pytest.mark.parametrize(
    ("policy", "verdict"),
    [(TtlPolicy.ABSOLUTE, Verdict.KEPT), (TtlPolicy.START, Verdict.BROKEN), (TtlPolicy.SLIDING, Verdict.BROKEN)],
)
def test_a_generation_longer_than_the_token_shows_whether_its_file_is_discarded(
    reference: Reference, policy: TtlPolicy, verdict: Verdict
) -> None:
    server = {"switches": Switches(ttl=0.6, ttl_policy=policy)}
    found = reference("expiry-ready", seconds=2.5, server=server, ttl=0.6)
    assert found.of("R16").verdict is verdict
    assert found.readings("D1")[0].startswith(policy.value)


FAULTS = [
    pytest.param("get.no_length", "D22", "nothing", marks=pytest.mark.rules("D22")),
    pytest.param("get.chunked", "D22", "chunks"),
    pytest.param("get.content_type=a/b", "D25", "a/b, not one of this format", marks=pytest.mark.rules("D25")),
    pytest.param("get.no_disposition", "D4", "a file by its type alone", marks=pytest.mark.rules("D4")),
    pytest.param("*.text_plain", "D4", "envelopes are text/plain"),
    pytest.param("*.cookie_lock", "D30", "sets cookies", marks=pytest.mark.rules("D30")),
    pytest.param("run.drop_after=0.1", "D6", "run is no answer", marks=pytest.mark.rules("D6")),
    pytest.param("run.gateway_timeout=0.1", "D6", "run is 504"),
    pytest.param("run.redirect=302", "D31", "redirects to", marks=pytest.mark.rules("D31")),
    pytest.param("check.retry_after=429,1:1", "D19", "asks to wait 1 s", marks=pytest.mark.rules("D19")),
]


@pytest.mark.parametrize(("fault", "rule", "reading"), FAULTS)
def test_what_stands_before_a_server_is_detected_too(reference: Reference, fault: str, rule: str, reading: str) -> None:
    found = reference("generation", seconds=0.3, server={"faults": [fault]})
    assert any(one.startswith(reading) for one in found.readings(rule)), found.readings(rule)


def test_an_answer_that_did_not_come_breaks_no_rule(reference: Reference) -> None:
    found = reference("run-refusals", server={"faults": ["run.drop_before"]})
    assert found.of("R10").verdict is Verdict.UNSEEN
    assert found.of("R10").why.startswith("no answer")


def test_a_small_file_tells_nothing_of_a_broken_get(reference: Reference) -> None:
    found = reference("broken-get", server={"switches": Switches(consume_on=ConsumeOn.START)})
    finding = found.of("D21")
    assert finding.verdict is Verdict.READING or "take a larger report" in finding.why
