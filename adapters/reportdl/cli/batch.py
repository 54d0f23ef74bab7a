"""Decides how `reportdl batch` is asked for: a list of jobs, a destination, a ledger; and what it prints of each job.

stdout carries the paths, or with `--json` one object a job and one for the whole; all else is stderr's. Must never
load a library before the command runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reportdl.cli.batch_options import carrying
from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, connecting_loosely

if TYPE_CHECKING:
    from reportdl.batch.begun import Settings
    from reportdl.cli.batch_options import Carrying
    from reportdl.files import Clash

__all__ = ["batch"]


@click.command(cls=Connecting, short_help="Download many reports, over any number of starts.")
@click.argument("jobs", metavar="JOBS")
@click.option(
    "-o",
    "--output",
    default=".",
    show_default=True,
    metavar="DIR|URL",
    help="A folder, or a URL such as s3://bucket/night.",
)
@click.option(
    "--name",
    metavar="TEMPLATE",
    help="What the files are called, such as {element}-{format}-{date}.{ext}; every column of JOBS is a field, and / "
    "makes folders.  [default: as the server calls them]",
)
@click.option("-f", "--format", "key", metavar="KEY", help="For the lines of JOBS that name no format.")
@click.option(
    "--ledger", metavar="FILE", help="Where the batch is remembered.  [default: JOBS with .ledger for its end]"
)
@click.option("--overwrite", is_flag=True, help="Replace a file that has the name already.")
@click.option("--skip-existing", is_flag=True, help="Keep a file that has the name already, and do not ask for it.")
@click.option(
    "--engine",
    type=click.Choice(["local", "celery"]),
    default="local",
    show_default=True,
    help="In this process, or by workers of `reportdl.batch.celery` on any number of machines.",
)
@click.option("--dry-run", is_flag=True, help="Read JOBS and say what would be done. Nothing is asked for or written.")
@carrying
@connecting_loosely
def batch(
    *,
    jobs: str,
    output: str,
    name: str | None,
    key: str | None,
    ledger: str | None,
    overwrite: bool,
    skip_existing: bool,
    engine: str,
    dry_run: bool,
    carrying: Carrying,
    connection: Connection,
) -> None:
    """Download many External Reports: whole or not at all, each generated once, over any number of starts.

    JOBS is a CSV file with a header (element, format, and if you like segment, name, server and further columns;
    commas, semicolons or tabs, as a spreadsheet saves it), or JSON Lines with the same names; - is stdin,
    and a pipe such as <(...) does as well.

    Kill it whenever you like, and type the same again: what is here stays, what was under way is taken up. What failed
    is tried again where that can help. The ledger is an SQLite file; `reportdl resume LEDGER` goes on without JOBS.

    \b
    Examples
      reportdl batch night.csv -o out/
      reportdl batch night.csv -o out/ --name '{region}/{element}-{format}.{ext}'
      reportdl batch night.csv -o s3://reports/night --jobs 8 --report night.html
      reportdl batch night.csv --dry-run
      reportdl batch night.csv -o out/ --servers servers.toml
      reportdl resume night.ledger
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from reportdl.batch.begun import Settings
    from reportdl.batch.texts import can_be_read_again

    again = can_be_read_again(jobs)
    path = ledger or _beside(jobs, again=again)
    settings = Settings(
        to=_absolute(output),
        name=name,
        clash=_clash(overwrite, skip_existing),
        format=key,
        source=os.path.abspath(jobs) if again else None,
        engine=engine,
    )
    _looked_at(jobs, settings)
    if engine == "celery":
        carrying.spread()
    if dry_run:
        from reportdl.cli.batch_plan import planned

        planned(jobs, settings, ledger=path, connection=connection, carrying=carrying)
        return
    carrying.through(connection, path, settings=settings, jobs=jobs)


def _looked_at(jobs: str, settings: Settings) -> None:
    """Find out whether list and template can be used before a ledger is made. A pipe can be read but once."""
    from reportdl.batch.inputs import read_jobs
    from reportdl.batch.templates import NameTemplate

    fields = None if settings.name is None else NameTemplate(settings.name).check
    if settings.source is None:
        return
    if next(iter(read_jobs(jobs, format=settings.format, fields=fields)), None) is None:
        raise click.UsageError(f"there is no job in {jobs}")


def _beside(jobs: str, *, again: bool) -> str:
    if not again:
        raise click.UsageError("jobs from stdin or a pipe need a --ledger: it is what a second start goes on from")
    return str(Path(jobs).with_suffix(".ledger"))


def _absolute(output: str) -> str:
    from reportdl.batch.destinations import is_url

    return output if is_url(output) else os.path.abspath(output)


def _clash(overwrite: bool, skip_existing: bool) -> Clash:
    from reportdl.files import Clash

    if overwrite and skip_existing:
        raise click.UsageError("--overwrite and --skip-existing exclude each other")
    return Clash.OVERWRITE if overwrite else Clash.SKIP if skip_existing else Clash.SUFFIX
