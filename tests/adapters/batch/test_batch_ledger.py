"""The ledger: what is written stays, one process has it, tokens are sealed to their rows."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger, LedgerUnusable
from reportdl.batch.plan import Reading, State
from reportdl.batch.rows import Wished
from reportdl_core.job import Job


def wished(line: int, element: int = 1042, name: str = "") -> Wished:
    return Wished(line=line, job=Job(element=element, format="pdf"), name=name)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "night.ledger"


def test_a_job_stands_there_once(path):
    with Ledger(path) as ledger:
        added = ledger.add([wished(2), wished(3, 7), BadLine(line=4, text="x", problem="no"), wished(5)])
        assert added == ({"": 2}, ((5, 2),), 1, ())
        assert ledger.add([wished(6, name="other")]).new == {"": 1}
        assert ledger.last_line == 6
    with Ledger(path) as ledger:
        again = [wished(2), wished(9, 7), wished(10)]  # the same file, read again: a line has moved
        assert ledger.add(again, reading=2) == ({}, ((10, 2),), 0, ())
        assert ledger.counts()[""][State.WAITING] == ledger.waiting([""]) == 3
        assert [row.line for row in ledger.every()] == [2, 9, 6]
        assert ledger.refused() == [BadLine(line=4, text="x", problem="no")]


def test_ids_of_nineteen_digits(path):
    with Ledger(path) as ledger:
        ledger.add([wished(1, 9_999_999_999_999_999_999)])
        (row,) = ledger.every()
        assert row.job.element == 9_999_999_999_999_999_999


def test_rows_wait_their_turn(path):
    with Ledger(path) as ledger:
        ledger.add([wished(line, line) for line in range(1, 6)])
        ledger.update(1, state="done")
        ledger.update(2, due=50.0)
        ready = ledger.next_waiting("", now=10.0, most=2, but=frozenset({3}))
        assert [row.id for row in ready] == [4, 5]
        assert [row.id for row in ledger.next_waiting("", now=60.0, most=9, but=frozenset())] == [3, 4, 5, 2]
        assert ledger.next_due("") == 0.0
        assert ledger.next_due("elsewhere") is None
        assert ledger.next_waiting("elsewhere", now=60.0, most=9, but=frozenset()) == []


def test_one_process_at_a_time(path):
    script = "import sys; from reportdl.batch.ledger import Ledger; Ledger(sys.argv[1])"
    with Ledger(path):
        command = [sys.executable, "-c", script, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert "another process is working on" in done.stderr
    Ledger(path).close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_it_is_its_owners_alone(path):
    Ledger(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_no_ledger_is_refused_and_left_as_it_is(path, tmp_path):
    path.write_text("element,format\n1042,pdf\n" * 100)
    with pytest.raises(LedgerUnusable, match="cannot be used as a ledger"):
        Ledger(path)
    assert path.read_text().startswith("element")
    with pytest.raises(LedgerUnusable, match="there is no ledger"):
        Ledger(tmp_path / "nothing", must_exist=True)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(LedgerUnusable, match="cannot write a ledger"):
        Ledger(tmp_path / "no folder" / "x")
    other = tmp_path / "other"
    rows = sqlite3.connect(other)
    rows.execute("PRAGMA user_version = 99")
    rows.close()
    with pytest.raises(LedgerUnusable, match="another version"):
        Ledger(other)


@pytest.mark.parametrize("version", [0, 2, 7])
def test_another_programs_database_is_left_as_it_is(tmp_path, version):
    path = tmp_path / "places.sqlite"
    rows = sqlite3.connect(path)
    rows.executescript(f"CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = {version};")
    rows.close()
    before = path.read_bytes()
    for must_exist in (True, False):
        with pytest.raises(LedgerUnusable, match="is another program's database, and no ledger"):
            Ledger(path, must_exist=must_exist)
    assert path.read_bytes() == before


def test_what_the_list_does_not_have_any_more_is_forgotten(path):
    with Ledger(path) as ledger:
        assert ledger.next_reading(Reading.WHOLE) == 1
        ledger.add([wished(line, line) for line in range(1, 6)])
        for row, state in enumerate(["done", "failed", "running", "held"], 1):
            ledger.update(row, state=state)
        assert ledger.next_reading(Reading.REST) == 1
        assert ledger.next_reading(Reading.WHOLE) == 2
        ledger.add([wished(1, 8)], reading=2)
        assert ledger.forget(2) == {("", State.FAILED): 1, ("", State.WAITING): 1}
        assert [row.job.element for row in ledger.every()] == [1, 3, 4, 8]  # what was begun is not thrown away
        assert ledger.forget(2) == {}


def test_one_element_on_two_servers_is_two_jobs(path):
    with Ledger(path) as ledger:
        two = [
            Wished(line=line, job=Job(element=1042, format="pdf"), server=name) for line, name in ((1, "a"), (2, "b"))
        ]
        assert ledger.add(two).new == {"a": 1, "b": 1}
        ledger.keep_formats("a", 1042, ("pdf",))
        assert (ledger.formats("a", 1042), ledger.formats("b", 1042)) == (("pdf",), None)
        assert [row.server for row in ledger.next_waiting("b", now=1.0, most=9, but=frozenset())] == ["b"]
        ledger.update(1, state="done")
        assert (ledger.open("a"), ledger.open("b")) == (0, 1)


@pytest.mark.rules("I10")
def test_a_path_is_one_rows(path):
    with Ledger(path) as ledger:
        names = ["", "", "x.pdf", "x.pdf"]
        ledger.add([wished(1, 1), wished(2, 2), wished(3, 3, "x.pdf")])
        ledger.add([wished(1, 4, "x.pdf")], reading=2)  # a mended list gives the name to another job
        assert [row.name for row in ledger.every()] == names
        assert ledger.choose(1, "/out/sales.pdf")
        assert ledger.choose(1, "/out/sales.pdf")  # a second try of the same row
        assert not ledger.choose(2, "/out/sales.pdf")
        assert not ledger.choose(3, "/out/sales.pdf")
        assert ledger.choose(3, "/out/x.pdf")
        assert not ledger.choose(1, "/out/x.pdf")
        assert ledger.choose(4, "/out/x.pdf")
        assert list(ledger.paths()) == [
            (1, "", "/out/sales.pdf"),
            (3, "x.pdf", "/out/x.pdf"),
            (4, "x.pdf", "/out/x.pdf"),
        ]
        assert ledger.choose(1, "/out/sales (2).pdf")
        assert ledger.choose(2, "/out/sales.pdf")  # which the first has let go of


def test_failed_rows_begin_again(path: Path):
    with Ledger(path) as ledger:
        ledger.add([wished(1), wished(2, 7)])
        ledger.update(1, state="failed", reason="timed out", error="slow", attempts=2, checkpoint="{}")
        assert ledger.causes() == [("", "timed out", 1)]
        assert [row.id for row in ledger.failed("", "timed out", 5)] == [1]
        ledger.begin_again([1])
        row = next(ledger.every())
        assert (row.state, row.attempts, row.error, row.checkpoint) == (State.WAITING, 0, None, None)
        ledger.keep_formats("", 7, ("csv",))
        ledger.begin_again([2])
        assert ledger.formats("", 7) == ("csv",)
        ledger.update(2, state="failed", reason="invalid format", error="no pdf")
        ledger.begin_again([2])
        assert ledger.formats("", 7) is None  # it may offer it by now
        ledger.append_note(1, "one")
        ledger.append_note(1, "two")
        assert next(ledger.every()).note == "one; two"
