"""The page of figures: its own store, written by runs alone."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.proof import figures
from tests.proof.figures import PAGE, PARTS, Row, missing, read, record, rendered, shown
from tests.proof.tested import measured

ROOT = Path(__file__).parents[2]


def test_what_is_written_is_read_back() -> None:
    rows = [
        Row("states", "1,203", "a fixpoint", True, "make deep-explored"),
        Row("a", "0", "none", False, "make deep-simulated"),
    ]
    assert read(rendered(rows)) == rows


def test_a_later_run_replaces_its_row_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PAGE", tmp_path / "proof.md")
    monkeypatch.setenv("REPORTDL_RECORD", "1")
    record("states", "1", target="a fixpoint", met=True, by="make a")
    record("seeds | all", "2", target="none fails", met=True, by="make b")
    record("states", "3", target="a fixpoint", met=False, by="make a")
    assert read((tmp_path / "proof.md").read_text()) == [
        Row("states", "3", "a fixpoint", False, "make a"),
        Row("seeds / all", "2", "none fails", True, "make b"),
    ]


def test_nothing_is_written_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PAGE", tmp_path / "proof.md")
    monkeypatch.delenv("REPORTDL_RECORD", raising=False)
    record("states", "1", target="a fixpoint", met=True, by="make a")
    assert not (tmp_path / "proof.md").exists()


@pytest.mark.docs
def test_the_page_is_what_the_runs_wrote_and_every_target_was_met_by_every_part() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = read(text)
    assert text == rendered(rows)
    assert not [row.what for row in rows if not row.met]
    assert missing(rows) == []


def test_a_part_that_begins_takes_its_old_rows_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PAGE", tmp_path / "proof.md")
    monkeypatch.setenv("REPORTDL_RECORD", "1")
    for by in ("make a", "make b"):
        record(f"row of {by}", "1", target="all", met=True, by=by)
    figures.main(["fresh", "make a"])
    assert [row.by for row in read((tmp_path / "proof.md").read_text())] == ["make b"]


def test_a_terminal_is_shown_all_of_every_row() -> None:
    rows = [
        Row("seeds", "0 violations, digest " + "0f" * 16, "none [fails]", True, "make a"),
        Row("kept", "1", "2", False, "make b"),
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(shown(rows))
    text = re.sub(r"[^\w\[\]]", "", console.export_text())
    assert all(part in text for part in ("seeds", "violations", "[fails]", "yes", "kept", "NO"))
    assert text.count("0f") == 16


def test_a_missed_target_is_the_tables_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "PAGE", tmp_path / "proof.md")
    monkeypatch.setattr(figures, "PARTS", {"make b": 1})
    (tmp_path / "proof.md").write_text(rendered([Row("kept", "1", "2", True, "make b")]))
    figures.main(["table"])
    (tmp_path / "proof.md").write_text(rendered([Row("kept", "1", "2", False, "make b")]))
    with pytest.raises(SystemExit, match="missed: kept"):
        figures.main(["table"])
    assert capsys.readouterr().out.count("kept") == 2


def test_a_row_that_is_not_there_is_missed_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PAGE", tmp_path / "proof.md")
    monkeypatch.setattr(figures, "PARTS", {"make b": 2, "make c": 1, "make c-all": 1})
    kept = [Row(name, "1", "1", True, by) for name, by in (("one", "make b"), ("two", "make c SEEDS=0:9"))]
    (tmp_path / "proof.md").write_text(rendered(kept))
    with pytest.raises(SystemExit, match=re.escape("not measured: make b (1 of 2 rows)\nnot measured: make c-all (0")):
        figures.main(["table"])


def test_every_part_that_writes_rows_is_counted() -> None:
    written = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "tests/proof/proof.mk"))
    fresh = set(re.findall(r"^(deep-[\w-]+):[^\n]*\n\t@\$\(FRESH\)", written, re.MULTILINE))
    assert len(fresh) > 5
    assert {f"make {part}" for part in fresh} <= PARTS.keys()
    assert {row.by for row in read(PAGE.read_text(encoding="utf-8")) if "SEEDS" not in row.by} <= PARTS.keys()


def test_a_part_that_pytest_ran_is_told_by_its_own_counts() -> None:
    output = """
    - 300 passing, 0 failing, and 20 invalid test cases
    - 99 passing, 1 failing, and 0 invalid test cases
1 failed, 22 passed, 3 deselected in 4.50s
"""
    assert measured(output) == "22 passed, 1 failed, 399 examples"
    assert measured("") == "nothing ran"
