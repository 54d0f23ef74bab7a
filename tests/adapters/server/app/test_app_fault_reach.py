"""A fault that is accepted happens, on whichever path and to whichever answer; what never could is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from reportdl.server import Accounts, FaultBook, InvalidFault, parse_fault
from reportdl.server.fault_grammar import fault_book
from reportdl.server.faults import DropAfter, ExpireAfter, Fault, Filename, GatewayTimeout, NoDisposition

NEIGHBOURS = {
    "get_token": "/api/get_token",
    "element": "/api/element",
    "element_info": "/api/element_info?element=1042",
    "dimension_value": "/api/dimension_value?dimension=3",
    "data_source_plugin": "/api/data_source_plugin",
}


@pytest.fixture
def book() -> FaultBook:
    return FaultBook()


@pytest.fixture
def running(serving: Any, source: Any, caller: Any, book: FaultBook) -> Any:
    """An endpoint whose faults are `book`; `caller` calls it."""
    server = serving(sources=[source], faults=book)
    caller.port = server.port
    return server


def raw(caller: Any, target: str) -> bytes:
    """All that comes until the server closes."""
    data = b""
    with caller.begin(target) as connection:
        while chunk := connection.recv(65536):
            data += chunk
    return data


@pytest.mark.parametrize("state", NEIGHBOURS)
@pytest.mark.parametrize(
    ("fault", "status", "header", "value"),
    [
        ("gateway_timeout=0", 504, "content-type", "text/html; charset=utf-8"),
        ("expire_after=0", 412, "content-type", "application/json"),
        ("text_plain", 200, "content-type", "text/plain; charset=utf-8"),
        ("content_type=a/b", 200, "content-type", "a/b"),
        ("chunked", 200, "transfer-encoding", "chunked"),
        ("no_length", 200, "content-length", None),
        ("no_length", 200, "transfer-encoding", None),
    ],
)
def test_a_neighbours_answer_is_reshaped_once(
    running: Any, caller: Any, book: FaultBook, state: str, fault: str, status: int, header: str, value: str | None
) -> None:
    fair = caller.ask(NEIGHBOURS[state])
    assert (fair.status, fair.headers["content-type"]) == (200, "application/json")
    book.add(parse_fault(f"{state}.{fault}{':1' if '=' in fault else '=1'}"))
    hit = caller.ask(NEIGHBOURS[state])
    assert (hit.status, hit.headers.get(header)) == (status, value)
    assert status != 200 or hit.body == fair.body
    assert book.left() == ()
    assert caller.ask(NEIGHBOURS[state]).headers["content-length"] == str(len(fair.body))


@pytest.mark.parametrize("state", NEIGHBOURS)
def test_a_neighbours_answer_is_cut(running: Any, caller: Any, book: FaultBook, state: str) -> None:
    body = caller.ask(NEIGHBOURS[state]).body
    book.add(parse_fault(f"{state}.cut_at=5:1"))
    head, _, rest = raw(caller, NEIGHBOURS[state]).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest == body[: min(5, len(body) - 1)]
    assert book.left() == ()


@pytest.mark.rules("D6")
def test_a_neighbour_is_dropped_after_its_effect(running: Any, source: Any, caller: Any, book: FaultBook) -> None:
    listed: list[float] = []

    def reports() -> list[object]:
        listed.append(time.monotonic())
        return list(source.infos)

    source.reports = reports
    book.add(parse_fault("element.drop_after=0.2:1"))
    assert raw(caller, "/api/element") == b""
    assert time.monotonic() - listed[0] >= 0.2
    assert len(listed) == 1
    assert caller.ask("/api/element").status == 200


@pytest.mark.rules("D30")
def test_a_neighbour_waits_for_the_cookie_too(
    running: Any, source: Any, caller: Any, soon: Any, book: FaultBook
) -> None:
    book.add(parse_fault("run.cookie_lock"))
    book.add(parse_fault("element.cookie_lock"))
    token = caller.token(7000)
    caller.headers["Cookie"] = caller.ask("/api/element").headers["set-cookie"].partition(";")[0]
    with (
        caller.begin(caller.path("run", 7000, token=token, format="pdf")) as run,
        caller.begin("/api/data_source_plugin") as free,
    ):
        assert caller.answer(free).status == 200
        soon(lambda: source.made == 1)
        with caller.begin("/api/element") as element:
            element.settimeout(0.3)
            with pytest.raises(TimeoutError):
                element.recv(1)
            source.gate.set()
            element.settimeout(10)
            assert caller.answer(run).json == {"status": "OK"}
            assert caller.answer(element).status == 200


@pytest.mark.rules("D6", "D16")
@pytest.mark.parametrize("target", ["init", "element"])
def test_refused_credentials_are_dropped_too(serving: Any, source: Any, caller: Any, target: str) -> None:
    book = fault_book([f"{target}.drop_after=0.2:1", f"{target}.text_plain=1"])
    caller.port = serving(sources=[source], accounts=Accounts(bearers={"t": "ann"}), faults=book).port
    path = NEIGHBOURS.get(target) or caller.path(target)
    began = time.monotonic()
    assert raw(caller, path) == b""
    assert time.monotonic() - began >= 0.2
    assert [fault.effect for fault, _ in book.left()] != []
    answer = caller.ask(path)
    assert (answer.status, answer.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    assert book.left() == ()


@pytest.mark.rules("D6")
def test_an_answer_given_instead_is_dropped_too(running: Any, caller: Any, book: FaultBook) -> None:
    for fault in ("check.drop_after=0.2:1", "check.html=2"):
        book.add(parse_fault(fault))
    began = time.monotonic()
    assert raw(caller, caller.path("check", token=caller.token())) == b""
    assert time.monotonic() - began >= 0.2
    assert caller.state("check", token="x").body.startswith(b"<!DOCTYPE html>")


@pytest.mark.rules("D6", "D16", "D21")
@pytest.mark.parametrize(("fault", "status"), [("gateway_timeout", 504), ("expire_after", 412)])
def test_nought_is_always_too_late_and_the_effect_is_there(
    running: Any, caller: Any, book: FaultBook, fault: str, status: int
) -> None:
    book.add(parse_fault(f"*.{fault}=0:2"))
    assert caller.state("formats").status == status
    assert caller.state("init").status == status
    assert len(running.sessions()) == 1
    token = caller.ready()
    book.add(parse_fault(f"get.{fault}=0:1"))
    assert caller.state("get", token=token, format="pdf").status == status
    assert caller.state("get", token=token, format="pdf").body == b"%PDF pdf"
    assert book.left() == ()


@pytest.mark.rules("D6")
@pytest.mark.parametrize(("fault", "status"), [("gateway_timeout", 504), ("expire_after", 412)])
def test_a_patient_proxy_is_not_used_up(running: Any, caller: Any, book: FaultBook, fault: str, status: int) -> None:
    book.add(parse_fault(f"*.{fault}=0.4:1"))
    assert caller.ready()  # init and run, both in time
    assert caller.state("run", token="x", format="pdf").status == 400
    assert [left for _, left in book.left()] == [1]
    token = caller.token(7000)
    assert caller.state("run", 7000, token=token, format="pdf").status == status
    assert book.left() == ()


def test_a_fault_spared_is_not_multiplied() -> None:
    book = fault_book(["run.gateway_timeout=1:2"])
    effect = GatewayTimeout(seconds=1)
    book.spare("run", effect)
    assert [left for _, left in book.left()] == [2]
    assert book.before("run") == ((effect,), None)
    book.spare("check", effect)
    assert [left for _, left in book.left()] == [1]
    book.spare("run", effect)
    book.clear()
    book.spare("run", effect)
    assert book.left() == ()


def test_of_two_that_undo_each_other_one_waits(running: Any, caller: Any, book: FaultBook) -> None:
    for fault in ("formats.text_plain=1", "formats.content_type=a/b:1", "formats.no_length=1", "formats.chunked=1"):
        book.add(parse_fault(fault))
    first, second = caller.state("formats"), caller.state("formats")
    assert (first.headers["content-type"], second.headers["content-type"]) == ("text/plain; charset=utf-8", "a/b")
    assert "transfer-encoding" not in first.headers
    assert second.headers["transfer-encoding"] == "chunked"
    drops = fault_book(["run.drop_after=1:1", "run.gateway_timeout=2:1"])
    assert drops.before("run") == ((DropAfter(seconds=1),), None)
    assert drops.before("run") == ((GatewayTimeout(seconds=2),), None)


NOT_A_FILE = ("formats", "run", "get_token")
AT_ONCE = ("formats", "init", "check", "get", "get_token", "data_source_plugin")
NEVER = [
    *((state, kind, "sends no file") for state in NOT_A_FILE for kind in ("no_disposition", "filename=x")),
    *((state, f"{kind}=0.5", "answers at once") for state in AT_ONCE for kind in ("gateway_timeout", "expire_after")),
]


@pytest.mark.parametrize(("state", "kind", "why"), NEVER)
def test_what_could_never_happen_is_refused(state: str, kind: str, why: str) -> None:
    with pytest.raises(InvalidFault, match=f"{state} {why}"):
        parse_fault(f"{state}.{kind}")


@pytest.mark.parametrize(
    "effect", [Filename(name="x"), NoDisposition(), GatewayTimeout(seconds=1), ExpireAfter(seconds=1)]
)
def test_it_is_refused_as_a_value_too(effect: Any) -> None:
    for state in ("init", "element"):
        with pytest.raises(ValueError, match=f"{state} (sends|answers)"):
            Fault(state=state, effect=effect)
    assert Fault(state="*", effect=effect).effect == effect


def test_it_is_refused_over_the_control_route_and_nothing_is_taken(serving: Any, source: Any, caller: Any) -> None:
    caller.port = serving(sources=[source], control=True).port
    json_alone = {"Content-Type": "application/json", "Host": "127.0.0.1"}
    body = json.dumps({"faults": ["check.html=1", "get_token.filename=x"]}).encode()
    answer = caller.ask("/control", method="POST", body=body, headers=json_alone)
    assert (answer.status, answer.json["status"]) == (400, "ERROR")
    assert "get_token sends no file" in answer.json["message"]
    assert caller.ask("/control", headers=json_alone).json["faults"] == []
