"""Whose token opens what, over HTTP: a Hypothesis machine beside a plain model, and answers compared byte by byte.

Users, elements and segments try each other's tokens in any order, before and after their ends, under a clock that the
test moves. The model is one line a session: whose it is, where it is good, what has become of it.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from reportdl.server import Accounts, LoopbackServer, Switches
from reportdl.server.sources import ReportInfo

USERS = ("ann", "bob")
PLACES = ((1, 0), (2, 7), (2, 8))
TTL = 100.0
READ, UNKNOWN = "Download failed", "Invalid token"


class Quick:
    """Three places, and a file at once."""

    name = "Quick"

    def reports(self) -> tuple[ReportInfo, ...]:
        return REPORTS

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("pdf", "csv")

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        path = directory / "made"
        path.write_text(f"{report.element} {report.segment} {format}")
        return path


REPORTS = tuple(ReportInfo(element=element, segment=segment, name="A") for element, segment in PLACES)


class Clock:
    """Time that the test moves; the server reads it on its own thread."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self.now

    def move(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


CLOCK = Clock()


@pytest.fixture(scope="module")
def tokens_server() -> Iterator[LoopbackServer]:
    accounts = Accounts(bearers={f"bearer-of-{user}": user for user in USERS})
    switches = Switches(ttl=TTL, remember=1e9, remembered=10**9, max_age=1e9)
    with LoopbackServer(sources=[Quick()], accounts=accounts, switches=switches, clock=CLOCK) as server:
        yield server


@pytest.fixture
def caller(caller: Any, tokens_server: LoopbackServer) -> Any:
    caller.port = tokens_server.port
    return caller


def bearer(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer bearer-of-{user}"}


@dataclass
class Session:
    """One session as the rules have it."""

    token: str
    user: str
    place: tuple[int, int]
    born: float
    state: str = "INIT"
    format: str = ""


class Tokens(RuleBasedStateMachine):
    """Every call with every token that there has ever been, by everybody, everywhere."""

    caller: Any
    seen: Counter[tuple[str, str]]

    @initialize()
    def begin(self) -> None:
        self.known: list[Session] = []
        for user in USERS:
            self.init(user, PLACES[0])

    def ask(self, user: str, place: tuple[int, int], state: str, **query: str) -> tuple[int, Any]:
        answer = self.caller.ask(self.caller.path(state, *place, **query), headers=bearer(user))
        assert answer.status < 500
        is_file = "content-disposition" in answer.headers
        return answer.status, answer.body.decode() if is_file else answer.json

    @rule(user=st.sampled_from(USERS), place=st.sampled_from(PLACES))
    def init(self, user: str, place: tuple[int, int]) -> None:
        status, said = self.ask(user, place, "init")
        assert (status, said["status"]) == (200, "OK")
        assert said["token"] not in {one.token for one in self.known}
        self.known.append(Session(said["token"], user, place, CLOCK()))

    @rule(seconds=st.sampled_from([1.0, 1.0, 40.0, TTL]))
    def time_passes(self, seconds: float) -> None:
        CLOCK.move(seconds)

    @rule(
        which=st.integers(0, 99),
        user=st.sampled_from((*[None] * 8, *USERS)),
        place=st.sampled_from((*[None] * 8, *PLACES)),
        state=st.sampled_from(("run", "run", "check", "get", "get")),
        format=st.sampled_from(("pdf", "pdf", "csv")),
    )
    def use(self, which: int, user: str | None, place: tuple[int, int] | None, state: str, format: str) -> None:
        one = self.known[-1 - which % len(self.known)]
        user, place = user or one.user, place or one.place
        query = {"token": one.token} if state == "check" else {"token": one.token, "format": format}
        answer = self.ask(user, place, state, **query)
        if (user, place) == (one.user, one.place):
            assert answer == self.expected(one, state, format)
        else:
            self.seen[state, "foreign"] += 1
            assert answer == (400, {"status": "ERROR", "message": UNKNOWN})

    def expected(self, one: Session, state: str, format: str) -> tuple[int, object]:
        if CLOCK() >= one.born + TTL and one.state in ("INIT", "READY"):
            one.state = "EXPIRED"
        self.seen[state, one.state] += 1
        if state != "check" and one.format and format != one.format:
            return 400, {"status": "ERROR", "message": "Invalid format"}
        match state, one.state:
            case _, "CONSUMED" | "EXPIRED":
                return 400, {"status": "ERROR", "message": READ}
            case "run", "INIT":
                one.state, one.format = "READY", format
                return 200, {"status": "OK"}
            case "run", _:
                return 200, {"status": "OK"}
            case _, "INIT":
                return 200, {"status": "IN PROGRESS"}
            case "check", _:
                return 200, {"status": "READY"}
            case _:
                one.state = "CONSUMED"
                return 200, f"{one.place[0]} {one.place[1]} {one.format}"


@pytest.mark.rules("R12", "R14", "R15", "R17", "R27", "R28", "D9", "D13", "D14", "D20", "I2", "I5")
def test_no_token_is_good_elsewhere_or_after_its_end(caller: Any) -> None:
    class Machine(Tokens):
        pass

    Machine.caller, Machine.seen = caller, Counter()
    run_state_machine_as_test(Machine, settings=settings(max_examples=150, stateful_step_count=40))
    states = {(call, state) for call in ("run", "check", "get") for state in ("foreign", "INIT", "READY")}
    states |= {(call, state) for call in ("run", "check", "get") for state in ("CONSUMED", "EXPIRED")}
    assert states <= Machine.seen.keys(), "a case that was never met"


def raw(caller: Any, target: str, user: str) -> bytes:
    """The whole answer as it came, but for the date."""
    caller.headers.update(bearer(user) | {"Connection": "close"})
    with caller.begin(target) as connection:
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.count(b"\r\ndate: ") == 1
    return re.sub(rb"\r\ndate: [^\r]*", b"", answer)


@pytest.mark.rules("R14", "D3", "D13", "D14", "D40")
@pytest.mark.parametrize("state", ["run", "check", "get"])
@pytest.mark.parametrize("ready", [False, True], ids=["before run", "READY"])
def test_unknown_and_foreign_tokens_get_the_same_bytes(caller: Any, state: str, ready: bool) -> None:
    def issued(user: str, place: tuple[int, int]) -> str:
        caller.headers.update(bearer(user))
        token: str = caller.state("init", *place).json["token"]
        if ready:
            assert caller.state("run", *place, token=token, format="pdf").json == {"status": "OK"}
        return token

    mine = issued("ann", (2, 7))
    flipped = ("B" if mine[10] != "B" else "C").join((mine[:10], mine[11:]))
    strangers = {
        "never issued": quote("+/" + "A" * 43 + "=", safe=""),
        "one letter off": flipped,
        "another user's": issued("bob", (2, 7)),
        "another element's": issued("ann", (1, 0)),
        "another segment's": issued("ann", (2, 8)),
        "decoded twice": quote(mine, safe=""),
        "not a token": "x",
        "long": "A" * 5000,
        "empty": "",
    }
    answers = {
        name: raw(caller, caller.path(state, 2, 7, token=token, format="pdf"), "ann")
        for name, token in strangers.items()
    }
    assert set(answers.values()) == {answers["never issued"]}
    assert b" 400 " in answers["empty"]
    assert answers["empty"].endswith(b'{"status":"ERROR","message":"Invalid token"}')
    # And the one that is good still is: the attempts of others cost nothing.
    good = raw(caller, caller.path("check", 2, 7, token=mine), "ann")
    assert good.endswith(b'{"status":"READY"}' if ready else b'{"status":"IN PROGRESS"}')


@pytest.mark.rules("D39")
def test_tokens_hold_256_bits_and_only_their_digests_are_kept(caller: Any, tokens_server: LoopbackServer) -> None:
    caller.headers.update(bearer("ann"))
    tokens = [unquote(caller.state("init", 1, 0).json["token"]) for _ in range(200)]
    assert len(set(tokens)) == 200
    # 44 letters of base64 after the two that every token has.
    assert {len(token.removeprefix("+/").rstrip("=")) for token in tokens} == {43}
    for place in range(2, 44):  # the 43rd letter holds four bits of the 256, and so comes in 16 kinds
        assert len({token[place] for token in tokens}) > 20
    register = tokens_server._sessions.endpoint._register
    served = list(register)[-200:]
    assert [one.digest for one in served] == [hashlib.sha256(token.encode()).digest() for token in tokens]
    held = repr([{name: getattr(one, name) for name in one.__slots__} for one in served])
    assert not any(token in held for token in tokens)
