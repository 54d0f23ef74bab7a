"""Decides how `reportdl trace` shows a recorded job: a transcript, or a Mermaid sequence diagram, on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reportdl.cli.paint import Ink, paint, width
from reportdl.cli.speech import say, tell

if TYPE_CHECKING:
    from reportdl.trace import Row

__all__ = ["trace"]


@click.command(short_help="Show what a recorded job did.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mermaid", is_flag=True, help="A Mermaid sequence diagram instead of a transcript.")
def trace(*, file: Path, mermaid: bool) -> None:
    """Show what a job did that was recorded with `reportdl get --trace FILE`.

    A transcript has a line for each command (<<), each answer (>>), each command that was given up (x) and each new
    state (==), with the seconds since the job began. `run` has a connection of its own; all else goes over the other.
    A trace holds no token and no credential.

    \b
    Examples
      reportdl get 1042 -f pdf --trace job.jsonl
      reportdl trace job.jsonl
      reportdl trace job.jsonl --mermaid > job.mmd
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from reportdl.trace import diagram, head, read_trace, transcript

    read = read_trace(file)
    if mermaid:
        say(diagram(read).rstrip("\n"))
    else:
        say("\n".join([paint(head(read), Ink.HEAD), *(_painted(row) for row in transcript(read))]))
    if read.cut_off:
        tell("reportdl: note: the last line was cut off, as when a process is killed: it is left out")


def _painted(row: Row) -> str:
    from reportdl.trace import Arrow, line

    text = line(row)
    widest = width()
    text = text if len(text) <= widest else f"{text[: widest - 1]}\N{HORIZONTAL ELLIPSIS}"
    if row.trouble:
        return paint(text, Ink.BAD if row.arrow is Arrow.STATE else Ink.DOUBTFUL)
    match row.arrow:
        case Arrow.STATE:
            return paint(text, Ink.GOOD)
        case Arrow.SUPERSEDED:
            return paint(text, Ink.FAINT)
        case Arrow.COMMAND | Arrow.EVENT:
            return text
