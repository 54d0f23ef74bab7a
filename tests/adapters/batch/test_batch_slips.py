"""What was mistyped at the first start: it can be typed right, as long as it has cost no generation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import reportdl
import reportdl.batch
from reportdl.batch import LedgerUnusable
from reportdl.batch.ledger import Ledger
from reportdl.batch.ledger_file import copied
from reportdl.batch.templates import NameTemplate, TemplateUnusable
from reportdl.spooling import TargetUnusable

POLICY = reportdl.Policy(first_contact=5.0, silence=5.0)
TWO = "element,format,region\n1042,csv,North\n1043,pdf,South\n"


@pytest.fixture
def run(tmp_path):
    """Runs night.csv, or other jobs, in one ledger."""
    path = tmp_path / "night.csv"
    path.write_text(TWO)

    def run(server: Any, jobs: Any = path, **more: Any) -> reportdl.batch.Summary:
        far = reportdl.batch.Server(server.url, credentials=reportdl.Token("any"), policy=POLICY)
        return reportdl.batch.run(
            jobs, far, **{"ledger": tmp_path / "ledger", "to": str(tmp_path / "out"), "at_once": 1, **more}
        )

    return run


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


def test_a_destination_that_cannot_be_made(serving, run, tmp_path):
    server = serving()
    with pytest.raises(TargetUnusable):
        run(server, to=str(tmp_path / "night.csv" / "out"))
    assert run(server, name="{element}").ok
    assert files(tmp_path) == ["1042.csv", "1043.pdf"]
    with pytest.raises(LedgerUnusable, match="another to"):
        run(server, name="{element}", to=str(tmp_path / "elsewhere"))


@pytest.mark.rules("D24")
def test_a_template_with_a_field_that_no_line_has_leaves_nothing_behind(desk):
    (desk.folder / "night.csv").write_text(TWO)
    words = ("batch", "night.csv", "-o", "out", "--name", "{regoin}/{element}")
    refused = desk.run(*words, url="https://mi.example.com")
    assert refused.code == 2
    assert "the name template has {regoin}, and there is no such column; there are server, element" in refused.err
    assert "region" in refused.err
    assert [path.name for path in desk.folder.iterdir()] == ["night.csv"]


@pytest.mark.rules("D24")
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_a_template_can_be_mended(serving, run, tmp_path, piped):
    server, path = serving(), tmp_path / "night.csv"

    def lines() -> str | Path:
        if not piped:
            return path
        end, other = os.pipe()
        os.write(other, path.read_bytes())
        os.close(other)
        return f"/dev/fd/{end}"

    with pytest.raises(TemplateUnusable, match="there is no such column"):
        run(server, lines(), name="{regoin}/{element}")
    assert server.calls == ()
    assert run(server, lines(), name="{region}-{element}").ok
    assert files(tmp_path) == ["North-1042.csv", "South-1043.pdf"]


def test_a_template_that_no_line_of_json_could_be_called_by(serving, run, tmp_path):
    server, path = serving(), tmp_path / "night.jsonl"
    path.write_text('{"element": 1042, "format": "csv", "region": "North"}\n')
    assert run(server, path, name="{regoin}").refused == 1
    assert run(server, path, name="{region}").ok
    assert files(tmp_path) == ["North.csv"]


def test_the_fields_of_a_table_without_a_header():
    check = NameTemplate("{element}-{region}").check
    check(["region"])
    with pytest.raises(TemplateUnusable, match="there is no such column"):
        check([])


@pytest.mark.rules("I2")
def test_a_url_and_all_else_while_nothing_was_generated(serving, run, tmp_path):
    """An iterator's jobs would be lost by it: those are the exception."""
    wrong, right = serving(faults=["init.unauthorized"]), serving()
    assert run(wrong, name="{element}").failed == 1
    assert run(right, name="{element}-{region}").ok
    assert files(tmp_path) == ["1042-North.csv", "1043-South.pdf"]
    with pytest.raises(LedgerUnusable, match="is a batch of"):
        run(wrong, name="{element}-{region}")
    with pytest.raises(LedgerUnusable, match="another name"):
        run(right, name="{element}")


@pytest.mark.rules("I2")
def test_another_url_takes_along_what_the_wrong_one_said(serving, run, tmp_path):
    wrong, right = serving(), serving()
    jobs = [{"element": 1043, "format": "xls"}]
    assert run(wrong, jobs).failed == 1  # it offers no such format: trying again cannot help
    with Ledger(tmp_path / "ledger") as ledger:
        assert ledger.formats("", 1043)
    with pytest.raises(LedgerUnusable, match="another name"):
        run(right, jobs, name="{element}")
    asked = len(wrong.calls)
    assert run(right, jobs).failed == 1
    assert (len(wrong.calls), right.count("formats")) == (asked, 1)


@pytest.mark.deep
def test_a_new_url_is_said(desk, serving):
    wrong, right = serving(faults=["*.unauthorized"]), serving()
    desk.jobs("1042,csv,r0")
    assert desk.run("batch", "night.csv", "-o", "out", url=wrong.url).code == 8
    ran = desk.run("resume", "night.ledger", url=right.url)
    assert (ran.code, desk.files) == (0, ["r0.csv"])
    assert f"nothing was generated at {wrong.url}; from now on these jobs are for {right.url}" in ran.err


# -- what would be done of it ---------------------------------------------------------------------


def seen(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir() if path.is_file()}


def test_a_dry_run_says_what_is_done_already(desk, serving):
    server = serving()
    desk.jobs("1042,csv,r0", "9999,csv,r1")
    words = ("batch", "night.csv", "-o", "out")
    assert desk.run(*words, url=server.url).code == 8
    desk.jobs("1042,csv,r0", "9999,csv,r1", "1042,pdf,r2")
    before, asked = seen(desk.folder), len(server.calls)
    dry = desk.run(*words, "--dry-run", url=server.url)
    assert dry.code == 0, dry.err
    assert dry.out.splitlines()[1:] == ["   4  1042     0        pdf     r2.pdf"]
    assert f"1 report would be downloaded to {desk.folder / 'out'}" in dry.err
    assert "1 report of the list came in an earlier start and would stay.\n" in dry.err
    assert "1 failed in one, and would not be tried again (--again all would).\n" in dry.err
    with Ledger(desk.ledger):  # while another process works on it
        every = desk.run(*words, "--dry-run", "--again", "all", "--json", url=server.url)
    assert [(one["line"], one["name"]) for one in every.json] == [(3, "r1.csv"), (4, "r2.pdf")]
    differs = desk.run("batch", "night.csv", "-o", "elsewhere", "--dry-run", url=server.url)
    assert differs.code == 2
    assert f"{str(desk.ledger)!r} holds a batch with another to" in differs.err
    assert (seen(desk.folder), len(server.calls)) == (before, asked)


def test_a_ledger_is_copied_without_a_trace(tmp_path):
    path, to = tmp_path / "night.ledger", str(tmp_path / "copy")
    copied(str(path), to)
    assert list(tmp_path.iterdir()) == []
    Ledger(path).close()
    before = seen(tmp_path)
    copied(str(path), to)
    assert {name: what for name, what in seen(tmp_path).items() if name != "copy"} == before
    path.write_text("no database at all, and long enough to be seen as such" * 20)
    with pytest.raises(LedgerUnusable, match=r"night.ledger' cannot be used as a ledger"):
        copied(str(path), to)
