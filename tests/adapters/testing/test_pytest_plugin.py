"""The pytest plugin as its users have it: in a pytest of their own, found by its entry point, silent until used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import reportdl
import reportdl_core
from reportdl.testing import FAULTS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "testing.md"
SOURCES = [str(Path(package.__file__ or "").parents[1]) for package in (reportdl, reportdl_core)]
ENTRY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
# What other packages of this environment add to pytest costs seconds and is not what is tested here.
OTHERS = ("schemathesis", "hypothesispytest", "anyio", "pytest_cov")

EXAMPLE = r"^```python\n# (\S+\.py)\n(.*?)^```"
FAULTY = "test_my_faults.py"  # takes a minute as it stands

Pytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Pytest:
    """Runs a pytest in which reportdl is installed, on the files given by name; warnings are errors."""
    info = tmp_path / "installed" / "reportdl_installed-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reportdl-installed\nVersion: 1\n")
    lines = [f"{name} = {value}" for name, value in ENTRY.items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))

    def pytest_on(files: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "theirs"
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
        for name, text in files.items():
            (folder / name).write_text(textwrap.dedent(text))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment |= {"PYTHONPATH": os.pathsep.join([str(info.parent), *SOURCES]), "PYTHONDONTWRITEBYTECODE": "1"}
        without = [word for name in OTHERS for word in ("-p", f"no:{name}")]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *without, *options]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=55, check=False
        )

    return pytest_on


def passed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tests passed, where nothing else happened."""
    last = done.stdout.strip().splitlines()[-1]
    found = re.fullmatch(r"(\d+) passed in .*", last)
    assert found is not None, done.stdout + done.stderr
    assert done.returncode == 0
    return int(found[1])


@pytest.mark.docs
@pytest.mark.timeout(240)
def test_the_examples_of_the_page_run(run: Pytest) -> None:
    blocks = re.findall(EXAMPLE, PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == PAGE.read_text().count("```python"), "an example without the name of its file"
    files = dict(blocks)
    assert len(files) == len(blocks), "two examples with one name"
    assert files.pop(FAULTY, None), "the example of the faults has a test of its own"
    tests = sum(
        isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for text in files.values()
        for node in ast.walk(ast.parse(text))
    )
    tests += sum(len(re.findall(r"^Test\w+ = \w+\.TestCase$", text, re.MULTILINE)) for text in files.values())
    assert passed(run(files)) >= tests  # more, where one is run for several parameters


@pytest.mark.docs
def test_the_example_of_the_faults_runs_for_some_of_them(run: Pytest) -> None:
    text = dict(re.findall(EXAMPLE, PAGE.read_text(), re.MULTILINE | re.DOTALL))[FAULTY]
    assert [name for name in FAULTS if "twice" in name] == ["a length said twice", "gzip twice"]
    # Beside it the same without its deviation, which must be missed; both over plain text and TLS.
    files = {FAULTY: text, "test_without.py": text.replace('"a length said twice":', '"another":')}
    done = run(files, "-k", "twice", "-m", "not deep")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 2, done.stdout + done.stderr
    assert all("test_without.py" in line and "a length said twice" in line for line in failed), done.stdout
    assert "2 failed, 6 passed" in done.stdout.splitlines()[-1]


@pytest.mark.docs
def test_the_page_says_how_to_run_a_few_faults(run: Pytest) -> None:
    page = PAGE.read_text()
    text = dict(re.findall(EXAMPLE, page, re.MULTILINE | re.DOTALL))[FAULTY]
    words = re.findall(r"`-k ([^`]+)`", page)
    assert words == ["gzip", '"length and twice"']
    wanted = " or ".join(f"({word.strip(chr(34))})" for word in words)
    done = run({FAULTY: text}, "--collect-only", "-k", wanted, "-m", "not deep")
    found = set(re.findall(r"strikes_once\[(?:https?-)?(.+?)(?:-https?)?\]", done.stdout))
    assert found == {name for name in FAULTS if "gzip" in name or name == "a length said twice"}, done.stdout


def test_nothing_is_loaded_before_a_fixture_is_used(run: Pytest) -> None:
    heavy = {"starlette", "uvicorn", "aiohttp", "hypothesis", "reportdl.server", "reportdl.testing.memory_endpoint"}
    files = {
        "test_theirs.py": f"""
            import sys

            def test_their_own_business():
                assert "reportdl.testing.plugin" in sys.modules
                assert not {heavy!r} & sys.modules.keys()

            def test_memory_needs_no_server(memory_endpoint):
                assert memory_endpoint.saw == []
                assert not {{"starlette", "uvicorn", "reportdl.server"}} & sys.modules.keys()
            """
    }
    assert passed(run(files, "-p", "no:timeout")) == 2


def test_it_can_be_taken_away(run: Pytest) -> None:
    files = {"test_theirs.py": "def test_it(report_endpoint): ...\n"}
    done = run(files, "-p", "no:reportdl")
    assert done.returncode == 1
    assert "fixture 'report_endpoint' not found" in done.stdout


def test_the_server_missing_is_said_in_one_line(run: Pytest) -> None:
    files = {
        "conftest.py": """
            import sys

            sys.modules["starlette"] = None
            """,
        "test_theirs.py": "def test_it(report_endpoint): ...\n",
    }
    done = run(files)
    assert done.returncode == 1
    # `None` in sys.modules names the module that was asked for, as a missing one does.
    assert "is missing: pip install 'reportdl[server,testing]'" in done.stdout
    assert "Traceback" not in done.stdout


def test_marks_are_merged_from_the_outside_in_and_take_names_alone(run: Pytest) -> None:
    files = {
        "test_theirs.py": """
            import pytest
            from reportdl.transports.memory import Loss, Weather

            pytestmark = pytest.mark.memory_endpoint(generation_seconds=10.0)

            @pytest.mark.memory_endpoint(generation_seconds=20.0)
            class TestIt:
                def test_class(self, memory_endpoint):
                    memory_endpoint.download(1042, format="pdf")
                    assert 20 < memory_endpoint.now < 21

                @pytest.mark.memory_endpoint(network={"init": [Weather(there=5.0)]})
                def test_function(self, memory_endpoint):
                    memory_endpoint.download(1042, format="pdf")
                    assert 25 < memory_endpoint.now < 26

            def test_module(memory_endpoint):
                memory_endpoint.download(1042, format="pdf")
                assert 10 < memory_endpoint.now < 11
            """
    }
    assert passed(run(files)) == 3


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('report_endpoint(["run.html"])', "takes options by name"),
        ('report_endpoint(faults=["run.nonsense"])', "KIND one of drop_before"),
        ("report_endpoint(fault=[])", "unexpected keyword argument 'fault'"),
    ],
)
def test_a_wrong_mark_is_an_error_that_says_so(run: Pytest, mark: str, said: str) -> None:
    files = {
        "test_theirs.py": f"import pytest\n\n@pytest.mark.{mark}\ndef test_it(report_endpoint): ...\n",
    }
    done = run(files)
    assert done.returncode == 1
    assert "1 error" in done.stdout
    assert said in done.stdout


def test_endpoints_end_with_their_test_even_if_it_fails(run: Pytest) -> None:
    files = {
        "test_theirs.py": """
            import socket, threading
            import pytest

            ports = []

            @pytest.mark.xfail(strict=True)
            def test_first(make_report_endpoint):
                ports.extend(make_report_endpoint().port for _ in range(3))
                assert False

            def test_second():
                assert len(set(ports)) == 3
                assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
                for port in ports:
                    with pytest.raises(ConnectionRefusedError):
                        socket.create_connection(("127.0.0.1", port), timeout=2)
            """
    }
    done = run(files)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 xfailed" in done.stdout


def test_a_contract_runs_under_strict_markers_and_without_a_warning(run: Pytest) -> None:
    mine = """
        import pytest
        from reportdl.testing import TransportContract
        from reportdl.transports.urllib3 import Urllib3Transport

        class TestMine(TransportContract):
            library = None

            @pytest.fixture
            def make_transport(self):
                return lambda origin, network: Urllib3Transport(origin, network=network)
    """
    done = run({"test_mine.py": mine}, "-k", "no_secret", "-W", "ignore::ResourceWarning")
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "Unknown" not in done.stdout
