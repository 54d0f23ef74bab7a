"""Decides how `reportdl resume` is asked for: a ledger alone says what is left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reportdl.cli.batch_options import carrying
from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, connecting_loosely

if TYPE_CHECKING:
    from reportdl.cli.batch_options import Carrying

__all__ = ["resume"]


@click.command(cls=Connecting, short_help="Go on with a batch where its ledger says.")
@click.argument("ledger", metavar="LEDGER")
@carrying
@connecting_loosely
def resume(*, ledger: str, carrying: Carrying, connection: Connection) -> None:
    """Go on with a batch: take up what was under way, begin what waits, try again what failed where that can help.

    LEDGER is what `reportdl batch` wrote. Where its files go and what they are called stands in it; --url (or the
    servers that it was begun with) and the credentials do not, and are said again.

    \b
    Examples
      reportdl resume night.ledger
      reportdl resume night.ledger --again all --report night.html
    """  # noqa: D301 - click's own mark for lines that stay as they are
    carrying.through(connection, ledger, settings=None, jobs=None)
