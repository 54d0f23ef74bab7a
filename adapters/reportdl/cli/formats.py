"""`reportdl formats`: what a report offers, one key a line."""

from __future__ import annotations

import json

import click

from reportdl.cli.options import Connection, connecting, segment_option

__all__ = ["formats"]


@click.command()
@click.argument("element")
@segment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@connecting
def formats(*, element: str, segment: str, as_json: bool, connection: Connection) -> None:
    """List the formats that an External Report offers.

    \b
      reportdl formats 1042
      reportdl formats 1042 --segment 71
    """  # noqa: D301 - click reads the backspace itself
    with connection.client() as client:
        offered = client.formats(element, segment=segment)
    click.echo(json.dumps(list(offered)) if as_json else "\n".join(offered))
