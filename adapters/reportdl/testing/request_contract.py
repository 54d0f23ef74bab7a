"""Decides what must be true of a request: one for each command, as it stands, and answered by an event.

Must never trust a configuration: everything is counted or read at the server.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from reportdl.credentials import ApplicationKey, Bearer
from reportdl.errands import Errand
from reportdl.testing.canned import (
    CHECKING,
    JSON,
    OK,
    WAKE,
    WHOLE,
    good_answer,
    setting,
)
from reportdl.testing.raw_server import Answer, Seen, Then, message
from reportdl.testing.stage import CREDENTIAL, TOKEN, Stage
from reportdl.testing.staging import Staged
from reportdl_core.commands import Check, Get, Init, ListFormats, LookUp, RenewCredentials, Run
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    CredentialsRenewed,
    Event,
    FileReceived,
    FormatsListed,
    Lost,
    Refused,
    RunFinished,
    Sent,
    StatusReported,
    TokenIssued,
)

__all__ = ["RequestContract", "unasked"]


def unasked(seen: Seen, errand: Errand) -> dict[str, list[str]]:
    """The headers that came otherwise than the errand says: left out, added, changed or said twice; {} if none.

    A transport's own are Host, a body's Content-Length, and whether the connection is kept where the errand leaves it
    open.
    """
    asked = {name.lower(): [value] for name, value in errand.headers.items()}
    asked["host"] = [errand.origin.authority]
    if errand.body:
        asked["content-length"] = [str(len(errand.body))]
    came = seen.headers
    if came.get("connection") in (["close"], ["keep-alive"]):
        asked.setdefault("connection", came["connection"])
    return {name: came.get(name, []) for name in asked.keys() | came.keys() if asked.get(name) != came.get(name)}


class RequestContract(Staged):
    """What leaves, and what an answer becomes."""

    @pytest.mark.parametrize(
        ("kind", "event"),
        [
            (ListFormats, FormatsListed),
            (Init, TokenIssued),
            (Run, RunFinished),
            (Check, StatusReported),
            (Get, FileReceived),
        ],
    )
    @pytest.mark.rules("D23")
    def test_one_command_is_one_request(self, stage: Stage, kind: type[Any], event: type[Any]) -> None:
        server = stage.serve(good_answer)
        assert isinstance(stage.perform(kind), event)
        assert len(server.seen) == 1

    @pytest.mark.parametrize("then", [Then.CUT, Then.RESET])
    @pytest.mark.parametrize("kind", [ListFormats, Init, Run, Check, Get])
    @pytest.mark.rules("I3", "D23")
    def test_a_dropped_request_is_not_repeated(self, stage: Stage, kind: type[Any], then: Then) -> None:
        server = stage.serve(lambda _: Answer(then=then))
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        time.sleep(0.05)  # for whoever would try again
        assert len(server.seen) == 1

    @pytest.mark.parametrize("kind", [Run, Check, Get])
    @pytest.mark.parametrize("token", ["abcDEF123%3D", "a%2Fb%2fc%3d%3D~_-.Z", "p%2Bq%252Fr", "%7E~%41A"])
    @pytest.mark.rules("R13", "D3")
    def test_the_target_stands_on_the_wire_byte_for_byte(self, stage: Stage, kind: type[Any], token: str) -> None:
        server = stage.serve(good_answer)
        stage.perform(kind, token=token)
        state, tail = kind.__name__.lower(), "" if kind is Check else "&format=pdf"
        path = f"/base/api/element/id/1042/segment/0/download/state/{state}?token={token}{tail}"
        assert server.seen[0].head.startswith(f"GET {path} HTTP/1.1\r\n".encode())

    @pytest.mark.rules("D23", "D34")
    def test_headers_are_what_the_errand_says(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Check)
        seen = server.seen[0]
        assert seen.all("host") == [f"127.0.0.1:{server.port}"]
        assert seen.all("accept-encoding") == ["identity"]
        assert seen.all("accept") == ["application/json"]
        assert seen.all("cache-control") == ["no-cache"]
        assert seen.all("token") == [CREDENTIAL]
        assert len(seen.all("user-agent")) == 1
        assert seen.all("user-agent")[0].startswith("reportdl/")
        for absent in ("authorization", "cookie", "content-length", "transfer-encoding", "range", "expect"):
            assert seen.all(absent) == []

    @pytest.mark.parametrize("kind", [ListFormats, Init, Run, Check, Get, LookUp, RenewCredentials])
    @pytest.mark.rules("D23", "D34")
    def test_no_header_is_left_out_added_or_changed(self, stage: Stage, kind: type[Any]) -> None:
        server = stage.serve(lambda _: OK)
        if kind is RenewCredentials:
            stage.credentials = ApplicationKey(application_id="app", application_key="k3y", user="ann")
        errand = stage.errand(stage.command(kind))
        stage.carry(errand).event()
        (seen,) = server.seen
        assert unasked(seen, errand) == {}
        assert seen.body == errand.body

    @pytest.mark.parametrize("kind", [Run, Get])
    @pytest.mark.rules("D38", "I3")
    def test_what_is_cancelled_before_it_began_does_not_leave(self, stage: Stage, kind: type[Any]) -> None:
        server = stage.serve(good_answer)
        assert _unsent(stage.carry(stage.errand(stage.command(kind)), cancelled=True).event())
        assert isinstance(stage.perform(ListFormats), FormatsListed)
        if self.library is None:
            # Over a connection that was kept, too. An async driver does not even begin: that is its own contract's.
            assert _unsent(stage.carry(stage.errand(stage.command(kind)), cancelled=True).event())
        stage.close_transport()
        assert server.all_left(timeout=WAKE)
        assert server.states == ["formats"]

    @pytest.mark.rules("D16")
    def test_a_bearer_token_goes_into_its_own_header(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.credentials = Bearer("b3arer")
        stage.perform(Init)
        assert server.seen[0].all("authorization") == ["Bearer b3arer"]
        assert server.seen[0].all("token") == []

    @pytest.mark.rules("D16")
    def test_a_renewal_is_one_post_with_its_body(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.credentials = ApplicationKey(application_id="app", application_key="k3y", user="ann")
        assert isinstance(stage.perform(RenewCredentials), CredentialsRenewed)
        (seen,) = server.seen
        assert seen.head.startswith(b"POST /base/api/get_token HTTP/1.1\r\n")
        assert seen.all("content-type") == ["application/json"]
        assert seen.all("content-length") == [str(len(seen.body))]
        assert json.loads(seen.body) == {"application_id": "app", "application_key": "k3y", "user": "ann"}

    @pytest.mark.rules("D16", "D23")
    def test_a_dropped_renewal_is_not_repeated(self, stage: Stage) -> None:
        server = stage.serve(lambda _: Answer(then=Then.CUT))
        stage.credentials = ApplicationKey(application_id="app", application_key="k3y", user="ann")
        assert isinstance(stage.perform(RenewCredentials), Lost)
        assert len(server.seen) == 1

    @pytest.mark.rules("D30")
    def test_no_cookie_comes_back(self, stage: Stage) -> None:
        cookie = {**JSON, "Set-Cookie": "web=node3; Path=/"}
        server = stage.serve(lambda _: Answer(data=message(200, cookie, b'{"status": "IN PROGRESS"}')))
        for _ in range(3):
            assert isinstance(stage.perform(Check), StatusReported)
        assert [seen.all("cookie") for seen in server.seen] == [[], [], []]

    @pytest.mark.rules("D30")
    def test_the_cookies_that_are_named_come_back_within_a_session(self, stage: Stage) -> None:

        def answer(seen: Seen) -> Answer:
            return setting(good_answer(seen), f"node={seen.state}; Path=/; Secure", "zone=7", "id=x")

        server = stage.serve(answer)
        stage.affinity = ("node", "zone")
        errands = stage.errands()
        for kind in (Init, Run, Check, Get, Init, Check):
            stage.perform(kind, errands=errands)
        assert [(seen.state, seen.all("cookie")) for seen in server.seen] == [
            ("init", []),
            ("run", ["node=init; zone=7"]),
            ("check", ["node=run; zone=7"]),
            ("get", ["node=check; zone=7"]),
            ("init", []),
            ("check", ["node=init; zone=7"]),
        ]

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.rules("D31")
    def test_no_redirect_is_followed(self, stage: Stage, status: int) -> None:
        server = stage.serve(lambda _: Answer(data=message(status, {"Location": "/elsewhere"}, b"")))
        event = stage.perform(Check)
        assert isinstance(event, Refused)
        assert event.refusal is Refusal.REDIRECTED
        assert len(server.seen) == 1

    @pytest.mark.parametrize("status", [401, 403, 404, 412, 429, 500, 503])
    @pytest.mark.rules("D26")
    def test_a_refusal_is_an_event_and_no_exception(self, stage: Stage, status: int) -> None:
        server = stage.serve(lambda _: Answer(data=message(status, JSON, b'{"status": "ERROR", "message": "No"}')))
        event = stage.perform(Check)
        assert isinstance(event, Refused)
        assert event.code == status
        assert len(server.seen) == 1

    @pytest.mark.parametrize(
        "data", [b"not HTTP at all\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon"]
    )
    @pytest.mark.rules("I11")
    def test_an_answer_that_is_no_http_is_lost(self, stage: Stage, data: bytes) -> None:
        server = stage.serve(lambda _: Answer(data=data, then=Then.CLOSE))
        event = stage.perform(Check)
        assert isinstance(event, Lost | Refused)
        assert len(server.seen) == 1

    @pytest.mark.parametrize("kind", [Init, Run, Get])
    @pytest.mark.parametrize("size", [9, 17, 40, 80])
    @pytest.mark.rules("I11", "D21")
    def test_a_head_that_breaks_off_is_lost(self, stage: Stage, kind: type[Any], size: int) -> None:
        server = stage.serve(lambda _: Answer(data=WHOLE.data[:size], then=Then.CLOSE))
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        assert len(server.seen) == 1

    @pytest.mark.rules("D39")
    def test_no_secret_in_logs_reprs_and_messages(self, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
        ways = iter([CHECKING, Answer(then=Then.CUT), Answer(data=b"nonsense\r\n\r\n", then=Then.CLOSE), CHECKING])
        server = stage.serve(lambda _: next(ways))
        said: list[str] = []
        with caplog.at_level(logging.DEBUG):
            for _ in range(4):
                errand = stage.errand(stage.command(Check))
                said += [repr(errand), str(errand), repr(stage.transport), repr(stage.perform(Check))]
        # `events` of asyncio, say, are no library of the transport's; but nothing at all may hold it.
        said += [record.getMessage() + str(record.exc_text or "") for record in caplog.records]
        shown = "\n".join(said)
        assert len(server.seen) == 4
        for secret in (TOKEN, "t0k", "s3cr3t", CREDENTIAL):
            assert secret not in shown


def _unsent(event: Event | None) -> bool:
    return event is None or (isinstance(event, Lost) and event.sent is Sent.NOT_SENT)
