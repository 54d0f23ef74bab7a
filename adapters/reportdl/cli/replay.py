"""Decides how `reportdl replay` answers: where today's core decides otherwise than the recorded one, on stdout.

Exit code 0 where it decides the same, 1 where it does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reportdl.cli.paint import Ink, paint
from reportdl.cli.speech import say

if TYPE_CHECKING:
    from reportdl.trace import Difference, Replay
    from reportdl_core.commands import Command
    from reportdl_core.policy import Policy

__all__ = ["replay"]

_DIFFERS = 1


@click.command(short_help="Run today's core over a recorded job.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME=VALUE",
    help="Decide by another policy than the recorded one, such as expiry=documented; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def replay(*, file: Path, policies: tuple[str, ...], as_json: bool) -> None:
    """Feed the answers of a recorded job to today's core, and say where it decides otherwise.

    Nothing is sent. The core is a function of the job, its policy, a seed, the time and the answers, so that the same
    trace gives the same decisions; where a new version decides otherwise, the first other decision is shown, since
    what came afterwards answered questions that it did not ask. Exit code 1 where there is a difference.

    \b
    Examples
      reportdl replay job.jsonl
      reportdl replay job.jsonl --policy expiry=documented
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from reportdl.trace import read_trace
    from reportdl.trace import replay as replayed

    trace = read_trace(file)
    done = replayed(trace, policy=_policy(trace.policy, policies))
    say(json.dumps(_object(done)) if as_json else _text(done, trace.version))
    if not done.same:
        raise click.exceptions.Exit(_DIFFERS)


def _policy(recorded: Policy, texts: tuple[str, ...]) -> Policy:
    from reportdl.cli.switching import chosen
    from reportdl_core.errors import LocalProtocolError

    try:
        return chosen(recorded, texts, "member of a policy")
    except (LocalProtocolError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--policy") from None


def _text(done: Replay, version: str) -> str:
    if done.same:
        return paint(f"{done.moves} moves: today's core decides the same as reportdl {version} did", Ink.GOOD)
    lines: list[str] = []
    for difference in done.differences:
        lines += _shown(difference)
    if done.moves < done.of:
        left = done.of - done.moves
        lines.append(f"The {left} moves after that answer what was asked then, and are not replayed.")
    return "\n".join(lines)


def _shown(difference: Difference) -> list[str]:
    from reportdl.trace.wording import happened

    event = "the beginning" if difference.event is None else happened(difference.event)
    title = f"line {difference.line}, {difference.at:.3f} s, {event}: another {difference.kind.value}"
    rows = [paint(title, Ink.HEAD)]
    if difference.words:
        return [*rows, f"  today's core: {difference.words}"]
    rows += [paint(f"  - {said}", Ink.BAD) for said in _commands(difference.recorded, difference.at)]
    rows += [paint(f"  + {said}", Ink.GOOD) for said in _commands(difference.today, difference.at)]
    return rows


def _commands(commands: tuple[Command, ...], at: float) -> list[str]:
    from reportdl.trace.wording import asked
    from reportdl_core.commands import Finish

    if not commands:
        return ["nothing new"]
    said: list[str] = []
    for command in commands:
        until = "" if isinstance(command, Finish) else f", until {command.deadline:.3f} s"
        said.append(f"{command.number} {asked(command, now=at)}{until}")
    return said


def _object(done: Replay) -> dict[str, Any]:
    outcome = done.outcome
    return {
        "same": done.same,
        "moves": done.moves,
        "of": done.of,
        "outcome": None if outcome is None else outcome.reason.value,
        "differences": [
            {
                "line": one.line,
                "at": one.at,
                "kind": one.kind.value,
                "words": one.words,
                "recorded": _commands(one.recorded, one.at),
                "today": _commands(one.today, one.at),
            }
            for one in done.differences
        ],
    }
