"""Decides which commands there are; each is loaded when it is typed, or listed."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

import reportdl

__all__ = ["app"]

# Command to the function that it is: `list` is a word of Python.
_COMMANDS: Final = {
    "get": "get",
    "formats": "formats",
    "batch": "batch",
    "resume": "resume",
    "list": "listing",
    "serve": "serve",
    "conform": "conform",
    "trace": "trace",
    "replay": "replay",
    "doctor": "doctor",
}


class _Late(click.Group):
    """A group whose commands' modules are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"reportdl.cli.{name}"), name)
        return command


@click.group(cls=_Late, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version=reportdl.__version__, message="%(prog)s %(version)s")
def app() -> None:
    """Bring External Reports home from a Metric Insights server, whole or not at all.

    The server comes from --url or REPORTDL_URL. Credentials come from the environment: REPORTDL_TOKEN (a token from
    /api/get_token; with --bearer or REPORTDL_TOKEN_KIND=bearer a personal API token), or REPORTDL_APPLICATION_ID,
    REPORTDL_APPLICATION_KEY and REPORTDL_USER, which renew themselves; or from --token-file.

    Results go to stdout, all else to stderr. TAB completes words after
    eval "$(_REPORTDL_COMPLETE=bash_source reportdl)"; zsh and fish have the same.

    \b
    Examples
      export REPORTDL_URL=https://mi.example.com REPORTDL_TOKEN=...
      reportdl list sales
      reportdl formats 1042
      reportdl get 1042 -f pdf -o out/
      reportdl batch night.csv -o out/

    \b
    Exit codes
      0    ok
      1    other, such as a disk that is full
      2    usage: nothing was sent
      3    the report could not be generated
      4    credentials refused, or no access to the report
      5    not found, not downloadable, format not offered, no such endpoint
      6    expired or timed out
      7    network or server trouble: trying again can help
      8    a batch, some of whose reports are not here
      130  Ctrl-C
      141  whoever read stdout went away
      143  SIGTERM
    """  # noqa: D301 - click's own mark for lines that stay as they are
