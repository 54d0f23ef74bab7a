"""A server of several web nodes, of which each knows its own tokens: an examination stays with one of them (D30)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

import reportdl
from reportdl.conform import Examination, Verdict
from reportdl.conform.written import object_of
from reportdl_core.affinity import UnusableCookieName
from tests.adapters.conform.conftest import document_mock


class Nodes(document_mock.Handler):
    """The mock behind a balancer: without its cookie the next node answers, and a token is known to one of them."""

    turns = itertools.count()
    asked: ClassVar[list[str | None]] = []

    def answer(self) -> Any:
        held = dict(pair.split("=", 1) for pair in (self.headers.get("Cookie") or "").split("; ") if pair)
        Nodes.asked.append(self.headers.get("Cookie"))
        self.node = held.get("NODE") or f"node-number-{next(Nodes.turns)}"
        return super().answer()

    def session(self, token: str, owner: tuple[str, ...]) -> Any:
        session = super().session(token, owner)
        if session.__dict__.setdefault("node", self.node) != self.node:
            raise document_mock.Refusal(400, "Invalid token")
        return session

    def send(self, code: int, mime: str, body: bytes, extra: Mapping[str, str] | tuple[()] = ()) -> None:
        cookie = {"Set-Cookie": f"NODE={self.node}; Path=/; HttpOnly"} if "Cookie" not in self.headers else {}
        echo = body.replace(b'"Download failed"', f'"Download failed on {self.node}"'.encode())
        super().send(code, mime, echo, {**dict(extra), **cookie})


def examined(conform: Callable[..., Examination], url: str, **options: Any) -> Examination:
    Nodes.asked.clear()
    return conform(url, credentials=reportdl.Bearer("reader-key"), steps=("generation",), **options)


@pytest.mark.rules("D30", "D39")
def test_with_its_cookie_an_examination_stays_on_one_node(
    conform: Callable[..., Examination], mock: Callable[..., str]
) -> None:
    found = examined(conform, mock(Nodes), affinity_cookies=["NODE"])
    assert not found.broken
    assert found.of("R24").verdict is Verdict.KEPT
    first, *later = Nodes.asked
    assert first is None
    assert len(set(later)) == 1
    paper = json.dumps(object_of(found))
    assert "Download failed on ***" in paper
    assert "node-number" not in paper


@pytest.mark.rules("D30")
def test_without_a_name_no_cookie_goes_back(conform: Callable[..., Examination], mock: Callable[..., str]) -> None:
    found = examined(conform, mock(Nodes))
    assert set(Nodes.asked) == {None}
    assert found.broken


def test_a_name_that_no_cookie_has_is_refused(conform: Callable[..., Examination], mock: Callable[..., str]) -> None:
    with pytest.raises(UnusableCookieName):
        examined(conform, mock(Nodes), affinity_cookies=["no de"])
