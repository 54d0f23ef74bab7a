"""Decides what can be said on every command that talks to a server, and turns it into a client.

Credentials come from the environment or a file, never from the command line, where every user of the machine could
read them. Must never import an HTTP library before a command runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from reportdl.client import Client
    from reportdl.credentials import Credentials

__all__ = ["Connection", "connecting", "segment_option"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What was said about the server. `client` makes the client of it."""

    url: str
    token_file: Path | None
    bearer: bool
    ca_bundle: str | None
    client_cert: str | None
    proxy: str | None
    allow_insecure: bool
    allow_unverified_tls: bool
    expiry: str
    timeout: float
    no_preflight: bool

    def client(self) -> Client:
        """A client for this server. Raises click.UsageError where credentials are missing."""
        from dataclasses import replace

        from reportdl.client import DEFAULT_POLICY, Client
        from reportdl.network import Network
        from reportdl_core.policy import Expiry, Preflight

        policy = replace(
            DEFAULT_POLICY,
            expiry=Expiry(self.expiry),
            job_timeout=self.timeout,
            preflight=Preflight.OFF if self.no_preflight else Preflight.ON,
        )
        network = Network(
            ca_bundle=self.ca_bundle,
            client_certificate=self.client_cert,
            proxy=self.proxy,
            allow_unverified_tls=self.allow_unverified_tls,
        )
        return Client(
            self.url,
            credentials=_credentials(self.token_file, bearer=self.bearer),
            policy=policy,
            network=network,
            allow_insecure=self.allow_insecure,
        )


def _credentials(token_file: Path | None, *, bearer: bool) -> Credentials:
    import os

    from reportdl.credentials import ApplicationKey, Bearer, Token

    kind = Bearer if bearer else Token
    try:
        if token_file is not None:
            return kind(token_file.read_text(encoding="utf-8"))
        if token := os.environ.get("REPORTDL_TOKEN"):
            return kind(token)
        names = ("REPORTDL_APPLICATION_ID", "REPORTDL_APPLICATION_KEY", "REPORTDL_USER")
        given = [os.environ.get(name, "") for name in names]
        if any(given):
            if missing := [name for name, value in zip(names, given, strict=True) if not value]:
                raise click.UsageError(f"an application key needs {', '.join(missing)} as well")
            return ApplicationKey(application_id=given[0], application_key=given[1], user=given[2])
    except (OSError, ValueError) as error:
        raise click.UsageError(f"the token cannot be used: {getattr(error, 'strerror', None) or error}") from None
    raise click.UsageError(
        "no credentials: set REPORTDL_TOKEN (with --bearer for a personal API token), or use --token-file, or set "
        "REPORTDL_APPLICATION_ID, REPORTDL_APPLICATION_KEY and REPORTDL_USER"
    )


_OPTIONS: Final = (
    click.option("--url", envvar="REPORTDL_URL", required=True, help="The server, such as https://mi.example.com."),
    click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read the token from this file instead of REPORTDL_TOKEN.",
    ),
    click.option("--bearer", is_flag=True, help="The token is a personal API token (7.1.0 and later)."),
    click.option("--ca-bundle", type=click.Path(exists=True), help="Certificate authorities to trust, in PEM."),
    click.option("--client-cert", type=click.Path(exists=True), help="Client certificate and key, in PEM."),
    click.option("--proxy", help="Proxy URL; '' for none. Default: the usual environment variables."),
    click.option("--allow-insecure", is_flag=True, help="Permit http:// beyond this machine."),
    click.option("--allow-unverified-tls", is_flag=True, help="Accept any certificate. For trying out alone."),
    click.option(
        "--expiry",
        type=click.Choice(["confirm", "documented"]),
        default="confirm",
        show_default=True,
        help="After the token's 5 minutes: ask the server once, or give up by the clock.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.1, max=7 * 86400),
        default=3600.0,
        show_default=True,
        help="Seconds for the whole job.",
    ),
    click.option("--no-preflight", is_flag=True, help="Do not ask for the formats first."),
    click.option("-v", "--verbose", is_flag=True, help="Log each move to stderr."),
)

segment_option = click.option(
    "--segment",
    default="0",
    metavar="ID",
    show_default=True,
    help="A dimension *value* id; 0 for a report without segments.",
)


def connecting(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options of a connection; it gets them as one argument, `connection`."""

    @functools.wraps(command)
    def wrapped(*args: Any, verbose: bool, **kwargs: Any) -> R:
        if verbose:
            import logging

            logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
            logging.getLogger("reportdl").setLevel(logging.INFO)
        said = {name: kwargs.pop(name) for name in Connection.__dataclass_fields__}
        return command(*args, connection=Connection(**said), **kwargs)  # type: ignore[arg-type]

    decorated: Callable[..., R] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
