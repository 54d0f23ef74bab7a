"""Decides the geometry of a chart and the sentence that replaces it for those who cannot see it.

Pure arithmetic: positions are fractions of the plot's height, so that whoever draws needs no scale of its own. Must
never draw. The scale always includes zero: a bar that starts elsewhere tells a lie about proportions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from reportdl.server.generators.table import Chart, ChartKind, Column, Kind, Table

__all__ = ["Figure", "Point", "Series", "Tick", "describe", "figure"]

_MOST_LABELS: Final = 13  # what fits under a chart of a page's width
_LINE: Final = 120  # characters of the labels' size across a page
_LONGEST_LABEL: Final = 28
_MOST_SPOKEN: Final = 12
_STEPS: Final = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line across the plot: `at` is 0 at the bottom and 1 at the top."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value: its height as a fraction of the plot, and how it is written."""

    at: float
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One column's points, in the order of the rows; None where the cell is empty."""

    name: str
    points: tuple[Point | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart ready to be drawn. Every `label_every`-th label is written; `zero` is the height of the base line."""

    kind: ChartKind
    title: str
    alt: str
    labels: tuple[str, ...]
    label_every: int
    ticks: tuple[Tick, ...]
    zero: float
    series: tuple[Series, ...]


def figure(table: Table) -> Figure | None:
    """The table's chart; None where it has none, or no number to show."""
    chart = table.chart
    if chart is None:
        return None
    values = [cell for key in chart.y for cell in _numbers(table, key) if cell is not None]
    if not values:
        return None
    first = table.columns[table.index(chart.y[0])]
    low, high, step = _scale(min(Decimal(0), *values), max(Decimal(0), *values))
    labels = _labels(table, chart)
    return Figure(
        kind=chart.kind,
        title=_title(table, chart),
        alt=describe(table, chart),
        labels=tuple(_short(label) for label in labels),
        label_every=_label_every(labels, table.columns[table.index(chart.x)].kind),
        ticks=_ticks(low, high, step, first),
        zero=_at(Decimal(0), low, high),
        series=tuple(_series(table, key, low, high) for key in chart.y),
    )


def describe(table: Table, chart: Chart) -> str:
    """The alternative text: what kind of chart, of what, and its values, or its range where they are many."""
    parts = [_spoken(table, chart, key) for key in chart.y]
    return f"{chart.kind.value.capitalize()} chart: {_title(table, chart)}. {' '.join(parts)}"


def _spoken(table: Table, chart: Chart, key: str) -> str:
    column = table.columns[table.index(key)]
    pairs = [(label, cell) for label, cell in zip(_labels(table, chart), _numbers(table, key), strict=True)]
    there = [(label, cell) for label, cell in pairs if cell is not None]
    if not there:
        return f"{column.heading}: no values."
    if len(there) <= _MOST_SPOKEN:
        return f"{column.heading}: {', '.join(f'{label} {column.show(cell)}' for label, cell in there)}."
    least, most = min(there, key=lambda pair: pair[1]), max(there, key=lambda pair: pair[1])
    return (
        f"{column.heading}: {len(there)} values from {there[0][0]} to {there[-1][0]}, "
        f"lowest {column.show(least[1])} ({least[0]}), highest {column.show(most[1])} ({most[0]})."
    )


def _title(table: Table, chart: Chart) -> str:
    if chart.title:
        return chart.title
    names = " and ".join(table.columns[table.index(key)].heading for key in chart.y)
    return f"{names} by {table.columns[table.index(chart.x)].label}"


def _numbers(table: Table, key: str) -> list[Decimal | None]:
    at = table.index(key)
    return [cell if isinstance(cell := row[at], Decimal) else None for row in table.rows]


def _labels(table: Table, chart: Chart) -> list[str]:
    at = table.index(chart.x)
    return [table.columns[at].show(row[at]) for row in table.rows]


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def _label_every(labels: list[str], x: Kind) -> int:
    """All labels where they are few, since names may wrap; dates and long rows of labels as many as fit in a line."""
    if len(labels) <= _MOST_LABELS and x is not Kind.DATE:
        return 1
    room = _LINE // (min(_LONGEST_LABEL, max(map(len, labels))) + 3)
    return -(-len(labels) // max(1, min(_MOST_LABELS, room)))


def _scale(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """The least and greatest tick and their distance: four to eight steps of 1, 2, 2.5 or 5 times a power of ten."""
    span = (high - low) or Decimal(1)
    rough = span / 5
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * factor for factor in _STEPS if power * factor >= rough)
    below = (low / step).to_integral_value(ROUND_FLOOR)
    above = (high / step).to_integral_value(ROUND_CEILING)
    if below == above:
        above += 1
    return below * step, above * step, step


def _ticks(low: Decimal, high: Decimal, step: Decimal, column: Column) -> tuple[Tick, ...]:
    count = int((high - low) / step)
    values = [low + step * number for number in range(count + 1)]
    # A scale needs the decimals of its step and no more, whatever the column shows.
    shift = 2 if column.kind is Kind.PERCENT else 0
    exponent = step.normalize().as_tuple().exponent
    decimals = min(9, max(0, -int(exponent) - shift))
    written = Column(key=column.key, label=column.label, kind=column.kind, decimals=decimals)
    return tuple(Tick(at=_at(value, low, high), label=written.show(value)) for value in values)


def _series(table: Table, key: str, low: Decimal, high: Decimal) -> Series:
    column = table.columns[table.index(key)]
    points = tuple(
        None if cell is None else Point(at=_at(cell, low, high), shown=column.show(cell))
        for cell in _numbers(table, key)
    )
    return Series(name=column.heading, points=points)


def _at(value: Decimal, low: Decimal, high: Decimal) -> float:
    return float((value - low) / (high - low))
