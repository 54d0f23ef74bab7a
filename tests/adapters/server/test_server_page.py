"""docs/server.md says what the server has: every switch, every fault, and examples that run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from importlib.resources import files
from pathlib import Path

import click
import pytest

import reportdl
from reportdl.cli.serve import serve
from reportdl.server import LoopbackServer
from reportdl.server.fault_grammar import KINDS
from reportdl_core.switches import Switches

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "server.md"

# What `Switches` says of its numbers together, one by one. Enumerations speak for themselves.
NUMBERS = {
    "ttl": "how long a token lives (R15)",
    "run_timeout": "the longest generation (D28)",
    "max_age": "ends a live session under every `ttl_policy` (D36)",
    "remember": "how long a final session is still known by its token (D20, D36)",
    "retry_after": "what an `init` beyond the caps is told to wait (D36)",
    "live_per_user": "one user's sessions that are not final; more are 429 (D36)",
    "live_in_all": "everybody's (D36)",
    "remembered": "final sessions that are still known; the oldest is forgotten first (D36)",
}
ARGUMENTS = {"CODE": ("503", "302"), "SECONDS": ("1",), "TYPE": ("a/b",), "NAME": ("x",), "BYTES": ("1",)}


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def switches() -> Iterator[str]:
    yield row("name", "values", "what it decides")
    yield row("---", "---", "---")
    for field in fields(Switches):
        default = field.default
        match default:
            case Enum():
                others = [one for one in type(default) if one is not default]
                values = ", ".join(f"`{one.value}`" for one in (default, *others))
                yield row(f"`{field.name}`", values, first_line(type(default)))
            case float():
                yield row(f"`{field.name}`", f"`{default:g}` seconds", NUMBERS[field.name])
            case _:
                yield row(f"`{field.name}`", f"`{default}`", NUMBERS[field.name])


def faults() -> Iterator[str]:
    yield row("kind", "what happens")
    yield row("---", "---")
    for word, kind in KINDS.items():
        yield row(f"`{word}={kind.shape}`" if kind.shape else f"`{word}`", first_line(made(kind.shape, word)))


def made(shape: str, word: str) -> type[object]:
    """The effect that a kind makes, out of the first example that it takes."""
    first = shape.partition("[")[0]
    for example in ARGUMENTS.get(first, ("",)):
        try:
            return type(KINDS[word].make(*[example] if first else []))
        except ValueError:
            continue
    raise AssertionError(f"no example for {word}={shape}")


def first_line(kind: type[object]) -> str:
    """A docstring's first paragraph in one line."""
    said = (kind.__doc__ or "").partition("\n\n")[0]
    return " ".join(said.split()).removesuffix(".").replace("|", r"\|")


def written(page: str) -> str:
    for name, lines in (("switches", switches()), ("faults", faults())):
        begin, rest = re.split(rf"(?<=<!-- {name}: written by `make docs` -->\n)", page)
        page = begin + "\n".join([*lines, ""]) + rest[rest.index("<!-- end -->") :]
    return page


def block(language: str, name: str) -> str:
    """The example on the page whose first line names it."""
    found = re.search(rf"^```{language}\n# {re.escape(name)}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[1]


def test_the_page_lists_every_switch_and_every_fault() -> None:
    if os.environ.get("REPORTDL_WRITE_DOCS") == "1":
        PAGE.write_text(written(PAGE.read_text()))
    assert PAGE.read_text() == written(PAGE.read_text()), "out of date: make docs"


def test_numbers_are_explained_one_by_one() -> None:
    numbers = {field.name for field in fields(Switches) if not isinstance(field.default, Enum)}
    assert numbers == NUMBERS.keys()


def test_a_switch_or_a_fault_that_the_page_lacks_is_noticed() -> None:
    page = PAGE.read_text()
    assert "| `ttl_policy` |" in page
    assert written(page.replace("| `ttl_policy` |", "| `gone` |")) != page.replace("| `ttl_policy` |", "| `gone` |")
    assert len(re.findall(r"^\| `", page, re.MULTILINE)) == len(fields(Switches)) + len(KINDS)


def test_every_command_line_on_the_page_is_understood() -> None:
    commands = re.findall(r"^reportdl serve\b(.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) >= 3
    for options in commands:
        with serve.make_context("serve", options.split()) as context:
            assert isinstance(context, click.Context)
            given = {str(name): value for name, value in context.params.items()}
            parse(given["faults"], given["switches"])


def parse(given_faults: tuple[str, ...], given_switches: tuple[str, ...]) -> None:
    from reportdl.cli.switching import switched
    from reportdl.server import parse_fault

    for text in given_faults:
        parse_fault(text)
    switched(given_switches)


def test_the_plugin_on_the_page_is_found_served_and_downloaded_from(tmp_path: Path) -> None:
    info = tmp_path / "warehouse-1.dist-info"
    info.mkdir()
    points = tomllib.loads(re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0])
    lines = [f"{name} = {value}" for name, value in points["project"]["entry-points"]["reportdl.sources"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[reportdl.sources]", *lines, ""]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: warehouse\nVersion: 1\n")
    for name in ("warehouse.py", "serve_warehouse.py"):
        (tmp_path / name).write_text(block("python", name))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "serve_warehouse.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            used(url, tmp_path)
        finally:
            process.terminate()
        assert process.wait(timeout=20) == 0


def used(url: str, folder: Path) -> None:
    with reportdl.Client(url, credentials=reportdl.Token("any")) as client:
        assert client.formats(7, segment=1) == ("csv",)
        got = client.download(7, segment=1, format="csv", to=folder)
        assert got.path is not None
        assert got.path.name == "Stock North.csv"
        assert got.path.read_text() == "item,count\nbolts,1200\nnuts,950\n"
        with pytest.raises(reportdl.GenerationFailed, match="this warehouse is closed"):
            client.download(7, segment=3, format="csv", to=folder)
        with pytest.raises(reportdl.AccessDenied):
            client.formats(8)


REFUSED = {
    (1043, "xls"): reportdl.FormatNotOffered,
    (1044, "pdf"): reportdl.ReportNotFound,
    (1046, "pdf"): reportdl.AccessDenied,
    (1047, "pdf"): reportdl.GenerationFailed,
    (1048, "pdf"): reportdl.NotDownloadable,
    (2001, "pdf"): reportdl.NotDownloadable,
}


def test_every_report_of_the_demo_stands_on_the_page(tmp_path: Path) -> None:
    rows = dict(re.findall(r"^\| (\d{4})(?: to \d{4})? \| .* \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    catalog = tomllib.loads((files("reportdl.server") / "catalog" / "catalog.toml").read_text(encoding="utf-8"))
    reports = [element["id"] for element in catalog["element"] if "type" not in element]
    assert [int(element) for element in rows] == [*reports, 2001]
    with LoopbackServer() as server, reportdl.Client(server.url, credentials=reportdl.Token("any")) as client:
        for (element, form), error in REFUSED.items():
            with pytest.raises(error) as caught:
                client.download(element, format=form, to=tmp_path)
            if error is reportdl.GenerationFailed:
                assert "the forecast model did not converge" in str(caught.value)
                assert "the forecast model did not converge" in rows["1047"]
