"""Decides how `reportdl list` answers: the External Reports that one can see, with the ids to download them by.

One line a report or segment on stdout: a table on a terminal, tab-separated in a pipe. Must never ask a server for the
formats of hundreds of reports unless told to.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

import click

from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, connecting
from reportdl.cli.speech import say, tell
from reportdl.cli.terminal import display

if TYPE_CHECKING:
    from reportdl.client import Client
    from reportdl_core.questions import ListedReport

__all__ = ["listing"]

_FEW: Final = 20  # elements whose formats are asked for without being told to: one request each
_NUMBERS: Final = 2  # the first columns: ids, which are never folded
_HEADS: Final = ("ELEMENT", "SEGMENT", "NAME", "SOURCE", "FORMATS")


@click.command("list", cls=Connecting, short_help="List the reports that one can see, with their ids.")
@click.argument("text", required=False, default="")
@click.option("--all", "everything", is_flag=True, help="List reports without access as well; they would be refused.")
@click.option(
    "--formats/--no-formats",
    "with_formats",
    default=None,
    help=f"Ask for each report's formats, one request each.  [default: where at most {_FEW} reports are listed]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, one object a row; errors as JSON on stderr.")
@connecting
def listing(*, text: str, everything: bool, with_formats: bool | None, as_json: bool, connection: Connection) -> None:
    """List the External Reports that one can see: what to give to `reportdl get`.

    TEXT leaves those whose name, segment, source or element id contains it. ELEMENT is the report's id. SEGMENT is a
    dimension *value* id, such as the one of `North`, not of the dimension `Region`; 0 for a report without segments.

    \b
    Examples
      reportdl list
      reportdl list sales
      reportdl list --json | jq -r 'select(.segment_name == "North") | .element'
    """  # noqa: D301 - click's own mark for lines that stay as they are
    with display("list", plain=connection.verbose, as_json=as_json) as shown, connection.client(shown) as client:
        reports = [one for one in client.reports() if (everything or one.accessible) and _has(one, text.casefold())]
        elements = {one.element for one in reports if one.accessible}
        asked = len(elements) <= _FEW if with_formats is None else with_formats
        formats = _formats(client, reports) if asked else {}
    if as_json:
        for one in reports:
            say(json.dumps(_said(one, formats.get(one.element))))
    elif reports:
        _table(reports, formats)
    else:
        tell(f"reportdl: no report contains {text!r}" if text else "reportdl: no reports")
    if reports and not asked and with_formats is None:
        tell(f"reportdl: {len(elements)} reports: --formats asks for the formats of each")


def _has(report: ListedReport, text: str) -> bool:
    fields = (report.name, report.segment_name, report.source, str(report.element))
    return any(text in field.casefold() for field in fields)


def _formats(client: Client, reports: list[ListedReport]) -> dict[int, tuple[str, ...]]:
    """Formats by element: a plugin declares them for a report, whatever its segment (R11). None offered is no error."""
    from reportdl.errors import AccessDenied, NotDownloadable, ReportNotFound

    found: dict[int, tuple[str, ...]] = {}
    for report in reports:
        if report.accessible and report.element not in found:
            try:
                found[report.element] = client.formats(report.element, segment=report.segment)
            except (AccessDenied, NotDownloadable, ReportNotFound):
                found[report.element] = ()
    return found


def _said(report: ListedReport, formats: tuple[str, ...] | None) -> dict[str, object]:
    return {
        "element": report.element,
        "segment": report.segment,
        "name": report.name,
        "segment_name": report.segment_name,
        "source": report.source,
        "accessible": report.accessible,
        "formats": None if formats is None else list(formats),
    }


def _table(reports: list[ListedReport], formats: dict[int, tuple[str, ...]]) -> None:
    rows = [_cells(report, formats.get(report.element)) for report in reports]
    if not sys.stdout.isatty():
        say("\n".join("\t".join(row) for row in rows))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # rich folds what is too wide for the terminal, and knows that some characters take two columns.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at, title in enumerate(_HEADS):
        table.add_column(title, justify="right" if at < _NUMBERS else "left", no_wrap=at < _NUMBERS)
    for row in rows:
        table.add_row(*(Text(cell.replace(",", ", ")) for cell in row))
    console = Console()
    with console.capture() as drawn:
        console.print(table)
    say("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _cells(report: ListedReport, formats: tuple[str, ...] | None) -> list[str]:
    name = f"{report.name} / {report.segment_name}" if report.segment_name else report.name
    offered = "no access" if not report.accessible else "" if formats is None else ",".join(formats) or "none"
    return [str(report.element), str(report.segment), name, report.source, offered]
