"""Jobs files as people have them: a spreadsheet's dialects, JSON Lines, and what is wrong with them in words."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from reportdl.batch.inputs import BadLine, Wanted, read_jobs
from reportdl.batch.texts import InputUnusable
from reportdl_core.job import Job


def lines(tmp_path: Path, content: bytes | str, format: str | None = None):
    path = tmp_path / "jobs"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_jobs(path, format=format))


def shown(found):
    """What became of each line, as short as it can be said."""
    return [
        (one.line, one.problem)
        if isinstance(one, BadLine)
        else (one.line, one.job.element, one.job.segment, one.job.format, one.name)
        for one in found
    ]


GOOD = [(2, 1042, 0, "pdf", None), (3, 1044, 71, "xls", None)]


@pytest.mark.parametrize(
    "content",
    [
        "element,segment,format\n1042,,pdf\n1044,71,xls\n",
        "element;segment;format\r\n1042;;pdf\r\n1044;71;xls\r\n",
        "element\tsegment\tformat\n1042\t\tpdf\n1044\t71\txls",
        "\ufeffElement ID;Segment Value ID;Format\r\n1042;0;pdf\r\n1044;71;xls",
        '"element","segment","format"\n"1042","","pdf"\n"1044","71","xls"\n',
        " Element | SEGMENT | format \n 1042 | | pdf \n 1044 | 71 | xls \n",
        "element,segment,format\r1042,,pdf\r1044,71,xls\r",
        "element;segment;format\n1042;;pdf\n1044;71;xls\n".encode("utf-16"),
        "element;segment;format;title\n1042;;pdf;Umsätze\n1044;71;xls;Süd\n".encode("cp1252"),
    ],
    ids=["plain", "spreadsheet", "tabs", "bom", "quoted", "spaces", "old mac", "utf-16", "cp1252"],
)
def test_the_dialects_of_a_spreadsheet(tmp_path, content):
    # A file of old Macs' line ends is one line to Python: its numbers are the spreadsheet's all the same.
    assert shown(lines(tmp_path, content)) == GOOD


def test_what_a_newcomer_hands_in(tmp_path):
    content = (
        "\ufeffElement;Segment;Format;Region\r\n1042;;pdf;North\r\n\r\n1o42;0;pdf;South\r\n;;;\r\n"
        "1.042;0;pdf;x\r\n1042;0;pdf\r\n# a remark;;;\r\n;0;pdf;x\r\n1042;-1;pdf;x\r\n1042;0;p/f;x\r\n1;0;pdf;x;y\r\n"
    )
    assert shown(lines(tmp_path, content)) == [
        (2, 1042, 0, "pdf", None),
        (4, "element must be an integer of 1 to 19 digits, not '1o42'"),
        (6, "element must be an integer of 1 to 19 digits, not '1.042'"),
        (7, 1042, 0, "pdf", None),
        (9, "has no element"),
        (10, "segment must be an integer of 1 to 19 digits, not '-1'"),
        (11, "format must be a key such as 'pdf', not 'p/f'"),
        (12, "has 5 cells, and there are 4 columns"),
    ]


def test_further_columns_are_fields(tmp_path):
    (one,) = lines(tmp_path, "element,format,Region,name\n1042,pdf,North,sales\n")
    assert one == Wanted(line=2, job=Job(element=1042, format="pdf"), name="sales", fields={"Region": "North"})


def test_without_a_header_and_with_a_format_for_all(tmp_path):
    assert shown(lines(tmp_path, "1042,0,pdf\n1044,71,xls")) == [(one - 1, *more) for one, *more in GOOD]
    assert shown(lines(tmp_path, "1042;pdf\n")) == [(1, 1042, 0, "pdf", None)]
    assert shown(lines(tmp_path, "element\n1042\n", format="pdf")) == [(2, 1042, 0, "pdf", None)]
    assert shown(lines(tmp_path, "element\n1042\n")) == [(2, "has no format, and no --format was given for all")]


def test_excels_own_line_and_a_cell_of_two_lines(tmp_path):
    content = 'sep=;\nelement;format;title\n1042;pdf;"two\nlines"\n1043;csv;x\n'
    found = lines(tmp_path, content)
    assert shown(found) == [(3, 1042, 0, "pdf", None), (5, 1043, 0, "csv", None)]
    assert found[0].fields == {"title": "two\nlines"}


def test_a_quotation_mark_too_many_does_not_swallow_the_night(tmp_path):
    rows = "".join(f"{number},pdf,x\n" for number in range(200))
    found = lines(tmp_path, f'element,format,title\n7,pdf,"oops\n{rows}')
    assert shown(found)[0] == (2, "a quotation mark is opened here and not closed before line 202")
    assert len(found) == 1


def unclosed(first: int, last: int) -> tuple[int, str]:
    return first, f"a quotation mark is opened here and not closed before line {last}"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('1042;;pdf\n1043;;"csv\n1044;;xls\n1045;;pdf\n', [(2, 1042, 0, "pdf", None), unclosed(3, 5)]),
        ('1042;;pdf\n"', [(2, 1042, 0, "pdf", None), unclosed(3, 3)]),
        # closed by the mark that opens a cell three lines below
        (
            '1042;;pdf;"North\n1043;;pdf;x\n1044;;pdf;"South"\n1045;;pdf;x\n',
            [unclosed(2, 4), (5, 1045, 0, "pdf", None)],
        ),
        ('1042;;pdf;"two\nlines"\n1043;;pdf;"a ""b"" c"', [(2, 1042, 0, "pdf", None), (4, 1043, 0, "pdf", None)]),
        ('1042;;pdf;"two\n# lines"\n', [(2, 1042, 0, "pdf", None)]),
        ('# the 12" ones;"\n1042;;pdf\n #"\n1043;;pdf\n', [(3, 1042, 0, "pdf", None), (5, 1043, 0, "pdf", None)]),
    ],
    ids=["to the end", "alone", "closed by another's", "in order", "a cell's own", "in remarks"],
)
def test_a_quotation_mark_swallows_no_job_without_a_word(tmp_path, content, found):
    assert shown(lines(tmp_path, f"element;segment;format;title\n{content}")) == found


def test_remarks_stand_anywhere(tmp_path):
    assert shown(lines(tmp_path, "# of October, of a, of b\n#\nelement;format\n1042;pdf\n")) == [
        (4, 1042, 0, "pdf", None)
    ]
    assert shown(lines(tmp_path, '# "x\n{"element": 1042, "format": "pdf"}\n # no\n')) == [(2, 1042, 0, "pdf", None)]
    assert lines(tmp_path, "# nothing\n") == []


def test_json_lines(tmp_path):
    content = (
        '{"element": 1042, "format": "pdf"}\n\n'
        '{"element": "1044", "segment": 71, "format": "xls", "region": "N", "n": 1}\n'
        '[1]\n{"element": 1.5, "format": "pdf"}\nelement\n{"element": null, "format": "pdf"}\n' + "[" * 100_000 + "\n"
    )
    found = lines(tmp_path, content)
    assert shown(found)[:2] == [(1, 1042, 0, "pdf", None), (3, 1044, 71, "xls", None)]
    assert found[1].fields == {"region": "N", "n": "1"}
    assert [one.line for one in found[2:]] == [4, 5, 6, 7, 8]
    assert "one JSON object a line" in found[2].problem
    assert found[3].problem == "element must be an integer of 1 to 19 digits, not '1.5'"
    assert found[4].problem.startswith("not JSON")
    assert found[5].problem == "has no element"


def test_a_line_that_says_two_things_is_not_guessed_at(tmp_path):
    content = (
        '{"element": 1042, "id": 1043, "format": "pdf"}\n{"element": 1042, "format": "pdf", "element": 1043}\n'
        '{"element": 1042, "format": "pdf", "note": {"a": 1, "a": 2}}\n'
    )
    assert shown(lines(tmp_path, content)) == [
        (1, "names the element twice"),
        (2, "names the 'element' twice"),
        (3, "names the 'a' twice"),
    ]
    assert shown(read_jobs([{"element": 1, "report": 2, "format": "pdf"}])) == [(1, "names the element twice")]


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_no_line_of_a_large_file_is_cut(tmp_path, end):
    """Above the mebibyte that is read at a time: an old Mac's file is one line of it."""
    wanted = [f"{number},pdf,{'ü' * (number % 100)}" for number in range(1, 30_000)]
    text = end.join(["element,format,title", *wanted, ""])
    assert len(text.encode()) > 3 * 1024 * 1024
    found = lines(tmp_path, text)
    assert [f"{one.job.element},pdf,{one.fields['title']}" for one in found if isinstance(one, Wanted)] == wanted
    assert [one.line for one in found] == list(range(2, 30_001))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("report name,kind\nx,y\n", "no column `element`"),
        ("element,format,Element ID\n1,pdf,2\n", "twice"),
        ("x" * 2_000_000, "no list of jobs"),
    ],
)
def test_what_is_no_list_of_jobs(tmp_path, content, said):
    with pytest.raises(InputUnusable, match=said):
        lines(tmp_path, content)


def test_a_file_that_is_not_there():
    with pytest.raises(InputUnusable, match="cannot read the jobs"):
        list(read_jobs("/nowhere/night.csv"))


def test_an_empty_file_is_no_jobs(tmp_path):
    assert lines(tmp_path, "") == lines(tmp_path, "\ufeff") == lines(tmp_path, "element,format\n") == []


def test_an_endless_iterator_is_read_as_far_as_wanted():
    jobs = (Job(element=number, format="pdf") for number in itertools.count())
    assert shown(itertools.islice(read_jobs(jobs), 2)) == [(1, 0, 0, "pdf", None), (2, 1, 0, "pdf", None)]
    mixed: list[Any] = [
        {"element": 5, "format": "csv", "name": "x"},
        Wanted(job=Job(element=6, format="pdf")),
        {"element": "no"},
    ]
    assert shown(read_jobs(mixed, format="pdf")) == [
        (1, 5, 0, "csv", "x"),
        (2, 6, 0, "pdf", None),
        (3, "element must be an integer of 1 to 19 digits, not 'no'"),
    ]


def test_a_million_lines_are_never_a_list(tmp_path):
    path = tmp_path / "big.csv"
    path.write_text("element,format\n" + "1042,pdf\n" * 5_000)
    import tracemalloc

    tracemalloc.start()
    count = sum(1 for _ in read_jobs(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 300_000
