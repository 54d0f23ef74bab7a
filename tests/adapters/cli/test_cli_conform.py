"""`reportdl conform`, and what `--profile` makes of its result."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportdl.conform import STEPS
from reportdl.server import LoopbackServer
from reportdl_core.switches import Switches, TtlPolicy

Run = Callable[..., Any]
Serving = Callable[..., LoopbackServer]


def test_the_steps_of_the_command_are_those_that_there_are(reportdl: Run) -> None:
    from reportdl.cli.conform import _STEPS

    assert tuple(step.name for step in STEPS) == _STEPS
    help_text = reportdl("conform", "--help").out
    for step in STEPS:
        assert re.search(rf"^ +{step.name} .*{step.cost}$", help_text, re.MULTILINE), step.name


def test_nothing_is_generated_unless_it_was_named(reportdl: Run, serving: Serving) -> None:
    server = serving()
    ran = reportdl("conform", "1042", url=server.url)
    assert (ran.code, ran.err) == (0, "conform: free (costs nothing)\n")
    assert server.count("run") == 0
    assert re.search(r"^R2   kept    an unknown state is 400 Invalid state +400 Invalid state$", ran.out, re.MULTILINE)
    assert re.search(
        r"^\d+ rules kept, 0 broken, \d+ choices read; \d+ requests in \d+\.\d s$", ran.out.splitlines()[-1]
    )
    assert max(len(line) for line in ran.out.splitlines()) <= 120


@pytest.mark.rules("D1")
def test_a_server_is_examined_and_its_profile_decides_how_a_download_waits(
    reportdl: Run, serving: Serving, tmp_path: Path
) -> None:
    server = serving(switches=Switches(ttl=1.0, ttl_policy=TtlPolicy.ABSOLUTE))
    words = ["--step", "expiry-ready", "--ttl", "1", "--json", "--junit", "c.xml", "--save-profile", "p.json"]
    ran = reportdl("conform", "1042", "-f", "csv", *words, url=server.url)
    assert ran.code == 0
    assert json.loads(ran.out)["steps"] == ["free", "expiry-ready"]
    assert (tmp_path / "c.xml").read_text().startswith("<?xml")
    assert json.loads((tmp_path / "p.json").read_text())["policy"] == {"expiry": "documented"}
    got = ["get", "1042", "-f", "csv", "-o", "out/", "--trace"]
    assert reportdl(*got, "one.jsonl", "--profile", "p.json", url=server.url).code == 0
    assert json.loads((tmp_path / "one.jsonl").read_text().splitlines()[0])["policy"]["expiry"] == "documented"
    assert reportdl(*got, "two.jsonl", "--profile", "p.json", "--expiry", "confirm", url=server.url).code == 0
    assert json.loads((tmp_path / "two.jsonl").read_text().splitlines()[0])["policy"]["expiry"] == "confirm"
    other = reportdl("formats", "1042", "--profile", "p.json", url=serving().url)
    assert other.err.startswith(f"reportdl: note: the profile is of {server.url}, not of")


def test_a_broken_rule_is_shown_with_its_exchanges_and_the_exit_code_says_so(reportdl: Run, serving: Serving) -> None:
    server = serving(faults=["init.text_plain", "formats.envelope"])
    ran = reportdl("conform", "1042", url=server.url)
    assert ran.code == 1
    assert re.search(
        r"^R8   broken  formats answers OK and the keys +200 IN PROGRESS\n +1\. GET .*/formats -> 200", ran.out, re.M
    )


USELESS: list[tuple[str, dict[str, str], int, str]] = [
    ("9999", {}, 5, "There is no element 9999"),
    ("1046", {}, 4, "No access to element 1046"),
    ("2001", {}, 5, "not an External Report"),
    ("../x", {}, 2, "element must be an integer"),
]


@pytest.mark.parametrize(("element", "more", "code", "message"), USELESS)
def test_what_makes_an_examination_useless_is_an_error(
    reportdl: Run, serving: Serving, element: str, more: dict[str, str], code: int, message: str
) -> None:
    ran = reportdl("conform", element, url=serving().url, **more)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err


def test_a_file_that_is_no_profile_is_a_usage_error(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("hello")
    server = serving()
    ran = reportdl("get", "1042", "-f", "csv", "--profile", "p.json", url=server.url)
    assert (ran.code, server.calls) == (2, ())
    assert ran.err == "reportdl: p.json is no profile: not a JSON object\n"


def test_a_profile_fits_a_batch_of_named_servers_and_says_which_it_is_not_of(
    reportdl: Run, serving: Serving, tmp_path: Path
) -> None:
    a, b = serving(), serving()
    said = {"profile": 1, "server": a.url, "examined": "2026-11-27", "policy": {"expiry": "documented"}}
    (tmp_path / "p.json").write_text(json.dumps(said))
    (tmp_path / "night.csv").write_text("server,element,format\na,1042,csv\n")
    words = ["batch", "night.csv", "-o", "out", "--profile", "p.json", "--server", f"a={a.url}"]
    alone = reportdl(*words, url="", REPORTDL_A_TOKEN="any")
    assert (alone.code, "the profile is of" in alone.err) == (0, False)
    both = reportdl(
        *words, "--ledger", "2.ledger", "--server", f"b={b.url}", url="", REPORTDL_A_TOKEN="x", REPORTDL_B_TOKEN="y"
    )
    assert both.code == 0, both.err
    assert f"reportdl: note: the profile is of {a.url}, not of {b.url}\n" in both.err


@pytest.mark.parametrize("option", ["--junit", "--save-profile"])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_asked(
    reportdl: Run, serving: Serving, option: str
) -> None:
    server = serving()
    ran = reportdl("conform", "1042", option, "no/c.xml", url=server.url)
    assert (ran.code, ran.out, server.calls) == (2, "", ())
    assert f"{option} no/c.xml cannot be written: No such file or directory" in ran.err.replace("\n", " ")


def test_what_was_found_is_shown_although_a_report_of_it_fails(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    ran = reportdl("conform", "1042", "--junit", "/dev/full", "--save-profile", "p.json", url=serving().url)
    assert ran.code == 1
    assert "rules kept, 0 broken" in ran.out.splitlines()[-1]
    assert ran.err.splitlines()[-1] == "reportdl: /dev/full cannot be written: No space left on device"
    assert json.loads((tmp_path / "p.json").read_text())["profile"] == 1
