"""How the command starts: what it loads, what it says where an extra is missing, and its help."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from reportdl import __version__
from reportdl.cli.app import _COMMANDS, app
from reportdl.cli.exits import CODES
from reportdl_core.errors import Reason

Run = Callable[..., Any]

ROOT = Path(__file__).parents[3]

# Loaded by what needs it, and by nothing else.
HEAVY = {"rich", "starlette", "uvicorn", "typst", "aiohttp", "httpx2", "anyio", "asyncio", "structlog"}


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=30, check=False)


def loaded(*words: str) -> set[str]:
    """The modules of a run of the command that ends by itself."""
    code = (
        "import sys\nfrom reportdl.cli import main\n"
        "try: main()\nexcept SystemExit: pass\nprint('LOADED', sorted(sys.modules))"
    )
    done = python(code, *words)
    names: list[str] = ast.literal_eval(done.stdout.rpartition("LOADED ")[2])
    assert "click" in names
    return set(names)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["get", "--help"], ["serve", "--help"]])
def test_help_loads_nothing_that_is_heavy(words: list[str]) -> None:
    names = loaded(*words)
    assert not names & HEAVY
    assert not [name for name in names if name.startswith("reportdl.server")]


def test_the_command_line_adds_click_and_little_else_to_the_package() -> None:
    plain = python("import sys, reportdl; reportdl.Client; print(sorted(sys.modules))")
    package = {name.partition(".")[0] for name in ast.literal_eval(plain.stdout)}
    added = {name.partition(".")[0] for name in loaded("--help")} - package - set(sys.stdlib_module_names)
    assert {name for name in added if not name.startswith("_")} <= {"click", "colorama"}


def test_the_command_without_its_extra_names_it() -> None:
    done = python("import sys; sys.modules['click'] = None\nfrom reportdl.cli import main; main()", "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "reportdl: the command line needs its extra: pip install 'reportdl[cli]'\n"


@pytest.mark.parametrize(
    ("library", "words"),
    [("urllib3", ("get", "1042", "-f", "csv")), ("click", ("--help",)), ("transitions", ("doctor",))],
)
def test_a_file_of_the_users_own_that_hides_a_library_is_named(
    reportdl: Run, tmp_path: Path, library: str, words: tuple[str, ...]
) -> None:
    (tmp_path / f"{library}.py").write_text("print = None\n")
    ran = reportdl(*words, PYTHONSAFEPATH="")
    assert (ran.code, ran.out) == (1, "")
    end = f"{library}.py hides the library {library}: rename it, or start reportdl in another folder\n"
    assert ran.err.endswith(end)
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_the_server_without_its_extra_names_it(library: str) -> None:
    code = f"import sys; sys.modules['{library}'] = None\nfrom reportdl.cli import main; main()"
    done = python(code, "serve", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"reportdl: {library} is missing: pip install 'reportdl[server]'\n"


@pytest.mark.parametrize("library", ["anyio", "cryptography"])
@pytest.mark.parametrize(
    "words",
    [("batch", "night.csv"), ("resume", "night.ledger"), ("get", "1042", "-f", "pdf", "-o", "s3://bucket/a.pdf")],
)
def test_a_batch_without_its_extra_names_it(library: str, words: tuple[str, ...], tmp_path: Path) -> None:
    list_of_jobs = tmp_path / "night.csv"
    list_of_jobs.write_text("element,format\n1042,pdf\n")
    typed = [word.replace("night.csv", str(list_of_jobs)) for word in words]
    code = (
        f"import os, sys; os.environ['REPORTDL_TOKEN'] = 'any'; sys.modules['{library}'] = None\n"
        "from reportdl.cli import main; main()"
    )
    done = python(code, *typed, "--url", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"reportdl: reportdl.batch needs {library}: pip install 'reportdl[batch]'\n"


def test_an_error_inside_a_module_of_ours_is_not_taken_for_a_missing_extra() -> None:
    code = "import sys; sys.modules['reportdl.server.faults'] = None\nfrom reportdl.cli import main; main()"
    done = python(code, "serve", "--port", "0")
    assert done.returncode == 1
    assert "pip install" not in done.stderr


def test_version_and_the_words_that_help_must_say(reportdl: Run) -> None:
    assert reportdl("--version").out == f"reportdl {__version__}\n"
    ran = reportdl("get", "--help")
    words = re.sub(r"\s+", " ", ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert "A dimension *value* id" in words
    assert "reportdl get 1042 -f csv -o - | head" in words


def test_the_exit_codes_in_the_help_are_those_of_the_program(reportdl: Run) -> None:
    out = reportdl("--help").out
    told = {int(code) for code in re.findall(r"^    (\d+) +\w", out, re.MULTILINE)}
    assert told == {*CODES.values(), 2, 8, 130, 141, 143}  # 8: a batch, some of whose reports failed
    assert CODES.keys() == set(Reason)


def test_without_a_command_the_help_is_shown_and_it_is_a_usage_error(reportdl: Run) -> None:
    ran = reportdl()
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.err


def test_the_demo_holds_real_reports(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    demo = ROOT / "docs" / "examples" / "demo.py"
    words: list[str | Path] = [sys.executable, demo, tmp_path]
    for done in (  # the second one replaces what the first one left
        subprocess.run(words, capture_output=True, text=True, timeout=50, check=False) for _ in range(2)
    ):
        assert (done.returncode, done.stderr) == (0, "")
        assert "init 4, run 4, " in done.stdout
    names = {path.suffix: path for path in tmp_path.iterdir()}
    assert names.keys() == {".pdf", ".png", ".csv", ".xml", ".txt"}
    assert names[".pdf"].read_bytes().startswith(b"%PDF-")
    assert names[".txt"].read_text() == "mine"
    assert names[".csv"].read_text("utf-8-sig").startswith("Month,Revenue (EUR),")


def helped(name: str | None) -> str:
    """The help of a command, or of all, on a terminal of 80 columns."""
    whole = click.Context(app, info_name="reportdl", terminal_width=80)
    command = app if name is None else app.get_command(whole, name)
    assert command is not None
    return command.get_help(click.Context(command, parent=whole, info_name=name, terminal_width=80) if name else whole)


@pytest.mark.parametrize("name", [None, *_COMMANDS])
def test_every_help_fits_80_columns(name: str | None) -> None:
    text = helped(name)
    assert "Usage: reportdl" in text
    assert not [line for line in text.splitlines() if len(line) > 80]


def test_the_options_of_a_connection_stand_apart() -> None:
    own, _, shared = helped("get").partition("\nConnection:\n")
    assert "  --trace FILE" in own
    assert "  --url URL" in shared
    assert "--url URL" not in own
