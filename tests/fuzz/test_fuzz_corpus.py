"""What fuzzing has kept goes through every harness again, without the fuzzer."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import pytest

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


def test_every_harness_has_a_corpus_and_every_corpus_a_harness() -> None:
    assert HARNESSES.keys() == set(FUZZ["NAMES"]) == {path.stem for path in (HERE / "corpus").iterdir()}


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in (HERE / "corpus").iterdir()) < 120_000
