"""What a table accepts, how it shows numbers, and the geometry of its chart."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl.server.generators.chart import figure
from reportdl.server.generators.table import (
    Align,
    Chart,
    ChartKind,
    Column,
    InvalidTable,
    Kind,
    Table,
    Total,
    legible,
    moment,
    settled,
)
from reportdl.server.generators.widths import divided, grouped, lines

TEXT = Column(key="t", label="T")
NUMBER = Column(key="n", label="N", kind=Kind.NUMBER)


def table(**changes: Any) -> Table:
    plain: dict[str, Any] = {
        "title": "T",
        "issued": date(2026, 1, 1),
        "columns": (TEXT, NUMBER),
        "rows": (("a", Decimal(1)),),
    }
    return Table(**(plain | changes))


@pytest.mark.parametrize(
    ("kind", "decimals", "value", "shown"),
    [
        (Kind.NUMBER, 0, Decimal("1234567.5"), "1,234,568"),
        (Kind.NUMBER, 2, Decimal("-1234.565"), "\N{MINUS SIGN}1,234.57"),
        (Kind.NUMBER, 1, Decimal("-0.04"), "0.0"),
        (Kind.NUMBER, 0, Decimal("1E+5"), "100,000"),
        (Kind.NUMBER, 9, Decimal(123456789012345678), "123,456,789,012,345,678.000000000"),
        (Kind.PERCENT, 1, Decimal("0.3225"), "32.3%"),
        (Kind.PERCENT, 0, Decimal("-0.07"), "\N{MINUS SIGN}7%"),
        (Kind.DATE, 0, date(2026, 9, 30), "2026-09-30"),
        (Kind.TEXT, 0, "as it is", "as it is"),
        (Kind.TEXT, 0, "windows\r\nold\runix\n\r\nend", "windows\nold\nunix\n\nend"),
        (Kind.TEXT, 0, None, ""),
    ],
)
def test_a_cell_is_shown_as_people_read_it(kind: Kind, decimals: int, value: Any, shown: str) -> None:
    assert Column(key="k", label="L", kind=kind, decimals=decimals).show(value) == shown


def test_numbers_and_dates_stand_to_the_right_unless_told_otherwise() -> None:
    aligned = [Column(key="k", label="L", kind=kind).aligned for kind in Kind]
    assert aligned == [Align.LEFT, Align.RIGHT, Align.RIGHT, Align.RIGHT]
    assert Column(key="k", label="L", kind=Kind.DATE, align=Align.CENTER).aligned is Align.CENTER


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": " "}, "needs a title"),
        ({"title": "a\x00b"}, "control character"),
        ({"notes": ("a\x1b[31m",)}, "control character"),
        ({"language": "english please"}, "language"),
        ({"columns": ()}, "at least one column"),
        ({"columns": (TEXT, TEXT)}, "no key twice"),
        ({"rows": (("a",),)}, "row 1 has 1 cells for 2 columns"),
        ({"rows": (("a", Decimal(1)), ("a", 1))}, "row 2, column 'n': 1 is no number"),
        ({"rows": (("a", True),)}, "is no number"),
        ({"rows": (("a", Decimal("NaN")),)}, "is no number"),
        ({"rows": (("a", Decimal("1E+999999")),)}, "is no number"),
        ({"rows": (("a", Decimal("0.1234567890123456789")),)}, "is no number"),
        ({"rows": ((Decimal(1), None),)}, "is no text"),
        ({"rows": (("a\x08", None),)}, "row 1, column 't': a control character"),
        ({"rows": (("\ud800", None),)}, "control character"),
        ({"chart": Chart(kind=ChartKind.BAR, x="z", y=("n",))}, "no column 'z'"),
        ({"chart": Chart(kind=ChartKind.BAR, x="t", y=("t",))}, "'t' is not a number"),
        ({"chart": Chart(kind=ChartKind.BAR, x="t", y=())}, "1 to 4 series"),
        ({"chart": Chart(kind=ChartKind.BAR, x="t", y=("n", "n"))}, "each once"),
    ],
)
def test_a_table_that_contradicts_itself_says_where(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        table(**changes)


def test_a_date_with_a_time_is_no_date() -> None:
    column = Column(key="d", label="D", kind=Kind.DATE)
    assert column.accepts(date(2026, 1, 1))
    assert not column.accepts(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "changes",
    [
        {"decimals": 10},
        {"decimals": -1},
        {"kind": Kind.TEXT, "total": Total.SUM},
        {"kind": Kind.PERCENT, "total": Total.SUM},
    ],
)
def test_a_column_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidTable, match="column 'k'"):
        Column(**({"key": "k", "label": "L"} | changes))


def test_totals_are_exact_and_carry_their_word_only_where_there_is_room() -> None:
    summed = Column(key="n", label="N", kind=Kind.NUMBER, decimals=1, total=Total.SUM)
    rows = tuple((name, Decimal("0.1")) for name in "abc")
    assert table(columns=(TEXT, summed), rows=(*rows, ("d", None))).totals() == (None, Decimal("0.3"))
    assert table(columns=(TEXT, summed), rows=rows).shown_totals() == ("Total", "0.3")
    assert table(columns=(summed,), rows=((Decimal(5),),)).shown_totals() == ("5.0",)
    assert table(columns=(TEXT, summed), rows=()).totals() is None
    assert table().shown_totals() is None


def test_a_table_s_moment_is_midnight_utc() -> None:
    assert moment(table()) == datetime(2026, 1, 1, tzinfo=UTC)


@given(st.text())
def test_cleaned_text_is_accepted_and_only_what_is_illegible_is_changed(text: str) -> None:
    cleaned = legible(text)
    assert table(rows=((cleaned, None),)).rows[0][0] == cleaned
    assert len(cleaned) == len(text)
    assert all(old == new or new == "\N{REPLACEMENT CHARACTER}" for old, new in zip(text, cleaned, strict=True))


@pytest.mark.parametrize("text", ["\x00", "\x9f", "\ud800", "\ufdd0", "\ufdef", "\uffff", "\U0001fffe", "\U0010ffff"])
def test_what_is_no_character_is_illegible(text: str) -> None:
    assert legible(f"a{text}b") == "a\N{REPLACEMENT CHARACTER}b"
    with pytest.raises(InvalidTable, match="control character"):
        table(rows=((text, None),))


@given(st.decimals() | st.floats().map(lambda value: Decimal(str(value))))
def test_a_settled_number_is_accepted_close_and_at_most_eighteen_digits_long(value: Decimal) -> None:
    number = settled(value)
    if number is None:
        assert not value.is_finite() or value.adjusted() >= 17
        return
    assert NUMBER.accepts(number)
    assert len(f"{abs(number):f}".replace(".", "").lstrip("0")) <= 18
    assert value.is_zero() or abs(number - value) <= max(abs(value) * Decimal("1E-16"), Decimal("5.1E-19"))


numbers = st.integers(-(10**12), 10**12).map(lambda value: Decimal(value) / 1000)


@given(st.lists(st.none() | numbers, max_size=40), st.sampled_from(ChartKind))
def test_every_point_lies_inside_the_plot_between_its_ticks(cells: list[Decimal | None], kind: ChartKind) -> None:
    rows = tuple((f"x{at}", cell) for at, cell in enumerate(cells))
    drawn = figure(table(rows=rows, chart=Chart(kind=kind, x="t", y=("n",))))
    if drawn is None:
        assert all(cell is None for cell in cells)
        return
    assert [tick.at for tick in drawn.ticks] == sorted(tick.at for tick in drawn.ticks)
    assert (drawn.ticks[0].at, drawn.ticks[-1].at) == (0, 1)
    assert 2 <= len(drawn.ticks) <= 9
    assert len({tick.label for tick in drawn.ticks}) == len(drawn.ticks)
    assert any(tick.at == drawn.zero for tick in drawn.ticks)
    for cell, point in zip(cells, drawn.series[0].points, strict=True):
        assert (point is None) is (cell is None)
        if point is not None and cell is not None:
            assert 0 <= point.at <= 1
            assert (point.at > drawn.zero, point.at < drawn.zero) == (cell > 0, cell < 0)


@pytest.mark.parametrize(
    ("kind", "values", "ticks"),
    [
        (Kind.NUMBER, (0, 100), ["0", "20", "40", "60", "80", "100"]),
        (Kind.NUMBER, ("0.1", "0.3"), ["0.0", "0.1", "0.2", "0.3"]),
        (Kind.NUMBER, (0,), ["0.0", "0.2"]),
        (Kind.PERCENT, ("-0.02", "0.05"), ["\N{MINUS SIGN}2%", "0%", "2%", "4%", "6%"]),
    ],
)
def test_a_scale_has_round_steps_and_their_decimals(kind: Kind, values: tuple[Any, ...], ticks: list[str]) -> None:
    column = Column(key="n", label="N", kind=kind, decimals=4)
    rows = tuple((str(value), Decimal(value)) for value in values)
    drawn = figure(table(columns=(TEXT, column), rows=rows, chart=Chart(kind=ChartKind.BAR, x="t", y=("n",))))
    assert drawn is not None
    assert [tick.label for tick in drawn.ticks] == ticks


def test_the_alternative_text_says_the_values_or_their_range() -> None:
    chart = Chart(kind=ChartKind.LINE, x="t", y=("n",))
    few, many = (tuple((f"w{at}", Decimal((at * 7) % 20)) for at in range(count)) for count in (3, 20))
    told = [drawn.alt for rows in (few, many) if (drawn := figure(table(rows=rows, chart=chart)))]
    assert told == [
        "Line chart: N by T. N: w0 0, w1 7, w2 14.",
        "Line chart: N by T. N: 20 values from w0 to w19, lowest 0 (w0), highest 19 (w17).",
    ]


@pytest.mark.parametrize(
    ("count", "kind", "every"), [(13, Kind.TEXT, 1), (14, Kind.TEXT, 2), (12, Kind.DATE, 2), (5, Kind.DATE, 1)]
)
def test_labels_are_thinned_out_before_they_run_into_each_other(count: int, kind: Kind, every: int) -> None:
    x = Column(key="t", label="T", kind=kind)
    cells = [date(2026, 1, at + 1) if kind is Kind.DATE else f"2026-{at:02}" for at in range(count)]
    rows = tuple((cell, Decimal(1)) for cell in cells)
    drawn = figure(table(columns=(x, NUMBER), rows=rows, chart=Chart(kind=ChartKind.LINE, x="t", y=("n",))))
    assert drawn is not None
    assert drawn.label_every == every


def test_columns_that_do_not_fit_stand_in_groups_with_the_first_in_each() -> None:
    keys = [Column(key=f"n{at}", label="N", kind=Kind.NUMBER) for at in range(5)]
    wide = table(columns=(TEXT, *keys), rows=(("x" * 400, *[Decimal(123456789)] * 5),))
    found = grouped(wide, 37, digit=1, padding=1)
    assert [group.columns for group in found] == [[0, 1, 2], [0, 3, 4], [0, 5]]
    assert [sum(group.widths) for group in found] == [pytest.approx(37)] * 3


def test_a_text_takes_the_lines_that_its_words_need() -> None:
    assert lines("", 10, letter=1) == lines("0123456789", 10, letter=1) == 1
    assert lines("012345 012345", 10, letter=1) == 2
    assert lines("one\n\ntwo " + "x" * 25, 10, letter=1) == 6
    assert lines("\N{CJK UNIFIED IDEOGRAPH-6771}" * 10, 10, letter=1) == 2


ROWS = (("x" * 400, Decimal(123456789)), ("short", Decimal(1)))


@pytest.mark.parametrize(
    ("room", "first", "second"),
    # A number's commas are half a digit wide. Text would have 36 characters and can do with 12; a number cannot.
    [(96, 74, 22), (48, 37, 11), (40, 29, 11), (24, 13, 11), (23.9, None, None)],
)
def test_columns_share_the_width_by_what_they_need(room: float, first: float | None, second: float | None) -> None:
    wide = table(columns=(TEXT, NUMBER), rows=ROWS)
    shared = divided(wide, room, digit=1, padding=1)
    assert shared == (None if first is None else [first, second])
