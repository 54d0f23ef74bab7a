"""Every invariant's saboteur is caught by the tests that are marked with it, and by no test of another one alone.

Each runs the core's tests in a process of its own, against a copy of the core with the change in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CORE = ROOT / "core" / "reportdl_core"
SABOTEURS = run_path(str(HERE / "saboteurs.py"))["SABOTEURS"]


class Verdict(NamedTuple):
    """`broke` are the tests that failed because the change names what there is not: a slip of the saboteur's own."""

    ran: int
    failed: dict[str, set[str]]
    broke: dict[str, list[str]]


def tried(roots: Path) -> Verdict:
    """What the core's tests say of the core that stands in `roots`."""
    written = roots / "verdict.json"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(roots), str(HERE))),
        "REPORTDL_VERDICT": str(written),
        "HYPOTHESIS_PROFILE": "default",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "verdict", "-p", "no:cacheprovider", "--tb=no"]
    # `from __future__`: a saboteur that makes the core hang would be caught too, a minute late.
    done = subprocess.run(
        [*command, "--timeout=60", "tests/core"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert written.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    told: dict[str, Any] = json.loads(written.read_text())
    return Verdict(told["ran"], {test: set(ids) for test, ids in told["failed"].items()}, told["broke"])


def copy(roots: Path) -> Path:
    return Path(shutil.copytree(CORE, roots / CORE.name, ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_a_core_that_nobody_touched_passes(tmp_path: Path) -> None:
    copy(tmp_path)
    verdict = tried(tmp_path)
    assert verdict.ran > 200
    assert not verdict.failed


def test_each_invariant_has_its_saboteur() -> None:
    assert [one.invariant for one in SABOTEURS] == [f"I{number}" for number in range(1, 14)]


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=lambda one: one.invariant)
def test_a_saboteur_finds_its_place_in_the_core(saboteur: Any) -> None:
    text = (CORE / f"{saboteur.module}.py").read_text()
    assert text.count(saboteur.before) == 1, "the core has changed: find this saboteur another place"


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("saboteur", SABOTEURS, ids=lambda one: one.invariant)
def test_a_saboteur_is_caught_by_the_tests_of_the_invariant_that_it_breaks(saboteur: Any, tmp_path: Path) -> None:
    path = copy(tmp_path) / f"{saboteur.module}.py"
    text = path.read_text()
    path.write_text(text.replace(saboteur.before, saboteur.after))
    verdict = tried(tmp_path)
    assert not verdict.broke, "it does not do harm, it does not run"
    caught = [test for test, ids in verdict.failed.items() if saboteur.invariant in ids]
    assert caught, f"{saboteur.harm}, and no test of {saboteur.invariant} sees it"
    strays = {test: ids for test, ids in verdict.failed.items() if not ids & {saboteur.invariant, *saboteur.also}}
    assert not strays, "breaks more than its own invariant"
    record = run_path(str(ROOT / "tests" / "proof" / "figures.py"))["record"]
    measured = f"caught by {len(caught)} of {verdict.ran} tests"
    if beside := len(verdict.failed) - len(caught):
        measured += f", and by {beside} of {', '.join(sorted(saboteur.also))}, which cannot stay whole then"
    what = f"saboteur of {saboteur.invariant}: {saboteur.harm}"
    record(
        what,
        measured,
        target="caught by tests of this invariant, no other that can stay whole breaks",
        met=True,
        by="make deep-saboteurs",
    )
