"""Decides how a program without an event loop runs a batch: one call, which returns the summary.

Must never raise for a job that failed: the summary says so. What makes the whole impossible is raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import anyio

from reportdl.batch.begun import Settings
from reportdl.batch.inputs import Jobs
from reportdl.batch.night import Night
from reportdl.batch.plan import Again, Budget
from reportdl.batch.roster import Roster
from reportdl.batch.servers import Server
from reportdl.batch.summary import Summary
from reportdl.batch.texts import can_be_read_again
from reportdl.batch.traces import Traces
from reportdl.files import Clash

__all__ = ["BUDGET", "resume", "run"]


BUDGET: Final = Budget()


def run(
    jobs: Jobs,
    servers: Server | Mapping[str, Server],
    *,
    ledger: str | os.PathLike[str],
    to: str = ".",
    name: str | None = None,
    format: str | None = None,
    clash: Clash = Clash.SUFFIX,
    at_once: int = 4,
    in_all: int | None = None,
    budget: Budget = BUDGET,
    again: Again = Again.RETRYABLE,
    storage_options: dict[str, Any] | None = None,
    traces: Traces | None = None,
) -> Summary:
    """Bring all of these jobs home and return how it went. Blocks; what is in the ledger already is not repeated.

    `jobs` is a CSV or JSON Lines file (`-` for stdin; what a pipe brings is read once), or an iterator of Job, Wanted
    or mapping, read lazily. `servers` is one, or several by name; jobs that name none go to the only one, or to the
    one called ''. `to` is a folder or an fsspec
    URL, `name` a template. `at_once` is how many jobs a server is given at a time, unless it says so itself, and
    `in_all` how many all of them; `again` says which jobs that failed before are tried again; `traces` are written of
    every job. Raises InputUnusable, TemplateUnusable, LedgerUnusable, ServersUnusable, TargetUnusable, TraceUnwritable;
    in the middle of a batch LedgerUnwritable.
    """
    source = _source(jobs)
    settings = Settings(to=os.fspath(to), name=name, clash=clash, format=format, source=source)
    night = partial(Night, ledger, settings)
    how: Any = {
        "at_once": at_once,
        "in_all": in_all,
        "budget": budget,
        "again": again,
        "options": storage_options,
        "traces": traces,
    }
    return _ran(night, servers, jobs=source or jobs, **how)


def resume(
    ledger: str | os.PathLike[str],
    servers: Server | Mapping[str, Server],
    *,
    at_once: int = 4,
    in_all: int | None = None,
    budget: Budget = BUDGET,
    again: Again = Again.RETRYABLE,
    storage_options: dict[str, Any] | None = None,
    traces: Traces | None = None,
) -> Summary:
    """Go on with a batch where its ledger says that it is, and return how it went. As `run`."""
    night = partial(Night, ledger, None)
    how: Any = {
        "at_once": at_once,
        "in_all": in_all,
        "budget": budget,
        "again": again,
        "options": storage_options,
        "traces": traces,
    }
    return _ran(night, servers, jobs=None, **how)


def _source(jobs: Jobs) -> str | None:
    """The file that a later start reads again; None where there will be none."""
    if not isinstance(jobs, str | os.PathLike) or not can_be_read_again(os.fspath(jobs)):
        return None
    return os.path.abspath(jobs)


def _ran(begin: Callable[..., Night], servers: Server | Mapping[str, Server], **how: Any) -> Summary:
    named = {"": servers} if isinstance(servers, Server) else dict(servers)
    roster = Roster.of({name: one.origin for name, one in named.items()})

    async def main() -> Summary:
        try:
            with begin(roster=roster) as night:
                return await night.run(named, **how)
        finally:
            for one in named.values():
                await one.aclose()

    return anyio.run(main)
