"""Answers that a proxy or a web framework gives in the endpoint's place, and what they leave untouched."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest


@pytest.mark.rules("D19")
@pytest.mark.parametrize("state", ["formats", "init", "run", "check", "get"])
def test_429_with_retry_after_has_no_effect(server: Any, caller: Any, state: str) -> None:
    token = caller.ready()
    known = server.sessions()
    server.fault("*.retry_after=429,2:1")
    answer = caller.state(state, token=token, format="pdf")
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert server.sessions() == known
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"


@pytest.mark.rules("D4", "D26")
@pytest.mark.parametrize(
    ("fault", "status", "content_type", "beginning"),
    [
        ("check.status=503:1", 503, None, b""),
        ("check.status=400:1", 400, None, b""),
        ("check.html=1", 200, "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("check.envelope=1", 200, "text/plain; charset=utf-8", b'{"status":"IN PROGRESS"}'),
        ("check.text_plain=1", 200, "text/plain; charset=utf-8", b'{"status":"READY"}'),
        ("check.content_type=application/octet-stream:1", 200, "application/octet-stream", b'{"status":"READY"}'),
        ("check.no_length=1", 200, "application/json", b'{"status":"READY"}'),
    ],
)
def test_an_answer_that_is_not_the_endpoints(
    server: Any, caller: Any, fault: str, status: int, content_type: str | None, beginning: bytes
) -> None:
    token = caller.ready()
    server.fault(fault)
    answer = caller.state("check", token=token)
    assert (answer.status, answer.headers.get("content-type")) == (status, content_type)
    assert answer.body.startswith(beginning)
    assert answer.headers["cache-control"] == "no-store"
    assert caller.state("check", token=token).json == {"status": "READY"}


@pytest.mark.rules("D31")
def test_a_redirect_points_to_another_origin(server: Any, caller: Any) -> None:
    server.fault("init.redirect=307:1")
    answer = caller.state("init")
    assert (answer.status, answer.headers["location"]) == (307, "https://elsewhere.invalid/login")
    assert server.sessions() == ()


@pytest.mark.rules("D4")
def test_get_answers_an_envelope_and_the_file_is_still_there(server: Any, caller: Any) -> None:
    token = caller.ready()
    server.fault("get.envelope=2")
    for _ in range(2):
        answer = caller.state("get", token=token, format="pdf")
        assert (answer.status, answer.json) == (200, {"status": "IN PROGRESS"})
        assert "content-disposition" not in answer.headers
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"


def test_delay_comes_before_the_effect(server: Any, caller: Any) -> None:
    server.fault("init.delay=0.3:1")
    began = time.monotonic()
    with caller.begin(caller.path("init")) as init:
        server.wait_for("init")
        assert server.sessions() == ()
        assert caller.answer(init).status == 200
    assert time.monotonic() - began >= 0.3


def test_an_envelope_can_be_cut_too(server: Any, caller: Any) -> None:
    server.fault("formats.cut_at=5:1")
    with caller.begin(caller.path("formats")) as connection:
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    assert data.endswith(b"\r\n\r\n" + b'{"sta')


def test_faults_hit_get_token_by_its_own_name(server: Any, caller: Any) -> None:
    server.fault("get_token.status=503:1")
    assert [caller.ask("/api/get_token").status for _ in range(2)] == [503, 200]


def test_faults_can_be_taken_back(server: Any, caller: Any) -> None:
    server.fault("*.html")
    assert caller.state("formats").body.startswith(b"<")
    server.no_faults()
    assert json.loads(caller.state("formats").body)["status"] == "OK"


def test_get_token_can_be_late_and_dropped(server: Any, caller: Any) -> None:
    server.fault("get_token.delay=0.2:1")
    server.fault("get_token.drop_before=1")
    began = time.monotonic()
    with caller.begin("/api/get_token") as connection:
        assert connection.recv(1) == b""
    assert time.monotonic() - began >= 0.2
    assert caller.ask("/api/get_token").json == []
