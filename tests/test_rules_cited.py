"""Every documented rule is held by a test that cites it, and no test cites a rule that is not there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The contracts that other people's transports are run through are tests as well.
HANDED_OUT = HERE.parent / "adapters" / "reportdl" / "testing"

RULES = {
    *(f"R{number}" for number in range(1, 33)),
    *(f"I{number}" for number in range(1, 14)),
    *(f"D{number}" for number in range(1, 45)),
}

# Rules whose work has not been done yet, each with what will hold it. A rule leaves this list with its first test.
LATER: dict[str, str] = {}


def files() -> list[Path]:
    return sorted([*HERE.rglob("test_*.py"), *HANDED_OUT.rglob("*.py")])


def citations(tree: ast.Module) -> Iterator[ast.expr]:
    """The arguments of every `pytest.mark.rules(...)` in a file, wherever it stands: decorator, pytestmark or param."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr="rules"), args=args):
                yield from args
            case _:
                pass


def cited() -> dict[str, set[str]]:
    """Rule to the files that cite it. A citation that is computed cannot be read here, and is refused."""
    found: dict[str, set[str]] = {}
    for path in files():
        for argument in citations(ast.parse(path.read_bytes())):
            where = f"{path.relative_to(HERE.parent)}:{argument.lineno}"
            match argument:
                case ast.Constant(value=str(rule)):
                    found.setdefault(rule, set()).add(where)
                case _:
                    pytest.fail(f"{where}: write the rule's ID out, so that it can be found", pytrace=False)
    return found


def test_every_rule_has_a_test() -> None:
    missing = RULES - cited().keys() - LATER.keys()
    assert not missing, f"no test cites {', '.join(sorted(missing, key=by_number))}"


def test_no_unknown_rule_is_cited() -> None:
    unknown = {rule: places for rule, places in cited().items() if rule not in RULES}
    assert not unknown


def test_what_is_left_for_later_is_left() -> None:
    assert LATER.keys() <= RULES
    done = LATER.keys() & cited().keys()
    assert not done, f"has a test now, take it out of LATER: {', '.join(sorted(done, key=by_number))}"


def test_citations_are_found_in_decorators_marks_and_parameters() -> None:
    text = """
pytestmark = [pytest.mark.rules("R1")]

@pytest.mark.rules("R2", "I3")
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.rules("D4"))])
def test_it(x): ...
"""
    assert {ast.literal_eval(argument) for argument in citations(ast.parse(text))} == {"R1", "R2", "I3", "D4"}


def by_number(rule: str) -> tuple[str, int]:
    return rule[0], int(rule[1:])
