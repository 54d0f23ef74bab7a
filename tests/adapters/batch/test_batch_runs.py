"""A batch as a program runs it: `reportdl.batch.run`, in this process, against the endpoint on loopback."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import reportdl
import reportdl.batch
from reportdl.batch import Again, Budget, Ledger, LedgerUnusable, LedgerUnwritable
from reportdl.batch.begun import Settings
from reportdl.batch.night import Night
from reportdl.batch.plan import Reading
from reportdl.batch.roster import Roster
from reportdl.files import Clash

AT_ONCE = Budget(attempts=2, pause=0.01)


@pytest.fixture
def run(tmp_path):
    """Runs a batch in one ledger."""

    def run(jobs: Any, server: Any, **more: Any) -> reportdl.batch.Summary:
        far = reportdl.batch.Server(server.url, credentials=reportdl.Token("any"), policy=more.pop("policy", POLICY))
        options = {"ledger": tmp_path / "ledger", "to": str(tmp_path / "out"), "budget": AT_ONCE, **more}
        return reportdl.batch.run(jobs, far, **options)

    return run


POLICY = reportdl.Policy(first_contact=5.0, silence=5.0)


def job(element: int = 1042, format: str = "csv", segment: int = 0) -> reportdl.Job:
    return reportdl.Job(element=element, segment=segment, format=format)


def rows(tmp_path, columns: str) -> list[Any]:
    ledger = sqlite3.connect(tmp_path / "ledger")
    try:
        return ledger.execute(f"SELECT {columns} FROM jobs ORDER BY line").fetchall()
    finally:
        ledger.close()


def files(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


@pytest.mark.rules("D12")
def test_the_formats_of_an_element_are_asked_for_once(serving, run, tmp_path):
    server = serving()
    jobs = [job(format="csv"), job(format="pdf"), job(format="image"), job(1044, segment=71), job(1044, segment=72)]
    summary = run(jobs, server, name="{element}-{segment}.{ext}")
    assert summary.ok
    assert server.count("formats") == 2
    assert files(tmp_path) == ["1042-0.csv", "1042-0.pdf", "1042-0.png", "1044-71.csv", "1044-72.csv"]
    assert (summary.done, summary.here, summary.failed) == (5, 5, 0)
    assert summary.size == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())


@pytest.fixture
def ledgers(monkeypatch) -> list[Ledger]:
    """The ledgers that were opened."""
    opened: list[Ledger] = []
    begin = Ledger.__init__

    def begun(self: Ledger, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        opened.append(self)

    monkeypatch.setattr(Ledger, "__init__", begun)
    return opened


def test_a_ledger_that_cannot_be_written_any_more_ends_the_batch_and_loses_nothing(serving, run, tmp_path, ledgers):
    server = serving()

    def jobs(*, until: int) -> Iterator[reportdl.Job]:
        yield job()
        if until == 1:
            ledgers[-1]._rows.execute("PRAGMA query_only = ON")  # as a disk that was mounted anew for reading
        yield job(format="pdf")

    with pytest.raises(LedgerUnwritable, match=r"ledger' cannot be .* any more: attempt to write a readonly database"):
        run(jobs(until=1), server, name="{element}.{ext}")
    assert run(jobs(until=2), server, name="{element}.{ext}").ok
    assert files(tmp_path) == ["1042.csv", "1042.pdf"]


def test_a_ledger_that_cannot_be_written_from_the_start_is_unusable(serving, run, monkeypatch):
    server = serving()

    def full(self: Ledger, settings: object) -> None:
        self._rows.execute("PRAGMA query_only = ON")
        keep(self, settings)  # type: ignore[arg-type]

    keep = Ledger.keep_settings
    monkeypatch.setattr(Ledger, "keep_settings", full)
    with pytest.raises(LedgerUnusable, match="cannot be used as a ledger: attempt to write"):
        run([job()], server)
    assert server.calls == ()


@pytest.mark.rules("D12", "R5", "R10")
def test_one_segment_that_is_not_there_condemns_no_other(serving, run, tmp_path):
    server = serving()
    summary = run([job(1044, segment=999), job(1044, segment=71), job(1043, format="xls")], server)
    assert (summary.done, summary.failed) == (1, 2)
    assert {cause.reason for cause in summary.causes} == {"not found", "invalid format"}
    assert server.count("init") == 1  # what is not offered is known without a token
    assert rows(tmp_path, "state, attempts") == [("failed", 1), ("done", 1), ("failed", 1)]


@pytest.mark.rules("D24")
def test_names_of_the_servers_own_get_suffixes_and_are_told(serving, run, tmp_path):
    jobs = [reportdl.batch.Wanted(job=job()), reportdl.batch.Wanted(job=job(), name="mine")]
    summary = run(jobs, serving())
    assert summary.ok
    assert sorted(path.rpartition("/")[2] for (path,) in rows(tmp_path, "path")) == files(tmp_path)


@pytest.fixture
def slow_store(tmp_path) -> str:
    """A store that takes its time over a file, and says meanwhile that there is none."""
    from fsspec import register_implementation
    from fsspec.implementations.local import LocalFileSystem

    class Slow(LocalFileSystem):
        protocol = "slow"

        def put_file(self, *where: Any, **more: Any) -> None:
            time.sleep(0.1)
            super().put_file(*where, **more)

    register_implementation("slow", Slow, clobber=True)
    return f"slow://{tmp_path}/out"


def kept(tmp_path) -> list[bool]:
    """Of each row that is done, whether its file is what was brought for it."""
    return [
        hashlib.sha256(Path(path.removeprefix("slow://")).read_bytes()).hexdigest() == sha256
        for path, sha256 in rows(tmp_path, "path, sha256")
    ]


SAME = "get.filename=sales.csv"
SEGMENTS = [job(1044, segment=number) for number in (71, 72)] + [job(), job(1043)]


@pytest.mark.rules("D24", "I10")
@pytest.mark.parametrize("clash", Clash)
@pytest.mark.parametrize("far", [False, True], ids=["folder", "store"])
def test_no_report_of_a_batch_takes_anothers_place(serving, run, tmp_path, slow_store, clash, far):
    server, to = serving(faults=[SAME]), slow_store if far else str(tmp_path / "out")
    summary = run(SEGMENTS, server, to=to, clash=clash)
    assert (summary.ok, summary.done, summary.here) == (True, 4, 4)
    assert [name for name in files(tmp_path) if not name.startswith(".")] == [
        "sales (2).csv",
        "sales (3).csv",
        "sales (4).csv",
        "sales.csv",
    ]
    assert kept(tmp_path) == [True] * 4


@pytest.mark.rules("D24")
def test_a_file_that_this_batch_has_brought_is_not_one_that_was_there(serving, run, tmp_path):
    named = reportdl.batch.Wanted(job=job(1043), name="sales")
    assert run([job(), named], serving(faults=[SAME]), clash=Clash.SKIP, at_once=1).ok
    assert files(tmp_path) == ["sales (2).csv", "sales.csv"]
    assert kept(tmp_path) == [True, True]


def test_an_iterator_is_read_as_the_jobs_are_done(serving, run, tmp_path):
    read = []

    def jobs():
        for number in range(30):
            read.append(number)
            yield reportdl.batch.Wanted(job=job(), name=f"r{number}")

    assert run(jobs(), serving()).done == 30
    assert len(read) == 30


@pytest.mark.rules("D24")
def test_one_name_for_two_jobs_of_an_iterator_costs_the_later_one_alone(serving, run, tmp_path):
    jobs = [job(), job(format="pdf"), job(1043), job(format="pdf")]
    summary = run(iter(jobs), serving(), name="{ext}")
    assert (summary.done, summary.refused, summary.repeated) == (2, 1, 1)
    (bad,) = summary.bad_lines
    assert (bad.line, bad.text) == (3, "1043 csv")
    assert bad.problem == (
        "would be called csv.csv, as line 1 is: add {element} to the name template, or give each line a name of its own"
    )
    assert files(tmp_path) == ["csv.csv", "pdf.pdf"]


@pytest.mark.rules("D24")
def test_a_mended_list_may_use_a_name_again(serving, run, tmp_path):
    path, server = tmp_path / "night.csv", serving()
    path.write_text("element,format,name\n9999,csv,sales\n1042,pdf,x\n")
    assert run(path, server).failed == 1
    path.write_text("element,format,name\n1042,csv,sales\n1042,pdf,x\n")
    summary = run(path, server)
    assert (summary.ok, summary.done, summary.forgotten) == (True, 2, 1)
    assert "1 that did not come before is not on the list any more" in summary.text()
    assert files(tmp_path) == ["sales.csv", "x.pdf"]
    path.write_text("element,format,name\n1042,csv,sales\n1042,pdf,x\n1044,csv,sales\n")
    with pytest.raises(reportdl.batch.NamesCollide, match=r"lines 2 and 4 \(1042 csv and 1044 csv\)"):
        run(path, server)
    assert rows(tmp_path, "state") == [("done",), ("done",)]


@pytest.mark.rules("I13", "D16")
def test_an_endless_iterator_ends_where_its_server_is_given_up(serving, run, tmp_path, monkeypatch):
    monkeypatch.setattr("reportdl.batch.engine._CHUNK", 5)
    monkeypatch.setattr("reportdl.batch.engine._AHEAD", 20)
    server = serving(faults=["*.unauthorized"])
    jobs = (reportdl.batch.Wanted(job=job(), name=f"r{number}") for number in itertools.count())
    summary = run(jobs, server, at_once=1)
    assert summary.stopped == {"": reportdl.Reason.CREDENTIALS}
    assert (summary.failed, summary.ok, len(server.calls)) == (1, False, 1)
    assert summary.unfinished <= 25  # not far ahead of what was done
    assert f"The list was not read to its end: line {summary.read_to} was the last" in summary.text()


def test_a_job_is_begun_while_the_next_ones_are_still_to_be_thought_of(serving, run, tmp_path, monkeypatch):
    monkeypatch.setattr("reportdl.batch.engine._PATIENCE", 0.0)
    server = serving()

    def jobs():
        yield job()
        server.wait_for("get")
        yield job(format="pdf")

    assert run(jobs(), server).done == 2


def test_what_a_pipe_did_not_bring_before_a_kill_is_missed(serving, tmp_path):
    """The rest of it is gone: only who made it can say it again."""
    jobs, server = [job(), job(format="pdf")], serving()
    far = reportdl.batch.Server(server.url, credentials=reportdl.Token("any"), policy=POLICY)
    settings = Settings(to=str(tmp_path / "out"))
    with Night(tmp_path / "ledger", settings, roster=Roster.of({"": far.origin})) as night:
        lines = night.lines(jobs)
        assert lines is not None
        night.ledger.add([next(lines)], reading=night.ledger.next_reading(Reading.ONCE))  # and then it was killed
    summary = reportdl.batch.resume(tmp_path / "ledger", far)
    assert (summary.done, summary.unfinished, summary.ok, summary.read_to) == (1, 0, False, 1)
    assert "The list was not read to its end: line 1 was the last" in summary.text()
    assert summary.steps == ("Hand in the whole list again, by the same command: what is here stays.",)
    again = reportdl.batch.run(jobs, far, ledger=tmp_path / "ledger", to=str(tmp_path / "out"))
    assert (again.done, again.here, again.ok, again.read_to) == (2, 1, True, None)


@pytest.mark.rules("D24")
def test_the_rest_of_a_list_that_was_half_read_may_not_use_a_name_again(serving, tmp_path):
    path, server = tmp_path / "night.csv", serving()
    path.write_text("element,format,name\n1042,csv,sales\n1043,csv,sales\n1043,csv,other\n")
    settings = Settings(to=str(tmp_path / "out"), source=str(path))
    far = reportdl.batch.Server(server.url, credentials=reportdl.Token("any"), policy=POLICY)
    with Night(tmp_path / "ledger", settings, roster=Roster.of({"": far.origin})) as night:
        lines = night.lines(str(path))
        assert lines is not None
        night.ledger.add([next(lines)], reading=night.ledger.next_reading(Reading.WHOLE))  # and then it was killed
    summary = reportdl.batch.resume(tmp_path / "ledger", far)
    assert (summary.done, summary.refused) == (2, 1)
    assert summary.bad_lines[0].problem.startswith("would be called sales.csv, as line 2 is")
    assert files(tmp_path) == ["other.csv", "sales.csv"]


def test_an_iterator_that_breaks_is_raised_and_loses_nothing(serving, run, tmp_path):
    def jobs():
        yield from ({"element": 1042, "format": "csv", "name": f"r{number}"} for number in range(600))
        raise RuntimeError("the list broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        run(jobs(), serving(generation_seconds=5.0))
    assert len(rows(tmp_path, "id")) == 500


@pytest.mark.rules("I13", "D16")
def test_a_refused_credential_stops_the_batch_at_the_first_job(serving, run, tmp_path):
    server = serving(faults=["*.unauthorized"])
    summary = run([job(format=key) for key in ("csv", "pdf", "image", "xml", "mhtml", "xls")], server, at_once=1)
    assert summary.stopped == {"": reportdl.Reason.CREDENTIALS}
    assert (summary.failed, summary.unfinished) == (1, 5)
    assert len(server.calls) == 1
    assert "No other could have succeeded either, so they were not begun: credentials." in summary.text()
    server.no_faults()
    again = run([job(format=key) for key in ("csv", "pdf", "image", "xml", "mhtml", "xls")], server)
    assert (again.done, again.stopped) == (6, {})


@pytest.mark.rules("I13")
def test_what_may_pass_is_tried_again_and_named(serving, run, tmp_path):
    # Twice two transfers are cut: the core's own budget for this job is used up (D21), the batch's is not.
    server = serving(faults=["get.cut_at=10:4"])
    summary = run([job()], server, policy=reportdl.Policy(first_pause=0.01))
    assert summary.ok
    assert (server.count("run"), server.count("get")) == (3, 5)
    ((attempts, runs, note),) = rows(tmp_path, "attempts, runs, note")
    assert (attempts, runs) == (2, 3)
    assert note.split("; ") == [
        "generated again: the transfer broke, and the server gives a file once",
        "tried again: it had failed (transfer lost)",
    ]


def test_what_failed_is_tried_again_by_the_next_start_as_was_said(serving, run, tmp_path):
    server = serving()
    jobs = [job(9999), job()]
    assert run(jobs, server).failed == 1
    asked = len(server.calls)
    assert run(jobs, server).failed == 1
    assert len(server.calls) == asked  # trying again cannot help
    assert run(jobs, server, again=Again.ALL).failed == 1
    assert len(server.calls) == asked + 1


def test_a_ledger_is_one_batch(serving, run, tmp_path):
    server = serving()
    run([job()], server, name="{element}")
    with pytest.raises(LedgerUnusable, match=r"another name \('\{element\}', not 'x'\)"):
        run([job()], server, name="x")
    with pytest.raises(LedgerUnusable, match="another clash"):
        run([job()], server, name="{element}", clash=Clash.SKIP)


@pytest.mark.rules("D37")
def test_no_more_than_was_said_are_under_way(serving, run, tmp_path):
    server = serving(generation_seconds=0.3, generations_at_once=16)
    jobs = [reportdl.batch.Wanted(job=job(), name=f"r{number}") for number in range(6)]
    assert run(jobs, server, at_once=2).done == 6
    starts = [row[0] for row in rows(tmp_path, "began")]
    ends = [row[0] for row in rows(tmp_path, "ended")]
    moments = sorted([(when, 1) for when in starts] + [(when, -1) for when in ends])
    assert max(itertools.accumulate(step for _, step in moments)) == 2


def test_an_empty_list_is_no_batch_and_no_failure(serving, run):
    summary = run(iter(()), serving())
    assert summary.ok
    assert (summary.done, summary.here) == (0, 0)
