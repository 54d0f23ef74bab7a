"""Decides how a program without an event loop runs a batch: one call, which returns the summary.

Must never raise for a job that failed: the summary says so. What makes the whole impossible is raised.
"""

from __future__ import annotations

import os
from typing import Any, Final

import anyio

from reportdl.batch.inputs import Jobs
from reportdl.batch.night import Night, Settings
from reportdl.batch.plan import Again, Budget, Lanes
from reportdl.batch.servers import Server
from reportdl.batch.summary import Summary
from reportdl.files import Clash

__all__ = ["BUDGET", "resume", "run"]


BUDGET: Final = Budget()


def run(
    jobs: Jobs,
    server: Server,
    *,
    ledger: str | os.PathLike[str],
    to: str = ".",
    name: str | None = None,
    format: str | None = None,
    clash: Clash = Clash.SUFFIX,
    at_once: int = 4,
    budget: Budget = BUDGET,
    again: Again = Again.RETRYABLE,
    storage_options: dict[str, Any] | None = None,
) -> Summary:
    """Bring all of these jobs home and return how it went. Blocks; what is in the ledger already is not repeated.

    `jobs` is a CSV or JSON Lines file, or an iterator of Job, Wanted or mapping, read lazily. `to` is a folder or an
    fsspec URL, `name` a template. `again` says which jobs that failed before are tried again. Raises InputUnusable,
    TemplateUnusable, LedgerUnusable, TargetUnusable.
    """
    source = os.path.abspath(jobs) if isinstance(jobs, str | os.PathLike) else None
    settings = Settings(to=os.fspath(to), name=name, clash=clash, format=format, source=source)
    return _ran(server, ledger, settings, source or jobs, at_once, budget, again, storage_options)


def resume(
    ledger: str | os.PathLike[str],
    server: Server,
    *,
    at_once: int = 4,
    budget: Budget = BUDGET,
    again: Again = Again.RETRYABLE,
    storage_options: dict[str, Any] | None = None,
) -> Summary:
    """Go on with a batch where its ledger says that it is, and return how it went. As `run`."""
    return _ran(server, ledger, None, None, at_once, budget, again, storage_options)


def _ran(
    server: Server,
    ledger: str | os.PathLike[str],
    settings: Settings | None,
    jobs: Jobs | None,
    at_once: int,
    budget: Budget,
    again: Again,
    options: dict[str, Any] | None,
) -> Summary:
    lanes = Lanes(in_all=at_once, per_server=at_once)

    async def main() -> Summary:
        try:
            with Night(ledger, settings, origin=str(server.origin)) as night:
                return await night.run(server, jobs=jobs, again=again, lanes=lanes, budget=budget, options=options)
        finally:
            await server.aclose()

    return anyio.run(main)
