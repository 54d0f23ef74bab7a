"""The document's own example, and every row of its error table, over real sockets."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import pytest


@pytest.mark.rules("R1", "R8", "R12", "R13", "R18", "R21", "R24", "R25", "R27", "R28", "R31", "R32")
def test_the_end_to_end_example_of_section_seven(caller: Any) -> None:
    formats = caller.state("formats")
    assert (formats.status, formats.json) == (200, {"status": "OK", "formats": ["image", "pdf", "csv"]})

    init = caller.state("init")
    assert init.status == 200
    assert init.json.keys() == {"status", "token"}
    assert init.json["status"] == "OK"
    token = init.json["token"]

    run = caller.state("run", token=token, format="pdf")
    assert (run.status, run.json) == (200, {"status": "OK"})

    check = caller.state("check", token=token)
    assert (check.status, check.json) == (200, {"status": "READY"})

    got = caller.state("get", token=token, format="pdf")
    assert got.status == 200
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"].startswith('attachment; filename="Sales Dashboard.pdf"')
    assert got.headers["content-length"] == str(len(got.body))
    assert got.body == b"%PDF pdf"

    for state in ("check", "get", "run"):
        again = caller.state(state, token=token, format="pdf")
        assert (again.status, again.json) == (400, {"status": "ERROR", "message": "Download failed"})


@pytest.mark.parametrize("state", ["formats", "init", "run", "check"])
def test_every_envelope_is_json(caller: Any, state: str) -> None:
    answer = caller.state(state, token=caller.token(), format="pdf")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.rules("R13", "D3")
def test_tokens_need_their_encoding_and_are_decoded_once(caller: Any) -> None:
    token = caller.token()
    raw = unquote(token)
    assert all(char in raw for char in "+/=")
    assert not any(char in token for char in "+/=")
    doubly = caller.state("check", token=quote(token, safe=""))
    assert (doubly.status, doubly.json["message"]) == (400, "Invalid token")
    plain = caller.state("check", token=raw)
    assert (plain.status, plain.json["message"]) == (400, "Invalid token")  # its + is a space there
    assert caller.state("check", token=token).json == {"status": "IN PROGRESS"}


# The last column of the document's table is the test's name; `{token}` is a good token of element 1042.
TABLE = [
    ("R2", "state is not one of the five", "walk", 1042, 0, {}, 400, "Invalid state"),
    ("R2", "states are case-sensitive", "INIT", 1042, 0, {}, 400, "Invalid state"),
    ("R14", "token is missing", "check", 1042, 0, {}, 400, "Invalid token"),
    ("R14", "token is malformed", "check", 1042, 0, {"token": "%FF%FE"}, 400, "Invalid token"),
    ("R14", "token is unknown", "run", 1042, 0, {"token": "abcDEF123%3D", "format": "pdf"}, 400, "Invalid token"),
    ("R9", "no download capabilities: formats", "formats", 3000, 0, {}, 400, "No downloads available"),
    ("R9", "no download capabilities: init", "init", 3000, 0, {}, 400, "No downloads available"),
    ("R10", "format not in the list", "run", 1042, 0, {"token": "{token}", "format": "xls"}, 400, "Invalid format"),
    ("D10", "format is missing", "run", 1042, 0, {"token": "{token}"}, 400, "Invalid format"),
    ("R3", "not an External Report", "init", 2000, 0, {}, 400, "Not implemented for this Element Type"),
    ("R6", "no view access", "formats", 4000, 0, {}, 403, "Element not allowed"),
    ("R5", "no such element", "formats", 9999, 0, {}, 404, "Element not found"),
    ("R5", "no such segment", "formats", 1042, 5, {}, 404, "Element not found"),
    ("D14", "token of another element", "check", 6000, 0, {"token": "{token}"}, 400, "Invalid token"),
    ("D32", "element is no integer", "formats", "abc", 0, {}, 404, "Element not found"),
    ("D32", "segment is no integer", "formats", 1042, "-1", {}, 404, "Element not found"),
    ("D32", "element is a path", "formats", "..%2F..%2Fadmin", 0, {}, 404, "Element not found"),
    ("D15", "state before element", "walk", 9999, 0, {}, 400, "Invalid state"),
]


@pytest.mark.rules("R2", "R3", "R5", "R6", "R9", "R10", "R14", "D10", "D14", "D15", "D26", "D32", "D40")
@pytest.mark.parametrize(
    ("state", "element", "segment", "query", "status", "message"),
    [row[2:] for row in TABLE],
    ids=[f"{row[0]} {row[1]}" for row in TABLE],
)
def test_the_error_table(
    caller: Any, state: str, element: object, segment: object, query: dict[str, str], status: int, message: str
) -> None:
    good = caller.token()
    filled = {name: value.replace("{token}", good) for name, value in query.items()}
    answer = caller.state(state, element, segment, **filled)
    assert (answer.status, answer.json) == (status, {"status": "ERROR", "message": message})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.rules("R30", "R22", "D5", "D6")
@pytest.mark.parametrize(
    ("element", "standing"),
    [
        (5000, (200, {"status": "ERROR", "message": "The plugin said no"})),
        (5001, (400, {"status": "ERROR", "message": "Download failed"})),
        (5002, (400, {"status": "ERROR", "message": "Download failed"})),
        (5003, (200, {"status": "ERROR", "message": "Generation failed"})),
    ],
    ids=["plugin fails", "no file produced", "file of somebody else", "plugin breaks"],
)
def test_generation_that_comes_to_nothing(caller: Any, element: int, standing: tuple[int, object]) -> None:
    token = caller.token(element)
    run = caller.state("run", element, token=token, format="pdf")
    assert (run.status, run.json["message"]) == (400, "Download failed")
    for answer in (
        caller.state("check", element, token=token),
        caller.state("get", element, token=token, format="pdf"),
    ):
        assert (answer.status, answer.json) == standing


@pytest.mark.rules("R4")
def test_segments_are_dimension_values(caller: Any) -> None:
    assert caller.state("formats", 1043, 7).status == 200
    assert caller.state("formats", 1043, 0).json["message"] == "Element not found"


@pytest.mark.rules("R25", "D24")
def test_a_name_with_reserved_and_foreign_characters(caller: Any) -> None:
    token = caller.token(1043, 7)
    caller.state("run", 1043, 7, token=token, format="csv")
    disposition = caller.state("get", 1043, 7, token=token, format="csv").headers["content-disposition"]
    assert disposition.startswith("attachment; filename=")
    assert disposition.isascii()
    assert "filename*=UTF-8''Ums%C3%A4tze%20" in disposition
    assert "/" not in disposition


@pytest.mark.rules("D23", "D40")
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
@pytest.mark.parametrize("state", ["init", "run", "get"])
def test_other_methods_are_405_and_consume_nothing(
    caller: Any, server: Any, source: Any, method: str, state: str
) -> None:
    token = caller.ready()
    known = server.sessions()
    answer = caller.ask(caller.path(state, token=token, format="pdf"), method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET"
    assert answer.headers["cache-control"] == "no-store"
    assert server.sessions() == known
    assert source.made == 1
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"


@pytest.mark.rules("D29")
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/API/element/id/1042/segment/0/download/state/formats",
        "/api/element/id/1042/segment/0/download/state/formats/",
        "/api//element/id/1042/segment/0/download/state/formats",
        "/api/element/id/1042/segment/0/download/state/formats/../init",
        "/api/element/id/1042%2Fsegment/0/download/state/formats",
        "/api/element/id/",
    ],
)
def test_another_path_is_no_endpoint_and_does_not_say_the_documents_words(caller: Any, target: str) -> None:
    answer = caller.ask(target)
    assert answer.status == 404
    assert b"Element" not in answer.body


@pytest.mark.rules("D40", "D23")
@pytest.mark.parametrize("target", ["/nowhere", "/api/element", "/api/get_token", "/openapi.json"])
def test_security_headers_stand_everywhere(caller: Any, target: str) -> None:
    headers = caller.ask(target).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.rules("D40", "D23")
def test_security_headers_stand_on_files(caller: Any) -> None:
    headers = caller.state("get", token=caller.ready(), format="pdf").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
