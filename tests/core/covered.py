"""Measures the branches of the core, group by group, each by its own tests alone (`groups.toml`).

What only a neighbour's test, an adapter's or a walk's reaches does not count. Must never pass where a line or a branch
of a group was left out.

    python tests/core/covered.py            all groups; exit code 1 where one is not covered whole
    python tests/core/covered.py session    one of them
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from runpy import run_path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Group(NamedTuple):
    """Modules of the core, and the tests that are their own."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


class Covered(NamedTuple):
    """What the tests of a group reached of its modules."""

    statements: int
    branches: int
    missed: int


def groups() -> dict[str, Group]:
    """The map of the core's modules and tests."""
    written = tomllib.loads((HERE / "groups.toml").read_text(encoding="utf-8"))
    return {name: Group(tuple(one["modules"]), tuple(one["tests"])) for name, one in written.items()}


def measured(group: Group) -> Covered:
    """Run the group's tests and count; SystemExit where one fails."""
    with tempfile.TemporaryDirectory(prefix="reportdl-covered-") as folder:
        figures, only = Path(folder, "figures.json"), ",".join(f"*/reportdl_core/{name}.py" for name in group.modules)
        tests = [str(HERE / name) for name in group.tests]
        _coverage(folder, "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not deep", *tests)
        shown = _coverage(folder, "report", "--fail-under=0", f"--include={only}")
        _coverage(folder, "json", "--fail-under=0", "-q", f"--include={only}", "-o", str(figures))
        told = json.loads(figures.read_text(encoding="utf-8"))
    assert len(told["files"]) == len(group.modules), "a module of the group was not imported"
    totals = told["totals"]
    if missed := totals["missing_lines"] + totals["missing_branches"]:
        sys.stderr.write(shown)
    return Covered(totals["num_statements"], totals["num_branches"], missed)


def _coverage(folder: str, *words: str) -> str:
    command = [sys.executable, "-m", "coverage", *words]
    environment = os.environ | {"COVERAGE_FILE": str(Path(folder, "data"))}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, check=False, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"coverage {words[0]} failed")
    return done.stdout


def main(wanted: list[str]) -> int:
    """Measure, print, and record where it was the whole core."""
    known = groups()
    found = {name: measured(known[name]) for name in wanted or known}
    for name, one in found.items():
        print(f"{name:10} {one.statements:5} lines, {one.branches:4} branches, {one.missed} missed")
    missed = sum(one.missed for one in found.values())
    if not wanted:
        record = run_path(str(ROOT / "tests" / "proof" / "figures.py"))["record"]
        lines, branches = (sum(one[at] for one in found.values()) for at in (0, 1))
        record(
            "branches of the core, each group by its own tests alone",
            f"{lines:,} lines and {branches:,} branches in {sum(len(one.modules) for one in known.values())} modules,"
            f" {missed} missed",
            target="0 missed",
            met=not missed,
            by="make check-core",
        )
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
