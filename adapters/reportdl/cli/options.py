"""Decides what can be said on every command that talks to a server, and hands it over as one `Connection`.

Words and their checks alone: must never load more than click and the value they become.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from reportdl.cli.connection import Connection

__all__ = [
    "Connecting",
    "Seconds",
    "connecting",
    "connecting_loosely",
    "format_completed",
    "logged",
    "segment_option",
    "storage_option",
    "stored_options",
]

R = TypeVar("R")

_FILE: Final = click.Path(exists=True, dir_okay=False)


class Seconds(click.FloatRange):
    """A number of seconds in a range; no number at all, which is in every range to click, is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click.BadParameter."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


def _url(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--url",
        envvar="REPORTDL_URL",
        show_envvar=True,
        required=required,
        metavar="URL",
        help="The server, such as https://mi.example.com.",
    )


_OPTIONS: Final = (
    click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read the token from this file instead of REPORTDL_TOKEN.",
    ),
    click.option(
        "--bearer",
        is_flag=True,
        help="The token is a personal API token (7.1.0 and later), not one from /api/get_token. "
        "The same as REPORTDL_TOKEN_KIND=bearer.",
    ),
    click.option("--ca-bundle", type=click.Path(exists=True), help="Certificate authorities to trust, in PEM."),
    click.option("--client-cert", type=_FILE, help="Client certificate and its key, in one PEM file."),
    click.option("--proxy", metavar="URL", help="Proxy, '' for none.  [default: as HTTPS_PROXY and NO_PROXY say]"),
    click.option("--allow-insecure", is_flag=True, help="Permit http:// beyond this machine."),
    click.option("--allow-unverified-tls", is_flag=True, help="Accept any certificate: for trying out alone."),
    click.option(
        "--expiry",
        type=click.Choice(["confirm", "documented"]),
        help="After the token's 5 minutes: ask the server whether it keeps the session, or give up by the clock.  "
        "[default: confirm, or what --profile says]",
    ),
    click.option(
        "--timeout",
        type=Seconds(min=0.1, max=7 * 86400),
        default=3600.0,
        show_default=True,
        metavar="SECONDS",
        help="For the whole job.",
    ),
    click.option(
        "--profile",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Decide as fits the server that `reportdl conform --save-profile` examined.",
    ),
    click.option("--no-preflight", is_flag=True, help="Do not ask for the formats first: one request less."),
    click.option(
        "--affinity-cookie",
        envvar="REPORTDL_AFFINITY_COOKIE",
        show_envvar=True,
        multiple=True,
        metavar="NAME",
        help="Send this cookie back, by which a load balancer finds the web node; may be given several times. No other "
        "cookie is sent.",
    ),
    click.option("-v", "--verbose", is_flag=True, help="Log each request and each move to stderr."),
)


class Connecting(click.Command):
    """A command whose help lists the options of its connection apart: they are the same everywhere."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its own options, then those of the connection."""
        shared = Connection.__dataclass_fields__.keys()
        groups: dict[str, list[tuple[str, str]]] = {"Options": [], "Connection": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if isinstance(param, click.Option) and record is not None:
                groups["Connection" if param.name in shared else "Options"].append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def format_completed(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The documented keys that begin so, for the shell: no server is asked while somebody types."""
    from reportdl_core.formats import FORMATS

    return [key for key in FORMATS if key.startswith(incomplete)]


def segment_option(command: Callable[..., R]) -> Callable[..., R]:
    """Take `--segment`."""
    return click.option(
        "--segment",
        default="0",
        metavar="ID",
        show_default=True,
        help="A dimension *value* id, such as the one of `North`, not of the dimension `Region`; 0 for a report "
        "without segments.",
    )(command)


def storage_option(command: Callable[..., R]) -> Callable[..., R]:
    """Take `--storage-option`, any number of times."""
    return click.option(
        "--storage-option",
        "storage",
        multiple=True,
        metavar="NAME=VALUE",
        help="For a URL's store, such as endpoint_url=http://...; may be given several times. Keys belong into the "
        "environment.",
    )(command)


def stored_options(storage: tuple[str, ...]) -> dict[str, Any]:
    """What was said by `--storage-option`. Raises click.UsageError."""
    pairs = [text.partition("=") for text in storage]
    if wrong := next((name for name, equals, _ in pairs if not equals), None):
        raise click.UsageError(f"--storage-option takes NAME=VALUE, not {wrong!r}")
    return {name: value for name, _, value in pairs}


def logged(name: str) -> None:
    """Show the events of this logger on stderr. The transport library's own stay silent."""
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    logging.getLogger(name).setLevel(logging.INFO)


def connecting(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a connection; it gets them as one argument, `connection`."""
    return _connecting(command, url_required=True)


def connecting_loosely(command: Callable[..., R]) -> Callable[..., R]:
    """The same for a command that can do without a server; `connection.url` is then empty."""
    return _connecting(command, url_required=False)


def _connecting(command: Callable[..., R], *, url_required: bool) -> Callable[..., R]:
    @functools.wraps(command)
    def wrapped(**said: Any) -> R:
        connection = Connection(**{name: said.pop(name) for name in Connection.__dataclass_fields__})
        if connection.verbose:
            logged("reportdl")
        return command(connection=connection, **said)

    decorated: Callable[..., R] = wrapped
    for option in reversed((_url(required=url_required), *_OPTIONS)):
        decorated = option(decorated)
    return decorated
