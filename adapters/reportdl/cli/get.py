"""`reportdl get`: one report to a folder, a file or stdout. stdout carries the final path and nothing else."""

from __future__ import annotations

import json
import sys

import click

from reportdl.cli.options import Connection, connecting, segment_option

__all__ = ["get"]


@click.command()
@click.argument("element")
@segment_option
@click.option("-f", "--format", "key", required=True, metavar="KEY", help="A format key, such as pdf, xls or csv.")
@click.option(
    "-o",
    "--output",
    default=".",
    show_default=True,
    metavar="DIR|FILE|-",
    help="A folder (it exists, or ends in /), a file, or - for stdout.",
)
@click.option("--overwrite", "clash", flag_value="overwrite", help="Replace a file that has the name already.")
@click.option("--skip-existing", "clash", flag_value="skip", help="Keep a file that has the name already.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the path.")
@connecting
def get(
    *, element: str, segment: str, key: str, output: str, clash: str | None, as_json: bool, connection: Connection
) -> None:
    """Download one External Report, whole or not at all.

    Blocks while the report is generated, which takes seconds to half an hour. A file that is named is replaced; in a
    folder an existing name gets a suffix.

    \b
      reportdl get 1042 -f pdf -o out/
      reportdl get 1042 --segment 71 -f xls -o sales.xlsx
      reportdl get 1042 -f csv -o - | head
    """  # noqa: D301 - click reads the backspace itself
    from reportdl.cli.terminal import display
    from reportdl.files import Clash

    target = sys.stdout.buffer if output == "-" else output
    with connection.client() as client, display(f"{element} {key}") as shown:
        got = client.download(
            element,
            segment=segment,
            format=key,
            to=target,
            clash=None if clash is None else Clash(clash),
            on_progress=shown,
        )
    for warning in got.warnings:
        click.echo(f"reportdl: note: {warning}", err=True)
    if as_json:
        said = {
            "path": None if got.path is None else str(got.path),
            "filename": got.filename,
            "content_type": got.content_type,
            "size": got.size,
            "sha256": got.sha256,
            "length_verified": got.length_verified,
            "warnings": list(got.warnings),
        }
        click.echo(json.dumps(said, ensure_ascii=False), err=output == "-")
    elif got.path is not None:
        click.echo(str(got.path))
