"""Pages that are written from the code: states and requests, exit codes, the reference. `make docs` writes them."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from reportdl.cli.app import app
from reportdl.cli.exits import CODES
from reportdl.errors import exception_for
from reportdl.testing.memory_endpoint import MemoryEndpoint
from reportdl.trace import diagram, read_trace, recording
from reportdl.transports.memory import Loss, Weather
from reportdl_core import MOVES, Download, Job, Reason
from reportdl_core.lifecycle import FINAL, State

DOCS = Path(__file__).parent.parent / "docs"
# What is built on the client, and public with it.
ROOMS = ("batch", "conform", "doctor", "profile", "seal", "server", "testing", "trace")
WRITTEN = "<!-- written by `make docs` -->\n"

pytestmark = pytest.mark.docs


# -- states and requests --------------------------------------------------------------------------------------------


class Recorded:
    """A download whose every move is told to a recording first, as a driver does."""

    def __init__(self, download: Download, observer: Any) -> None:
        self._download, self._observer = download, observer
        observer.moved(None, download.outstanding, now=0.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._download, name)

    def receive(self, event: Any, *, now: float) -> Any:
        new = self._download.receive(event, now=now)
        self._observer.moved(event, new, now=now)
        return new


def sequence(folder: Path, seconds: float, weather: dict[str, list[Weather]]) -> str:
    """One job in memory under a virtual clock, as Mermaid."""
    download = Download(Job(element=1042, format="pdf"), seed=1, now=0.0)
    endpoint = MemoryEndpoint(generation_seconds=seconds, network=weather)
    path = folder / "job.jsonl"
    endpoint.drive(Recorded(download, recording(path)(download)))
    return f"```mermaid\n{diagram(read_trace(path))}```\n"


def state_diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.INIT.value}"
    for move, source, target in MOVES:
        yield f"    {source.value} --> {target.value}: {move.value.replace('_', ' ')}"
    for state in State:
        if state in FINAL:
            yield f"    {state.value} --> [*]"


def states(folder: Path) -> str:
    table = "\n".join(f"| {move.value.replace('_', ' ')} | {a.value} | {b.value} |" for move, a, b in MOVES)
    drawn = "\n".join(state_diagram())
    cut = {"run": [Weather(loss=Loss.AFTER)]}
    return f"""# States and requests

{WRITTEN}
## The life of a token

Both ends of the protocol share this table, and nothing else moves a state. INIT lasts until `run` leaves; READY is
entered only on an answer that said so; the last three are final and issue no request.

```mermaid
{drawn}
```

| move | from | to |
|---|---|---|
{table}

## A short job

Two connections: `run` has one of its own, and its answer is the signal. Made by the core and the endpoint's core, in
memory.

{sequence(folder, 2.0, {})}
## The answer to `run` is lost

A proxy cuts the connection while generation goes on: `check` decides, and nothing is generated twice.

{sequence(folder, 4.0, cut)}"""


# -- exit codes -----------------------------------------------------------------------------------------------------


MEANT = {
    0: "the file is there, whole",
    1: "other: a server that breaks the protocol, a disk that is full",
    3: "the report could not be generated",
    4: "credentials refused, or no access to the report",
    5: "not found, not downloadable, format not offered, or no such endpoint on the server",
    6: "expired or timed out",
    7: "network or server trouble",
}


def exit_codes(_folder: Path) -> str:
    rows = {
        2: "| 2 | usage: nothing was sent | `InvalidJob`, `InvalidUrl`, `TargetUnusable` |",
        8: "| 8 | some items of a batch failed | |",
        130: "| 130 | Ctrl-C | |",
        141: "| 141 | whoever read stdout went away, as `head` does | |",
        143: "| 143 | SIGTERM, as a scheduler ends a job; 129 SIGHUP | |",
    }
    failed = [reason for reason in CODES if reason is not Reason.DELIVERED]
    kinds = {exception_for(reason).__name__: (exception_for(reason), CODES[reason]) for reason in failed}
    for code in set(CODES.values()):
        names = sorted(name for name, (_, exit_code) in kinds.items() if exit_code == code)
        rows[code] = f"| {code} | {MEANT[code]} | {', '.join(f'`{name}`' for name in names)} |"
    table = "\n".join(rows[code] for code in sorted(rows))
    reasons = "\n".join(
        f"| `{name}` | {' '.join((kind.__doc__ or '').split())} | {code} |"
        for name, (kind, code) in sorted(kinds.items(), key=lambda one: (one[1][1], one[0]))
    )
    return f"""# Exit codes and exceptions

{WRITTEN}
| code | meaning | exceptions |
|---|---|---|
{table}

A server that has never given a valid answer is given up after 30 s with code 7: a mistyped URL should not look like a
long generation. Once it has answered, ten minutes of silence are allowed (`Policy(first_contact=..., silence=...)`).
The 30 s are the command's and `reportdl.DEFAULT_POLICY`'s; a `Policy(...)` of your own begins with ten minutes for
both.

With `--json` an error is one object on stderr: `error`, `reason`, `message`, `retryable`, `kept`, `alternatives`,
`exit_code`. Every exception below is a `DownloadError` with the same `retryable`, and `outcome` with the evidence. An
expiry during generation is not retryable ([why](explanation/five-minutes.md)).

| exception | when | exit |
|---|---|---|
{reasons}
"""


# -- reference ------------------------------------------------------------------------------------------------------


_LONGEST = 60  # characters of a default


class _Elided:
    """In place of a default that is a page long, or has no other name than its address."""

    def __repr__(self) -> str:
        return "..."


def signature(value: Any) -> str:
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    shown = [
        one.replace(default=_Elided()) if len(repr(one.default)) > _LONGEST or " at 0x" in repr(one.default) else one
        for one in found.parameters.values()
    ]
    said = str(found.replace(parameters=shown))
    said = re.sub(r"'([^']*)'", r"\1", said)  # annotations that are evaluated late
    return re.sub(r"(?<=\()(?:self|cls)(?:, |(?=\)))", "", said)


def doc(value: Any, indent: str = "") -> str:
    text = inspect.getdoc(value) or ""
    return "\n".join(f"{indent}{line}".rstrip() for line in text.splitlines())


def members(kind: type[Any]) -> Iterator[str]:
    for name, value in vars(kind).items():
        if name.startswith("_"):
            continue
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if isinstance(value, property) and value.__doc__:
            yield f"- `{name}`: {' '.join(inspect.cleandoc(value.__doc__).split())}"
        elif inspect.isfunction(plain) and plain.__doc__:
            yield f"- `{name}{signature(plain)}`\n\n{doc(plain, '  ')}\n"


def described(name: str, value: Any) -> str:
    if isinstance(value, type) and issubclass(value, enum.Enum):
        listed = ", ".join(f"`{member.name}`" for member in value)
        return f"## {name}\n\n{doc(value)}\n\nMembers: {listed}\n"
    if isinstance(value, type) and issubclass(value, Exception):
        return f"## {name}\n\n{doc(value)}\n"
    if isinstance(value, type):
        head = f"## {name}\n\n```text\n{name}{signature(value)}\n```\n\n{doc(value)}\n"
        if dataclasses.is_dataclass(value) and not any(members(value)):
            return head
        return head + "".join(f"\n{member}" for member in members(value)) + "\n"
    if callable(value):
        return f"## {name}\n\n```text\n{name}{signature(value)}\n```\n\n{doc(value)}\n"
    return ""


def reference(module: str) -> Callable[[Path], str]:
    def page(_folder: Path) -> str:
        package = importlib.import_module(module)
        parts = [described(name, getattr(package, name)) for name in package.__all__]
        return f"# `{module}`\n\n{WRITTEN}\n{doc(package)}\n\n" + "\n".join(part for part in parts if part)

    return page


# -- the command ----------------------------------------------------------------------------------------------------


def helped(name: str, command: click.Command) -> Iterator[str]:
    """What `--help` says, as a terminal of 80 columns shows it."""
    context = click.Context(command, info_name=f"reportdl {name}".strip(), terminal_width=80, max_content_width=80)
    yield f"## reportdl {name}".rstrip() if name else "## reportdl"
    yield f"```text\n{command.get_help(context).strip()}\n```"
    for one, inner in below(command, context):
        yield from helped(f"{name} {one}".strip(), inner)


def below(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield name, inner


def variables(command: click.Command) -> dict[str, str]:
    """The environment that options read, and what for."""
    context = click.Context(command)
    found: dict[str, str] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and parameter.envvar:
            found[str(parameter.envvar)] = parameter.opts[0]
    for _, inner in below(command, context):
        found |= variables(inner)
    return found


def command_page(_folder: Path) -> str:
    rows = "\n".join(f"| `{name}` | `{option}` |" for name, option in sorted(variables(app).items()))
    return f"""# The command

{WRITTEN}
What each command says with `--help`. Exit codes are [on a page of their own](../exit-codes.md). An option that is
typed counts more than its variable:

| variable | option |
|---|---|
{rows}

Credentials have [variables of their own](../how-to/credentials.md) and no option.

{(chr(10) * 2).join(helped("", app))}
"""


PAGES: dict[str, Callable[[Path], str]] = {
    "states.md": states,
    "exit-codes.md": exit_codes,
    "reference/reportdl.md": reference("reportdl"),
    "reference/reportdl.aio.md": reference("reportdl.aio"),
    "reference/reportdl_core.md": reference("reportdl_core"),
    "reference/command.md": command_page,
    **{f"reference/reportdl.{room}.md": reference(f"reportdl.{room}") for room in ROOMS},
}


@pytest.mark.rules("I1")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_says(name: str, tmp_path: Path) -> None:
    text = PAGES[name](tmp_path).rstrip() + "\n"
    page = DOCS / name
    if os.environ.get("REPORTDL_WRITE_DOCS") == "1":
        page.write_text(text)
    assert page.read_text() == text, f"docs/{name} has drifted: make docs"


def test_everything_public_has_a_docstring() -> None:
    for module in ("reportdl", "reportdl.aio", "reportdl_core", *(f"reportdl.{room}" for room in ROOMS)):
        package = importlib.import_module(module)
        for name in package.__all__:
            value = getattr(package, name)
            if isinstance(value, type) or inspect.isfunction(value):
                assert inspect.getdoc(value), f"{module}.{name}"
