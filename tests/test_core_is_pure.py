"""The core does no I/O: shown by a list of what it may import, and by an audit hook while a job runs through it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parent.parent / "core" / "reportdl_core"
PURE_JOB = Path(__file__).parent / "pure_job.py"

# Standard library without sockets, clocks, threads, randomness, logs and files; an addition is a decision.
PURE = {
    "__future__",
    "abc",
    "base64",
    "binascii",
    "bisect",
    "codecs",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "dataclasses",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "struct",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "zlib",
}
# Dates are values; what reads the clock is named below and refused.
VALUES = {"datetime": {"UTC", "date", "datetime", "timedelta", "timezone"}}
CLOCKS = {"now", "today", "utcnow"}
BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print"}

NEVER_LOADED = (
    "asyncio",
    "http",
    "random",
    "selectors",
    "socket",
    "ssl",
    "structlog",
    "subprocess",
    "tempfile",
    "urllib3",
    "uuid",
    "reportdl",
)


def at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                for other in orelse:
                    yield other
                    yield from at_run_time(other)
            case _:
                yield node
                yield from at_run_time(node)


def imports(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in at_run_time(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, set[str]()) for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield module or ".", {alias.name for alias in names}
            case _:
                pass


def may_import(module: str, names: set[str]) -> bool:
    ours = module == "reportdl_core" or module.startswith("reportdl_core.")
    return ours or module in PURE or module == "transitions" or (bool(names) and names <= VALUES.get(module, set()))


@pytest.mark.rules("I9")
@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_nothing_that_does_io(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    refused = sorted(module for module, names in imports(tree) if not may_import(module, names))
    assert not refused
    for node in at_run_time(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                assert name not in BUILTINS, f"line {node.lineno} calls {name}()"
            case ast.Call(func=ast.Attribute(attr=name)):
                assert name not in CLOCKS, f"line {node.lineno} calls .{name}()"
            case _:
                pass


def test_only_the_lifecycle_knows_transitions() -> None:
    using = {
        path.name
        for path in CORE.rglob("*.py")
        for module, _ in imports(ast.parse(path.read_bytes()))
        if module.split(".")[0] == "transitions"
    }
    assert using == {"lifecycle.py"}


LOADS = """
import sys
import reportdl_core
print(*sorted(sys.modules))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In an interpreter of its own, which has loaded nothing but what `site` loads."""
    return subprocess.run([sys.executable, "-P", *arguments], capture_output=True, text=True, timeout=30, check=False)


def loaded_with_the_core() -> set[str]:
    done = python("-c", LOADS)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.rules("I9")
def test_a_whole_job_opens_nothing_and_reads_no_clock() -> None:
    done = python(str(PURE_JOB))
    assert done.returncode == 0, done.stderr


def test_the_audit_hook_would_see_a_file() -> None:
    done = python(str(PURE_JOB), "spoilt")
    assert done.returncode == 1
    assert 'AssertionError: ["open (' in done.stderr


def test_importing_the_core_loads_no_io() -> None:
    loaded = loaded_with_the_core()
    assert "reportdl_core.session" in loaded
    assert not loaded & set(NEVER_LOADED)
    # Both come with `transitions`; the core itself imports neither (the list above).
    assert loaded & {"threading", "logging"} == {"threading", "logging"}


def test_the_servers_end_is_loaded_only_when_asked_for() -> None:
    assert not {name for name in loaded_with_the_core() if name.startswith("reportdl_core.endpoint")}
