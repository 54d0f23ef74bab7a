"""Decides how a report becomes a web archive (R7): an HTML page and the chart's picture in one multipart message.

The page asks for nothing outside the message and runs nothing: its one picture is a part beside it, found by its
Content-ID and, for readers that resolve addresses, by its Content-Location. Must never place text unescaped, and never
leave out the closing boundary, which is what a reader without a length knows the whole by (D22).
"""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Final

from reportdl.server.generators.chart import Figure
from reportdl.server.generators.pages import byline, chart_picture
from reportdl.server.generators.table import Column, Table, moment

__all__ = ["generate"]

_PAGE: Final = "urn:reportdl:report"
_CHART_ID: Final = "chart@reportdl.invalid"
_CHART_LOCATION: Final = "urn:reportdl:report:chart.png"
_STYLE: Final = """
body { font: 15px/1.45 system-ui, "Segoe UI", Roboto, Arial, sans-serif; color: #1b2733; background: #fff;
       max-width: 60rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; }
.subtitle { font-size: 1.15rem; color: #55616d; margin: .3rem 0 0; }
.byline, .note { font-size: .85rem; color: #55616d; }
img { display: block; width: 100%; height: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #c9d1d9; vertical-align: top; overflow-wrap: anywhere;
         white-space: pre-line; }
thead th { background: #e6edf4; border-bottom: 2px solid #1b2733; }
tfoot td { font-weight: bold; border-top: 2px solid #1b2733; border-bottom: 0; }
.left { text-align: left; } .center { text-align: center; }
.right { text-align: right; white-space: nowrap; overflow-wrap: normal; }
"""


def generate(table: Table, path: Path) -> None:
    """Write the report as MHTML with CRLF line ends; the boundary depends on the content alone."""
    picture = chart_picture(table)
    page = _page(table, picture[1] if picture else None)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = " ".join(table.title.split())
    message["Date"] = format_datetime(moment(table))
    message["MIME-Version"] = "1.0"
    message["Snapshot-Content-Location"] = _PAGE
    message.set_content(page, subtype="html", charset="utf-8", cte="quoted-printable")
    message["Content-Location"] = _PAGE
    message.make_related(boundary=_boundary(page))
    message.set_param("type", "text/html")
    if picture:
        message.add_related(picture[0], "image", "png", cid=f"<{_CHART_ID}>", disposition="inline")
        added = message.get_payload(1)
        if isinstance(added, EmailMessage):
            added["Content-Location"] = _CHART_LOCATION
    path.write_bytes(message.as_bytes())


def _boundary(page: str) -> str:
    # Neither of the two encodings used can hold "=_": quoted-printable follows = by hex digits, base64 ends in it.
    return f"=_{hashlib.sha256(page.encode()).hexdigest()[:32]}"


def _page(table: Table, chart: Figure | None) -> str:
    parts = [f"<h1>{escape(table.title)}</h1>"]
    if table.subtitle:
        parts.append(f'<p class="subtitle">{escape(table.subtitle)}</p>')
    parts.append(f'<p class="byline">{escape(byline(table))}</p>')
    if chart:
        parts.append(f'<img src="cid:{_CHART_ID}" alt="{escape(chart.alt)}">')
    parts += _grid(table) if table.rows else ["<p>No data.</p>"]
    parts += [f'<p class="note">{escape(note)}</p>' for note in table.notes]
    head = f'<meta charset="utf-8"><title>{escape(table.title)}</title><style>{_STYLE}</style>'
    body = "\n".join(parts)
    start = f'<!DOCTYPE html>\n<html lang="{escape(table.language)}">\n<head>{head}</head>'
    return f"{start}\n<body>\n{body}\n</body>\n</html>\n"


def _grid(table: Table) -> list[str]:
    head = [column.heading for column in table.columns]
    parts = ["<table>", f"<thead>{_line(table.columns, head, 'th')}</thead>", "<tbody>"]
    for row in table.rows:
        shown = [column.show(cell) for column, cell in zip(table.columns, row, strict=True)]
        parts.append(_line(table.columns, shown, "td"))
    parts.append("</tbody>")
    totals = table.shown_totals()
    if totals is not None:
        parts.append(f"<tfoot>{_line(table.columns, totals, 'td')}</tfoot>")
    return [*parts, "</table>"]


def _line(columns: tuple[Column, ...], texts: list[str] | tuple[str, ...], tag: str) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    cells = (
        f'<{tag}{scope} class="{column.aligned.value}">{escape(text)}</{tag}>'
        for column, text in zip(columns, texts, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
