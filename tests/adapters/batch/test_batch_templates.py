"""What files are called: fields and folders, and nothing that a cell could smuggle in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reportdl.batch.inputs import Wanted
from reportdl.batch.templates import NameTemplate, TemplateUnusable, safe_path
from reportdl_core.job import Job

BEGAN = datetime(2026, 11, 27, 23, 59, 30, tzinfo=UTC)


def rendered(template: str, format: str = "pdf", **fields: str) -> str:
    wanted = Wanted(line=7, job=Job(element=1042, segment=3, format=format), fields=fields)
    return NameTemplate(template).render(wanted, began=BEGAN)


@pytest.mark.rules("D24")
@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{element}-{segment}-{date}.{ext}", "1042-3-2026-11-27.pdf"),
        ("{date:%Y/%m}/{element}", "2026_11/1042.pdf"),
        ("{date:%Y}/{date:%m}/{element}.{ext}", "2026/11/1042.pdf"),
        ("{region}/{line}_{time}", "North/7_235930.pdf"),
        ("plain.xlsx", "plain.pdf"),
        ("{{{format}}}", "{pdf}.pdf"),
        ("/etc/{element}", "etc/1042.pdf"),
    ],
)
def test_a_name(template, name):
    assert rendered(template, region="North") == name


@pytest.mark.rules("D24")
@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd/1042.pdf"),
        ("a/b\\c", "a_b_c/1042.pdf"),
        ("CON", "_CON/1042.pdf"),
        ("..", "1042.pdf"),
        ("", "1042.pdf"),
        ("~root", "_root/1042.pdf"),
        ("a\x00b\u202e", "ab/1042.pdf"),
    ],
)
def test_a_cell_points_nowhere_else(value, name):
    assert rendered("{region}/{element}", region=value) == name


def test_the_formats_extension_wins():
    assert rendered("{element}.exe", format="xls") == "1042.exe.xlsx"
    assert rendered("{element}.{ext}", format="apdf") == "1042.pdf"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{element.__class__}", "plain fields"),
        ("{fields[x]}", "plain fields"),
        ("{0}{}", "plain fields"),
        ("{element!r}", "plain fields"),
        ("{element:>10}", "only date and time"),
        ("{element", "cannot be read"),
        (" / ", "empty"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_before_anything(template, said):
    with pytest.raises(TemplateUnusable, match=said):
        NameTemplate(template)


def test_a_column_that_is_not_there_names_those_that_are():
    with pytest.raises(TemplateUnusable, match=r"\{region\}.*element, segment.*Land"):
        rendered("{region}", Land="x")


def test_a_name_of_the_lines_own_is_made_safe_too():
    wanted = Wanted(job=Job(element=1042, format="csv"))
    assert safe_path("../x/../../y", wanted) == "x/y.csv"
    assert safe_path("...", wanted) == "1042_0.csv"
