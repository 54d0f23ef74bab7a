"""Who may import whom: kept over the graph of all imports, so that a detour through a third module is seen as well."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

ADAPTERS = Path(__file__).parent.parent / "adapters"
ORACLE = Path(__file__).parent / "oracle"

# What the judge of the core may know beside itself. Not `importlib` and its like: they are ways round to the core.
INDEPENDENT = {"__future__", "collections", "dataclasses", "math", "pytest", "random", "typing"}

# What is built on the client. All else in `reportdl` is the client, and must do without these.
ROOMS = ("server", "batch", "testing", "conform", "trace", "cli", "doctor")
DOORS = {"reportdl.__main__"}

# Each library that is not Python's own, and the only places that may import it: a module, or all below a package.
PLACES = {
    "aiohttp": {"reportdl.transports.aiohttp", "reportdl.testing"},
    "anyio": {
        "reportdl.aio",
        "reportdl.batch",
        "reportdl.cli.batch_options",
        "reportdl.drivers.asynchronous",
        "reportdl.transports",
        "reportdl.testing",
    },
    "celery": {"reportdl.batch"},
    "click": {"reportdl.cli"},
    "cryptography": {"reportdl.batch", "reportdl.seal"},
    "docx": {"reportdl.server.generators"},
    "fsspec": {"reportdl.batch"},
    "h11": {"reportdl.server"},
    "httpx2": {"reportdl.transports.httpx2", "reportdl.testing"},
    "hypothesis": {"reportdl.testing"},
    "pptx": {"reportdl.server.generators"},
    "pytest": {"reportdl.testing"},
    "redis": {"reportdl.batch.flights"},
    "rich": {"reportdl.cli"},
    "starlette": {"reportdl.server"},
    "structlog": {"reportdl.logs"},
    "transitions": {"reportdl_core.lifecycle"},
    "typst": {"reportdl.server.generators"},
    "urllib3": {
        "reportdl.transports.urllib3",
        "reportdl.transports.urllib3_pools",
        "reportdl.transports.urllib3_watch",
        "reportdl.testing",
    },
    "uvicorn": {"reportdl.server"},
    "xlsxwriter": {"reportdl.server.generators"},
    "yarl": {"reportdl.transports.aiohttp"},
}

# What `import reportdl` must not load: extras, and what costs time before anything has been asked for.
NOT_AT_START = {
    "aiohttp", "anyio", "asyncio", "click", "cryptography", "fsspec", "httpx2", "reportdl.aio", "reportdl.seal",
    "reportdl_core.endpoint", "rich", "sqlite3", "starlette", "structlog", "uvicorn",
}  # fmt: skip


@cache
def graph(*, run_time: bool = False) -> grimp.ImportGraph:
    """Every import there is, however deep in a function; `run_time` leaves out those that only a checker reads."""
    return grimp.build_graph(
        "reportdl_core",
        "reportdl",
        include_external_packages=True,
        exclude_type_checking_imports=run_time,
        cache_dir=None,
    )


def ours() -> set[str]:
    return {name for name in graph().modules if name.split(".")[0] in {"reportdl", "reportdl_core"}}


def below(package: str, modules: set[str]) -> set[str]:
    return {name for name in modules if name == package or name.startswith(f"{package}.")}


def client() -> set[str]:
    rooms = {name for room in ROOMS for name in below(f"reportdl.{room}", ours())}
    return below("reportdl", ours()) - rooms - DOORS


def chains(importers: set[str], imported: set[str]) -> list[str]:
    """For each importer that reaches one of `imported`, the shortest way there."""
    found = []
    for importer in sorted(importers):
        for target in sorted(imported):
            chain = graph().find_shortest_chain(importer=importer, imported=target)
            if chain is not None:
                found.append(" -> ".join(chain))
                break
    return found


def test_the_core_never_imports_the_adapters() -> None:
    core = below("reportdl_core", ours())
    assert len(core) > 10
    assert not chains(core, below("reportdl", ours()))


@pytest.mark.parametrize("room", ROOMS)
def test_the_client_does_without_what_is_built_on_it(room: str) -> None:
    assert not chains(client(), below(f"reportdl.{room}", ours()))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in {"cli", "doctor"}])
def test_nothing_needs_the_command_line(room: str) -> None:
    assert not chains(below(f"reportdl.{room}", ours()), below("reportdl.cli", ours()))


def test_the_server_needs_no_client() -> None:
    clients = {"reportdl.client", "reportdl.aio"} | below("reportdl.drivers", ours())
    # `import reportdl` itself offers the client: the graph starts below it.
    assert not chains(below("reportdl.server", ours()), clients & ours())


def test_the_clients_end_of_the_core_does_without_the_servers() -> None:
    servers = {name for name in below("reportdl_core", ours()) if "endpoint" in name.rpartition(".")[2]}
    assert servers
    assert not chains(below("reportdl_core", ours()) - servers, servers)


def test_each_library_is_imported_in_its_place_alone() -> None:
    outside = graph(run_time=True).modules - ours()
    theirs = {name for name in outside if name.split(".")[0] not in sys.stdlib_module_names}
    assert theirs <= PLACES.keys(), "a new dependency: say where it belongs, and in which extra"
    wrong = [
        f"{importer} imports {library}"
        for library in sorted(theirs)
        for importer in sorted(graph(run_time=True).find_modules_that_directly_import(library))
        if not any(importer in below(place, {importer}) for place in PLACES[library])
    ]
    assert not wrong


def test_heavy_libraries_are_imported_when_they_are_used() -> None:
    """The generators, rich and the command line's own commands: not at a module's top level."""
    late = {"docx", "fsspec", "pptx", "rich", "typst", "xlsxwriter"}
    early = [
        f"{path.relative_to(ADAPTERS)}:{node.lineno}"
        for path in sorted(ADAPTERS.rglob("*.py"))
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.Import | ast.ImportFrom) and {name.split(".")[0] for name in imported(node)} & late
    ]
    assert not early


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


def foreign(tree: ast.Module) -> set[str]:
    """What a file imports that is neither the oracle nor among the few modules that tell nothing of the core."""
    names = {
        name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for name in imported(node)
    }
    return {name for name in names if name.split(".")[0] not in INDEPENDENT and not below("tests.oracle", {name})}


def test_the_oracle_shares_nothing_with_what_it_judges() -> None:
    files = sorted(ORACLE.glob("*.py"))
    assert len(files) > 20
    assert not {path.name: names for path in files if (names := foreign(ast.parse(path.read_bytes())))}
    bad = "import reportdl_core.answers\ndef f():\n    from tests.proof.bridge import event_of"
    assert foreign(ast.parse(bad)) == {"reportdl_core.answers", "tests.proof.bridge"}


def test_importing_reportdl_loads_no_extra() -> None:
    script = "import sys, reportdl; reportdl.Client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "reportdl.client" in loaded
    assert not loaded & NOT_AT_START
