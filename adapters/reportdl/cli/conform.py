"""Decides how `reportdl conform` is asked for and how it answers: a table on stdout, JSON, JUnit, a profile.

Exit code 0 where no rule was seen broken, 1 where one was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from reportdl.cli.beside import placed, tried
from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, Seconds, connecting, format_completed, segment_option
from reportdl.cli.speech import say, tell

if TYPE_CHECKING:
    from reportdl.conform import Elements, Examination, Step
    from reportdl_core.job import Job

__all__ = ["conform"]

_STEPS: Final = (
    "generation",
    "second-run",
    "dropped-run",
    "broken-get",
    "run-refusals",
    "expiry",
    "expiry-ready",
)
_GENERATING: Final = _STEPS[:5]
_BROKEN: Final = 1
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


def _element(name: str, words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(f"--{name}", metavar="ELEMENT", help=words)


@click.command(cls=Connecting, short_help="Find out which rules a server keeps, and how it reads the rest.")
@click.argument("element")
@segment_option
@click.option(
    "-f",
    "--format",
    "key",
    default="pdf",
    show_default=True,
    metavar="KEY",
    help="What to generate.",
    shell_complete=format_completed,
)
@click.option(
    "--step",
    "steps",
    multiple=True,
    metavar="NAME",
    type=click.Choice([*_STEPS, "generating", "all"]),
    help="Do this step as well; may be given several times. `generating` is all that generates without waiting for an "
    "expiry, `all` is all.",
)
@_element("denied", "An element that one may not see (R6).")
@_element("other-type", "An element that is no External Report (R3).")
@_element("no-downloads", "A report that offers no formats (R9).")
@_element("other-element", "Another report that one may see, for a token on the wrong element (D14).")
@_element("failing", "A report whose generation fails; it is tried once (R22, R30).")
@click.option(
    "--other-token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another user's token, of the same kind as one's own (R12, D13).",
)
@click.option(
    "--ttl",
    default=300.0,
    show_default=True,
    type=Seconds(min=0.5, max=86400),
    metavar="SECONDS",
    help="How long a token should live: the document says 300.",
)
@click.option("--evidence", is_flag=True, help="Show the exchanges of every finding, not only of broken rules.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write a JUnit report there as well.")
@click.option("--save-profile", type=_FILE, metavar="FILE", help="Write a profile there, for `reportdl get --profile`.")
@connecting
def conform(
    *,
    element: str,
    segment: str,
    key: str,
    steps: tuple[str, ...],
    ttl: float,
    evidence: bool,
    as_json: bool,
    junit: Path | None,
    save_profile: Path | None,
    connection: Connection,
    **others: Any,
) -> None:
    """Find out what a server does: which documented rules it keeps, and which reading it follows where they leave one.

    ELEMENT is an External Report that one may see, on any server that speaks the document: a real one, a mock, or
    `reportdl serve`. Every finding stands on exchanges, which --evidence shows. Without --step no report is
    generated; what costs a generation or five minutes is asked for by name.

    \b
    Steps                                                cost
      generation    run, check and get; the spent token  1 generation
      second-run    what a second run does (D8, D9)      1 to 5 generations
      dropped-run   whether it aborts generation (D7)    1 generation
      broken-get    a broken get (D21), two at once      1 generation
      run-refusals  formats that must be refused (R10)   0 to 3 generations
      expiry        how long a token lives (R15, R17)    5 minutes
      expiry-ready  what these 5 minutes bound (D1)      2 generations, 5 minutes

    \b
    Examples
      reportdl conform 1042
      reportdl conform 1042 -f csv --step generating --junit conform.xml
      reportdl conform 1042 --step all --failing 1047 --save-profile mi.json
      reportdl get 1042 -f pdf --profile mi.json
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from reportdl.cli.conform_table import table
    from reportdl.conform.written import junit as as_junit
    from reportdl.conform.written import object_of, profile_of
    from reportdl.profile import save_profile as save
    from reportdl_core.job import Job, identifier

    job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format=key)
    asked = _Asked(job=job, steps=_named(steps), ttl=ttl, others=others)
    tried("--junit", junit)
    tried("--save-profile", save_profile)
    found = asked.examined(connection)
    # Files first: whoever reads stdout may be gone before the last line.
    failed = placed(junit, lambda path: path.write_text(as_junit(found), encoding="utf-8"))
    failed += placed(save_profile, lambda path: save(profile_of(found), path))
    say(json.dumps(object_of(found)) if as_json else table(found, evidence=evidence))
    if failed:
        raise click.ClickException("; ".join(failed))
    if found.broken:
        raise click.exceptions.Exit(_BROKEN)


def _named(steps: tuple[str, ...]) -> tuple[str, ...]:
    chosen = set(steps)
    if "all" in chosen:
        return _STEPS
    if "generating" in chosen:
        chosen |= set(_GENERATING)
    return tuple(step for step in _STEPS if step in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is to be examined, once it is known how the server is reached."""

    job: Job
    steps: tuple[str, ...]
    ttl: float
    others: dict[str, Any]

    def examined(self, connection: Connection) -> Examination:
        """Do it. Raises as `Client.formats` does where the server cannot be asked at all."""
        from reportdl.conform import examine

        with connection.reached() as reached:
            # A typed error, with its exit code, for what makes the rest meaningless: no server, no access, no report.
            reached.sound_out(self.job)
            return examine(
                reached.origin,
                transport=reached.transport,
                credentials=reached.credentials,
                job=self.job,
                steps=self.steps,
                elements=self._elements(),
                other_credentials=connection.credentials_in(self.others["other_token_file"]),
                ttl=self.ttl,
                patience=reached.policy.run_timeout,
                policy=reached.policy,
                affinity_cookies=connection.affinity_cookie,
                on_step=_told,
            )

    def _elements(self) -> Elements:
        from reportdl.conform import Elements
        from reportdl_core.job import identifier

        def of(name: str) -> int | None:
            value = self.others[name]
            return None if value is None else identifier(value, name.replace("_", "-"))

        return Elements(
            denied=of("denied"),
            other_type=of("other_type"),
            no_downloads=of("no_downloads"),
            other=of("other_element"),
            failing=of("failing"),
        )


def _told(step: Step) -> None:
    tell(f"conform: {step.name} (costs {step.cost})")
