"""The pages say what is so: links lead somewhere, code is code, and the diagram is the table of moves."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from reportdl_core.lifecycle import FINAL, MOVES, State

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

pytestmark = pytest.mark.docs

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_ARROW = re.compile(r"^\s*(\S+) --> ([A-Z]+)\b", re.MULTILINE)


def each(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(text: str, language: str) -> Iterator[str]:
    return (textwrap.dedent(body) for _, said, body in _FENCE.findall(text) if said == language)


def anchors(text: str) -> set[str]:
    """The names that a repository's page gives to its headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each(PAGES)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@each(PAGES)
def test_python_in_a_page_is_python(page: Path) -> None:
    for block in blocks(page.read_text(), "python"):
        ast.parse(block)


@pytest.mark.rules("I1")
@each([page for page in PAGES if "stateDiagram" in page.read_text()])
def test_a_state_diagram_is_the_table_of_moves(page: Path) -> None:
    for diagram in blocks(page.read_text(), "mermaid"):
        if not diagram.startswith("stateDiagram"):
            continue
        drawn = {(source, target) for source, target in _ARROW.findall(diagram) if source != "[*]"}
        assert drawn == {(source.value, target.value) for _, source, target in MOVES}
        assert f"[*] --> {State.INIT.value}" in diagram
        assert {state for state in State if f"{state.value} --> [*]" in diagram} == FINAL


def test_the_first_page_has_a_state_diagram() -> None:
    assert any(block.startswith("stateDiagram") for block in blocks((ROOT / "README.md").read_text(), "mermaid"))


@each(DECISIONS)
def test_a_decision_has_its_number_and_stands_in_the_list(page: Path) -> None:
    number = int(page.name[:4])
    assert page.read_text().startswith(f"# {number}. ")
    assert [one.name[:4] for one in DECISIONS].count(page.name[:4]) == 1
    assert f"({page.name})" in (page.parent / "README.md").read_text()


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_changelog_has_the_version_that_is_built() -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
