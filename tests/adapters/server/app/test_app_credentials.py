"""Credentials over the wire: asking, renewing, expiring in the middle of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reportdl.server import Accounts

KEY = "key-of-app"


def accounts(**more: Any) -> Accounts:
    return Accounts(applications={"app": KEY}, bearers={"bearer-of-ann": "ann", "bearer-of-bob": "bob"}, **more)


@pytest.fixture
def server(serving: Any, source: Any) -> Any:
    return serving(sources=[source], accounts=accounts())


def asked(caller: Any, **fields: object) -> Any:
    body = {"application_id": "app", "application_key": KEY, "user": "ann", **fields}
    return caller.ask("/api/get_token", method="POST", body=json.dumps(body).encode())


@pytest.mark.rules("D16")
def test_a_token_for_a_key_and_what_it_opens(caller: Any) -> None:
    answer = asked(caller)
    assert answer.status == 200
    assert answer.json.keys() == {"token", "expires"}
    caller.headers["Token"] = answer.json["token"]
    assert caller.state("formats").json["status"] == "OK"


@pytest.mark.rules("D16")
def test_a_bearer_token_opens_too(caller: Any) -> None:
    caller.headers["Authorization"] = "Bearer bearer-of-ann"
    assert caller.state("formats").json["status"] == "OK"


@pytest.mark.rules("D16", "D15")
@pytest.mark.parametrize("state", ["formats", "init", "run", "check", "get", "walk"])
@pytest.mark.parametrize(
    "headers", [{}, {"Token": "nonsense"}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}]
)
def test_without_a_good_credential_all_is_401_before_anything_else(
    caller: Any, state: str, headers: Mapping[str, str]
) -> None:
    answer = caller.ask(caller.path(state, 9999), headers=headers)
    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize("path", ["element", "element_info", "dimension_value", "data_source_plugin"])
def test_the_neighbours_ask_for_a_credential_too(caller: Any, path: str) -> None:
    assert caller.ask(f"/api/{path}").status == 401


@pytest.mark.parametrize(
    "fields",
    [{"application_key": "wrong"}, {"application_id": "nobody"}, {"user": ""}],
)
def test_a_wrong_key_is_401(caller: Any, fields: dict[str, object]) -> None:
    answer = asked(caller, **fields)
    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b"\xff", b'{"application_id": [], "application_key": 1, "user": 2}', b"[" * 60000]
)
def test_what_is_no_request_for_a_token_is_400(caller: Any, body: bytes) -> None:
    answer = caller.ask("/api/get_token", method="POST", body=body)
    assert (answer.status, answer.json["status"]) == (400, "ERROR")


@pytest.mark.rules("D36")
def test_a_huge_request_for_a_token_is_refused(caller: Any) -> None:
    assert caller.ask("/api/get_token", method="POST", body=b" " * 70_000).status == 400


@pytest.mark.rules("D16")
def test_a_get_without_credentials_answers_an_empty_list_with_200(caller: Any) -> None:
    answer = caller.ask("/api/get_token")
    assert (answer.status, answer.json) == (200, [])


@pytest.mark.rules("D16")
def test_a_valid_token_is_renewed(caller: Any) -> None:
    first = asked(caller).json["token"]
    second = caller.ask("/api/get_token", headers={"Token": first}).json["token"]
    assert second != first
    assert caller.ask(caller.path("formats"), headers={"Token": second}).status == 200


@pytest.mark.rules("D23")
@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
def test_get_token_knows_two_methods(caller: Any, method: str) -> None:
    answer = caller.ask("/api/get_token", method=method, headers={"Token": asked(caller).json["token"]})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.rules("R12", "D13")
def test_a_session_belongs_to_its_user(caller: Any) -> None:
    ann = {"Authorization": "Bearer bearer-of-ann"}
    token = caller.ask(caller.path("init"), headers=ann).json["token"]
    for state in ("run", "check", "get"):
        path = caller.path(state, token=token, format="pdf")
        foreign = caller.ask(path, headers={"Authorization": "Bearer bearer-of-bob"})
        assert (foreign.status, foreign.json["message"]) == (400, "Invalid token")
    assert caller.ask(caller.path("run", token=token, format="pdf"), headers=ann).json == {"status": "OK"}


@pytest.mark.rules("D13")
def test_a_renewed_credential_of_the_same_user_goes_on_with_the_session(caller: Any) -> None:
    first, second = ({"Token": asked(caller).json["token"]} for _ in range(2))
    token = caller.ask(caller.path("init"), headers=first).json["token"]
    assert caller.ask(caller.path("run", token=token, format="pdf"), headers=second).json == {"status": "OK"}


@pytest.mark.rules("R6")
def test_who_may_see_it_is_asked_of_the_user(caller: Any) -> None:
    for user, status in (("ann", 403), ("admin", 200)):
        headers = {"Token": asked(caller, user=user).json["token"]}
        assert caller.ask(caller.path("formats", 4000), headers=headers).status == status


@pytest.mark.rules("D16")
def test_the_credential_ends_in_the_middle_of_a_run(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    now = [0.0]
    running = serving(sources=[source], accounts=accounts(lifetime=300, clock=lambda: now[0]))
    caller.port = running.port
    headers = caller.headers
    headers["Token"] = asked(caller).json["token"]
    token = caller.token(7000)
    with caller.begin(caller.path("run", 7000, token=token, format="pdf")) as run:
        running.wait_for("run")
        soon(lambda: source.made == 1)
        now[0] = 300.0
        expired = caller.state("check", 7000, token=token)
        assert (expired.status, expired.json) == (412, {"status": "ERROR", "message": "Session expired"})
        assert caller.ask("/api/get_token").status == 412  # too late for renewal by GET
        del headers["Token"]
        headers["Token"] = asked(caller).json["token"]
        assert caller.state("check", 7000, token=token).json == {"status": "IN PROGRESS"}
        source.gate.set()
        assert caller.answer(run).json == {"status": "OK"}  # whoever was let in is answered
    assert caller.state("get", 7000, token=token, format="pdf").body == b"%PDF pdf"


@pytest.mark.rules("D16")
@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("check.session_expired=1", 412, {"status": "ERROR", "message": "Session expired"}),
        ("check.unauthorized=1", 401, {"message": "Unauthorized"}),
    ],
)
def test_a_credential_that_is_refused_once(server: Any, caller: Any, fault: str, status: int, body: object) -> None:
    caller.headers["Authorization"] = "Bearer bearer-of-ann"
    token = caller.ready()
    server.fault(fault)
    answer = caller.state("check", token=token)
    assert (answer.status, answer.json) == (status, body)
    assert caller.state("check", token=token).json == {"status": "READY"}


@pytest.mark.rules("D16")
def test_a_run_that_is_answered_412_goes_on(server: Any, source: Any, caller: Any, soon: Any) -> None:
    caller.headers["Authorization"] = "Bearer bearer-of-ann"
    server.fault("run.expire_after=0.2")
    token = caller.token(7000)
    assert caller.state("run", 7000, token=token, format="pdf").status == 412
    assert caller.state("check", 7000, token=token).json == {"status": "IN PROGRESS"}
    source.gate.set()
    soon(lambda: caller.state("check", 7000, token=token).json == {"status": "READY"})


def test_credentials_do_not_show_in_what_the_server_remembers(server: Any, caller: Any) -> None:
    caller.ask(caller.path("formats"), headers={"Token": "t0ps3cret", "Authorization": "Bearer t0ps3cret"})
    assert ("token", "***") in server.calls[-1].headers
    assert "t0ps3cret" not in repr(server.calls)
