"""Catalog files: what is read from them, and what is said of those that are wrong."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reportdl.server.sources import (
    CatalogSource,
    ElementType,
    GenerationError,
    InvalidCatalog,
    ReportInfo,
    ReportSource,
    SourceError,
    load,
    names,
    open_catalog,
)

GOOD = """
name = "Test"
[[element]]
id = 1
name = "One"
formats = ["csv", "pdf"]
[element.report]
title = "One"
issued = 2026-01-01
csv = "data/one.csv"
columns = [{ read = "item" }, { read = "count", type = "number" }]
"""
SEGMENTED = """
[element.segments]
dimension = 7
name = "Region"
column = "item"
values = [{ id = 71, name = "Bolts", value = "bolt" }]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Write a catalog beside one small CSV file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.csv").write_text("count,item\n5,bolt\n7,nut\n\n,washer\n", encoding="utf-8")

    def write(text: str) -> Path:
        path = tmp_path / "catalog.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def info(source: CatalogSource, element: int, segment: int = 0) -> ReportInfo:
    return next(one for one in source.reports() if (one.element, one.segment) == (element, segment))


def rows(source: CatalogSource, into: Path, element: int = 1, segment: int = 0) -> list[str]:
    return source.generate(info(source, element, segment), "csv", into).read_text(encoding="utf-8-sig").splitlines()


@pytest.mark.rules("R3", "R8", "R9", "R11")
def test_the_shipped_catalog_shows_every_case(catalog: CatalogSource) -> None:
    nine = ("image", "pdf", "apdf", "ppt", "xls", "doc", "csv", "xml", "mhtml")
    assert isinstance(catalog, ReportSource)
    assert info(catalog, 1042).name == "Sales Dashboard"
    assert catalog.capabilities(info(catalog, 1042)) == nine
    assert catalog.capabilities(info(catalog, 1043)) == ("image", "pdf", "csv")
    assert catalog.capabilities(info(catalog, 1048)) == ()
    assert catalog.capabilities(ReportInfo(element=5, name="Nobody")) == ()
    assert {one.type for one in catalog.reports()} == set(ElementType)
    assert not info(catalog, 1045).name.isascii()


@pytest.mark.rules("R4")
def test_a_segmented_element_is_listed_once_for_each_value_and_never_as_a_whole(catalog: CatalogSource) -> None:
    listed = [one for one in catalog.reports() if one.element == 1044]
    assert [(one.segment, one.segment_name, one.dimension, one.dimension_name) for one in listed] == [
        (71, "North", 7, "Region"),
        (72, "South", 7, "Region"),
        (73, "West", 7, "Region"),
    ]


@pytest.mark.rules("R6")
def test_what_is_for_one_user_is_visible_to_that_user_alone(catalog: CatalogSource) -> None:
    seen = {user: info(catalog, 1046).visible_to(user) for user in ("admin", "Admin", "anna", "")}
    assert seen == {"admin": True, "Admin": False, "anna": False, "": False}
    assert info(catalog, 1042).visible_to("anna")


@pytest.mark.rules("R22")
def test_the_report_that_always_fails_says_its_message(catalog: CatalogSource, tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match=r"^the forecast model did not converge$"):
        catalog.generate(info(catalog, 1047), "pdf", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("R10")
@pytest.mark.parametrize(
    ("report", "key"),
    [
        (ReportInfo(element=1043, name="x"), "doc"),
        (ReportInfo(element=1043, name="x"), "nonsense"),
        (ReportInfo(element=1043, segment=9, name="x"), "csv"),
        (ReportInfo(element=1044, name="x"), "csv"),
        (ReportInfo(element=2001, name="x"), "csv"),
        (ReportInfo(element=9, name="x"), "csv"),
    ],
)
def test_what_is_not_offered_is_not_generated(
    catalog: CatalogSource, tmp_path: Path, report: ReportInfo, key: str
) -> None:
    with pytest.raises(GenerationError):
        catalog.generate(report, key, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_come_in_the_order_of_the_file_and_the_columns_of_the_report(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    assert rows(open_catalog(written(GOOD)), tmp_path) == ["item,count", "bolt,5", "nut,7", "washer,"]


def test_a_segment_has_its_own_rows_alone(written: Callable[[str], Path], tmp_path: Path) -> None:
    assert rows(open_catalog(written(GOOD + SEGMENTED)), tmp_path, segment=71) == ["item,count", "bolt,5"]


SQL = """tables = { things = "data/one.csv" }
query = "SELECT item, 1.5 * count AS count FROM things WHERE :segment IN ('', item) ORDER BY item DESC;"
"""


def test_a_query_over_csv_files_binds_the_segment(written: Callable[[str], Path], tmp_path: Path) -> None:
    text = GOOD.replace('csv = "data/one.csv"\n', SQL)
    assert rows(open_catalog(written(text)), tmp_path) == ["item,count", "washer,", "nut,10.5", "bolt,7.5"]
    hostile = SEGMENTED.replace('column = "item"\n', "").replace('value = "bolt"', 'value = "bolt\' OR 1=1 --"')
    assert rows(open_catalog(written(text + hostile)), tmp_path, segment=71) == ["item,count"]


def test_a_query_may_end_in_a_comment_but_not_close_the_parenthesis_it_is_examined_in(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    def with_query(query: str) -> Path:
        return written(GOOD.replace('csv = "data/one.csv"', f'tables = {{ t = "data/one.csv" }}\nquery = "{query}"'))

    commented = "SELECT item, count FROM t WHERE count > 5 -- the few are left out"
    assert rows(open_catalog(with_query(commented)), tmp_path) == ["item,count", "nut,7"]
    for broken in ("SELECT item, count FROM t) --", "SELECT item, count FROM t; -- done"):
        with pytest.raises(InvalidCatalog, match="the query cannot be answered"):
            open_catalog(with_query(broken))


def test_keys_that_look_like_numbers_stay_as_they_are_written(written: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "data" / "one.csv").write_text("count,item\n12,007\n9.50,1e5\n-3,+4\n", encoding="utf-8")
    query = "SELECT item, count FROM things ORDER BY things.count"
    text = GOOD.replace('csv = "data/one.csv"', f'tables = {{ things = "data/one.csv" }}\nquery = "{query}"')
    assert rows(open_catalog(written(text)), tmp_path) == ["item,count", "'+4,-3", "1e5,9.5", "007,12"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE stock (item TEXT, count REAL)")
        connection.executemany("INSERT INTO stock VALUES (?, ?)", [("a\x07b", 0.1 + 0.2), ("blob", None)])
        connection.commit()
    return path


def test_a_database_file_is_read_and_cannot_be_written(
    written: Callable[[str], Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = written(
        GOOD.replace('csv = "data/one.csv"', 'database = "data/shop.db"\nquery = "SELECT item, count FROM stock"')
    )
    shop = request.getfixturevalue("shop")
    before = shop.read_bytes()
    assert rows(open_catalog(path), tmp_path) == [
        "item,count",
        "a\N{REPLACEMENT CHARACTER}b,0.30000000000000004",
        "blob,",
    ]
    with pytest.raises(InvalidCatalog, match="element 1, report"):
        open_catalog(
            written(path.read_text(encoding="utf-8").replace("SELECT item, count FROM stock", "DELETE FROM stock"))
        )
    assert shop.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ('name = "Test"', "", "name", "is missing"),
        ('name = "Test"', 'name = "Test"\nversion = 2', "version", "no such key here"),
        ("id = 1", 'id = "1"', "element 1, id", "integer"),
        ("id = 1", "id = -1", "element 1, id", "integer"),
        ("id = 1", "id = true", "element 1, id", "integer"),
        ('name = "One"', "name = 1", "element 1, name", "must be a text"),
        ('name = "One"', 'name = "a\\u0007"', "element 1, name", "control character"),
        ('name = "One"', 'name = "One"\ncolour = "red"', "element 1, colour", "no such key here"),
        ('name = "One"', 'name = "One"\ntype = "chart"', "element 1, type", "'external report', 'metric'"),
        ('name = "One"', 'name = "One"\ntype = "metric"', "element 1, formats", "no such key here"),
        ('name = "One"', 'name = "One"\naccess = "admin"', "element 1, access", "must be a list"),
        ('["csv", "pdf"]', '["docx"]', "element 1, formats", "'docx' is none of image, pdf"),
        ('["csv", "pdf"]', '["csv", "csv"]', "element 1, formats", "twice"),
        ('["csv", "pdf"]', "[1]", "element 1, formats", "list of texts"),
        ("2026-01-01", '"2026-01-01"', "element 1, report, issued", "must be a date"),
        ("2026-01-01", "2026-01-01T10:00:00", "element 1, report, issued", "must be a date"),
        ('csv = "data/one.csv"', "", "element 1, report, csv, database", "exactly one"),
        (
            'csv = "data/one.csv"',
            'csv = "data/one.csv"\nfails = "x"',
            "element 1, report, csv, database",
            "exactly one",
        ),
        ('csv = "data/one.csv"', 'csv = "../one.csv"', "element 1, report, csv", "below the catalog's directory"),
        ('csv = "data/one.csv"', 'csv = "/etc/passwd"', "element 1, report, csv", "below the catalog's directory"),
        ("data/one.csv", "data/two.csv", "element 1, report", "two.csv cannot be read"),
        ('read = "item" }', 'read = "thing" }', "element 1, report", "no column 'thing'; it has count, item"),
        ('read = "item" }', 'read = "count" }', "element 1, report", "no key twice"),
        ('type = "number" }', 'type = "money" }', "element 1, report, columns 2, type", "'number'"),
        ('type = "number" }', "decimals = 12 }", "element 1, report, columns 2, decimals", "0 to 9"),
        ('type = "number" }', 'total = "sum" }', "element 1, report, columns 2", "only numbers"),
        (
            'csv = "data',
            'chart = { type = "pie", x = "item", y = ["count"] }\ncsv = "data',
            "element 1, report, chart, type",
            "'bar'",
        ),
        (
            'csv = "data',
            'chart = { type = "bar", x = "item", y = ["sum"] }\ncsv = "data',
            "element 1, report",
            "no column 'sum'",
        ),
        ('csv = "data', 'language = "English!"\ncsv = "data', "element 1, report", "language"),
        (
            'csv = "data/one.csv"',
            'tables = { t = "data/one.csv" }\nquery = "SELEKT"',
            "element 1, report",
            "no such table: SELEKT",
        ),
        ('csv = "data/one.csv"', 'tables = { t = "data/one.csv" }', "element 1, report, query", "is missing"),
    ],
)
def test_a_wrong_catalog_is_told_by_file_element_and_key(
    written: Callable[[str], Path], old: str, new: str, place: str, problem: str
) -> None:
    assert old in GOOD
    path = written(GOOD.replace(old, new))
    with pytest.raises(InvalidCatalog) as raised:
        open_catalog(path)
    assert raised.value.file == path
    assert raised.value.place.startswith(place)
    assert problem in raised.value.problem
    assert str(raised.value) == f"{path}: {raised.value.place}: {raised.value.problem}"


@pytest.mark.rules("R4", "R6")
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('column = "item"\n', "", "needs `column`"),
        ('column = "item"', 'column = "region"', "no column 'region'"),
        ("id = 71", "id = 0", "stands for an element without segments"),
        ('[{ id = 71, name = "Bolts", value = "bolt" }]', "[]", "at least one segment"),
        ("dimension = 7", "", "is missing"),
    ],
)
def test_segments_that_would_show_other_rows_are_refused(
    written: Callable[[str], Path], old: str, new: str, problem: str
) -> None:
    with pytest.raises(InvalidCatalog, match=problem):
        open_catalog(written(GOOD + SEGMENTED.replace(old, new)))


def test_a_segmented_query_must_use_its_segment(written: Callable[[str], Path]) -> None:
    text = GOOD.replace('csv = "data/one.csv"\n', SQL.replace(":segment IN ('', item)", "1"))
    with pytest.raises(InvalidCatalog, match="needs `:segment` in the query"):
        open_catalog(written(text + SEGMENTED.replace('column = "item"\n', "")))


def test_two_elements_with_one_id_are_refused(written: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidCatalog, match="element 1, id: is there twice"):
        open_catalog(written(GOOD + GOOD.partition('name = "Test"')[2]))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", None])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "catalog.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidCatalog, match=str(path)):
        open_catalog(path)


@pytest.mark.rules("R30", "D40")
@pytest.mark.parametrize(
    "content", ["count,item\nsecret,bolt\n", "count,item\n5\n", "count\n5\n", "count,item\n5,\xff\n", None]
)
def test_data_that_goes_bad_later_fails_the_generation_and_tells_the_caller_nothing(
    written: Callable[[str], Path], tmp_path: Path, content: str | None
) -> None:
    source = open_catalog(written(GOOD))
    data = tmp_path / "data" / "one.csv"
    data.unlink()
    if content is not None:
        data.write_text(content, encoding="latin-1")
    into = tmp_path / "spool"
    into.mkdir()
    with pytest.raises(GenerationError) as raised:
        rows(source, into)
    assert raised.value.message == "the report's data is not what its catalog says"
    assert raised.value.__cause__ is not None
    assert list(into.iterdir()) == []


def test_a_spool_that_is_gone_fails_without_naming_it(written: Callable[[str], Path], tmp_path: Path) -> None:
    source = open_catalog(written(GOOD))
    with pytest.raises(GenerationError, match=r"^the file could not be written$"):
        rows(source, tmp_path / "gone")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with four plugins: one good, one that raises, one that is none, one that is not there."""
    (tmp_path / "shop_reports.py").write_text(
        "from reportdl.server.sources import demo as good\n"
        "def bad():\n    raise RuntimeError('no licence')\n"
        "def none():\n    return 5\n",
        encoding="utf-8",
    )
    about = tmp_path / "shop_reports-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-reports\nVersion: 1.0\n", encoding="utf-8")
    points = "".join(f"shop-{name} = shop_reports:{name}\n" for name in ("good", "bad", "none", "gone"))
    (about / "entry_points.txt").write_text(f"[reportdl.sources]\n{points}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_reports", raising=False)


@pytest.mark.rules("R11")
def test_a_plugin_of_another_package_is_found_by_its_entry_point(installed: None) -> None:
    assert {"shop-good", "shop-bad", "shop-none", "shop-gone"} <= set(names())
    assert "shop_reports" not in sys.modules
    assert load("shop-good").name == "Demo BI"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shop-bad", "cannot be loaded: no licence"),
        ("shop-none", "made int, which lacks a member"),
        ("shop-gone", "cannot be loaded"),
        ("shop-other", "no source plugin 'shop-other'; there are: .*shop-bad"),
    ],
)
def test_a_plugin_that_is_none_is_told(installed: None, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        load(name)
