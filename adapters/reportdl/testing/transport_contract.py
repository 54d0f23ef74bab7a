"""Decides what a transport must prove on the wire: one command is one request, sent as it stands, once, and cancellable.

Subclass `TransportContract`, give it the fixture `make_transport`, and pytest runs it against real sockets, plain and
TLS (the latter needs `trustme`). Subclass `HandedInContract` too where a user's own pool, session or client can be
handed in. Must never trust a configuration: everything is counted or read at the server.
"""

from __future__ import annotations

import functools
import gzip
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from reportdl.credentials import ApplicationKey, Bearer
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.testing.memory_sink import MemorySink
from reportdl.testing.raw_server import Answer, RawServer, Seen, Then, message
from reportdl.testing.stage import CREDENTIAL, TOKEN, MakeTransport, Stage
from reportdl_core.commands import Check, Get, Init, ListFormats, RenewCredentials, Run
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    CredentialsRenewed,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    Lost,
    Refused,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
)

__all__ = ["HandedIn", "HandedInContract", "TransportContract", "good_answer", "staged"]

JSON: Final = {"Content-Type": "application/json"}
FILE: Final = {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="Sales.pdf"'}
PDF: Final = b"%PDF-1.7\n" + bytes(range(256)) * 1200 + b"\n%%EOF\n"
WAKE: Final = 0.5  # seconds for a cancelled request to let go of its connection

OK: Final = Answer(data=message(200, JSON, b'{"status": "OK"}'))
CHECKING: Final = Answer(data=message(200, JSON, b'{"status": "IN PROGRESS"}'))
ISSUED: Final = Answer(data=message(200, JSON, json.dumps({"status": "OK", "token": TOKEN}).encode()))
LISTED: Final = Answer(data=message(200, JSON, b'{"status": "OK", "formats": ["image", "pdf"]}'))
RENEWED: Final = Answer(data=message(200, JSON, b'{"token": "n3w", "expires": "soon"}'))
WHOLE: Final = Answer(data=message(200, FILE, PDF))

_GOOD: Final = {"formats": LISTED, "init": ISSUED, "run": OK, "check": CHECKING, "get": WHOLE, "get_token": RENEWED}


def good_answer(seen: Seen) -> Answer:
    """What a server says with which nothing is wrong."""
    return _GOOD[seen.state]


def staged(make: MakeTransport, library: str | None, scheme: str, folder: Path) -> Stage:
    """A stage for a scheme; certificates for https are made in `folder`."""
    if scheme == "http":
        return Stage(make, library=library)
    tls, authority = _certified()
    bundle = folder / "authority.pem"
    bundle.write_bytes(authority)
    return Stage(make, library=library, server_tls=tls, network=Network(ca_bundle=bundle, proxy=""))


@functools.cache
def _certified() -> tuple[ssl.SSLContext, bytes]:
    """A server's context for 127.0.0.1, and the PEM of the authority that vouches for it."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
    return tls, authority.cert_pem.bytes()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class TransportContract:
    """What every transport must do. Give it `make_transport`; set `library` for an async one."""

    library: ClassVar[str | None] = None
    """None for a sync transport; "asyncio" or "trio" for an async one."""

    @pytest.fixture
    def make_transport(self) -> MakeTransport:
        """A function from `Origin` and `Network` to the transport. It is called where the event loop runs."""
        raise NotImplementedError("a contract needs a fixture make_transport")

    @pytest.fixture(params=["http", "https"])
    def scheme(self, request: pytest.FixtureRequest) -> str:
        """Both, for every test."""
        scheme: str = request.param
        return scheme

    @pytest.fixture
    def stage(self, make_transport: MakeTransport, scheme: str, tmp_path: Path) -> Iterator[Stage]:
        """One server and one transport."""
        stage = staged(make_transport, self.library, scheme, tmp_path)
        yield stage
        stage.close()

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

    @pytest.mark.parametrize("kind", [Run, Check])
    @pytest.mark.rules("I3", "D23")
    def test_nor_is_one_on_a_kept_connection(self, stage: Stage, kind: type[Any]) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.CUT) if seen.state != "init" else ISSUED)
        assert isinstance(stage.perform(Init), TokenIssued)
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        time.sleep(0.05)
        assert len(server.seen) == 2

    @pytest.mark.rules("I3", "D23")
    def test_an_idle_connection_that_the_server_closed_costs_no_request_twice(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Init)
        server.drop(server.seen[0].connection)
        assert server.left(1, timeout=WAKE)
        event = stage.perform(Check)
        arrived = server.states.count("check")
        assert arrived == 1 if isinstance(event, StatusReported) else (isinstance(event, Lost) and arrived == 0)

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

    @pytest.mark.parametrize("kind", [Init, Run])
    @pytest.mark.rules("I3")
    def test_a_refused_port_is_proven_not_sent(self, stage: Stage, scheme: str, kind: type[Any]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        stage.reach(f"{scheme}://127.0.0.1:{port}")
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        assert event.sent is Sent.NOT_SENT
        assert event.message == "Connection refused"

    @pytest.mark.rules("I3")
    def test_a_failed_tls_handshake_is_proven_not_sent(self, stage: Stage, scheme: str) -> None:
        if scheme == "http":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            stage.reach(f"https://127.0.0.1:{port}", trusted=False)
        else:
            server = stage.serve(good_answer, trusted=False)
            assert server.seen == ()
        event = stage.perform(Run)
        assert isinstance(event, Lost)
        assert event.sent is Sent.NOT_SENT

    @pytest.mark.parametrize("kind", [Run, Check, Get])
    @pytest.mark.rules("D38", "I4")
    def test_cancel_wakes_a_request_that_waits_for_headers(self, stage: Stage, kind: type[Any]) -> None:
        server = stage.serve(lambda _: Answer(then=Then.HOLD))
        begun = stage.begin(kind)
        seen = server.wait_for(kind.__name__.lower())
        began = time.monotonic()
        begun.cancel()
        assert server.left(seen.connection, timeout=WAKE)
        assert not isinstance(begun.event(WAKE), RunFinished | StatusReported | FileReceived)
        assert time.monotonic() - began < WAKE
        assert len(server.seen) == 1

    @pytest.mark.parametrize("length", [None, len(PDF), -1])
    @pytest.mark.rules("D38", "I10")
    def test_cancel_in_the_middle_of_a_file_leaves_nothing(self, stage: Stage, length: int | None) -> None:
        # Whole to its end mark, so that only the cancellation can keep it from being published.
        data = message(200, FILE, PDF, length=len(PDF) + 1 if length is None else length)
        if length == len(PDF):
            data = data[:-1]
        server = stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        sink = MemorySink()
        begun = stage.begin(Get, sink)
        seen = server.wait_for("get")
        deadline = time.monotonic() + WAKE
        while not sink.open_now and time.monotonic() < deadline:
            time.sleep(0.005)
        begun.cancel()
        assert server.left(seen.connection, timeout=WAKE)
        assert not isinstance(begun.event(WAKE), FileReceived)
        assert (sink.published, sink.open_now) == (None, False)

    @pytest.mark.rules("D38")
    def test_after_a_cancellation_others_go_on(self, stage: Stage) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else CHECKING)
        begun = stage.begin(Run)
        server.wait_for("run")
        begun.cancel()
        assert isinstance(stage.perform(Check), StatusReported)
        assert server.states == ["run", "check"]

    @pytest.mark.rules("R24", "I10")
    def test_a_file_arrives_whole(self, stage: Stage) -> None:
        stage.serve(lambda _: WHOLE)
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert sink.published == PDF
        assert event.receipt.length_verified
        assert sink.offer is not None
        assert (sink.offer.filename, sink.offer.content_type, sink.offer.length) == (
            "Sales.pdf",
            "application/pdf",
            len(PDF),
        )

    @pytest.mark.rules("R24", "I10")
    def test_a_file_in_chunks_arrives_whole(self, stage: Stage) -> None:
        pieces = [PDF[at : at + 7001] for at in range(0, len(PDF), 7001)]
        body = b"".join(map(_chunk, pieces)) + b"0\r\n\r\n"
        data = message(200, {**FILE, "Transfer-Encoding": "chunked"}, body, length=-1)
        stage.serve(lambda _: Answer(data=data))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert sink.published == PDF

    @pytest.mark.parametrize("then", [Then.CLOSE, Then.CUT, Then.RESET])
    @pytest.mark.rules("D21", "I10")
    def test_a_body_short_of_its_length_is_lost(self, stage: Stage, then: Then) -> None:
        server = stage.serve(lambda _: Answer(data=message(200, FILE, PDF, length=len(PDF) + 1), then=then))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        assert (sink.published, sink.aside, sink.open_now) == (None, None, False)
        assert len(server.seen) == 1

    @pytest.mark.parametrize("end", [b"", b"5", b"5\r\nabc"])
    @pytest.mark.rules("D21", "I10")
    def test_chunks_without_their_end_are_lost(self, stage: Stage, end: bytes) -> None:
        data = message(200, {**FILE, "Transfer-Encoding": "chunked"}, _chunk(PDF) + end, length=-1)
        stage.serve(lambda _: Answer(data=data, then=Then.CLOSE))
        sink = MemorySink()
        assert isinstance(stage.perform(Get, sink), Lost)
        assert (sink.published, sink.aside, sink.open_now) == (None, None, False)

    @pytest.mark.parametrize("then", [Then.CLOSE, Then.CUT])
    @pytest.mark.rules("D22")
    def test_under_the_connections_end_a_cut_file_is_not_published(self, stage: Stage, then: Then) -> None:
        stage.serve(lambda _: Answer(data=message(200, FILE, PDF[:200_000], length=-1), then=then))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        # Under TLS a missing farewell may also count as a loss: either way nothing is published.
        assert isinstance(event, Lost) or (isinstance(event, FileNotKept) and event.why is Kept.UNVERIFIED)
        assert (sink.published, sink.open_now) == (None, False)

    @pytest.mark.rules("D22")
    def test_under_the_connections_end_the_end_mark_vouches(self, stage: Stage) -> None:
        stage.serve(lambda _: Answer(data=message(200, FILE, PDF, length=-1), then=Then.CLOSE))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert not event.receipt.length_verified
        assert sink.published == PDF

    @pytest.mark.rules("D34")
    def test_coded_bytes_are_handed_on_as_they_came(self, stage: Stage) -> None:
        coded = gzip.compress(PDF)
        stage.serve(lambda _: Answer(data=message(200, {**FILE, "Content-Encoding": "gzip"}, coded)))
        sink = MemorySink()
        event = stage.perform(Get, sink)
        assert isinstance(event, FileReceived)
        assert sink.published == PDF

    @pytest.mark.rules("D24")
    def test_header_bytes_are_handed_on_as_latin_1(self, stage: Stage) -> None:
        name = 'attachment; filename="Caf\xe9.pdf"'
        stage.serve(lambda _: Answer(data=message(200, {**FILE, "Content-Disposition": name}, PDF)))
        sink = MemorySink()
        stage.perform(Get, sink)
        assert sink.offer is not None
        assert sink.offer.filename == "Caf\xe9.pdf"

    @pytest.mark.rules("D36")
    def test_an_endless_envelope_is_cut_off(self, stage: Stage) -> None:
        head = message(200, {**JSON, "Transfer-Encoding": "chunked"}, b"", length=-1)
        data = head + _chunk(b" " * 300_000)
        server = stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        event = stage.perform(Check)
        assert isinstance(event, Refused)
        assert event.refusal is Refusal.NO_ENVELOPE
        assert server.left(server.seen[0].connection, timeout=WAKE)

    @pytest.mark.rules("R20", "D30")
    def test_run_has_a_connection_of_its_own_while_check_passes(self, stage: Stage) -> None:
        server = stage.serve(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else CHECKING)
        run = stage.begin(Run)
        held = server.wait_for("run").connection
        for _ in range(3):
            event = stage.perform(Check)
            assert isinstance(event, StatusReported)
            assert event.status is Status.IN_PROGRESS
        assert [seen.connection for seen in server.seen].count(held) == 1
        run.cancel()

    @pytest.mark.rules("D30")
    def test_a_check_never_follows_on_the_connection_of_run(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Run)
        ended = server.seen[0].connection
        assert server.left(ended, timeout=WAKE)
        stage.perform(Check)
        assert server.seen[1].connection != ended

    @pytest.mark.rules("D35")
    def test_a_silent_server_is_left_after_the_stall_limit(self, stage: Stage) -> None:
        server = stage.serve(lambda _: Answer(then=Then.HOLD))
        stage.policy = replace(stage.policy, stall_timeout=0.2)
        event = stage.perform(Check)
        assert isinstance(event, Lost)
        assert event.sent is Sent.UNKNOWN
        assert server.left(server.seen[0].connection, timeout=WAKE)
        assert len(server.seen) == 1

    @pytest.mark.rules("D21", "D35")
    def test_a_body_that_stalls_is_left_too(self, stage: Stage) -> None:
        data = message(200, FILE, PDF[:100_000], length=len(PDF))
        server = stage.serve(lambda _: Answer(data=data, then=Then.HOLD))
        stage.policy = replace(stage.policy, stall_timeout=0.2)
        sink = MemorySink()
        assert isinstance(stage.perform(Get, sink), Lost)
        assert (sink.published, sink.open_now) == (None, False)
        assert server.left(server.seen[0].connection, timeout=WAKE)

    @pytest.mark.rules("R19", "D35")
    def test_run_may_be_silent_for_longer_than_others_may_stall(self, stage: Stage) -> None:
        def answer(seen: Seen) -> Answer:
            time.sleep(0.6)
            return OK

        stage.serve(answer)
        stage.policy = replace(stage.policy, stall_timeout=0.2)
        assert isinstance(stage.perform(Run), RunFinished)

    @pytest.mark.deep
    @pytest.mark.rules("R19")
    def test_run_may_be_silent_for_longer_than_any_library_waits_by_default(self, stage: Stage) -> None:
        def answer(seen: Seen) -> Answer:
            time.sleep(6.0)
            return OK

        stage.serve(answer)
        assert isinstance(stage.perform(Run), RunFinished)

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

    @pytest.mark.rules("D38")
    def test_closing_lets_go_of_every_connection(self, stage: Stage) -> None:
        server = stage.serve(good_answer)
        stage.perform(Init)
        stage.perform(Check)
        stage.close_transport()
        assert server.all_left(timeout=WAKE)


class HandedIn:
    """A transport over something of the user's, and how the user goes on with it.

    `ask(url)` makes a request of the user's own and returns its status, `close()` is the user's own farewell; both are
    async functions for an async transport.
    """

    def __init__(self, transport: Any, ask: Callable[[str], Any], close: Callable[[], Any]) -> None:
        self.transport, self.ask, self.close = transport, ask, close


class HandedInContract:
    """What holds on a user's own pool, session or client, whatever its defaults are."""

    library: ClassVar[str | None] = None

    @pytest.fixture
    def handed_in(self) -> Callable[[Origin, Network], Any]:
        """A function from `Origin` and `Network` to a HandedIn, or to an awaitable of one; called where the loop runs."""
        raise NotImplementedError("a contract needs a fixture handed_in")

    @pytest.fixture(params=["http", "https"])
    def scheme(self, request: pytest.FixtureRequest) -> str:
        """Both, for every test."""
        scheme: str = request.param
        return scheme

    @pytest.fixture
    def played(
        self, handed_in: Callable[[Origin, Network], Any], scheme: str, tmp_path: Path
    ) -> Iterator[Callable[[Callable[[Seen], Answer]], tuple[Stage, RawServer, Callable[[], Any]]]]:
        """Start a server; returns the stage, the server, and the user's own request to it."""
        stages: list[Stage] = []
        given: list[HandedIn] = []

        def make(origin: Origin, network: Network) -> Any:
            made = handed_in(origin, network)
            if isinstance(made, HandedIn):
                return keep(made)

            async def wait() -> Any:
                return keep(await made)

            return wait()

        def keep(one: HandedIn) -> Any:
            given.append(one)
            return one.transport

        def play(answer: Callable[[Seen], Answer]) -> tuple[Stage, RawServer, Callable[[], Any]]:
            stage = staged(make, self.library, scheme, tmp_path)
            stages.append(stage)
            server = stage.serve(answer)
            return stage, server, lambda: stage.call(given[-1].ask, f"{server.url}/own/formats")

        yield play
        for stage, one in zip(stages, given, strict=True):
            stage.call(one.close)
            stage.close()

    @pytest.mark.rules("D23")
    def test_it_is_usable_while_and_after(self, played: Any) -> None:
        stage, server, ask = played(good_answer)
        assert ask() == 200
        for kind in (Init, Run, Check, Get):
            stage.perform(kind)
        assert ask() == 200
        stage.close_transport()
        assert ask() == 200
        assert server.states == ["formats", "init", "run", "check", "get", "formats", "formats"]

    @pytest.mark.parametrize("kind", [Init, Run, Get])
    @pytest.mark.rules("I3", "D23")
    def test_its_defaults_repeat_nothing(self, played: Any, kind: type[Any]) -> None:
        stage, server, ask = played(lambda seen: Answer(then=Then.CUT) if b"/own/" not in seen.target else LISTED)
        ask()
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        time.sleep(0.05)
        assert len(server.seen) == 2

    @pytest.mark.rules("D30", "D31")
    def test_its_defaults_follow_nothing_and_send_no_cookie(self, played: Any) -> None:
        headers = {"Location": "/elsewhere", "Set-Cookie": "web=node3; Path=/"}
        own = Answer(data=message(200, {**JSON, "Set-Cookie": "mine=1; Path=/"}, b"{}"))
        stage, server, ask = played(
            lambda seen: own if b"/own/" in seen.target else Answer(data=message(302, headers, b""))
        )
        ask()
        for _ in range(2):
            event = stage.perform(Check)
            assert isinstance(event, Refused)
            assert event.refusal is Refusal.REDIRECTED
        assert server.states == ["formats", "check", "check"]
        assert [seen.all("cookie") for seen in server.seen[1:]] == [[], []]

    @pytest.mark.rules("D34")
    def test_its_defaults_change_no_header_of_ours(self, played: Any) -> None:
        stage, server, _ = played(good_answer)
        stage.perform(Check)
        (seen,) = server.seen
        assert seen.all("accept-encoding") == ["identity"]
        assert seen.all("token") == [CREDENTIAL]
        assert len(seen.all("user-agent")) == 1
        assert f"?token={TOKEN} HTTP/1.1" in seen.head.decode()

    @pytest.mark.rules("R19", "D35")
    def test_its_defaults_do_not_end_a_run(self, played: Any) -> None:
        def answer(seen: Seen) -> Answer:
            time.sleep(0.8)
            return OK

        stage, _, _ = played(answer)
        assert isinstance(stage.perform(Run), RunFinished)

    @pytest.mark.rules("R20", "D30")
    def test_check_passes_while_run_waits(self, played: Any) -> None:
        stage, server, _ = played(lambda seen: Answer(then=Then.HOLD) if seen.state == "run" else CHECKING)
        run = stage.begin(Run)
        held = server.wait_for("run").connection
        assert isinstance(stage.perform(Check), StatusReported)
        assert [seen.connection for seen in server.seen].count(held) == 1
        run.cancel()
        assert server.left(held, timeout=WAKE)
