"""Decides how a measured figure gets into `docs/proof.md`: by a run, never by hand.

Every engine calls `record` with what it has just measured. The row is printed always, and written into the page where
REPORTDL_RECORD=1 (the `deep` parts of the Makefile set it). The page is its own store: a row is known by its name, so a
later run replaces it. Must never judge: the caller says whether the target was met.

From a shell, or from a program that is no Python:

    python -m tests.proof.figures "mutants killed" "412 of 415" "all" pass "make deep-mutants"
    python -m tests.proof.figures fresh "make deep-fuzz"    a part begins: its old rows go, and come as it writes them
    python -m tests.proof.figures table    what is in the page; exit code 1 where a target, or a row, is missed
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["PAGE", "PARTS", "Row", "fresh", "missing", "read", "record", "rendered", "shown"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "proof.md"

_HEAD: Final = """\
# What has been proven, and how

Every row was written by the run that measured it: the command in the last column, with its own name for the row. To
measure a row again, run that command; one that is no `make deep-...` prints its rows: `make deep-printed` writes them.

How the engines work, and what their models leave out, is in [tests/proof](../tests/proof/README.md).

"""
_COLUMNS: Final = ("what", "measured", "target", "met", "by")

PARTS: Final = {
    "make check-core": 1,
    "make check-proof": 2,
    "make deep-crosshair": 1,
    "make deep-explored": 6,
    "make deep-explored-alone": 3,
    "make deep-explored-endpoint": 3,
    "make deep-explored-late": 3,
    "make deep-explored-three": 1,
    "make deep-fuzz": 7,
    **{f"make deep-mutants-{group}": 1 for group in ("endpoint", "job", "session", "transfer", "values", "wire")},
    "make deep-saboteurs": 13,
    "make deep-simulated": 4,  # a million sessions, and ten
    "make deep-simulated-all": 2,
    "make deep-simulated-asleep": 2,
    "make deep-stateful": 1,
    "make deep-versions": 1,
    "make test": 2,
}
"""How many rows each part writes: a part that was not run, or died on its way, leaves no row that could be missed."""


class Row(NamedTuple):
    """One line of the table."""

    what: str
    measured: str
    target: str
    met: bool
    by: str


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def rendered(rows: list[Row]) -> str:
    """The page, its rows in the order of what measures them, then by name."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    for row in sorted(rows, key=lambda row: (row.by, row.what)):
        met = "yes" if row.met else "**no**"
        lines.append(f"| {_cell(row.what)} | {_cell(row.measured)} | {_cell(row.target)} | {met} | `{_cell(row.by)}` |")
    return _HEAD + "\n".join(lines) + "\n"


def read(page: str) -> list[Row]:
    """The rows of a page that `rendered` wrote."""
    rows: list[Row] = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == len(_COLUMNS) and tuple(cells) != _COLUMNS:
            what, measured, target, met, by = cells
            rows.append(Row(what, measured, target, met == "yes", by.strip("`")))
    return rows


def record(what: str, measured: str, *, target: str, met: bool, by: str) -> None:
    """Print a row; where REPORTDL_RECORD=1, put it into the page in place of the older row of that name."""
    row = Row(_cell(what), _cell(measured), _cell(target), met, _cell(by))
    print(f"{'met    ' if met else 'NOT MET'}  {row.what}: {row.measured} (target: {row.target})", flush=True)
    if os.environ.get("REPORTDL_RECORD") != "1":
        return
    _change(lambda rows: [one for one in rows if one.what != row.what] + [row])


def fresh(by: str) -> None:
    """A part begins: none of its rows is older than this run."""
    if os.environ.get("REPORTDL_RECORD") == "1":
        _change(lambda rows: [one for one in rows if one.by != _cell(by)])


def shown(rows: list[Row]) -> Table:
    """The rows for a terminal: row, figure, target, pass."""
    from rich.table import Table  # here alone: the other Pythons, which come to a digest, have no rich
    from rich.text import Text

    table = Table()
    for name, share in (("row", 3), ("figure", 4), ("target", 3), ("pass", None)):
        table.add_column(name, ratio=share, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, (row.what, row.measured, row.target)), "yes" if row.met else "NO")
    return table


def missing(rows: list[Row]) -> list[str]:
    """The parts that have fewer rows than they write."""
    told = {part: sum(row.by == part or row.by.startswith(f"{part} ") for row in rows) for part in PARTS}
    return [f"{part} ({told[part]} of {count} rows)" for part, count in PARTS.items() if told[part] < count]


def _change(change: Callable[[list[Row]], list[Row]]) -> None:
    PAGE.touch()
    with PAGE.open("r+", encoding="utf-8") as page:
        fcntl.flock(page, fcntl.LOCK_EX)  # two parts may end at once
        rows = change(read(page.read()))
        page.seek(0)
        page.write(rendered(rows))
        page.truncate()


def main(arguments: list[str]) -> None:
    """WHAT MEASURED TARGET pass|fail BY, or fresh BY, or table."""
    match arguments:
        case ["fresh", by]:
            fresh(by)
        case ["table"]:
            _show()
        case [what, measured, target, "pass" | "fail" as met, by]:
            record(what, measured, target=target, met=met == "pass", by=by)
        case _:
            raise SystemExit(main.__doc__)


def _show() -> None:
    from rich.console import Console

    rows = read(PAGE.read_text(encoding="utf-8"))
    Console().print(shown(rows))
    wrong = [f"missed: {row.what}" for row in rows if not row.met]
    wrong += [f"not measured: {part}" for part in missing(rows)]
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
