"""`reportdl list`: a person finds the ids to download."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reportdl.server import LoopbackServer

Run = Callable[..., Any]
Serving = Callable[..., LoopbackServer]


@pytest.mark.rules("R4", "R6", "R8")
def test_list_prints_ids_names_and_formats_one_report_or_segment_a_line(reportdl: Run, serving: Serving) -> None:
    server = serving()
    ran = reportdl("list", url=server.url)
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert (ran.code, ran.err) == (0, ""), "a report that offers no downloads is no trouble"
    assert ["1048", "0", "Live Floor Map", "Demo BI", "none"] in rows
    assert rows[0] == ["1042", "0", "Sales Dashboard", "Demo BI", "image,pdf,apdf,ppt,xls,doc,csv,xml,mhtml"]
    assert ["1044", "71", "Regional Sales / North", "Demo BI", "pdf,apdf,xls,csv"] in rows
    assert "1046" not in {row[0] for row in rows}, "no access: it would be refused"
    assert server.count("formats") == len({row[0] for row in rows}), "once for each element, whatever its segments"


def test_a_text_selects_and_all_shows_what_would_be_refused(reportdl: Run, serving: Serving) -> None:
    server = serving()
    assert reportdl("list", "NORTH", "--no-formats", url=server.url).out.split("\t")[:2] == ["1044", "71"]
    assert reportdl("list", "1043", url=server.url).out.startswith("1043\t0\t")
    assert "\tno access\n" in reportdl("list", "1046", "--all", url=server.url).out
    nothing = reportdl("list", "no such thing", url=server.url)
    assert (nothing.code, nothing.out) == (0, "")
    assert "no report contains 'no such thing'" in nothing.err


def test_json_is_one_object_a_line(reportdl: Run, serving: Serving) -> None:
    ran = reportdl("list", "north", "--json", url=serving().url)
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {
            "element": 1044,
            "segment": 71,
            "name": "Regional Sales",
            "segment_name": "North",
            "source": "Demo BI",
            "accessible": True,
            "formats": ["pdf", "apdf", "xls", "csv"],
        }
    ]


def test_a_refused_list_has_the_exit_code_of_its_reason(reportdl: Run, serving: Serving) -> None:
    server = serving(faults=["element.unauthorized"])
    ran = reportdl("list", url=server.url)
    assert (ran.code, ran.out) == (4, "")
    assert "The server refused the credential" in ran.err


def test_help_says_what_a_segment_is(reportdl: Run) -> None:
    assert "dimension *value* id" in reportdl("list", "--help").out.replace("\n  ", " ")
