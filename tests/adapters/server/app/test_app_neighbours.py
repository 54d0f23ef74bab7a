"""The paths besides the endpoint: what can be listed, and what the server says of itself."""

from __future__ import annotations

from typing import Any

import pytest


def test_elements_are_listed_by_segment_with_access(caller: Any) -> None:
    rows = caller.ask("/api/element").json["elements"]
    assert rows[0] == {
        "element_id": 1042,
        "segment_value_id": 0,
        "element_type": "external report",
        "element_dashboard_name": "Sales Dashboard",
        "content_type": "Tiny",
        "dimension": 0,
        "dimension_name": "",
        "segment_value_name": "",
        "has_access": "Y",
    }
    assert [row["segment_value_id"] for row in rows if row["element_id"] == 1043] == [7, 8]
    assert {row["element_id"]: row["has_access"] for row in rows}[4000] == "N"
    assert {row["element_id"]: row["element_type"] for row in rows}[2000] == "metric"


@pytest.mark.rules("R5", "R6", "D32")
@pytest.mark.parametrize(
    ("query", "status", "name"),
    [
        ("?element=1042", 200, "Sales Dashboard"),
        ("?element=1043&dimension_value=8", 200, "Umsätze / Süd"),
        ("?element=1043", 404, None),
        ("?element=4000", 403, None),
        ("?element=9999", 404, None),
        ("?element=abc", 404, None),
        ("?element=1042&element=1043", 404, None),
        ("?element=1042&dimension_value=0", 200, "Sales Dashboard"),
        *(
            (f"?element=1042&dimension_value={value}", 404, None)
            for value in ("", "x", "-0", "0.0", "%C2%B2", "1" * 20)
        ),
        ("?element=1042&dimension_value=0&dimension_value=0", 404, None),
        ("?element=1042&dimension_value=0&dimension_value=", 404, None),
        ("", 404, None),
    ],
)
def test_one_element(caller: Any, query: str, status: int, name: str | None) -> None:
    answer = caller.ask(f"/api/element_info{query}")
    assert answer.status == status
    assert answer.json.get("info", {}).get("element_dashboard_name") == name


def test_dimension_values(caller: Any) -> None:
    values = caller.ask("/api/dimension_value?dimension=3").json
    assert values == {
        "dimension_values": [
            {"id": 7, "dimension": 3, "name": "South"},
            {"id": 8, "dimension": 3, "name": "West"},
        ]
    }
    assert caller.ask("/api/dimension_value?dimension=4").json == {"dimension_values": []}
    assert caller.ask("/api/dimension_value").status == 400


def test_plugins(caller: Any) -> None:
    assert caller.ask("/api/data_source_plugin").json == {"data_source_plugins": [{"id": 1, "name": "Tiny"}]}


@pytest.mark.rules("D23")
@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/api/element", "/openapi.json"])
def test_neighbours_know_get_alone(caller: Any, path: str, method: str) -> None:
    answer = caller.ask(path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


@pytest.mark.rules("R1", "R2", "R31", "R32")
def test_the_description_agrees_with_what_is_served(caller: Any) -> None:
    described = caller.ask("/openapi.json").json
    template = "/api/element/id/{elementId}/segment/{dimensionId}/download/state/{state}"
    download = described["paths"][template]
    assert set(download) == {"get"}
    responses = download["get"]["responses"]
    file = caller.state("get", token=caller.ready(), format="pdf")
    assert file.headers["content-type"] in responses["200"]["content"]
    for path in set(described["paths"]) - {template}:
        assert caller.ask(path).status != 404 or path == "/api/element_info"
    envelope = set(described["components"]["schemas"]["Envelope"]["properties"])
    for state, element in (("formats", 1042), ("init", 1042), ("walk", 1042), ("init", 4000), ("init", 9999)):
        answer = caller.state(state, element)
        assert str(answer.status) in responses
        assert set(answer.json) <= envelope


def test_what_came_is_counted_and_connections_are_told_apart(server: Any, caller: Any) -> None:
    caller.state("formats")
    caller.state("init")
    caller.state("init")
    caller.ask("/api/element")
    assert [server.count(state) for state in ("formats", "init", "run", "element")] == [1, 2, 0, 1]
    assert len({call.connection for call in server.calls}) == 4
    assert server.calls[0].target == caller.path("formats")
    assert [call.at for call in server.calls] == sorted(call.at for call in server.calls)
    server.wait_for("init", 2, timeout=0.1)
    with pytest.raises(TimeoutError, match="0 calls of run"):
        server.wait_for("run", timeout=0.05)
