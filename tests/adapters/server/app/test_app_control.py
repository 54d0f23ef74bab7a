"""Faults changed by HTTP while the endpoint runs: only where asked for, and by this machine alone."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "server.md"
JSON = {"Content-Type": "application/json", "Host": "127.0.0.1"}


@pytest.fixture
def control(serving: Any, caller: Any) -> Any:
    running = serving(control=True)
    caller.port = running.port

    def ask(method: str = "GET", said: object = None, headers: Any = None) -> Any:
        body = None if said is None else json.dumps(said).encode()
        return caller.ask("/control", method=method, body=body, headers=JSON if headers is None else headers)

    return ask


def test_it_is_not_there_unless_asked_for(caller: Any) -> None:
    assert caller.ask("/control", headers=JSON).status == 404


def test_faults_come_and_go_and_calls_are_told(control: Any, caller: Any) -> None:
    assert control().json == {"faults": [], "calls": []}
    shown = control("POST", {"faults": ["check.html=1", "formats.status=503:2"]}).json
    assert [(one["state"], one["times_left"]) for one in shown["faults"]] == [("check", 1), ("formats", 2)]
    assert caller.state("formats").status == 503
    assert [one["state"] for one in control().json["calls"]] == ["formats"]
    assert control("DELETE").json == {"faults": [], "calls": []}
    assert caller.state("formats").status == 200


def test_one_wrong_fault_and_none_is_taken(control: Any) -> None:
    answer = control("POST", {"faults": ["check.html=1", "check.nonsense=1"]})
    assert answer.status == 400
    assert "KIND one of" in answer.json["message"]
    for wrong in [{"faults": "check.html"}, {"faults": [7]}, {}]:
        assert control("POST", wrong).status == 400
    assert control().json["faults"] == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**JSON, "Host": "evil.example"}, 403),
        ({**JSON, "Host": "localhost:8080"}, 200),
        ({**JSON, "Host": "[::1]"}, 200),
        ({"Host": "127.0.0.1", "Content-Type": "text/plain"}, 415),
    ],
)
def test_a_page_of_another_site_cannot_reach_it(control: Any, headers: dict[str, str], status: int) -> None:
    assert control("POST", {"faults": []}, headers).status == status
    if status == 403:
        assert control("GET", None, headers).status == 403
        assert control("DELETE", None, headers).status == 403


@pytest.mark.needs("bash", "curl")
def test_the_pages_own_lines(control: Any, caller: Any) -> None:
    found = re.search(r"^```sh\n# control\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    script = found[1].replace("$URL", f"http://127.0.0.1:{caller.port}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    first, second, third = (json.loads(one) for one in re.findall(r'\{"faults".*?"calls":\[.*?\]\}', done.stdout))
    assert len(first["faults"]) == len(second["faults"]) == 2
    assert third["faults"] == []
