"""What fuzzing has kept goes through every harness again, without the fuzzer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from reportdl.testing.journey import Journey
from reportdl_core import Restart, State
from reportdl_core import endpoint_messages as m
from reportdl_core.endpoint import Endpoint

HERE = Path(__file__).parent
HARNESSES = run_path(str(HERE / "harnesses.py"))["HARNESSES"]
FUZZ = run_path(str(HERE / "fuzz.py"))


@pytest.mark.rules("I11", "I13", "D36", "D37", "D43")
@pytest.mark.parametrize("name", FUZZ["NAMES"])
def test_what_was_kept_finds_nothing(name: str) -> None:
    inputs = FUZZ["kept"](name)
    assert len(inputs) >= 10
    for data in (*inputs, b"", b"\0", bytes(range(256))):
        HARNESSES[name](data)


def replayed(name: str, monkeypatch: pytest.MonkeyPatch, **spies: Any) -> None:
    """The corpus of a harness, which has these in the place of what it drives."""
    harness: Callable[[bytes], None] = HARNESSES[name]
    for called, spy in spies.items():
        monkeypatch.setitem(harness.__globals__, called, spy)
    for data in FUZZ["kept"](name):
        harness(data)


# A corpus that stops at the door finds nothing, whatever is wrong behind it.
@pytest.mark.rules("I5", "I11")
@pytest.mark.parametrize("name", ["endpoint_requests", "endpoint_events"])
def test_what_was_kept_comes_as_far_as_a_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: Counter[type] = Counter()

    class Watched(Endpoint):
        def receive(self, event: m.EndpointEvent, *, now: float) -> tuple[m.EndpointCommand, ...]:
            commands = super().receive(event, now=now)
            reached.update([type(event), *map(type, commands)])
            return commands

    replayed(name, monkeypatch, Endpoint=Watched)
    wanted: set[type] = {m.Answer, m.Generate, m.SendFile}
    if name == "endpoint_events":
        wanted |= {m.Discard, m.AbandonGeneration, m.GenerationFailed, m.FileSent, m.SendBroken, m.FileMissing}
    assert wanted <= reached.keys()


@pytest.mark.rules("I8", "D43")
def test_what_was_kept_comes_as_far_as_every_end_and_every_beginning_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: Counter[object] = Counter()

    class Watched(Journey):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, reached=reached, **named)

    replayed("session", monkeypatch, Journey=Watched)
    assert {*State, *Restart} <= reached.keys()


@pytest.mark.rules("D43", "I11")
def test_what_was_kept_is_taken_up_again_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: Counter[bool] = Counter()
    legal = HARNESSES["snapshots"].__globals__["legal"]

    def watched(restored: Any) -> None:
        reached[restored.outcome is None] += 1
        legal(restored)

    replayed("snapshots", monkeypatch, legal=watched)
    assert reached.keys() == {True, False}, "one that goes on, and one that had ended"


def test_every_harness_has_a_corpus_and_every_corpus_a_harness() -> None:
    assert HARNESSES.keys() == set(FUZZ["NAMES"]) == {path.stem for path in (HERE / "corpus").iterdir()}


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in (HERE / "corpus").iterdir()) < 120_000
