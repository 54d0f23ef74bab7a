"""Every row of docs/threats.md names a test, and the test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "threats.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| threat ")]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")

pytestmark = pytest.mark.docs


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.FunctionDef)}


def test_the_table_is_there() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS, ids=[row[2:40] for row in ROWS])
def test_a_threat_names_tests_that_exist(row: str) -> None:
    *_, tests, _ = row.split("|")
    named = NAMED.findall(tests)
    assert named, "no test"
    assert NAMED.sub("", tests).strip(" ,") == "", "something else than tests"
    for path, name in named:
        assert name.startswith("test_")
        assert name in functions(ROOT / path), f"{path} has no {name}"
