"""The house rules that a linter does not know: where things stand, how long they are, what they are called."""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "core" / "reportdl_core"
ADAPTERS = ROOT / "adapters" / "reportdl"
MODULES = sorted([*CORE.rglob("*.py"), *ADAPTERS.rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LOOPS = sorted([*(ADAPTERS / "drivers").glob("*.py"), *(ADAPTERS / "transports").glob("*.py")])

# A transport to real servers translates, a driver loops. The memory transport is neither: it simulates a network.
SIMULATED = {ADAPTERS / "transports" / "memory.py"}
# A test file may be longer: it is read a transcript at a time.
LONGEST, LONGEST_TEST, LONGEST_LOOP, LONGEST_FUNCTION = 350, 900, 100, 60
# What walks at random covers too much of everything to be anybody's own test.
WALKS = {"test_endpoint_machine.py", "test_session_machine.py", "test_session_races.py"}
NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "base", "core"}

# Layout that carries no decision: what a reader does not have to hold in mind.
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def code_lines(text: str) -> int:
    """The lines that hold code: no blank lines, comments or docstrings."""
    tree = ast.parse(text)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            case _:
                pass
    return len(lines)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=named)


def public(tree: ast.Module) -> list[str] | None:
    """What `__all__` says; None where there is none."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value):
                return list(ast.literal_eval(value))
            case _:
                pass
    return None


def test_the_top_level_of_the_two_roots() -> None:
    for root, package in ((CORE.parent, CORE.name), (ADAPTERS.parent, ADAPTERS.name)):
        assert not (root / "__init__.py").exists(), f"{root.name}/ is a source root, not a package"
        assert [path.name for path in root.iterdir() if path.is_dir()] == [package]
        assert (root / package / "py.typed").is_file()


@each(MODULES)
def test_a_module_opens_with_its_decision_and_closes_with_its_names(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    assert ast.get_docstring(tree), "no module docstring: say what it decides and what it must never do"
    names = public(tree)
    assert names is not None, "no __all__"
    assert len(names) == len(set(names))


@each([path for path in MODULES if path.is_relative_to(CORE)])
def test_the_core_exports_what_it_says(path: Path) -> None:
    parts = path.relative_to(CORE.parent).with_suffix("").parts
    module = import_module(".".join(part for part in parts if part != "__init__"))
    for name in module.__all__:
        assert not name.startswith("_")
        assert hasattr(module, name)
    defined = {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert defined <= set(module.__all__), "a class with a public name that is not exported"


def test_every_public_name_of_the_package_is_there() -> None:
    import reportdl

    for name in reportdl.__all__:
        assert getattr(reportdl, name) is not None


@each([*MODULES, *TESTS])
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    length = len(path.read_text().splitlines())
    assert length <= (LONGEST_TEST if path in TESTS else LONGEST), f"{length} lines: it decides more than one thing"


@each(MODULES)
def test_no_function_is_long(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@each([path for path in LOOPS if path not in SIMULATED])
def test_a_driver_is_a_loop_and_a_transport_a_translation(path: Path) -> None:
    length = code_lines(path.read_text())
    assert length <= LONGEST_LOOP, f"{length} lines of code: policy has crept in, which belongs into the core"


@each(MODULES)
def test_a_name_says_what_is_in_it(path: Path) -> None:
    assert not NAMES_THAT_SAY_NOTHING & {path.stem, *path.relative_to(ROOT).parts[2:-1]}


def test_the_tests_mirror_the_house() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py")), "importlib mode needs none, and two would clash"
    stems = [path.stem for path in TESTS if path.stem != "conftest"]
    twins = {stem for stem in stems if stems.count(stem) > 1}
    assert not twins, "two test files with one name"


def test_every_module_and_every_test_of_the_core_has_its_group() -> None:
    groups = tomllib.loads((ROOT / "tests" / "core" / "groups.toml").read_text(encoding="utf-8")).values()
    modules = [module for group in groups for module in group["modules"]]
    assert sorted(modules) == sorted(path.stem for path in CORE.glob("*.py"))
    tests = {test for group in groups for test in group["tests"]}
    assert tests == {path.name for path in (ROOT / "tests" / "core").glob("test_*.py")} - WALKS


def test_code_lines_counts_code_alone() -> None:
    text = (
        '"""What it decides.\n\nNever that.\n"""\n\n# a reason\nx = {\n    "a": 1,\n}\n\n'
        'def f():\n    """Doc."""\n    return x  # so\n'
    )
    assert code_lines(text) == 5
