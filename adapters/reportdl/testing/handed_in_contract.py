"""Decides what must hold on a user's own pool, session or client, whatever its defaults are.

Must never count on the user to have configured anything, and never close what is the user's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.testing.canned import (
    CHECKING,
    JSON,
    LISTED,
    OK,
    WAKE,
    good_answer,
    setting,
)
from reportdl.testing.raw_server import Answer, RawServer, Seen, Then, message
from reportdl.testing.stage import CREDENTIAL, TOKEN, Stage
from reportdl.testing.staging import staged
from reportdl_core.commands import Check, Get, Init, Run
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Lost,
    Refused,
    RunFinished,
    StatusReported,
)

__all__ = ["HandedIn", "HandedInContract"]


class HandedIn:
    """A transport over something of the user's, and how the user goes on with it.

    `ask(url)` makes a request of the user's own and returns its status, `close()` is the user's own farewell; both are
    async functions for an async transport.
    """

    def __init__(self, transport: Any, ask: Callable[[str], Any], close: Callable[[], Any]) -> None:
        self.transport: Any = transport
        self.ask: Callable[[str], Any] = ask
        self.close: Callable[[], Any] = close


class HandedInContract:
    """What holds on a user's own pool, session or client, whatever its defaults are."""

    library: ClassVar[str | None] = None

    @pytest.fixture
    def handed_in(self) -> Callable[[Origin, Network], Any]:
        """A function from `Origin` and `Network` to a HandedIn, or an awaitable of one; called where the loop runs."""
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
        stage, server, ask = played(_only_for_its_owner)
        ask()
        event = stage.perform(kind)
        assert isinstance(event, Lost)
        time.sleep(0.05)
        assert len(server.seen) == 2

    @pytest.mark.rules("D30", "D31")
    def test_its_defaults_follow_nothing_and_send_no_cookie(self, played: Any) -> None:
        headers = {"Location": "/elsewhere", "Set-Cookie": "web=node3; Path=/"}
        own = Answer(data=message(200, {**JSON, "Set-Cookie": "mine=1; Path=/"}, b"{}"))
        moved = Answer(data=message(302, headers, b""))

        def answer(seen: Seen) -> Answer:
            return own if b"/own/" in seen.target else moved

        stage, server, ask = played(answer)
        ask()
        for _ in range(2):
            event = stage.perform(Check)
            assert isinstance(event, Refused)
            assert event.refusal is Refusal.REDIRECTED
        assert server.states == ["formats", "check", "check"]
        assert [seen.all("cookie") for seen in server.seen[1:]] == [[], []]

    @pytest.mark.rules("D30")
    def test_a_cookie_that_is_named_is_the_session_s_and_not_its_own(self, played: Any) -> None:
        def answer(seen: Seen) -> Answer:
            said = Answer(data=message(200, JSON, b"{}")) if b"/own/" in seen.target else good_answer(seen)
            return setting(said, f"web={seen.state}; Path=/", "mine=1")

        stage, server, ask = played(answer)
        ask()
        stage.affinity = ("web",)
        errands = stage.errands()
        for kind in (Init, Check, Check):
            stage.perform(kind, errands=errands)
        assert [seen.all("cookie") for seen in server.seen[1:]] == [[], ["web=init"], ["web=check"]]

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
        def answer(seen: Seen) -> Answer:
            return Answer(then=Then.HOLD) if seen.state == "run" else CHECKING

        stage, server, _ = played(answer)
        run = stage.begin(Run)
        held = server.wait_for("run").connection
        assert isinstance(stage.perform(Check), StatusReported)
        assert [seen.connection for seen in server.seen].count(held) == 1
        run.cancel()
        assert server.left(held, timeout=WAKE)


def _only_for_its_owner(seen: Seen) -> Answer:
    return LISTED if b"/own/" in seen.target else Answer(then=Then.CUT)
