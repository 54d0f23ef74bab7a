"""Decides how `reportdl formats` answers: one key a line on stdout, in the server's order (R8)."""

from __future__ import annotations

import json

import click

from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, connecting, segment_option
from reportdl.cli.speech import say
from reportdl.cli.terminal import display
from reportdl_core.job import identifier

__all__ = ["formats"]


@click.command(cls=Connecting, short_help="List the formats that a report offers.")
@click.argument("element")
@segment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array; errors as one JSON object on stderr.")
@connecting
def formats(*, element: str, segment: str, as_json: bool, connection: Connection) -> None:
    """List the formats that an External Report offers, one key a line.

    ELEMENT is the report's id: the number in its address on the server. What a report offers depends on the BI tool
    that it comes from.

    \b
    Examples
      reportdl formats 1042
      reportdl formats 1044 --segment 71
      reportdl formats 1042 --json | jq -r '.[0]'
    """  # noqa: D301 - click's own mark for lines that stay as they are
    # Checked here, before credentials: a slip of the pen is said first.
    report, part = identifier(element, "element"), identifier(segment, "segment")
    with (
        display(f"{report} formats", plain=connection.verbose, as_json=as_json) as shown,
        connection.client(shown) as client,
    ):
        offered = client.formats(report, segment=part)
    say(json.dumps(list(offered)) if as_json else "\n".join(offered))
