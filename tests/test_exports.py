"""What is public is there, says what it is, and shows itself by the path that people import it from."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import reportdl
import reportdl_core
from reportdl.errors import raise_for
from reportdl_core import Job, Outcome, Reason, State

ROOT = Path(__file__).parent.parent
PACKAGES = [reportdl_core, reportdl]
SOURCES = {reportdl_core: ROOT / "core" / "reportdl_core", reportdl: ROOT / "adapters" / "reportdl"}
MODULES = sorted(
    module.name
    for package in PACKAGES
    for module in pkgutil.walk_packages([str(SOURCES[package])], f"{package.__name__}.")
    if not module.name.endswith(".__main__")
)
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]
CLASSES = [(package, name) for package, name in NAMES if isinstance(getattr(package, name), type)]
# What a package's own file needs of the language itself.
LANGUAGE = {"annotations", "TYPE_CHECKING"}


def said(value: object) -> str:
    return value.__name__ if isinstance(value, ModuleType) else str(value)


each_name = pytest.mark.parametrize(("package", "name"), NAMES, ids=said)
each_package = pytest.mark.parametrize("package", PACKAGES, ids=said)


def origin(module: ModuleType, name: str) -> ModuleType:
    """The module that defines a name which `module` has, found by following the imports in the sources."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return origin(importlib.import_module(node.module or ""), name)
    return module


def documented_constants(module: ModuleType) -> set[str]:
    """The names of a module that are assigned, with a docstring on the next line."""
    found: set[str] = set()
    for node, after in itertools.pairwise(ast.parse(inspect.getsource(module)).body):
        match node, after:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str())),
            ):
                found.add(name)
            case _:
                pass
    return found


@each_name
def test_a_public_name_is_there_and_documented(package: ModuleType, name: str) -> None:
    assert not name.startswith("_")
    value = getattr(package, name)
    if isinstance(value, type):
        # A dataclass without a docstring gets its signature for one.
        assert value.__doc__
        assert not value.__doc__.startswith(f"{value.__name__}(")
    elif inspect.isfunction(value) or isinstance(value, ModuleType):
        assert value.__doc__
    else:
        assert name in documented_constants(origin(package, name)), "a docstring below it is missing"


@each_name
def test_a_public_name_is_public_where_it_comes_from(package: ModuleType, name: str) -> None:
    value = getattr(package, name)
    if isinstance(value, ModuleType):
        assert value is importlib.import_module(f"{package.__name__}.{name}")
    else:
        module = origin(package, name)
        assert name in module.__all__
        assert getattr(module, name) is value


@each_package
def test_nothing_public_is_left_out(package: ModuleType) -> None:
    attributes = {name for name, value in vars(package).items() if not isinstance(value, ModuleType)}
    public = {name for name in attributes if not name.startswith("_")}
    assert public - LANGUAGE <= set(package.__all__)
    assert len(set(package.__all__)) == len(package.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_what_it_says(name: str) -> None:
    module = importlib.import_module(name)
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing


def test_what_is_loaded_late_is_what_checkers_see() -> None:
    tree = ast.parse(inspect.getsource(reportdl))
    seen = {
        node.module: {alias.name for alias in node.names}
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "typing", "importlib", "reportdl")
    }
    assert {place: set(names.split()) for place, names in vars(reportdl)["_PLACES"].items()} == seen
    assert set().union(*seen.values()) | {"aio"} == set(reportdl.__all__)
    assert set(reportdl.__all__) <= set(dir(reportdl))


def test_the_command_loads_nothing_that_takes_time_before_it_hears_ctrl_c() -> None:
    code = (
        "import sys\nfound = set(sys.modules)\n"
        "from reportdl.cli import main\nprint(*sorted(set(sys.modules) - found))\n"
        "import reportdl\nreportdl.Client\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = (set(line.split()) for line in done.stdout.splitlines())
    assert before - {"__future__"} == {"reportdl", "reportdl.cli", "reportdl.cli.loading"}
    assert "reportdl_core" in after


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'reportdl' has no attribute 'Clinet'"):
        reportdl.Clinet  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(("package", "name"), CLASSES, ids=said)
def test_a_class_shows_the_path_that_it_is_imported_from(package: ModuleType, name: str) -> None:
    shown = getattr(package, name)
    path = f"{shown.__module__}.{shown.__qualname__}"
    assert not [part for part in path.split(".") if part.startswith("_")]
    assert getattr(importlib.import_module(shown.__module__), shown.__qualname__) is shown
    assert pickle.loads(pickle.dumps(shown)) is shown
    if shown.__module__.partition(".")[0] == package.__name__:
        assert path == f"{package.__name__}.{name}"


def test_reprs_show_public_paths() -> None:
    token = reportdl.Token("s3cr3t")
    assert repr(token) == "reportdl.Token('***')"
    assert repr(reportdl.Client("https://a.example.com", credentials=token)) == (
        "reportdl.Client('https://a.example.com')"
    )
    assert repr(reportdl.aio.AsyncClient("https://a.example.com", credentials=token)) == (
        "reportdl.aio.AsyncClient('https://a.example.com')"
    )
    assert repr(reportdl.Client) == "<class 'reportdl.Client'>"
    assert repr(reportdl.ReportNotFound) == "<class 'reportdl.ReportNotFound'>"
    assert repr(reportdl_core.Download) == "<class 'reportdl_core.Download'>"


def test_an_error_comes_back_whole_from_another_process() -> None:
    outcome = Outcome(state=State.ERROR, reason=Reason.TIMED_OUT, ended_in=State.RUNNING)
    with pytest.raises(reportdl.TimedOut) as caught:
        raise_for(outcome, Job(element=1042, format="pdf"))
    back = pickle.loads(pickle.dumps(caught.value))
    assert type(back) is reportdl.TimedOut
    assert (back.outcome, back.job, back.retryable) == (outcome, caught.value.job, True)
    assert str(back) == str(caught.value)
