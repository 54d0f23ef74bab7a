"""What every answer of the server has in common, whoever made it: the security headers, and nothing of the request."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest

from reportdl.server import Accounts, Switches
from reportdl.server.fault_grammar import KINDS

SECURITY = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
CANARY = "c4n4ry-7f3a9"
MARKUP = quote(f"<script>{CANARY}</script>", safe="")
BAD_TOKEN = {"Token": CANARY}


def answered(caller: Any, source: Any, server: Any) -> dict[str, Any]:
    """One answer of every kind, by what it is."""
    token, spent = caller.ready(), caller.ready()
    file = caller.state("get", token=spent, format="pdf")
    broken = caller.token(5000)
    kinds = {
        "formats": caller.state("formats"),
        "init": caller.state("init"),
        "run OK": caller.state("run", token=token, format="pdf"),
        "run failed": caller.state("run", 5000, token=broken, format="pdf"),
        "READY": caller.state("check", token=token),
        "IN PROGRESS": caller.state("check", token=caller.token()),
        "ERROR": caller.state("check", 5000, token=broken),
        "file": file,
        "consumed": caller.state("get", token=spent, format="pdf"),
        "invalid state": caller.state("walk"),
        "invalid token": caller.state("check", token="x"),
        "invalid format": caller.state("run", token=caller.token(), format="doc"),
        "no downloads": caller.state("formats", 3000),
        "not implemented": caller.state("formats", 2000),
        "not allowed": caller.state("formats", 4000),
        "not found": caller.state("formats", 9999),
        "no path": caller.ask("/nowhere"),
        "wrong method": caller.ask(caller.path("init"), method="POST"),
        "wrong method of a neighbour": caller.ask("/api/element", method="PUT"),
        "neighbour": caller.ask("/api/element"),
        "get_token refused": caller.ask("/api/get_token", method="POST", body=b"{}"),
        "get_token empty": caller.ask("/api/get_token"),
        "OpenAPI": caller.ask("/openapi.json"),
    }
    source.reports = lambda: 1 / 0
    return {**kinds, "broken plugin": caller.ask("/api/element"), "broken too": caller.state("formats")}


@pytest.mark.rules("D40", "D23")
def test_the_security_headers_stand_on_every_kind_of_answer(caller: Any, source: Any, server: Any) -> None:
    kinds = answered(caller, source, server)
    assert {answer.status for answer in kinds.values()} == {200, 400, 403, 404, 405, 500}
    for kind, answer in kinds.items():
        assert SECURITY.items() <= answer.headers.items(), kind
        assert "server" not in answer.headers, kind
        assert "content-type" in answer.headers, kind


@pytest.mark.rules("D40", "D16")
@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), (BAD_TOKEN, 401), ({"Authorization": f"Bearer {CANARY}"}, 401)]
)
def test_they_stand_on_refused_credentials(
    serving: Any, source: Any, caller: Any, headers: dict[str, str], status: int
) -> None:
    caller.port = serving(sources=[source], accounts=Accounts(bearers={"t": "ann"})).port
    for target in (caller.path("formats"), "/api/element"):
        answer = caller.ask(target, headers=headers)
        assert answer.status == status
        assert SECURITY.items() <= answer.headers.items()
        assert CANARY.encode() not in answer.body


@pytest.mark.rules("D36", "D40")
def test_they_stand_on_too_many_sessions(serving: Any, source: Any, caller: Any) -> None:
    caller.port = serving(sources=[source], switches=Switches(live_per_user=1)).port
    caller.token()
    answer = caller.state("init")
    assert (answer.status, answer.headers["retry-after"]) == (429, "5")
    assert SECURITY.items() <= answer.headers.items()


@pytest.mark.rules("D40")
@pytest.mark.parametrize(
    "fault",
    [
        "status=503", "retry_after=429,2", "html", "redirect=302", "unauthorized", "session_expired", "envelope",
        "gateway_timeout=0", "expire_after=0", "text_plain", "content_type=a/b", "filename=x", "no_disposition",
        "no_length", "chunked",
    ],
)  # fmt: skip
def test_a_fault_takes_none_of_them_away(server: Any, caller: Any, fault: str) -> None:
    assert fault.partition("=")[0] in KINDS
    token = caller.ready()
    server.fault(f"get.{fault}")
    assert SECURITY.items() <= caller.state("get", token=token, format="pdf").headers.items()


@pytest.mark.rules("D40", "D26")
@pytest.mark.parametrize("canary", [CANARY, MARKUP, quote(CANARY + "\r\nX-Injected: 1", safe="")])
def test_no_answer_echoes_what_was_sent(caller: Any, canary: str) -> None:
    good = caller.token()
    targets = [
        caller.path(canary),
        caller.path("formats", canary),
        caller.path("formats", 1042, canary),
        caller.path("check", token=canary),
        caller.path("run", token=good, format=canary),
        caller.path("get", token=good, format=canary),
        caller.path("formats", **{canary: canary}),
        f"/{canary}",
        f"/api/{canary}?{canary}",
        f"/api/element_info?element={canary}",
        f"/api/dimension_value?dimension={canary}",
        "/api/get_token",
    ]
    headers = {"Token": CANARY, "Referer": CANARY, "Origin": CANARY, "Cookie": f"reportdl_session={CANARY}"}
    for target in targets:
        for method, body in (("GET", None), ("POST", CANARY.encode())):
            answer = caller.ask(target, method=method, body=body, headers=headers)
            assert CANARY.encode() not in answer.body
            assert CANARY not in repr(answer.headers)
            assert "x-injected" not in answer.headers
            assert answer.headers.get("content-type", "application/json") == "application/json"


@pytest.mark.rules("D39")
def test_neither_log_nor_disk_nor_answer_holds_a_token(
    serving: Any,
    source: Any,
    caller: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running = serving(sources=[source])
    caller.port = running.port
    with caplog.at_level(logging.DEBUG):
        token = caller.ready()
        answers = [
            caller.state("check", token=token),
            caller.state("run", token=token, format="csv"),
            caller.state("check", 6000, token=token),
            caller.ask(caller.path("check", token=token), method="POST"),
        ]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        answers.append(caller.state("get", token=token, format="pdf"))
    assert any("GET check" in record.getMessage() for record in caplog.records)
    assert [path.name for path in files] == ["made"]
    said = [record.getMessage() for record in caplog.records]
    said += [str(path) for path in files]
    said += [repr(answer) for answer in answers]
    said += [repr(running.calls), repr(running.sessions())]
    assert not [text for text in said if token in text]


@pytest.mark.rules("D39")
def test_the_log_has_the_servers_own_words_alone(server: Any, caller: Any, caplog: pytest.LogCaptureFixture) -> None:
    forged = quote(f"check on connection 1\nGET {CANARY}\x1b[2J", safe="")
    with caplog.at_level(logging.INFO, "reportdl.server"):
        answers = [caller.state(forged), caller.state(CANARY), caller.ask(caller.path("check"), method=CANARY)]
        answers += [caller.state("check"), caller.ask("/api/element", method="PUT")]
    assert [answer.status for answer in answers] == [400, 400, 405, 400, 405]
    said = [record.getMessage().rpartition(" ")[0] for record in caplog.records]
    assert said == [f"{words} on connection" for words in ("GET ?", "GET ?", "? ?", "GET check", "PUT element")]
