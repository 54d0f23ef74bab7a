"""Decides what can be said on every command that carries a batch on, and carries it on: `batch` and `resume`.

Ctrl-C and its like stop what is under way and leave the ledger as it is: what was begun can be taken up (D38). Must
never end with 0 while a report is missing.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from reportdl.cli.beside import placed, tried
from reportdl.cli.options import storage_option, stored_options
from reportdl.cli.speech import say, tell
from reportdl.cli.spreading import refuse_for_a_crew
from reportdl.cli.stops import Stopped

if TYPE_CHECKING:
    from reportdl.batch.begun import Settings
    from reportdl.batch.described import Described
    from reportdl.batch.night import Night
    from reportdl.batch.roster import Roster
    from reportdl.batch.servers import Server
    from reportdl.batch.summary import Summary
    from reportdl.batch.traces import Traces
    from reportdl.cli.connection import Connection

__all__ = ["SOME_FAILED", "Carrying", "carrying"]

SOME_FAILED: Final = 8
"""The exit code where a batch has ended and not every report is here."""

_AT_ONCE: Final = 4
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
R = TypeVar("R")

_OPTIONS: Final = (
    click.option(
        "--jobs",
        "at_a_time",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="How many at a time on each server. A BI server draws reports with one browser: more is seldom faster.  "
        f"[default: {_AT_ONCE}]",
    ),
    click.option(
        "--jobs-in-all",
        "in_all",
        type=click.IntRange(1, 10_000),
        metavar="N",
        help="How many at a time on all servers together.  [default: no other limit]",
    ),
    click.option(
        "--server",
        "named",
        multiple=True,
        envvar="REPORTDL_SERVER",
        show_envvar=True,
        metavar="NAME=URL",
        help="A server that lines name in a column `server`, by its name or URL; may be given several times. Its "
        "credentials are REPORTDL_<NAME>_TOKEN and its like, and go to no other. Lines that name none go to --url.",
    ),
    click.option(
        "--servers",
        "file",
        type=click.Path(exists=True, dir_okay=False),
        envvar="REPORTDL_SERVERS",
        show_envvar=True,
        metavar="FILE",
        help="More of them, in TOML: a table for each with its url and, if you like, jobs, token_file, ca_bundle...",
    ),
    click.option(
        "--attempts",
        type=click.IntRange(1, 20),
        default=2,
        show_default=True,
        metavar="N",
        help="How often a report is tried in one start, if it fails for a reason that may pass.",
    ),
    click.option(
        "--again",
        type=click.Choice(["retryable", "all", "none"]),
        default="retryable",
        show_default=True,
        help="Which reports that failed in an earlier start are tried again.",
    ),
    storage_option,
    click.option(
        "--report",
        "page",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write a page at the end: every job on a timeline, generation times, failures by cause.",
    ),
    click.option(
        "--trace",
        metavar="DIR",
        help="Record every job in a file of its own there, for `reportdl trace FILE`: they hold no token.",
    ),
    click.option("--trace-failed", is_flag=True, help="Of those files keep only the ones of jobs that failed."),
    click.option(
        "--json", "as_json", is_flag=True, help="Print JSON Lines: one object a report, and a last one for all."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """What was said about how a batch is carried on."""

    at_a_time: int | None
    in_all: int | None
    named: tuple[str, ...]
    file: str | None
    attempts: int
    again: str
    storage: tuple[str, ...]
    page: Path | None
    trace: str | None
    trace_failed: bool
    as_json: bool

    @property
    def at_once(self) -> int:
        """How many at a time on each server, in this process."""
        return _AT_ONCE if self.at_a_time is None else self.at_a_time

    def roster(self, connection: Connection) -> Roster:
        """The servers that were named, without their credentials. Raises click.UsageError, ServersUnusable."""
        from reportdl.batch.roster import Roster

        return Roster.of({one.name: one.origin() for one in self.described(connection)})

    def described(self, connection: Connection) -> tuple[Described, ...]:
        """The servers that were named; '' is the one of --url. Raises click.UsageError, ServersUnusable."""
        from reportdl.batch.described import Described, described

        insecure = connection.allow_insecure
        named = described(self.named, self.file)
        found = [replace(one, allow_insecure=True) if insecure else one for one in named]
        if connection.url is not None:
            found.append(Described(name="", url=connection.url, allow_insecure=insecure))
        if not found:
            raise click.UsageError("no server: say --url, --server or --servers, or set REPORTDL_URL")
        return tuple(found)

    def through(self, connection: Connection, ledger: str, *, settings: Settings | None, jobs: str | None) -> None:
        """Carry the batch to its end, or to a signal; say how it went; exit with its code."""
        from reportdl.batch.night import Night

        described, traces, roster = self.described(connection), self._traces(), self.roster(connection)
        tried("--report", self.page)
        # Before there is a ledger, where that can be known: what cannot be used leaves nothing behind.
        begun = None if settings is None or settings.engine == "celery" else connection.servers(described)
        with Night(ledger, settings, roster=roster) as night:
            for old, new in night.moved:
                tell(f"reportdl: note: nothing was generated at {old}; from now on these jobs are for {new}")
            if night.settings.engine == "celery":
                self.spread()
                summary = self._celery(night, {one.name: one.jobs for one in described if one.jobs}, jobs)
            else:
                summary = self._local(night, begun or connection.servers(described), jobs, traces)
            try:
                failed = placed(self.page, lambda path: self._write_page(night, path, summary))
            finally:  # whatever became of the page
                _told(summary, as_json=self.as_json)
        if failed and summary.ok:
            raise click.ClickException(failed[0])
        if failed:
            tell(f"reportdl: note: {failed[0]}")
        if not summary.ok:
            raise click.exceptions.Exit(SOME_FAILED)

    def spread(self) -> None:
        """Raise click.UsageError for what has no meaning where the jobs are spread over machines."""
        refuse_for_a_crew()

    def _traces(self) -> Traces | None:
        if self.trace is None:
            if self.trace_failed:
                raise click.UsageError("--trace-failed says which files to keep of --trace DIR")
            return None
        from reportdl.batch.traces import Traces

        return Traces(self.trace, failed_only=self.trace_failed)

    def _local(self, night: Night, servers: Mapping[str, Server], jobs: str | None, traces: Traces | None) -> Summary:
        import anyio

        heard = {number: signal.getsignal(number) for number in _numbers()}
        try:
            return anyio.run(self._until_stopped, night, servers, jobs, traces)
        finally:
            for number, handler in heard.items():  # the loop leaves Python's own, and there is more to be stopped
                if handler is not None:
                    signal.signal(number, handler)
            if traces is not None and traces.broken is not None:
                tell(f"reportdl: note: not every trace could be written: {traces.broken}")

    async def _until_stopped(
        self, night: Night, servers: Mapping[str, Server], jobs: str | None, traces: Traces | None
    ) -> Summary:
        import anyio

        from reportdl.batch.plan import Again, Budget
        from reportdl.cli.batch_view import view

        options = stored_options(self.storage)
        stopped: list[int] = []
        found: list[Summary] = []
        failure: list[Exception] = []
        with view(as_json=self.as_json) as shown:
            async with anyio.create_task_group() as tasks:

                async def work() -> None:
                    try:
                        summary = await night.run(
                            servers,
                            jobs=jobs,
                            again=Again(self.again),
                            at_once=self.at_once,
                            in_all=self.in_all,
                            budget=Budget(attempts=self.attempts),
                            options=options,
                            traces=traces,
                            viewer=shown,
                        )
                        found.append(summary)
                    except Exception as error:  # noqa: BLE001 - carried round the task group, which would wrap it
                        failure.append(error)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(_listen, stopped, tasks.cancel_scope.cancel)
                tasks.start_soon(work)
            with anyio.CancelScope(shield=True):
                for server in servers.values():
                    await server.aclose()
        if failure:
            raise failure[0]
        if not found:
            stop = Stopped(stopped[0])
            stop.note = f"what is here stays; go on with: reportdl resume {night.ledger.path}"
            raise stop
        return found[0]

    def _celery(self, night: Night, own: Mapping[str, int], jobs: str | None) -> Summary:
        from reportdl.batch.plan import Again, Budget
        from reportdl.cli.batch_view import view

        try:
            with view(as_json=self.as_json) as shown:
                budget = Budget(attempts=self.attempts)
                return night.lead(jobs=jobs, again=Again(self.again), own=own, budget=budget, viewer=shown)
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is missing: pip install 'reportdl[celery]'") from None
        except Stopped as stop:
            stop.note = f"workers go on with what was sent; collect it with: reportdl resume {night.ledger.path}"
            raise

    def _write_page(self, night: Night, path: Path, summary: Summary) -> None:
        from reportdl.batch.report_page import write_page

        try:
            write_page(night.ledger, path, steps=summary.steps)
        except Stopped as stop:
            stop.note = (
                f"what came is here; only {path} was not written: reportdl resume {night.ledger.path} --report {path}"
            )
            raise
        tell(f"the report is {path}")


def _told(summary: Summary, *, as_json: bool) -> None:
    from reportdl.batch.words import BLANK
    from reportdl.cli.batch_words import tell_all

    if sys.stderr is not None and sys.stderr.isatty():
        tell_all([BLANK])  # apart from what came before
    tell_all(summary.told())
    if as_json:
        say(summary.json())


def _numbers() -> list[signal.Signals]:
    return [number for name in _SIGNALS if (number := getattr(signal, name, None)) is not None]


async def _listen(stopped: list[int], stop: Callable[[], None]) -> None:
    """Take the first signal for the end. Those that are ignored, as under `nohup`, stay so."""
    import anyio

    heard = [number for number in _numbers() if signal.getsignal(number) is not signal.SIG_IGN]
    if os.name == "nt" or not heard:
        return  # the handlers of `stoppable` are heard there
    with anyio.open_signal_receiver(*heard) as signals:
        async for number in signals:
            if not stopped:
                stopped.append(number)
                stop()


def carrying(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a batch; it gets them as one argument, `carrying`."""

    @functools.wraps(command)
    def wrapped(**said: Any) -> R:
        chosen = Carrying(**{name: said.pop(name) for name in Carrying.__dataclass_fields__})
        return command(carrying=chosen, **said)

    decorated: Callable[..., R] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
