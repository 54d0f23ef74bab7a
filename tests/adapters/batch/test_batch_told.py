"""What a person is told: numbers as it goes, words at its end, and a page; for a newcomer's spreadsheet as well."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reportdl.batch.bring import Failed, Kept, Undelivered
from reportdl.batch.inputs import BadLine
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import State
from reportdl.batch.progress import Board, lasting
from reportdl.batch.report_page import histogram, page
from reportdl.batch.rows import Row, Wished
from reportdl.progress import Progress
from reportdl_core.errors import Reason
from reportdl_core.job import Job
from reportdl_core.lifecycle import State as SessionState

NEWCOMER = (
    "\ufeffElement ID;Segment;Format;Region\r\n1042;;pdf;North\r\n1042;0;csv;North\r\n\r\n1o42;0;csv;South\r\n"
    "1042;;pdf;North\r\n9999;;pdf;X\r\n;;;\r\n1044;71;xls;A/B\r\n1043;;xls;West\r\n"
)


def test_the_batch_of_a_newcomer(desk, serving):
    (desk.folder / "night.csv").write_bytes(NEWCOMER.encode())
    server = serving()
    words = (
        "batch",
        "night.csv",
        "-o",
        "out",
        "--name",
        "{Region}/{element}-{segment}.{ext}",
        "--report",
        "night.html",
    )
    ran = desk.run(*words, url=server.url)
    assert ran.code == 8
    assert desk.files == ["A_B/1044-71.xlsx", "North/1042-0.csv", "North/1042-0.pdf"]
    assert sorted(ran.out.splitlines()) == [str(desk.folder / "out" / name) for name in desk.files]
    said = ran.err
    for words_of_it in (
        "line 7: 9999 pdf: There is no element 9999 on the server",
        f"3 of 5 reports are in {desk.folder / 'out'} (3 came now: ",
        "1 failed: not found\n",
        "-> Correct the ids: ",
        "1 failed: invalid format",
        "line 10: 1043 xls: Element 1043 does not offer xls; it offers image, pdf, csv.",
        "1 line of the list cannot be used",
        "line 5: element must be an integer of 1 to 19 digits, not '1o42'\n      1o42;0;csv;South",
        "1 line asks for what an earlier line asks for, and was brought once\n  line 6 is line 2 again",
        "Correct lines 5, 7 and 10 of night.csv or take them out, and type the same command again",
    ):
        assert words_of_it in said, said
    page = (desk.folder / "night.html").read_text()
    assert "<td>1o42;0;csv;South</td>" in page
    assert "<h2>What to do now</h2><p>Correct lines 5, 7 and 10 of night.csv" in page
    mended = NEWCOMER.replace("1o42;0", "1042;0").replace("9999", "1043").replace("1043;;xls", "1043;;csv")
    (desk.folder / "night.csv").write_bytes(mended.encode())
    again = desk.run(*words, url=server.url)
    assert again.code == 0, again.err
    assert len(again.out.splitlines()) == 3
    assert "6 of 6 reports are in " in again.err
    assert "2 that did not come before are not on the list any more" in again.err


def test_a_dry_run_asks_nothing_and_writes_nothing(desk, serving):
    (desk.folder / "night.csv").write_bytes(NEWCOMER.encode())
    server = serving()
    ran = desk.run("batch", "night.csv", "--dry-run", "--name", "{element}-{segment}-{format}", url=server.url)
    assert (ran.code, server.calls) == (0, ())
    assert ran.out == (
        "line  element  segment  format  file\n"
        "   2  1042     0        pdf     1042-0-pdf.pdf\n"
        "   3  1042     0        csv     1042-0-csv.csv\n"
        "   7  9999     0        pdf     9999-0-pdf.pdf\n"
        "   9  1044     71       xls     1044-71-xls.xlsx\n"
        "  10  1043     0        xls     1043-0-xls.xlsx\n"
    )
    assert ran.err == (
        "\n1 line of the list cannot be used\n"
        "  line 5: element must be an integer of 1 to 19 digits, not '1o42'\n      1o42;0;csv;South\n"
        "line 6 asks for what line 2 asks for: it would be brought once\n\n"
        f"5 reports would be downloaded to {desk.folder}, 4 at a time from {server.url}.\n"
        "This was a dry run: nothing was asked for, and nothing was written.\n"
    )
    assert [path.name for path in desk.folder.iterdir()] == ["night.csv"]


def test_a_dry_run_of_what_the_server_names(desk, serving):
    desk.jobs("1042,csv,", "1042,pdf,mine")
    ran = desk.run("batch", "night.csv", "--dry-run", url="https://mi.example.com")
    assert [line.split()[-1] for line in ran.out.splitlines()] == ["file", "*", "mine.pdf"]
    assert ran.err.startswith("* as the server calls it; a name that is taken gets a suffix\n\n2 reports would be")
    (first, second) = desk.run("batch", "night.csv", "--dry-run", "--json", url="https://mi.example.com").json
    assert (first["name"], second["name"], first["server"]) == (None, "mine.pdf", None)


@pytest.mark.rules("D24")
def test_two_reports_of_one_name_are_an_error_before_anything_is_asked(desk, serving):
    server = serving()
    desk.jobs("1042,pdf,", "1042,csv,", "1042,apdf,", "1042,csv,same", "1042,xml,same", "1044,csv,same")
    words = ("batch", "night.csv", "-o", "out", "--name", "{element}-{segment}.{ext}")
    for more in ((), ("--dry-run",)):
        ran = desk.run(*words, *more, url=server.url)
        assert (ran.code, server.calls, desk.files) == (2, (), [])
        said = " ".join(ran.err.split())
        assert "lines 2 and 4 (1042 pdf and 1042 apdf) would both be called 1042-0.pdf; lines 5 and 7 (1042 csv" in said
        assert "add {format} to the name template, or give each line a name of its own; nothing was asked for" in said
    words = ("batch", "night.csv", "-o", "out", "--name", "{element}-{format}.{ext}")
    desk.jobs("1042,pdf,", "1042,csv,", "1042,apdf,", "1042,csv,same", "1042,xml,same")
    assert desk.run(*words, url=server.url).code == 0  # in the same ledger: nothing had begun
    assert desk.files == ["1042-apdf.pdf", "1042-csv.csv", "1042-pdf.pdf", "same.csv", "same.xml"]


def test_json_lines_for_machines(desk, serving):
    desk.jobs("1042,csv,r0", "9999,csv,r1")
    ran = desk.run("batch", "night.csv", "-o", "out", "--json", url=serving().url)
    *jobs, summary = ran.json
    assert {one["state"] for one in jobs} == {"done", "failed"}
    (failed,) = (one for one in jobs if one["state"] == "failed")
    assert (failed["line"], failed["element"], failed["reason"], failed["retryable"]) == (3, 9999, "not found", False)
    assert (summary["event"], summary["ok"], summary["done"], summary["failed"]) == ("summary", False, 1, 1)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("batch", "none.csv"), "cannot read the jobs in"),
        (("batch", "-"), "need a --ledger"),
        (("resume", "none.ledger"), "there is no ledger"),
        (("batch", "night.csv", "--name", "{nothing"), "cannot be read"),
        (("batch", "night.csv", "--overwrite", "--skip-existing"), "exclude each other"),
        (("batch", "night.csv", "-o", "nosuch://x"), "nosuch"),
        (("batch", "night.csv", "--storage-option", "x"), "takes NAME=VALUE"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything(desk, serving, words, said):
    desk.jobs("1042,csv,r0")
    server = serving()
    ran = desk.run(*words, url=server.url)
    assert ran.code in (1, 2)
    assert said in ran.err
    assert server.calls == ()


# -- numbers as it goes -----------------------------------------------------------------------------------------------


def row(number: int, element: int = 1042) -> Row:
    blank: dict[str, Any] = dict.fromkeys(
        ("path", "size", "sha256", "reason", "error", "note", "checkpoint", "began", "ran", "got", "ended")
    )
    job = Job(element=element, format="pdf")
    return Row(
        id=number,
        line=number,
        server="",
        job=job,
        name="",
        state=State.WAITING,
        attempts=0,
        runs=0,
        retryable=False,
        **blank,
    )


def test_the_board_counts_and_foresees():
    now = 1000.0
    counts = {"": dict.fromkeys(State, 0) | {State.WAITING: 100, State.DONE: 20}}
    board = Board(counts=counts, clock=lambda: now)
    for number in range(4):
        board.began(row(number))
    board.moved(row(1), Progress(state=SessionState.RUNNING, elapsed=1.0))
    board.moved(row(2), Progress(state=SessionState.READY, elapsed=1.0))
    assert board.line() == "20 of 120 done, 2 asking, 1 generating, 1 downloading, 96 waiting"
    now += 20
    board.ended(row(1), Kept(path="x", size=10), again_at=None)
    board.ended(row(2), Failed(reason=Reason.NOT_FOUND, error="no", retryable=False), again_at=None)
    board.ended(row(3), Failed(reason=Reason.TIMED_OUT, error="slow", retryable=True), again_at=1050.0)
    assert board.line() == (
        "21 of 120 done, 1 failed, 1 asking, 97 waiting, 6.0/min, 16 min left, slowest: 1042 pdf asking for 20 s"
    )
    board.ended(row(0), Undelivered(error="full"), again_at=None)
    assert (board.total, board.bytes_here, board.retries) == (120, 10, 1)
    assert board.slowest is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 00 min"), (9000, "2 h 30 min")]
)
def test_how_long(seconds, said):
    assert lasting(seconds) == said


# -- the page ---------------------------------------------------------------------------------------------------------


class Parsed(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.keep_settings({"began": 1000.0})
        ledger.add([Wished(line=line, job=Job(element=line, format="pdf")) for line in range(1, 5)])
        ledger.add([BadLine(line=9, text="</script><b>", problem="<i>no</i>")])
        ledger.update(1, state="done", path="/x/a.pdf", began=1001.0, ran=1002.0, got=1012.0, ended=1013.0, size=5)
        evil = "</script><script>alert(1)</script>"
        ledger.update(2, state="failed", reason="not found", error=evil, began=1001.0, ended=1002.0)
        ledger.update(3, state="running", began=1005.0, ran=1006.0, note="generated again: <b>")
        yield ledger


def test_the_page_is_one_file_and_takes_every_text_literally(ledger):
    text = page(ledger)
    parsed = Parsed()
    parsed.feed(text)
    assert parsed.tags.count("script") == 2
    assert parsed.addresses == []
    assert "url(" not in text
    assert "alert(1)</script>" not in text
    assert "b" not in [tag for tag in parsed.tags if tag == "i"]
    assert parsed.tags.count("i") == 6  # the legend's


def test_the_page_has_every_job_with_its_phases(ledger):
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page(ledger), re.DOTALL)
    assert data is not None
    shown = json.loads(data.group(1))
    assert [one[:2] + one[2:7] for one in shown["rows"]] == [
        [1, "1 pdf", 3, 1.0, 2.0, 12.0, 13.0],
        [2, "2 pdf", 4, 1.0, None, None, 2.0],
        [3, "3 pdf", 1, 5.0, 6.0, None, None],
        [4, "4 pdf", 0, None, None, None, None],
    ]
    assert shown["until"] == 13.0


def test_the_histogram_counts_every_generation():
    drawn = histogram([1.0] * 7 + [2.4, 60.0])
    counts = [int(count) for count in re.findall(r"s: (\d+)</title>", drawn)]
    assert sum(counts) == 9
    assert max(counts) == 8
    assert "9 generations" in drawn
    assert histogram([]) == "<p>Nothing was generated.</p>"
    assert histogram([0.0]).count("<rect") == 1
