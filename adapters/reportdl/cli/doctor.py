"""Decides how `reportdl doctor` shows its checks: one line each on stdout, with what to do below a bad one.

The exit code is that of the first trouble: 1 installation, 2 usage, 4 credentials, 5 server, 7 network.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from reportdl.cli.connection import Connection
from reportdl.cli.options import Connecting, connecting_loosely, segment_option
from reportdl.cli.paint import Ink, paint, width
from reportdl.cli.speech import say

if TYPE_CHECKING:
    from reportdl.doctor import Result

__all__ = ["doctor"]

_CODES: Final = {"installation": 1, "usage": 2, "credentials": 4, "server": 5, "network": 7}
_INKS: Final = {"ok": Ink.GOOD, "warning": Ink.DOUBTFUL, "bad": Ink.BAD, "skipped": Ink.FAINT}
_HEALTH, _NAME = 9, 14


@click.command(cls=Connecting, short_help="Find out why downloads do not work.")
@click.argument("element", required=False)
@segment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@connecting_loosely
def doctor(*, element: str | None, segment: str, as_json: bool, connection: Connection) -> None:
    """Check all that a download needs, and say what to do where something is wrong.

    In this order: Python and the libraries (also whether `urllib3` on disk is really urllib3), URL, proxy, name,
    connection, TLS, this machine's clock against the server's, credentials, and whether the server has the endpoint
    (7.2.1 and later). With ELEMENT, also whether that report can be had. Nothing is generated.

    \b
    Examples
      reportdl doctor
      reportdl doctor 1042 --ca-bundle company.pem

    The exit code is 0 if nothing is bad, else that of the first trouble: 1 installation, 2 usage, 4 credentials,
    5 server, 7 network.
    """  # noqa: D301 - click's own mark for lines that stay as they are
    from reportdl.doctor import Health, checkup
    from reportdl_core.job import Job, identifier

    job = None
    if element is not None:
        job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format="any")
    results: list[Result] = []
    for result in checkup(
        connection.url,
        network=connection.network,
        credentials=connection.credentials_or_why_not(),
        transport=connection.transport,
        job=job,
        allow_insecure=connection.allow_insecure,
    ):
        results.append(result)
        if not as_json:
            say("\n".join(_lines(result)))
    if (loose := _token_file(connection.token_file)) is not None:
        results.append(loose)
        if not as_json:
            say("\n".join(_lines(loose)))
    if as_json:
        say(json.dumps([_object(result) for result in results]))
    bad = next((result for result in results if result.health is Health.BAD), None)
    if bad is not None:
        raise click.exceptions.Exit(_CODES[bad.place.value])


def _token_file(path: Path | None) -> Result | None:
    """A warning where others can read the token's file."""
    from reportdl.doctor import Health, Place, Result

    if path is None or not path.exists() or not path.stat().st_mode & 0o077:
        return None
    said = f"{path} can be read by others on this machine"
    advice = f"chmod 600 {path}"
    return Result(name="token file", place=Place.CREDENTIALS, health=Health.DOUBTFUL, said=said, advice=advice)


def _lines(result: Result) -> list[str]:
    room = width() - _HEALTH - _NAME
    margin = " " * (_HEALTH + _NAME)
    said = textwrap.wrap(result.said, room, break_on_hyphens=False) or [""]
    mark = paint(f"{result.health.value:<{_HEALTH}}", _INKS[result.health.value])
    lines = [f"{mark}{result.name:<{_NAME}}{said[0]}".rstrip(), *(margin + line for line in said[1:])]
    if result.advice:
        wrapped = textwrap.wrap(result.advice, room, break_on_hyphens=False)
        lines += [paint(margin + line, Ink.HEAD) for line in wrapped]
    return lines


def _object(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "place": result.place.value,
        "health": result.health.value,
        "said": result.said,
        "advice": result.advice or None,
    }
