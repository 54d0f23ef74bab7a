"""Decides which commands there are; each is loaded when it is typed."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

__all__ = ["app"]

_COMMANDS: Final = {"formats": "formats", "get": "get", "serve": "serve"}


class _Late(click.Group):
    """A group whose commands' modules are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"reportdl.cli.{module}"), module)
        return command


@click.group(cls=_Late, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="reportdl", message="%(prog)s %(version)s")
def app() -> None:
    """Bring External Reports home from a Metric Insights server, whole or not at all.

    The server comes from --url or REPORTDL_URL; credentials from REPORTDL_TOKEN, --token-file, or
    REPORTDL_APPLICATION_ID, REPORTDL_APPLICATION_KEY and REPORTDL_USER.

    \b
    Exit codes
      0  ok
      1  other
      2  usage
      3  generation failed
      4  credentials refused, or no access
      5  not found, not downloadable, format not offered, or no such endpoint
      6  expired or timed out
      7  network or server trouble: trying again can help
      130  Ctrl-C
    """  # noqa: D301 - click reads the backspace itself
