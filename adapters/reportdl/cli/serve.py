"""Decides how `reportdl serve` is asked for: the reference endpoint with its readings, its faults and its catalog.

stdout carries its base URL, once it takes calls. Must never import the server before it is asked for: it is an extra.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reportdl.cli.options import Seconds, logged
from reportdl.cli.speech import say, tell

if TYPE_CHECKING:
    from reportdl.server import Accounts
    from reportdl_core.switches import Switches

__all__ = ["serve"]

_STOPPED_BY_HAND = 130


@click.command(short_help="Run the reference endpoint on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="STATE.KIND[=ARG][:TIMES]",
    help="Something that goes wrong on purpose; may be given several times.",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="A reading of the protocol, such as ttl_policy=sliding; may be given several times. `?` lists them.",
)
@click.option(
    "--generation-seconds",
    default=2.0,
    show_default=True,
    type=Seconds(min=0, max=3600),
    metavar="SECONDS",
    help="How long a generation takes at least.",
)
@click.option(
    "--catalog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The reports, in TOML.  [default: the demo's]",
)
@click.option(
    "--guarded",
    is_flag=True,
    help="Ask for the credentials of this environment: REPORTDL_APPLICATION_ID with REPORTDL_APPLICATION_KEY for any "
    "user, REPORTDL_TOKEN as REPORTDL_USER's personal API token. Otherwise any token is accepted, but no "
    "application key.",
)
@click.option("--control", is_flag=True, help="Let this machine change faults while it runs, by HTTP: /control.")
@click.option("-v", "--verbose", is_flag=True, help="Log each call to stderr.")
def serve(
    *,
    host: str,
    port: int,
    faults: tuple[str, ...],
    switches: tuple[str, ...],
    generation_seconds: float,
    catalog: Path | None,
    guarded: bool,
    control: bool,
    verbose: bool,
) -> None:
    """Run the reference endpoint: the whole document, on real reports, until Ctrl-C or SIGTERM.

    Prints its base URL once it takes calls. Without --guarded it listens on this machine alone.

    \b
    Examples
      reportdl serve
      reportdl serve --fault run.drop_after=0.2 --fault check.status=503:2
      reportdl serve --generation-seconds 400 --switch ttl_policy=sliding
      REPORTDL_TOKEN=any reportdl get 1042 -f pdf --url http://127.0.0.1:8080

    \b
    Faults (STATE is formats, init, run, check, get, or * for all of them)
      run.drop_after=0.2         the connection drops, generation goes on
      check.status=503:2         two answers 503
      *.retry_after=429,2:3      three answers 429 with Retry-After: 2
      get.cut_at=1000:1          one file cut after 1,000 bytes
      get.envelope=1             one {"status": ...} where the file should be
      init.html=1                one login page
    A kind that is not there names all that are. With --control:
      curl -H 'Content-Type: application/json' \\
        -d '{"faults":["check.html=1"]}' $REPORTDL_URL/control
    """  # noqa: D301 - click's own mark for lines that stay as they are
    chosen = _switched(switches)
    _all_there()
    from reportdl.server import serve as run
    from reportdl.server.sources import demo, open_catalog

    if verbose:
        logged("reportdl.server")
    try:
        run(
            host=host,
            port=port,
            ready=lambda url: _ready(url, guarded=guarded),
            sources=[demo() if catalog is None else open_catalog(catalog)],
            accounts=_accounts() if guarded else None,
            switches=chosen,
            faults=list(faults),
            generation_seconds=generation_seconds,
            control=control,
        )
    except KeyboardInterrupt:
        tell("stopped")
        raise click.exceptions.Exit(_STOPPED_BY_HAND) from None


def _all_there() -> None:
    """Raises ClickException where the extra is not installed."""
    try:
        import_module("reportdl.server.sources")
    except ModuleNotFoundError as error:
        library = (error.name or "reportdl").partition(".")[0]
        if library.startswith("reportdl"):
            raise
        raise click.ClickException(f"{library} is missing: pip install 'reportdl[server]'") from None


def _ready(url: str, *, guarded: bool) -> None:
    credential = "the credentials of this environment" if guarded else "any token"
    tell(f"serving with {credential}; Ctrl-C ends it")
    say(url)


def _accounts() -> Accounts:
    from reportdl.server import Accounts

    application, key = os.environ.get("REPORTDL_APPLICATION_ID"), os.environ.get("REPORTDL_APPLICATION_KEY")
    token, user = os.environ.get("REPORTDL_TOKEN"), os.environ.get("REPORTDL_USER")
    applications = {application: key} if application and key else {}
    bearers = {token: user} if token and user else {}
    if not applications and not bearers:
        raise click.UsageError(
            "--guarded needs REPORTDL_APPLICATION_ID and REPORTDL_APPLICATION_KEY, or REPORTDL_TOKEN and REPORTDL_USER"
        )
    return Accounts(applications=applications, bearers=bearers)


def _switched(texts: tuple[str, ...]) -> Switches:
    """The switches that were named, each in the words of its own values. Raises click.BadParameter."""
    from reportdl.cli.switching import switched
    from reportdl_core.errors import LocalProtocolError

    try:
        return switched(texts)
    except (LocalProtocolError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--switch") from None
