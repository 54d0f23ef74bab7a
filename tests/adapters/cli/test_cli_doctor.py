"""`reportdl doctor` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import LoopbackServer

Run = Callable[..., Any]
Serving = Callable[..., LoopbackServer]


def test_a_healthy_set_up_is_one_page_and_exit_code_0(reportdl: Run, serving: Serving) -> None:
    server = serving()
    ran = reportdl("doctor", "1043", url=server.url)
    assert (ran.code, ran.err) == (0, "")
    healths = [line[:9].strip() for line in ran.out.splitlines() if not line.startswith(" ")]
    assert set(healths) == {"ok", "skipped"}
    assert "ok       element 1043  offers image, pdf, csv\n" in ran.out
    assert len(ran.out.splitlines()) < 25
    assert {call.state for call in server.calls} == {"formats"}


TROUBLES = [
    pytest.param("", {}, 2, "set REPORTDL_URL", id="no url"),
    pytest.param("http://mi.example.com", {}, 2, "in clear", id="in clear", marks=pytest.mark.rules("D33")),
    pytest.param("https://127.0.0.1:9", {}, 7, "Connection refused", id="nobody there"),
    pytest.param("https://127.0.0.1:9", {"REPORTDL_TOKEN": ""}, 2, "set REPORTDL_TOKEN", id="no credentials"),
]


@pytest.mark.parametrize(("url", "more", "code", "words"), TROUBLES)
def test_the_exit_code_is_that_of_the_first_trouble(
    reportdl: Run, url: str, more: dict[str, str], code: int, words: str
) -> None:
    ran = reportdl("doctor", url=url, **more)
    assert ran.code == code
    assert words in " ".join(ran.out.split())


def test_a_server_without_the_endpoint_is_exit_code_5(reportdl: Run, serving: Serving) -> None:
    ran = reportdl("doctor", "--json", url=serving(faults=["formats.html"]).url)
    found = {one["name"]: one for one in json.loads(ran.out)}
    assert (ran.code, found["endpoint"]["health"], found["endpoint"]["place"]) == (5, "bad", "server")
    assert "7.2.1" in found["endpoint"]["advice"]


def test_a_token_file_that_others_can_read_is_told(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("from-a-file\n")
    path.chmod(0o644)
    ran = reportdl("doctor", "--token-file", "token", url=serving().url)
    assert (ran.code, "chmod 600 token" in ran.out, "from-a-file" in ran.out) == (0, True, False)
    path.chmod(0o600)
    assert "chmod" not in reportdl("doctor", "--token-file", "token", url=serving().url).out


def test_a_file_that_hides_urllib3_does_not_keep_doctor_from_starting(
    reportdl: Run, serving: Serving, tmp_path: Path
) -> None:
    (tmp_path / "urllib3.py").write_text("print = None\n")
    ran = reportdl("doctor", "--json", url=serving().url, PYTHONSAFEPATH="")
    assert (ran.code, ran.err) == (1, "")
    said = {one["name"]: one for one in json.loads(ran.out)}
    assert said["urllib3"]["health"] == "bad"
    assert said["urllib3"]["said"].endswith("urllib3.py")
    assert said["connection"]["health"] == "ok"
    assert said["endpoint"]["health"] == "skipped"
