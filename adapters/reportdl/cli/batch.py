"""Decides how `reportdl batch` is asked for: a list of jobs, a destination, a ledger; and what it prints of each job.

stdout carries the paths, or with `--json` one object a job and one for the whole; all else is stderr's. Must never
load a library before the command runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reportdl.cli.batch_options import carrying
from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, connecting_loosely
from reportdl.cli.speech import say, tell

if TYPE_CHECKING:
    from reportdl.batch.night import Settings
    from reportdl.batch.roster import Roster
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
    help="What the files are called, such as {element}-{segment}-{date}.{ext}; every column of JOBS is a field, and / "
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

    JOBS is a CSV file with a header (element, format, and if you like segment, name and further columns; commas,
    semicolons or tabs, as a spreadsheet saves it), or JSON Lines with the same names; - is stdin.

    Kill it whenever you like, and type the same again: what is here stays, what was under way is taken up. What failed
    is tried again where that can help. The ledger is an SQLite file; `reportdl resume LEDGER` goes on without JOBS.

    \b
    Examples
      reportdl batch night.csv -o out/
      reportdl batch night.csv -o out/ --name '{region}/{element}-{date}.{ext}'
      reportdl batch night.csv -o s3://reports/night --jobs 8 --report night.html
      reportdl batch night.csv --dry-run
      reportdl resume night.ledger
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from reportdl.batch.night import Settings

    path = ledger or _beside(jobs)
    settings = Settings(
        to=_absolute(output),
        name=name,
        clash=_clash(overwrite, skip_existing),
        format=key,
        source=None if jobs == "-" else os.path.abspath(jobs),
        engine=engine,
    )
    _looked_at(jobs, settings)
    if dry_run:
        _dry(jobs, settings, carrying.roster(connection), as_json=carrying.as_json)
        return
    carrying.through(connection, path, settings=settings, jobs=jobs)


def _looked_at(jobs: str, settings: Settings) -> None:
    """Find out whether list and template can be used before a ledger is made. stdin can be read but once."""
    from reportdl.batch.inputs import read_jobs
    from reportdl.batch.templates import NameTemplate

    if settings.name is not None:
        NameTemplate(settings.name)
    if jobs != "-" and next(iter(read_jobs(jobs, format=settings.format)), None) is None:
        raise click.UsageError(f"there is no job in {jobs}")


def _beside(jobs: str) -> str:
    if jobs == "-":
        raise click.UsageError("jobs from stdin need a --ledger: it is what a second start goes on from")
    return str(Path(jobs).with_suffix(".ledger"))


def _absolute(output: str) -> str:
    from reportdl.batch.destinations import is_url

    return output if is_url(output) else os.path.abspath(output)


def _clash(overwrite: bool, skip_existing: bool) -> Clash:
    from reportdl.files import Clash

    if overwrite and skip_existing:
        raise click.UsageError("--overwrite and --skip-existing exclude each other")
    return Clash.OVERWRITE if overwrite else Clash.SKIP if skip_existing else Clash.SUFFIX


@dataclass(slots=True)
class _Plan:
    jobs: int = 0
    refused: int = 0
    repeated: int = 0


def _dry(jobs: str, settings: Settings, roster: Roster, *, as_json: bool) -> None:
    """What would be done, found out as it would be: in a ledger that is thrown away."""
    import itertools
    import json
    import tempfile
    from datetime import datetime

    from reportdl.batch.inputs import BadLine
    from reportdl.batch.ledger import Ledger
    from reportdl.batch.night import wishes
    from reportdl.batch.rows import Wished

    plan = _Plan()
    with tempfile.TemporaryDirectory() as folder, Ledger(os.path.join(folder, "dry")) as ledger:
        lines = wishes(jobs, settings, began=datetime.now().astimezone(), roster=roster)
        while chunk := list(itertools.islice(lines, 500)):
            added = ledger.add(chunk)
            plan.jobs, plan.refused = plan.jobs + added.new.total(), plan.refused + added.refused
            plan.repeated += len(added.repeated)
            again = {later for later, _ in added.repeated}
            for one in chunk:
                match one:
                    case BadLine():
                        tell(f"line {one.line} cannot be used: {one.problem}   [{one.text}]")
                    case Wished():
                        said = _planned(one)
                        if one.line not in again:
                            say(json.dumps(said) if as_json else " ".join(str(part) for part in said.values()))
            for later, earlier in added.repeated:
                tell(f"line {later} asks for what line {earlier} asks for: it would be brought once")
    tell(f"{plan.jobs:,} reports would be downloaded to {settings.to}; {plan.refused:,} lines cannot be used")


def _planned(one: Any) -> dict[str, object]:
    job = one.job
    name = one.name or "(as the server calls it)"
    return {"line": one.line, "element": job.element, "segment": job.segment, "format": job.format, "name": name}
