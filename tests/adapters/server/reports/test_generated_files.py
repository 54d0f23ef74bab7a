"""What is true of the files of all nine formats."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from reportdl.server.generators import GENERATORS, generate
from reportdl.server.generators.table import Chart, ChartKind, Column, Kind, NotRendered, Table, Total
from reportdl.server.sources import CatalogSource
from reportdl_core.formats import FORMATS, TAIL

KEYS = tuple(FORMATS)
MAGIC = {
    "image": b"\x89PNG\r\n\x1a\n",
    "pdf": b"%PDF-1.7",
    "apdf": b"%PDF-1.7",
    "ppt": b"PK\x03\x04",
    "xls": b"PK\x03\x04",
    "doc": b"PK\x03\x04",
    "csv": b"\xef\xbb\xbfMonth,",
    "xml": b"<?xml ",
    "mhtml": b"Subject: Sales Dashboard\r\n",
}
# Imports first, so that what is measured is what the catalog and the endpoint load; then all nine, by digest.
FRESH = """
import hashlib, json, pathlib, sys
from reportdl.server.sources import demo
source = demo()
heavy = [name for name in ("typst", "docx", "pptx", "xlsxwriter", "lxml", "PIL") if name in sys.modules]
report = next(one for one in source.reports() if one.element == 1042)
places = {key: pathlib.Path(sys.argv[1], key) for key in source.capabilities(report)}
for place in places.values():
    place.mkdir()
files = {key: source.generate(report, key, place) for key, place in places.items()}
print(json.dumps([heavy, {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}]))
"""


def fresh(directory: Path) -> list[object]:
    path = os.pathsep.join(one for one in sys.path if one)
    where = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "4", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    command = [sys.executable, "-P", "-c", FRESH, str(directory)]
    answer = subprocess.run(command, env=where, capture_output=True, text=True, timeout=50, check=True).stdout
    return json.loads(answer)


@pytest.mark.rules("R7", "R11")
def test_there_is_a_generator_for_each_of_the_nine_formats() -> None:
    assert tuple(GENERATORS) == KEYS


@pytest.mark.rules("R7")
@pytest.mark.parametrize("key", KEYS)
def test_a_file_begins_and_ends_as_its_format_says(made: Callable[..., Path], key: str) -> None:
    path = made(1042, key)
    content = path.read_bytes()
    assert path.suffix == f".{FORMATS[key].extension}"
    assert content.startswith(MAGIC[key])
    ends = FORMATS[key].ends
    if ends is not None:
        assert ends(content[-TAIL:])
        assert not ends(content[:-30][-TAIL:])


@pytest.mark.rules("R7")
def test_another_process_in_another_time_zone_makes_the_same_bytes_and_starts_light(
    made: Callable[..., Path], tmp_path: Path
) -> None:
    heavy, digests = fresh(tmp_path)
    assert heavy == []
    assert digests == {key: hashlib.sha256(made(1042, key).read_bytes()).hexdigest() for key in KEYS}


@pytest.mark.parametrize("key", ["ppt", "xls", "doc"])
def test_no_part_of_a_package_carries_the_clock(made: Callable[..., Path], key: str) -> None:
    with zipfile.ZipFile(made(1042, key)) as package:
        assert package.testzip() is None
        assert {part.date_time for part in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = package.read("docProps/core.xml").decode()
    assert core.count("2026-09-30T00:00:00Z") == 2
    assert "Demo BI" in core


@pytest.mark.parametrize("key", ["apdf", "image", "ppt", "doc"])
def test_several_threads_make_the_same_file_at_once(
    catalog: CatalogSource, made: Callable[..., Path], tmp_path: Path, key: str
) -> None:
    report = next(one for one in catalog.reports() if one.element == 1042)
    places = [tmp_path / str(number) for number in range(4)]
    for place in places:
        place.mkdir()
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda place: catalog.generate(report, key, place), places))
    assert {path.read_bytes() for path in files} == {made(1042, key).read_bytes()}


def awkward(title: str = 'Quarter & "half" <b>*of*</b> #panic("x")') -> Table:
    """Everything that has to be escaped, wrapped or left out."""
    rows = tuple(
        (
            f'=HYPERLINK("x")&<b>\'{"long" * 30} #emph[x] $x$ \\',
            Decimal(number - 2) / 4,
            date(1850, 1, number + 1),
            None,
        )
        for number in range(30)
    )
    return Table(
        title=title,
        subtitle="one two " * 30,
        notes=("note " * 60, "n" * 200),
        issued=date(1999, 2, 28),
        language="pt-BR",
        columns=(
            Column(key="a", label="T<e>xt & more"),
            Column(key="b", label="Number", kind=Kind.NUMBER, decimals=2, unit="k€", total=Total.SUM),
            Column(key="c", label="Date", kind=Kind.DATE),
            Column(key="d", label="Nothing", kind=Kind.PERCENT),
        ),
        rows=rows,
        chart=Chart(kind=ChartKind.LINE, x="a", y=("b", "d")),
    )


@pytest.mark.parametrize("key", KEYS)
def test_awkward_text_is_text_in_every_format(key: str, tmp_path: Path) -> None:
    path = tmp_path / f"awkward.{FORMATS[key].extension}"
    generate(key, awkward(), path)
    ends = FORMATS[key].ends
    assert path.stat().st_size > 500
    assert ends is None or ends(path.read_bytes()[-TAIL:])


def machine_has_a_font_for(text: str) -> bool:
    """Asked by rendering a picture of it; the library's own fonts have no Chinese character."""
    import typst

    source = f"#set page(width: auto, height: auto)\n{text}".encode()
    try:
        typst.compile(source, format="pdf", pdf_standards="ua-1", timestamp=0)
    except typst.TypstError as error:  # what else PDF/UA-1 wants of a document is not the question
        return "could not be displayed" not in error.message
    return True


@pytest.mark.parametrize("key", KEYS)
def test_text_that_the_library_has_no_font_for_is_shown_by_the_machines(key: str, tmp_path: Path) -> None:
    if not machine_has_a_font_for("東京"):
        missing = "needs a font with Chinese characters, such as Debian's fonts-droid-fallback"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    path = tmp_path / f"tokyo.{FORMATS[key].extension}"
    generate(key, awkward(title="Quarter of 東京"), path)
    assert path.stat().st_size > 500


@pytest.mark.parametrize("key", KEYS)
def test_a_report_without_rows_is_still_a_report(key: str, tmp_path: Path) -> None:
    empty = Table(
        title="Nothing",
        issued=date(2026, 1, 1),
        columns=(Column(key="a", label="A"), Column(key="b", label="B", kind=Kind.NUMBER, total=Total.SUM)),
        rows=(),
        chart=Chart(kind=ChartKind.BAR, x="a", y=("b",)),
    )
    path = tmp_path / "empty"
    generate(key, empty, path)
    ends = FORMATS[key].ends
    assert ends is None or ends(path.read_bytes()[-TAIL:])


@pytest.mark.parametrize("key", ["image", "pdf", "apdf", "mhtml", "ppt", "doc"])
def test_a_character_that_no_font_has_fails_rather_than_showing_a_box(key: str, tmp_path: Path) -> None:
    unassigned = Table(
        title="Unassigned \u0378",
        issued=date(2026, 1, 1),
        columns=(Column(key="a", label="A"), Column(key="b", label="B", kind=Kind.NUMBER)),
        rows=(("\u0378", Decimal(1)),),
        chart=Chart(kind=ChartKind.BAR, x="a", y=("b",)),
    )
    with pytest.raises(NotRendered, match="could not be displayed"):
        generate(key, unassigned, tmp_path / "unassigned")
