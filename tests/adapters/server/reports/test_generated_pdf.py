"""The picture and the two PDFs, opened by qpdf, poppler, pikepdf and Pillow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from PIL import Image

from reportdl.server.generators import generate
from reportdl.server.generators.table import Column, Kind, NotRendered, Table, Total

Program = Callable[..., str]
Made = Callable[..., Path]


def element(node: Any) -> Iterator[Any]:
    """The structure elements below a node, in reading order; marked content and object references are leaves."""
    kids = node.get("/K")
    if kids is None:
        return
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from element(kid)


def tags(document: pikepdf.Pdf) -> list[tuple[str, Any]]:
    """Each element's standard name (through the role map) and the element."""
    root: Any = document.Root.StructTreeRoot
    roles = {str(name): str(role) for name, role in dict(root.get("/RoleMap", {})).items()}
    return [(roles.get(str(one.S), str(one.S)), one) for one in element(root)]


@pytest.mark.rules("R7")
@pytest.mark.parametrize("key", ["pdf", "apdf"])
def test_a_pdf_is_sound_for_qpdf_and_says_what_it_is_to_poppler(made: Made, program: Program, key: str) -> None:
    path = made(1042, key)
    assert "No syntax or stream encoding errors found" in program("qpdf", "--check", path)
    facts = dict(re.findall(r"^([\w ]+): +(.*)$", program("pdfinfo", "-isodates", path), re.MULTILINE))
    assert facts["Title"] == "Sales Dashboard"
    assert facts["Author"] == "Demo BI"
    assert facts["CreationDate"] == facts["ModDate"] == "2026-09-30T00:00:00Z"
    assert facts["Pages"] == "1"
    assert facts["Page size"].endswith("(A4)")
    assert facts["Encrypted"] == "no"


@pytest.mark.parametrize("key", ["pdf", "apdf"])
def test_its_text_can_be_read_out_with_numbers_and_totals(made: Made, program: Program, key: str) -> None:
    text = program("pdftotext", "-layout", made(1042, key), "-")
    assert re.search(r"Month +Revenue \(EUR\) +Target \(EUR\) +Orders +Margin", text)
    assert re.search(r"2025-12 +576,800 +554,000 +2,014 +31\.3%", text)
    assert re.search(r"Total +5,229,500 +5,122,000 +18,357", text)


@pytest.mark.rules("R7")
def test_the_accessible_pdf_declares_pdf_ua_1_its_title_and_its_language(made: Made) -> None:
    with pikepdf.open(made(1042, "apdf")) as document:
        with document.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert "Sales Dashboard" in str(metadata["dc:title"])
        root: Any = document.Root
        assert str(root.Lang) == "en-GB"
        assert bool(root.MarkInfo.Marked)
        assert bool(root.ViewerPreferences.DisplayDocTitle)
        assert all(str(page.Tabs) == "/S" for page in document.pages if "/Annots" in page)


@pytest.mark.rules("R7")
def test_the_plain_pdf_does_not_claim_to_be_accessible(made: Made) -> None:
    with pikepdf.open(made(1042, "pdf")) as document, document.open_metadata() as metadata:
        assert "pdfuaid:part" not in metadata


@pytest.mark.rules("R7")
def test_the_accessible_pdf_has_heading_figure_and_table_in_reading_order(made: Made) -> None:
    with pikepdf.open(made(1042, "apdf")) as document:
        found = tags(document)
        names = [name for name, _ in found]
        assert names.count("/H1") == 1
        assert names.index("/H1") < names.index("/Figure") < names.index("/Table")
        assert names.count("/TR") == 14
        assert names.count("/TH") == 5
        assert names.count("/TD") == 5 * 13
        figure = next(one for name, one in found if name == "/Figure")
        assert str(figure.Alt).startswith(
            "Bar chart: Revenue and target by month (EUR). Revenue (EUR): 2025-10 412,900,"
        )
        headers = [one for name, one in found if name == "/TH"]
        assert {str(scope(one)) for one in headers} == {"/Column"}


def scope(header: Any) -> Any:
    attributes = header.A if isinstance(header.A, pikepdf.Array) else [header.A]
    return next(one.Scope for one in attributes if "/Scope" in one)


def test_its_reading_order_is_the_order_of_the_page(made: Made, program: Program) -> None:
    spoken = program("pdfinfo", "-struct-text", made(1045, "apdf"))
    places = [spoken.index(word) for word in ('H1 "', "Figure", "Table", "THead", "TBody", "Ohne Angabe")]
    assert places == sorted(places)


def test_every_segment_has_its_own_rows(made: Made, program: Program) -> None:
    texts = {number: program("pdftotext", "-layout", made(1044, "pdf", number), "-") for number in (71, 72, 73)}
    assert [name for name, text in zip(("North", "South", "West"), texts.values(), strict=True) if name in text] == [
        "North",
        "South",
        "West",
    ]
    assert len(set(texts.values())) == 3


def test_a_long_table_repeats_its_heading_and_numbers_its_pages(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    generate("apdf", long_table(150), path)
    pages = program("pdftotext", "-layout", path, "-").split("\f")[:-1]
    assert len(pages) > 2
    assert all(re.search(r"Item +Number", page) for page in pages)
    numbers = [re.search(r"(\d+) ?/ ?(\d+)", page) for page in pages]
    assert [found and found.groups() for found in numbers] == [
        (str(number), str(len(pages))) for number in range(1, len(pages) + 1)
    ]
    assert "No syntax or stream encoding errors found" in program("qpdf", "--check", path)


def test_the_picture_is_one_sheet_of_print_quality_with_ink_inside_its_margins(made: Made) -> None:
    with Image.open(made(1042, "image")) as picture:
        assert picture.format == "PNG"
        assert 1000 < picture.width < 1300
        grey = picture.convert("L").point(lambda value: 255 - value)
        left, upper, right, lower = grey.getbbox() or (0, 0, 0, 0)
    margin = round(15 / 25.4 * 144) - 5  # millimetres to pixels, and what hangs below a line of text
    assert min(left, upper, picture.width - right, picture.height - lower) >= margin


def test_a_picture_of_many_rows_says_how_many_it_leaves_out(made: Made, tmp_path: Path) -> None:
    sixty, many = tmp_path / "60.png", tmp_path / "61.png"
    generate("image", long_table(60), sixty)
    generate("image", long_table(5000), many)
    with Image.open(sixty) as whole, Image.open(many) as cut:
        line = cut.height - whole.height
    assert 20 < line < 60


def wide_table(many: int) -> Table:
    columns = (
        Column(key=f"n{at}", label=f"C{at}", kind=Kind.NUMBER, decimals=2, total=Total.SUM) for at in range(many)
    )
    row = tuple(Decimal("1234567.89") + at for at in range(many))
    return Table(title="Wide", issued=date(2026, 1, 1), columns=tuple(columns), rows=(row, row))


@pytest.mark.parametrize(("many", "paper"), [(12, "(A4)"), (20, "(A2)"), (30, "(A1)")])
def test_many_columns_of_numbers_stand_apart_on_a_sheet_that_is_wide_enough(
    program: Program, tmp_path: Path, many: int, paper: str
) -> None:
    path = tmp_path / "wide.pdf"
    generate("pdf", wide_table(many), path)
    row = [f"{1234567.89 + at:,.2f}" for at in range(many)]
    words = program("pdftotext", "-layout", path, "-").split()
    assert words[words.index(row[0]) :][:many] == row
    boxes = re.findall(r'xMin="([\d.]+)" .*xMax="([\d.]+)" .*>1,234,5', program("pdftotext", "-bbox", path, "-"))
    edges = [float(edge) for box in boxes[:many] for edge in box]
    wide = re.search(r"Page size: +([\d.]+) x .*\(A\d\)", program("pdfinfo", path))
    assert wide is not None
    assert wide[0].endswith(paper)
    assert len(edges) == 2 * many
    assert edges == sorted(edges)
    assert edges[0] > 0
    assert edges[-1] < float(wide[1])


@pytest.mark.parametrize("key", ["image", "pdf", "apdf"])
def test_columns_that_fit_on_no_sheet_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(NotRendered, match="80 columns do not fit side by side"):
        generate(key, wide_table(80), tmp_path / "wide")


def test_no_character_is_put_into_a_text_or_keeps_it_from_being_laid_out(program: Program, tmp_path: Path) -> None:
    long, accents = "Donaudampfschifffahrtsgesellschaft", "e\u0301" * 60
    texts = Table(
        title="T",
        issued=date(2026, 1, 1),
        columns=(Column(key="a", label="A"), Column(key="b", label="B"), Column(key="c", label="C")),
        rows=((long, accents, "byte\ufefforder"), ("\\ufeff", "x", "W" * 90)),
    )
    for key in ("image", "pdf", "apdf"):
        generate(key, texts, tmp_path / key)
    text = program("pdftotext", "-raw", tmp_path / "apdf", "-")
    assert long in text
    assert "byteorder" in text
    assert "\\ufeff" in text
    assert "\u200b" not in text
    # Broken into lines, and never between a letter and its accent.
    assert text.count("e\u0301") + text.count("\u00e9") == 60
    broken = re.findall(r"W+", text)
    assert sum(map(len, broken)) == 90
    assert len(broken) > 1
    boxes = re.findall(r'xMax="([\d.]+)" ', program("pdftotext", "-bbox", tmp_path / "apdf", "-"))
    assert max(map(float, boxes)) < 596


def long_table(rows: int) -> Table:
    return Table(
        title="Long",
        issued=date(2026, 1, 1),
        columns=(
            Column(key="a", label="Item"),
            Column(key="b", label="Number", kind=Kind.NUMBER, total=Total.SUM),
        ),
        rows=tuple((f"row {number}", Decimal(number)) for number in range(rows)),
    )
