"""CSV, XML and MHTML, read by readers that are not ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reportdl.server.generators import generate
from reportdl.server.generators.csv import inert
from reportdl.server.generators.table import Column, Kind, Table
from reportdl.server.generators.xml import NAMESPACE

Program = Callable[..., str]
Made = Callable[..., Path]


def small(*texts: str | None) -> Table:
    return Table(
        title='A & B <"c">',
        notes=("<script>alert(1)</script>",),
        issued=date(2026, 1, 1),
        columns=(
            Column(key="t", label="=Text & <more>"),
            Column(key="n", label="N", kind=Kind.NUMBER, decimals=1),
            Column(key="d", label="D", kind=Kind.DATE),
        ),
        rows=tuple((text, Decimal("-1234.5678"), date(2025, 12, 31)) for text in texts),
    )


@pytest.mark.rules("R7")
def test_csv_is_marked_utf_8_with_crlf_and_plain_values(made: Made) -> None:
    raw = made(1045, "csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\n") == raw.count(b"\r\n") == 7
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["Filiale", "Note", "Antworten", "Weiterempfehlung"]
    assert rows[3] == ["Oerlikon \N{EN DASH} Süd", "3.9", "254", "0.79"]
    assert rows[6] == ["Wiedikon & Enge", "", "0", ""]


def test_csv_keeps_a_negative_number_a_number_and_exact(tmp_path: Path) -> None:
    generate("csv", small("x"), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text(encoding="utf-8-sig").splitlines()[1] == "x,-1234.5678,2025-12-31"


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", " =", "\u00a0@"]
)
def test_csv_text_that_a_spreadsheet_would_run_is_made_inert(tmp_path: Path, start: str) -> None:
    generate("csv", small(f"{start}1+1"), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        head, row = csv.reader(file)
    assert row[0] == f"'{start}1+1"
    assert head[0] == "'=Text & <more>"


@pytest.mark.parametrize("text", ["a=1", "1-2", "", "mail@example.com", "'=quoted"])
def test_csv_leaves_all_other_text_alone(text: str) -> None:
    assert inert(text) == text


@pytest.mark.rules("R7")
@pytest.mark.parametrize("element", [1042, 1049])
def test_xml_satisfies_its_schema_for_xmllint(made: Made, program: Program, element: int) -> None:
    schema = files("reportdl.server.generators").joinpath("report.xsd")
    program("xmllint", "--noout", "--nonet", "--schema", str(schema), made(element, "xml"))


def test_awkward_xml_satisfies_it_too_and_comes_back_as_it_was(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    generate("xml", small("<&>\"' ]]> \N{SNOWMAN}", None), path)
    program(
        "xmllint",
        "--noout",
        "--nonet",
        "--schema",
        str(files("reportdl.server.generators").joinpath("report.xsd")),
        path,
    )
    root = ET.parse(path).getroot()
    rows = root.findall(f"{{{NAMESPACE}}}rows/{{{NAMESPACE}}}row")
    assert [[(cell.tag.partition("}")[2], cell.get("column"), cell.text) for cell in row] for row in rows] == [
        [("string", "t", "<&>\"' ]]> \N{SNOWMAN}"), ("decimal", "n", "-1234.5678"), ("date", "d", "2025-12-31")],
        [("decimal", "n", "-1234.5678"), ("date", "d", "2025-12-31")],
    ]


def test_line_ends_of_windows_stay_in_csv_and_are_those_of_xml_in_xml(tmp_path: Path) -> None:
    text = "one\r\ntwo\rthree\nfour"
    for key in ("csv", "xml"):
        generate(key, small(text), tmp_path / key)
    with (tmp_path / "csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1] == text
    assert b"\r" not in (tmp_path / "xml").read_bytes()
    cell = ET.parse(tmp_path / "xml").getroot().find(f".//{{{NAMESPACE}}}string")
    assert cell is not None
    assert cell.text == "one\ntwo\nthree\nfour"


def test_the_schema_refuses_a_cell_of_a_column_that_is_not_declared(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    generate("xml", small("x"), path)
    path.write_text(path.read_text(encoding="utf-8").replace('column="n"', 'column="z"'), encoding="utf-8")
    with pytest.raises(AssertionError, match="No match found for key-sequence"):
        program("xmllint", "--noout", "--schema", str(files("reportdl.server.generators").joinpath("report.xsd")), path)


class Page(HTMLParser):
    """Collects what a page asks for, and its table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.alt = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [value or "" for name, value in attrs if name in ("src", "href")]
        self.alt += dict(attrs).get("alt") or ""

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data)


def parsed(path: Path) -> tuple[EmailMessage, list[EmailMessage]]:
    message = BytesParser(EmailMessage, policy=policy.SMTP).parsebytes(path.read_bytes())
    parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
    assert not message.defects
    assert not any(part.defects for part in parts)
    return message, parts


@pytest.mark.rules("R7")
def test_mhtml_is_one_related_message_whose_page_asks_only_for_its_own_picture(made: Made) -> None:
    message, (page, picture) = parsed(made(1042, "mhtml"))
    assert message.get_content_type() == "multipart/related"
    assert message["MIME-Version"] == "1.0"
    assert message.get_param("type") == page.get_content_type() == "text/html"
    assert message["Snapshot-Content-Location"] == page["Content-Location"]
    assert picture["Content-Location"]
    html = Page(page.get_content())
    assert html.asked == [f"cid:{picture['Content-ID'][1:-1]}"]
    assert html.alt.startswith("Bar chart: Revenue and target by month (EUR).")
    assert picture.get_content().startswith(b"\x89PNG")
    assert (html.tags.count("h1"), html.tags.count("th"), html.tags.count("tr")) == (1, 5, 14)
    assert "576,800" in html.words


@pytest.mark.rules("D22")
def test_mhtml_has_crlf_everywhere_short_lines_and_its_closing_boundary(made: Made) -> None:
    raw = made(1045, "mhtml").read_bytes()
    boundary = parsed(made(1045, "mhtml"))[0].get_boundary() or ""
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert raw.endswith(f"--{boundary}--\r\n".encode())
    assert raw.count(f"--{boundary}".encode()) == 3
    assert "Kundenzufriedenheit Zürich" in Page(parsed(made(1045, "mhtml"))[1][0].get_content()).words


def test_mhtml_escapes_what_it_is_given(tmp_path: Path) -> None:
    generate("mhtml", small('<img src="x" onerror="y">'), tmp_path / "t.mhtml")
    html = Page(parsed(tmp_path / "t.mhtml")[1][0].get_content())
    assert html.asked == []
    assert "script" not in html.tags
    assert '<img src="x" onerror="y">' in html.words
