"""`reportdl serve`: the reference endpoint on this machine, with every reading and fault that it can be asked for."""

from __future__ import annotations

import dataclasses
import enum
import os
import sys
import typing
from pathlib import Path
from typing import Any

import click

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="STATE.KIND[=ARG][:TIMES]",
    help="Something that goes wrong on purpose, such as run.drop_after=0.2, check.status=503:1 or get.envelope=1.",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="A reading of the protocol, such as ttl_policy=sliding or consume_on=start.",
)
@click.option(
    "--generation-seconds",
    default=2.0,
    show_default=True,
    type=click.FloatRange(min=0, max=3600),
    help="How long a generation takes at least.",
)
@click.option(
    "--catalog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A catalog of reports (TOML). Default: the demo's.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log each call to stderr.")
def serve(
    *,
    host: str,
    port: int,
    faults: tuple[str, ...],
    switches: tuple[str, ...],
    generation_seconds: float,
    catalog: Path | None,
    verbose: bool,
) -> None:
    """Serve the reference endpoint: the whole document, on real reports.

    Any credential is accepted, unless REPORTDL_APPLICATION_ID and REPORTDL_APPLICATION_KEY are set: then tokens come
    from /api/get_token, for any user. REPORTDL_TOKEN and REPORTDL_USER, if set, make one personal API token.

    \b
      reportdl serve
      reportdl serve --port 9000 --fault run.drop_after=0.2
      REPORTDL_URL=http://127.0.0.1:8080 REPORTDL_TOKEN=any reportdl get 1042 -f pdf -o out/
    """  # noqa: D301 - click reads the backspace itself
    try:
        from reportdl.server import serve as run
        from reportdl.server.accounts import Accounts
        from reportdl.server.sources import demo, open_catalog
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'reportdl[server]'") from None
    if verbose:
        import logging

        logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("reportdl.server").setLevel(logging.INFO)
    application, key = os.environ.get("REPORTDL_APPLICATION_ID"), os.environ.get("REPORTDL_APPLICATION_KEY")
    token, user = os.environ.get("REPORTDL_TOKEN"), os.environ.get("REPORTDL_USER")
    applications = {application: key} if application and key else {}
    bearers = {token: user} if token and user else {}
    accounts = Accounts(applications=applications, bearers=bearers) if applications or bearers else None
    run(
        host=host,
        port=port,
        ready=lambda url: _ready(url, guarded=accounts is not None),
        sources=[demo() if catalog is None else open_catalog(catalog)],
        accounts=accounts,
        switches=_switched(switches),
        faults=list(faults),
        generation_seconds=generation_seconds,
    )


def _ready(url: str, *, guarded: bool) -> None:
    credential = "with the credentials of this environment" if guarded else "with any credential"
    click.echo(f"serving on {url} ({credential}; Ctrl-C ends it)", err=True)
    sys.stderr.flush()


def _switched(texts: tuple[str, ...]) -> Any:
    """The switches that were named, each in the words of its own values."""
    from reportdl_core.errors import LocalProtocolError
    from reportdl_core.switches import Switches

    kinds = typing.get_type_hints(Switches)
    chosen: dict[str, object] = {}
    for text in texts:
        name, _, value = text.partition("=")
        kind = kinds.get(name)
        if kind is None:
            raise click.BadParameter(
                f"{name!r} is no switch; there are {', '.join(sorted(kinds))}", param_hint="--switch"
            )
        try:
            chosen[name] = kind(value) if isinstance(kind, type) else value
        except ValueError:
            words = ", ".join(str(one.value) for one in kind) if issubclass(kind, enum.Enum) else kind.__name__
            raise click.BadParameter(f"{name} takes {words}", param_hint="--switch") from None
    try:
        return dataclasses.replace(Switches(), **chosen)  # type: ignore[arg-type]
    except LocalProtocolError as error:
        raise click.BadParameter(str(error), param_hint="--switch") from None
