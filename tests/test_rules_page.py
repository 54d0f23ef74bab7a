"""docs/rules.md says where each rule is implemented and what holds it: read from the code, never by heart."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "rules.md"
ROOMS = (ROOT / "core" / "reportdl_core", ROOT / "adapters" / "reportdl")
# Contracts that are handed out are tests that happen to be installed: they hold rules, and implement none.
HANDED_OUT = ROOT / "adapters" / "reportdl" / "testing"

# What examines other people's servers names every rule that it asks about.
JUDGES = ROOT / "adapters" / "reportdl" / "conform"

_ROW = re.compile(r"^\| ([RID]\d+) \| (.+?) \| (.*?) \| (.*?) \|$", re.MULTILINE)
ADDRESSES = "<!-- addresses -->\n"

_ID = re.compile(r"(?<![\w-])[RID]\d+(?![\w-])")  # a range such as R1-R32 is the reason of nothing in particular


def links(paths: set[Path]) -> str:
    """The files as references, the core's first; their addresses stand at the end of the page, once."""
    return ", ".join(f"[{name(path)}]" for path in in_order(paths))


def in_order(paths: Iterable[Path]) -> list[Path]:
    rooms = [*ROOMS, ROOT]
    return sorted(paths, key=lambda path: (next(at for at, room in enumerate(rooms) if room in path.parents), path))


def name(path: Path) -> str:
    """A module as people call it: the core's by its stem, an adapter's by its path, a test file by its stem."""
    core, adapters = ROOMS
    if adapters in path.parents:
        parts = path.relative_to(adapters.parent).with_suffix("").parts
        return "/".join(part for part in parts if part != "__init__")
    return core.name if path == core / "__init__.py" else path.stem


def addresses(paths: Iterable[Path]) -> str:
    return "".join(f"[{name(path)}]: ../{path.relative_to(ROOT)}\n" for path in in_order(set(paths)))


def implemented() -> dict[str, set[Path]]:
    """Rule to the modules that give it as their reason, in a comment or a docstring."""
    found: dict[str, set[Path]] = {}
    for room in ROOMS:
        for path in room.rglob("*.py"):
            if not {HANDED_OUT, JUDGES} & set(path.parents):
                for rule in _ID.findall(path.read_text()):
                    found.setdefault(rule, set()).add(path)
    return found


def held() -> dict[str, set[Path]]:
    """Rule to the files with tests that are marked with it."""
    found: dict[str, set[Path]] = {}
    for path in (*(ROOT / "tests").rglob("test_*.py"), *HANDED_OUT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr="rules"), args=args):
                    for rule in args:
                        if isinstance(rule, ast.Constant):
                            found.setdefault(str(rule.value), set()).add(path)
                case _:
                    pass
    return found


def written(text: str) -> str:
    """The page with its two columns as they are now."""
    places, tests = implemented(), held()

    def row(match: re.Match[str]) -> str:
        rule, said = match[1], match[2]
        return f"| {rule} | {said} | {links(places.get(rule, set()))} | {links(tests.get(rule, set()))} |"

    every = {path for found in (places, tests) for paths in found.values() for path in paths}
    head, mark, _ = text.partition(ADDRESSES)
    return _ROW.sub(row, head) + mark + addresses(every)


@pytest.mark.docs
def test_the_page_says_where_each_rule_is_and_what_holds_it() -> None:
    text = written(PAGE.read_text())
    if os.environ.get("REPORTDL_WRITE_DOCS") == "1":
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "docs/rules.md has drifted: make docs"


def test_every_rule_stands_on_the_page_once_in_order_and_in_words() -> None:
    rows = _ROW.findall(PAGE.read_text())
    ids = [row[0] for row in rows]
    wanted = [f"{kind}{number}" for kind, last in (("R", 32), ("I", 13), ("D", 44)) for number in range(1, last + 1)]
    assert ids == wanted
    assert all(len(said) >= 40 and said.endswith(".") for _, said, _, _ in rows)


@pytest.mark.parametrize("found", [implemented, held])
def test_every_rule_is_implemented_somewhere_and_held_by_something(found) -> None:
    ids = {row[0] for row in _ROW.findall(PAGE.read_text())}
    assert ids - found().keys() == set()


def test_no_module_cites_a_rule_that_there_is_not() -> None:
    ids = {row[0] for row in _ROW.findall(PAGE.read_text())}
    assert implemented().keys() - ids <= {"D301"}  # ruff's number, in a noqa
