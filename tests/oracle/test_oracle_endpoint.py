"""The reference model of the server's end, tried with right answers and with wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import endpoint_model
from tests.oracle.endpoint_words import (
    Answer,
    Call,
    Discard,
    Effect,
    Endpoint,
    Generate,
    Happens,
    Report,
    SendFile,
    Stop,
    Switches,
)
from tests.oracle.table import REFUSAL_ORDER


class Server:
    """A hand-written server beside the model."""

    def __init__(self, **switches: Any) -> None:
        self.possible = frozenset({Endpoint(switches=Switches(**switches))})
        self.number = 0

    def may(self, event: Call | Happens, at: float, *effects: Effect) -> bool:
        expected = endpoint_model.step(self.possible, event, at)
        after = endpoint_model.agree(expected, effects)
        self.why = endpoint_model.explain(expected, effects)
        if after:
            self.possible = after
        return bool(after)

    def says(self, at: float, state: str, says: str | None, *besides: Effect, **call: Any) -> None:
        """This answer, and no other of a few that it could be taken for."""
        self.number += 1
        event = Call(number=self.number, state=state, **call)
        before = self.possible
        for wrong in {"OK", "READY", "IN_PROGRESS", "ERROR", "DOWNLOAD_FAILED", "INVALID_TOKEN", "INVALID_FORMAT"} - {
            says
        }:
            assert not self.may(event, at, Answer(number=self.number, says=wrong), *besides), wrong
        assert self.possible == before
        answer = [] if says is None else [Answer(number=self.number, says=says)]
        assert self.may(event, at, *answer, *besides), self.why

    def is_in(self, state: str, now: float, token: str = "A") -> None:
        assert {endpoint_model.states(one, now)[token] for one in self.possible} == {frozenset({state})}


def running(**switches: Any) -> Server:
    server = Server(**switches)
    server.says(0.0, "init", "TOKEN", fresh="A")
    server.says(1.0, "run", None, Generate(token="A", format="pdf"), token="A", format="pdf")
    return server


def ready(**switches: Any) -> Server:
    server = running(**switches)
    assert server.may(Happens(kind="Generated", token="A"), 9.0, Answer(number=2, says="OK")), server.why
    return server


@pytest.mark.rules("R12", "R18", "R21", "R24", "R27", "R28", "D20")
def test_the_documents_example() -> None:
    server = running()
    server.says(2.0, "check", "IN_PROGRESS", token="A")
    server.says(2.0, "get", "IN_PROGRESS", token="A", format="pdf")
    assert not server.may(Happens(kind="Generated", token="A"), 9.0), "whoever waits is answered"
    assert server.may(Happens(kind="Generated", token="A"), 9.0, Answer(number=2, says="OK"))
    server.is_in("READY", 9.0)
    server.says(9.5, "check", "READY", token="A")
    server.says(10.0, "get", None, SendFile(number=6, token="A"), token="A", format="pdf")
    server.says(10.5, "get", "IN_PROGRESS", token="A", format="pdf")  # D42
    assert server.may(Happens(kind="FileSent", number=6), 11.0, Discard(token="A"))
    server.is_in("CONSUMED", 11.0)
    for state in ("run", "check", "get"):
        server.says(12.0, state, "DOWNLOAD_FAILED", token="A", format="pdf")


@pytest.mark.rules("D15")
def test_the_order_of_refusals() -> None:
    server = Server()
    closed = Report(external=False, allowed=False, formats=())
    server.says(0.0, "init", "TOKEN", fresh="A")
    wrong: dict[str, dict[str, Any]] = {
        "CREDENTIALS": {"credential": 401, "state": "stop", "report": None},
        "INVALID_STATE": {"state": "stop", "report": None},
        "ELEMENT_NOT_FOUND": {"report": None},
        "ELEMENT_NOT_ALLOWED": {"report": closed},
        "NOT_IMPLEMENTED": {"report": Report(external=False, formats=())},
        "INVALID_TOKEN": {"report": Report(formats=()), "token": "Z"},
        "NO_DOWNLOADS": {"report": Report(formats=()), "token": "A", "format": "tiff"},
        "INVALID_FORMAT": {"token": "A", "format": "tiff"},
        "DOWNLOAD_FAILED": {"token": "A", "format": "pdf"},
    }
    assert tuple(wrong) == REFUSAL_ORDER
    for refusal, call in wrong.items():
        server.says(300.0, call.pop("state", "run"), refusal, **call)  # the token has expired, too


@pytest.mark.rules("R14", "D13", "D14")
def test_a_token_is_good_at_home_alone() -> None:
    server = ready()
    for foreign in ({"user": "eve"}, {"segment": 4}, {"element": 7}, {"token": "Z"}, {"token": None}, {"token": ""}):
        server.says(10.0, "check", "INVALID_TOKEN", **{"token": "A", **foreign})
    server.says(10.0, "check", "READY", token="A")


@pytest.mark.rules("D8", "D9", "D10", "R10")
def test_run_joins_run_and_other_formats_are_refused() -> None:
    server = running()
    server.says(2.0, "run", None, token="A", format="pdf")
    server.says(2.0, "run", "INVALID_FORMAT", token="A", format="csv")
    server.says(2.0, "get", "INVALID_FORMAT", token="A", format="csv")
    server.says(2.0, "get", "INVALID_FORMAT", token="A")
    both = (Answer(number=2, says="OK"), Answer(number=3, says="OK"))
    assert not server.may(Happens(kind="Generated", token="A"), 9.0, both[0])
    assert server.may(Happens(kind="Generated", token="A"), 9.0, *both)
    server.says(10.0, "run", "OK", token="A", format="pdf")
    server.says(10.0, "get", "INVALID_FORMAT", token="A", format="csv")
    server.is_in("READY", 10.0)


@pytest.mark.rules("R15", "R16", "R17", "D1")
def test_each_policy_of_expiry() -> None:
    absolute, start, sliding = (running(ttl_policy=policy) for policy in ("ABSOLUTE", "START", "SLIDING"))
    for server in (absolute, start, sliding):
        server.says(299.0, "check", "IN_PROGRESS", token="A")
    absolute.says(300.0, "check", "DOWNLOAD_FAILED", token="A")
    start.says(300.0, "check", "IN_PROGRESS", token="A")
    sliding.says(598.0, "check", "IN_PROGRESS", token="A")
    sliding.says(898.0, "check", "DOWNLOAD_FAILED", token="A")
    late = Happens(kind="Generated", token="A")
    assert not absolute.may(late, 301.0, Answer(number=2, says="OK"), Discard(token="A"))
    assert absolute.may(late, 301.0, Answer(number=2, says="DOWNLOAD_FAILED"), Discard(token="A"))
    assert start.may(late, 1700.0, Answer(number=2, says="OK"))
    unused = Server(ttl_policy="START")
    unused.says(0.0, "init", "TOKEN", fresh="A")
    unused.says(300.0, "run", "DOWNLOAD_FAILED", token="A", format="pdf")


@pytest.mark.rules("D2")
def test_a_started_transfer_completes() -> None:
    server = ready()
    server.says(299.9, "get", None, SendFile(number=3, token="A"), token="A", format="pdf")
    assert server.may(Happens(kind="FileSent", number=3), 400.0)
    server.is_in("CONSUMED", 400.0)


@pytest.mark.rules("D21", "R27")
def test_a_broken_transfer_consumes_nothing_but_by_the_switch() -> None:
    for consume_on, state in (("END", "READY"), ("START", "CONSUMED")):
        server = ready(consume_on=consume_on)
        server.says(10.0, "get", None, SendFile(number=3, token="A"), token="A", format="pdf")
        assert server.may(Happens(kind="SendBroken", number=3), 11.0)
        server.is_in(state, 11.0)


@pytest.mark.rules("R22", "R30", "D5", "D6")
def test_a_failed_run() -> None:
    for how, failed_run, failed_session, run_says, check_says in (
        ("FAILED", "REFUSAL", "STATUS", "DOWNLOAD_FAILED", "ERROR"),
        ("FAILED", "STATUS", "STATUS", "ERROR", "ERROR"),
        ("FAILED", "REFUSAL", "REFUSAL", "DOWNLOAD_FAILED", "DOWNLOAD_FAILED"),
        ("NO_FILE", "REFUSAL", "STATUS", "DOWNLOAD_FAILED", "DOWNLOAD_FAILED"),
    ):
        server = running(failed_run=failed_run, failed_session=failed_session)
        over = Happens(kind="GenerationFailed", token="A", how=how)
        assert not server.may(over, 5.0, Answer(number=2, says="OK"))
        assert server.may(over, 5.0, Answer(number=2, says=run_says)), server.why
        server.is_in("ERROR", 5.0)
        server.says(6.0, "check", check_says, token="A")
        server.says(6.0, "get", check_says, token="A", format="pdf")


@pytest.mark.rules("D7")
def test_a_dropped_run_aborts_nothing_but_by_the_switch() -> None:
    server = running()
    assert not server.may(Happens(kind="Disconnected", number=2), 2.0, Stop(token="A"))
    assert server.may(Happens(kind="Disconnected", number=2), 2.0)
    assert server.may(Happens(kind="Generated", token="A"), 9.0)
    server.says(9.5, "check", "READY", token="A")
    server = running(abort_on_disconnect="ON")
    assert not server.may(Happens(kind="Disconnected", number=2), 2.0)
    assert server.may(Happens(kind="Disconnected", number=2), 2.0, Stop(token="A"))
    server.is_in("ERROR", 2.0)


@pytest.mark.rules("D28", "D5")
def test_a_run_that_takes_too_long_has_failed() -> None:
    server = running(ttl_policy="START")
    server.says(1800.9, "check", "IN_PROGRESS", token="A")
    for one in server.possible:
        assert endpoint_model.states(one, 1801.0)["A"] >= {"ERROR"}
    assert not server.may(Happens(kind="Generated", token="A"), 1801.0, Answer(number=2, says="OK"))
    server.says(1801.0, "check", "ERROR", token="A")  # D5: the session lives, and its run has failed


@pytest.mark.rules("D42", "D18")
def test_the_faults_that_a_server_may_be_asked_for() -> None:
    server = Server(run_says_ok="AT_ONCE", before_run="ERROR")
    server.says(0.0, "init", "TOKEN", fresh="A")
    server.says(0.5, "check", "ERROR", token="A")
    server.says(1.0, "run", "OK", Generate(token="A", format="pdf"), token="A", format="pdf")
    server.says(1.5, "get", "IN_PROGRESS", token="A", format="pdf")


@pytest.mark.rules("R8", "R9", "D11", "D36", "R30")
def test_formats_caps_and_a_file_that_is_gone() -> None:
    server = Server(live_per_user=1)
    formats = Call(number=1, state="formats")
    assert server.may(formats, 0.0, Answer(number=1, says="FORMATS", formats=("image", "pdf", "csv")))
    assert not server.may(formats, 0.0, Answer(number=1, says="FORMATS", formats=("pdf",)))
    for state in ("formats", "init", "run"):
        token = {"token": "A"} if state == "run" else {}
        says = "INVALID_TOKEN" if state == "run" else "NO_DOWNLOADS"
        server.says(0.0, state, says, report=Report(formats=()), **token)
    server.says(0.0, "init", "TOKEN", fresh="A")
    server.says(0.0, "init", "BUSY", fresh="B")
    server.says(0.0, "init", "TOKEN", fresh="B", user="other")
    server = ready()
    server.says(10.0, "get", None, SendFile(number=3, token="A"), token="A", format="pdf")
    assert not server.may(Happens(kind="FileMissing", number=3), 10.0)
    assert server.may(Happens(kind="FileMissing", number=3), 10.0, Answer(number=3, says="DOWNLOAD_FAILED"))
    server.is_in("ERROR", 10.0)
