"""Decides what each line of a list becomes: a job of one server, under the name that its file will have.

One line at a time. Must never ask a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from reportdl.batch.inputs import BadLine, Jobs, Wanted, read_jobs
from reportdl.batch.roster import Roster
from reportdl.batch.rows import Wished, label
from reportdl.batch.templates import NameTemplate, TemplateUnusable, safe_path

__all__ = ["wishes"]


def wishes(
    jobs: Jobs, *, template: str | None, format: str | None, began: datetime, roster: Roster, after: int = 0
) -> Iterator[Wished | BadLine]:
    """The lines of an input beyond `after`; `format` is for those that name none.

    Raises InputUnusable, and TemplateUnusable where no line of a table could be called by the template.
    """
    names = None if template is None else NameTemplate(template)
    for line in read_jobs(jobs, format=format, roster=roster, fields=None if names is None else names.check):
        if line.line <= after:
            continue
        if isinstance(line, BadLine):
            yield line
            continue
        try:
            called = _named(line, names, began, roster.word(line.server))
            yield Wished(line=line.line, job=line.job, name=called, server=line.server)
        except TemplateUnusable as error:
            yield BadLine(line=line.line, text=label(line.server, line.job), problem=str(error))


def _named(line: Wanted, template: NameTemplate | None, began: datetime, server: str) -> str:
    if line.name is not None:
        return safe_path(line.name, line)
    return "" if template is None else template.render(line, began=began, server=server)
