"""Workbook, slides and text document, opened by an independent validator and read part by part."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reportdl.server.generators import generate
from reportdl.server.generators.table import Chart, ChartKind, Column, Kind, NotRendered, Table, Total

Program = Callable[..., str]
Made = Callable[..., Path]

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"


def part(path: Path, name: str) -> ET.Element:
    with zipfile.ZipFile(path) as package:
        return ET.fromstring(package.read(name))


def broken_targets(path: Path) -> list[str]:
    """Relationships that lead nowhere, and parts without a content type: what an office program repairs or refuses."""
    with zipfile.ZipFile(path) as package:
        names = set(package.namelist())
        types = ET.fromstring(package.read("[Content_Types].xml"))
        typed = {one.get("PartName", "").lstrip("/") for one in types} | {one.get("Extension", "") for one in types}
        missing = [name for name in names if name not in typed and name.rpartition(".")[2] not in typed]
        for name in names:
            if name.endswith((".xml", ".rels")):
                ET.fromstring(package.read(name))
            if name.endswith(".rels"):
                owner = Path(name).parent.parent
                for relation in ET.fromstring(package.read(name)):
                    target = relation.get("Target", "")
                    found = (Path("/") / owner / target).resolve().relative_to("/").as_posix()
                    if relation.get("TargetMode") != "External" and found not in names:
                        missing.append(f"{name}: {target}")
    return [name for name in missing if name != "[Content_Types].xml"]


@pytest.mark.rules("R7")
@pytest.mark.parametrize(
    ("element", "key"), [(1042, "xls"), (1042, "ppt"), (1042, "doc"), (1045, "doc"), (1049, "ppt")]
)
def test_a_package_satisfies_an_independent_validator(made: Made, program: Program, element: int, key: str) -> None:
    assert broken_targets(made(element, key)) == []
    assert "Errors: 0" in program("openxml-audit", made(element, key))


def awkward() -> Table:
    text = tuple((f'=1+1 <&> "{"word " * number}', Decimal(number), None) for number in range(40))
    return Table(
        title="T" * 300 + " & <b>",
        subtitle="s" * 300,
        notes=("note " * 80,),
        author="a" * 300,
        issued=date(2024, 2, 29),
        language="de-CH",
        columns=(
            Column(key="a", label="A & <B>"),
            Column(key="b", label="B", kind=Kind.NUMBER, decimals=9, total=Total.SUM),
            *(Column(key=f"c{number}", label=f"C {number}", kind=Kind.DATE) for number in range(9)),
        ),
        rows=tuple((one, two, *([date(1900, 1, 1)] * 8), three) for one, two, three in text),
        chart=Chart(kind=ChartKind.LINE, x="a", y=("b",)),
    )


@pytest.mark.parametrize("key", ["xls", "ppt", "doc"])
def test_awkward_reports_satisfy_it_too(program: Program, tmp_path: Path, key: str) -> None:
    path = tmp_path / f"awkward.{ {'xls': 'xlsx', 'ppt': 'pptx', 'doc': 'docx'}[key] }"
    generate(key, awkward(), path)
    assert broken_targets(path) == []
    assert "Errors: 0" in program("openxml-audit", path)


def cells(path: Path) -> dict[str, tuple[str, str, str]]:
    """Each cell of the workbook's one sheet by its name: its type, its value, its formula."""
    words = ["".join(one.itertext()) for one in part(path, "xl/sharedStrings.xml")]
    found: dict[str, tuple[str, str, str]] = {}
    for cell in part(path, "xl/worksheets/sheet1.xml").iter(f"{S}c"):
        value = cell.findtext(f"{S}v") or ""
        kind = cell.get("t", "n")
        found[cell.get("r", "")] = (kind, words[int(value)] if kind == "s" else value, cell.findtext(f"{S}f") or "")
    return found


def test_a_workbook_holds_numbers_as_numbers_and_sums_as_formulas_with_their_results(made: Made) -> None:
    found = cells(made(1042, "xls"))
    assert found["A1"][1] == "Sales Dashboard"
    assert [found[f"{letter}5"][1] for letter in "ABCDE"] == [
        "Month",
        "Revenue (EUR)",
        "Target (EUR)",
        "Orders",
        "Margin",
    ]
    assert found["B8"] == ("n", "576800", "")
    assert found["E8"] == ("n", "0.3131", "")
    assert found["A18"][1] == "Total"
    assert found["B18"] == ("n", "5229500", "SUBTOTAL(109,B6:B17)")


def test_a_workbook_freezes_its_heading_filters_its_rows_and_prints_on_one_page_s_width(made: Made) -> None:
    sheet = part(made(1042, "xls"), "xl/worksheets/sheet1.xml")
    pane = sheet.find(f"{S}sheetViews/{S}sheetView/{S}pane")
    setup = sheet.find(f"{S}pageSetup")
    table = sheet.find(f"{S}autoFilter")
    assert pane is not None
    assert (pane.get("ySplit"), pane.get("state")) == ("5", "frozen")
    assert setup is not None
    assert (setup.get("orientation"), setup.get("fitToHeight")) == ("landscape", "0")
    assert table is not None
    assert table.get("ref") == "A5:E17"
    formats = {one.get("formatCode") for one in part(made(1042, "xls"), "xl/styles.xml").iter(f"{S}numFmt")}
    assert "0.0%" in formats


def test_a_workbook_s_chart_is_native_and_points_at_its_cells(made: Made) -> None:
    chart = part(made(1042, "xls"), "xl/charts/chart1.xml")
    assert chart.find(f".//{C}barChart") is not None
    assert [one.text for one in chart.iterfind(f".//{C}val//{C}f")] == ["Report!$B$6:$B$17", "Report!$C$6:$C$17"]
    assert [one.text for one in chart.iterfind(f".//{C}cat//{C}f")] == ["Report!$A$6:$A$17"] * 2
    with zipfile.ZipFile(made(1042, "xls")) as package:
        assert (
            'descr="Bar chart: Revenue and target by month (EUR).' in package.read("xl/drawings/drawing1.xml").decode()
        )


def test_a_line_chart_is_drawn_as_lines(tmp_path: Path) -> None:
    generate("xls", awkward(), tmp_path / "line.xlsx")
    chart = part(tmp_path / "line.xlsx", "xl/charts/chart1.xml")
    assert chart.find(f".//{C}lineChart") is not None


def test_text_that_looks_like_a_formula_or_an_old_date_is_text_in_a_workbook(tmp_path: Path) -> None:
    generate("xls", awkward(), tmp_path / "book.xlsx")
    found = cells(tmp_path / "book.xlsx")
    assert found["A6"] == ("s", '=1+1 <&> "', "")
    assert found["C6"] == ("s", "1900-01-01", "")
    assert [name for name, (_, _, formula) in found.items() if formula] == ["B46"]


def accounts(*numbers: str, kind: Kind = Kind.NUMBER, decimals: int = 0, total: Total = Total.SUM) -> Table:
    column = Column(key="n", label="Account", kind=kind, decimals=decimals, total=total)
    rows = tuple((f"row {at}", Decimal(number)) for at, number in enumerate(numbers))
    chart = Chart(kind=ChartKind.BAR, x="a", y=("n",))
    issued = date(2026, 1, 1)
    return Table(title="T", issued=issued, columns=(Column(key="a", label="A"), column), rows=rows, chart=chart)


@pytest.mark.parametrize(
    ("table", "written"),
    [
        # Seventeen digits, and eighteen; the sum of such a column is text as well, for a formula would pass them over.
        (accounts("123456789012345678", "7"), [("s", "123456789012345678"), ("n", "7"), ("s", "123456789012345685")]),
        (accounts("-1234567890123.456", decimals=3), [("s", "-1234567890123.456"), ("s", "-1234567890123.456")]),
        # Each of them is kept and their sum is not.
        (accounts("999999999999999", "2"), [("n", "999999999999999"), ("n", "2"), ("s", "1000000000000001")]),
        # More digits than fifteen, of which nobody is shown the last.
        (accounts("3.33333333333333331", decimals=2), [("n", "3.333333333333333"), ("n", "3.3333333333333335")]),
        (accounts("123456789012345000", "5"), [("n", "1.23456789012345E+17"), ("n", "5"), ("s", "123456789012345005")]),
        (
            accounts("0.12345678901234567", kind=Kind.PERCENT, decimals=9, total=Total.NONE),
            [("n", "0.1234567890123457")],
        ),
        (
            accounts("1234567.12345678912", kind=Kind.PERCENT, decimals=9, total=Total.NONE),
            [("s", "123456712.345678912%")],
        ),
    ],
)
def test_a_number_of_more_digits_than_a_spreadsheet_keeps_is_text_in_a_workbook(
    tmp_path: Path, table: Table, written: list[tuple[str, str]]
) -> None:
    path = tmp_path / "book.xlsx"
    generate("xls", table, path)
    found = cells(path)
    here = [found[name] for name in (f"B{row}" for row in range(6, 10)) if name in found]
    assert [(kind, value) for kind, value, _ in here] == written
    texts = [kind == "s" for kind, _ in written]
    assert any(formula for _, _, formula in here) is (table.totals() is not None and not any(texts))
    # A native chart would draw a text as nothing.
    pictured = any(texts[: len(table.rows)])
    with zipfile.ZipFile(path) as package:
        names = package.namelist()
        assert 'descr="Bar chart' in package.read("xl/drawings/drawing1.xml").decode()
    assert ("xl/media/image1.png" in names, "xl/charts/chart1.xml" in names) == (pictured, not pictured)
    assert broken_targets(path) == []


@pytest.mark.parametrize(
    ("rows", "text", "message"), [(1, "x" * 32_768, "too long for a cell"), (1_048_500, "", "1,048,500")]
)
def test_what_a_sheet_cannot_hold_is_refused_rather_than_cut(
    tmp_path: Path, rows: int, text: str, message: str
) -> None:
    table = Table(
        title="Much", issued=date(2026, 1, 1), columns=(Column(key="a", label="A"),), rows=((text or None,),) * rows
    )
    with pytest.raises(NotRendered, match=message):
        generate("xls", table, tmp_path / "much.xlsx")


def slides(path: Path) -> list[ET.Element]:
    with zipfile.ZipFile(path) as package:
        names = [name for name in package.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name)]
        return [ET.fromstring(package.read(name)) for name in sorted(names, key=lambda name: int(name[16:-4]))]


def words(node: ET.Element) -> str:
    return "".join(node.itertext())


def test_slides_show_the_chart_with_its_alternative_then_the_table(made: Made) -> None:
    first, second = slides(made(1042, "ppt"))
    picture = first.find(f".//{P}pic/{P}nvPicPr/{P}cNvPr")
    assert picture is not None
    assert picture.get("descr", "").startswith("Bar chart: Revenue and target")
    assert "Sales Dashboard" in words(first)
    rows = list(second.iter(f"{A}tr"))
    assert len(rows) == 14
    assert [words(cell) for cell in rows[3]] == ["2025-12", "576,800", "554,000", "2,014", "31.3%"]
    assert [one.get("algn") for one in rows[3].iter(f"{A}pPr")] == ["l", "r", "r", "r", "r"]
    assert [words(cell) for cell in rows[-1]] == ["Total", "5,229,500", "5,122,000", "18,357", ""]


def test_everything_on_a_slide_stands_inside_it(made: Made) -> None:
    size = part(made(1042, "ppt"), "ppt/presentation.xml").find(f"{P}sldSz")
    assert size is not None
    wide, high = int(size.get("cx", "")), int(size.get("cy", ""))
    assert abs(wide / high - 16 / 9) < 0.01
    for slide in slides(made(1042, "ppt")):
        boxes = [*slide.iter(f"{A}xfrm"), *slide.iter(f"{P}xfrm")]
        places = [(one.find(f"{A}off"), one.find(f"{A}ext")) for one in boxes]
        seen = [(at, room) for at, room in places if at is not None and room is not None]
        assert len(seen) >= 2
        for at, room in seen:
            assert 0 <= int(at.get("x", "")) <= wide - int(room.get("cx", ""))
            assert 0 <= int(at.get("y", "")) <= high - int(room.get("cy", ""))


@pytest.mark.parametrize(("rows", "expected"), [(13, [14]), (14, [7, 8]), (279, [14] * 20), (1000, [14] * 20)])
def test_rows_spread_evenly_over_slides_and_the_cut_is_said(tmp_path: Path, rows: int, expected: list[int]) -> None:
    table = Table(
        title="Rows",
        issued=date(2026, 1, 1),
        columns=(Column(key="a", label="A"), Column(key="b", label="B", kind=Kind.NUMBER, total=Total.SUM)),
        rows=tuple((f"row {number}", Decimal(1)) for number in range(rows)),
    )
    generate("ppt", table, tmp_path / "rows.pptx")
    made = slides(tmp_path / "rows.pptx")[1:]
    assert [len(list(slide.iter(f"{A}tr"))) - 1 for slide in made] == expected
    assert ("The first 279 of 1,000 rows." in words(made[-1])) is (rows == 1000)
    assert [words(cell) for cell in list(made[-1].iter(f"{A}tr"))[-1]] == ["Total", f"{rows:,}"]


def test_line_ends_of_windows_break_lines_once_in_every_office_format(tmp_path: Path) -> None:
    table = Table(
        title="Lines",
        notes=("first\nsecond",),
        issued=date(2026, 1, 1),
        columns=(Column(key="a", label="A"), Column(key="b", label="B", kind=Kind.NUMBER)),
        rows=(("one\r\ntwo\rthree\n\nfive", Decimal(1)),),
    )
    for key in ("ppt", "doc", "xls"):
        generate(key, table, tmp_path / key)
        with zipfile.ZipFile(tmp_path / key) as package:
            assert b"x000" not in b"".join(package.read(name) for name in package.namelist() if name.endswith(".xml"))
    first, second = slides(tmp_path / "ppt")
    cell = next(iter(list(second.iter(f"{A}tr"))[1].iter(f"{A}tc")))
    assert [words(one) for one in cell.iter(f"{A}p")] == ["one", "two", "three", "", "five"]
    assert {one.get("sz") for one in cell.iter(f"{A}rPr")} == {"1200"}
    assert [words(one) for one in first.iter(f"{A}p")][-2:] == ["first", "second"]
    written = list(part(tmp_path / "doc", "word/document.xml").iter(f"{W}tr"))[1].find(f"{W}tc")
    assert written is not None
    assert len(list(written.iter(f"{W}br"))) == 4
    assert cells(tmp_path / "xls")["A6"][1] == "one\ntwo\nthree\n\nfive"


def tall_table(rows: int, text: str) -> Table:
    return Table(
        title="Tall",
        issued=date(2026, 1, 1),
        columns=(Column(key="a", label="A"), Column(key="b", label="B", kind=Kind.NUMBER)),
        rows=tuple((text, Decimal(at)) for at in range(rows)),
    )


def test_rows_of_several_lines_go_to_more_slides_and_stay_above_their_edge(tmp_path: Path) -> None:
    generate("ppt", tall_table(30, "some words " * 40), tmp_path / "tall.pptx")
    made = slides(tmp_path / "tall.pptx")[1:]
    grids = [list(slide.iter(f"{A}tr")) for slide in made]
    assert [words(row)[-2:].strip() for grid in grids for row in grid[1:]] == [str(at) for at in range(30)]
    assert 5 < len(grids) < 12
    heights = [sum(int(row.get("h", "")) for row in grid) for grid in grids]
    assert max(heights) <= (190.5 - 36) * 36_000
    # Four lines of twelve points at the least.
    assert min(int(row.get("h", "")) for grid in grids for row in grid[1:]) > 4 * 12 * 12_700


def test_a_row_that_is_higher_than_a_slide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotRendered, match="too high for a slide"):
        generate("ppt", tall_table(3, "words " * 900), tmp_path / "tall.pptx")


def test_columns_that_do_not_fit_come_in_parts_with_the_first_in_each(tmp_path: Path) -> None:
    numbers = tuple(Column(key=f"n{at}", label=f"N{at}", kind=Kind.NUMBER, decimals=2) for at in range(40))
    row = ("name", *(Decimal("1234567.89"),) * 40)
    issued = date(2026, 1, 1)
    wide = Table(title="Wide", issued=issued, columns=(Column(key="a", label="Name"), *numbers), rows=(row, row))
    for key in ("ppt", "doc"):
        generate(key, wide, tmp_path / key)
    heads = [
        [words(cell) for cell in next(slide.iter(f"{A}tr")).iter(f"{A}tc")] for slide in slides(tmp_path / "ppt")[1:]
    ]
    body = part(tmp_path / "doc", "word/document.xml")
    tables = [[words(cell) for cell in next(one.iter(f"{W}tr")).iter(f"{W}tc")] for one in body.iter(f"{W}tbl")]
    for parts in (heads, tables):
        assert len(parts) > 2
        assert {names[0] for names in parts} == {"Name"}
        assert [name for names in parts for name in names[1:]] == [f"N{at}" for at in range(40)]
    assert f"(columns 2\N{EN DASH}{len(heads[0])} of 41)" in words(slides(tmp_path / "ppt")[1])
    assert f"Columns 2\N{EN DASH}{len(tables[0])} of 41" in words(body)
    size = body.find(f".//{W}pgSz")
    assert size is not None
    assert int(size.get(f"{W}w", "")) == round(420 / 25.4 * 1440)
    # Nine figures, two commas and a point of eight points, in the widest usual font: the number is not broken.
    across = [int(one.get("w", "")) for one in slides(tmp_path / "ppt")[1].iter(f"{A}gridCol")][1:]
    assert min(across) > 10.5 * 8 * 0.63 * 12_700


def test_a_document_has_a_heading_a_described_picture_and_a_table_that_repeats_its_heading(made: Made) -> None:
    body = part(made(1042, "doc"), "word/document.xml")
    styles = [one.get(f"{W}val") for one in body.iterfind(f".//{W}pStyle")]
    assert styles[:2] == ["Heading1", "Subtitle"]
    drawing = body.find(f".//{WP}docPr")
    assert drawing is not None
    assert drawing.get("descr", "").startswith("Bar chart: Revenue and target")
    rows = list(body.iter(f"{W}tr"))
    assert len(rows) == 14
    assert [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows] == [True, *[False] * 13]
    assert all(row.find(f"{W}trPr/{W}cantSplit") is not None for row in rows)
    assert [words(cell) for cell in rows[3].iter(f"{W}tc")] == ["2025-12", "576,800", "554,000", "2,014", "31.3%"]
    assert [one.get(f"{W}val") for one in rows[3].iter(f"{W}jc")] == ["left", "right", "right", "right", "right"]


def test_a_document_is_in_the_report_s_language_and_carries_nothing_of_the_library_s_template(made: Made) -> None:
    with zipfile.ZipFile(made(1045, "doc")) as package:
        styles = package.read("word/styles.xml").decode()
        everything = b"".join(package.read(name) for name in package.namelist() if name.startswith("docProps"))
        assert not [name for name in package.namelist() if "thumbnail" in name or "stylesWithEffects" in name]
    assert re.findall(r'<w:lang [^>]*w:val="([^"]*)"', styles) == ["de-CH"]
    assert b"python-docx" not in everything
