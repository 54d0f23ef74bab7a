"""The types say what they should: cases under mypy and pyright, and no public name without a full type."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CASES = sorted((ROOT / "tests" / "typing").glob("*.py"))
ROOTS = [str(ROOT / "core"), str(ROOT / "adapters")]
PROGRAMS = Path(sys.executable).parent

MYPY = re.compile(r"  # type: ignore\[([^\]]+)\]")
PYRIGHT = re.compile(r"  # pyright: ignore\[([^\]]+)\]")

# A type checker starts cold, and may share the machine.
pytestmark = pytest.mark.timeout(240)

Found = set[tuple[str, int, str]]


def expected(mark: re.Pattern[str]) -> Found:
    """File, line and rule of every error that the cases announce."""
    return {
        (path.name, number, rule.strip())
        for path in CASES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in mark.finditer(line)
        for rule in match.group(1).split(",")
    }


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The cases without their ignores: now a checker must speak on each such line, and on no other."""
    for path in CASES:
        text = PYRIGHT.sub("", MYPY.sub("", path.read_text()))
        assert "ignore" not in text.partition('"""\n\n')[2]
        (tmp_path / path.name).write_text(text)
    return tmp_path


def run(*command: str, folder: Path) -> str:
    # The checkers find the installed libraries by the first Python on the path.
    environment = {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(ROOTS),
        "MYPYPATH": os.pathsep.join(ROOTS),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.stdout


def by_mypy(folder: Path) -> Iterator[tuple[str, int, str]]:
    said = run("mypy", "--strict", "--output=json", "--cache-dir=.cache", "--config-file=", ".", folder=folder)
    for line in said.splitlines():
        error = json.loads(line)
        if error["severity"] == "error":
            yield Path(error["file"]).name, error["line"], error["code"]


def by_pyright(folder: Path) -> Iterator[tuple[str, int, str]]:
    settings = {"include": ["."], "typeCheckingMode": "strict", "extraPaths": ROOTS}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    for error in json.loads(run("pyright", "--outputjson", folder=folder))["generalDiagnostics"]:
        yield Path(error["file"]).name, error["range"]["start"]["line"] + 1, error.get("rule", error["message"])


@pytest.mark.parametrize(
    ("checker", "mark"), [pytest.param(by_mypy, MYPY, id="mypy"), pytest.param(by_pyright, PYRIGHT, id="pyright")]
)
def test_each_case_is_refused_where_it_must_be_and_nowhere_else(checker: Any, mark: Any, bare: Path) -> None:
    announced = expected(mark)
    assert len(announced) > 30
    assert set(checker(bare)) == announced


@pytest.mark.parametrize("package", ["reportdl_core", "reportdl"])
def test_every_public_name_has_a_full_type(package: str, tmp_path: Path) -> None:
    said = json.loads(run("pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson", folder=tmp_path))
    found = said["typeCompleteness"]
    assert found["pyTypedPath"]
    lacking = [
        f"{symbol['name']}: {' '.join(note['message'] for note in symbol['diagnostics'])}"
        for symbol in found["symbols"]
        if symbol["isExported"] and not (symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"])
    ]
    assert not lacking
    assert found["completenessScore"] == 1
    assert found["exportedSymbolCounts"]["withKnownType"] > 1000


def test_the_examples_are_typed(tmp_path: Path) -> None:
    examples = [str(path) for path in sorted((ROOT / "docs" / "examples").glob("*.py"))]
    assert examples
    page = (ROOT / "docs" / "testing.md").read_text()
    typed = re.findall(r"^```python\n# (test_typed\.py)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, text in typed:
        (tmp_path / name).write_text(text)
    assert typed, "no example of the page says that it is typed"
    examples += [name for name, _ in typed]
    said = run("mypy", "--strict", "--cache-dir=.cache", "--config-file=", *examples, folder=tmp_path)
    assert said.startswith("Success"), said
