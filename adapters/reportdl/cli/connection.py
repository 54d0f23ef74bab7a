"""Decides how a command reaches its server: a client of what was said in options and in the environment.

Credentials come from the environment or a file, never from the command line, where every user of the machine could
read them. Must never import an HTTP library before a command runs.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from reportdl_core.errors import ReportdlError

if TYPE_CHECKING:
    from reportdl.batch.servers import Server
    from reportdl.cli.watched import Watcher
    from reportdl.client import Client
    from reportdl.credentials import Credentials
    from reportdl.network import Network
    from reportdl.origin import Origin
    from reportdl.transports import Transport
    from reportdl_core.policy import Policy

__all__ = ["Connection"]

_KEY: Final = ("REPORTDL_APPLICATION_ID", "REPORTDL_APPLICATION_KEY", "REPORTDL_USER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What was said about the server. `timeout` in seconds, for the whole job."""

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
    verbose: bool

    @contextmanager
    def client(self, watcher: Watcher, *, allow_unverified: bool = False) -> Generator[Client]:
        """A client for this server, whose requests `watcher` is told of.

        Raises InvalidUrl, and click.UsageError where credentials are missing or certificates cannot be used: nothing
        was sent then.
        """
        from reportdl.cli.watched import Watched
        from reportdl.client import Client
        from reportdl.origin import Origin

        origin = Origin.parse(self.url, allow_insecure=self.allow_insecure)
        credentials = _credentials(self.token_file, bearer=self.bearer)
        transport = self._transport(origin)
        try:
            yield Client(
                self.url,
                credentials=credentials,
                policy=self._policy(allow_unverified),
                transport=Watched(transport, watcher),
                allow_insecure=self.allow_insecure,
            )
        finally:
            transport.close()

    def server(self) -> Server:
        """The same server for a batch. Raises as `client` does."""
        from reportdl.batch.servers import Server

        credentials = _credentials(self.token_file, bearer=self.bearer)
        return Server(
            self.url,
            credentials=credentials,
            policy=self._policy(allow_unverified=False),
            network=self._network(),
            allow_insecure=self.allow_insecure,
        )

    def _policy(self, allow_unverified: bool) -> Policy:
        from dataclasses import replace

        from reportdl.client import DEFAULT_POLICY
        from reportdl_core.policy import Expiry, Preflight

        return replace(
            DEFAULT_POLICY,
            expiry=Expiry(self.expiry),
            job_timeout=self.timeout,
            preflight=Preflight.OFF if self.no_preflight else Preflight.ON,
            allow_unverified=allow_unverified,
        )

    def _network(self) -> Network:
        from reportdl.network import Network

        return Network(
            ca_bundle=self.ca_bundle,
            client_certificate=self.client_cert,
            proxy=self.proxy,
            allow_unverified_tls=self.allow_unverified_tls,
        )

    def _transport(self, origin: Origin) -> Transport:
        from reportdl.transports.urllib3 import Urllib3Transport

        try:
            return Urllib3Transport(origin, network=self._network())
        except ReportdlError:
            raise
        except OSError as error:  # ssl.SSLError is one
            raise click.UsageError(f"the certificates cannot be used: {error.strerror or error}") from None
        except ValueError:
            # Its text is the proxy's URL, which may hold a password.
            raise click.UsageError("the proxy's URL cannot be used") from None


def _credentials(token_file: Path | None, *, bearer: bool) -> Credentials:
    """From the file, else REPORTDL_TOKEN, else the application key: the first that is there."""
    from reportdl.credentials import ApplicationKey, Bearer, Token

    kind = Bearer if bearer or _said_bearer() else Token
    try:
        if token_file is not None:
            return kind(token_file.read_text(encoding="utf-8"))
        if token := os.environ.get("REPORTDL_TOKEN"):
            return kind(token)
    except (OSError, ValueError) as error:
        what = "--token-file" if token_file is not None else "REPORTDL_TOKEN"
        why = "not a text" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or error
        raise click.UsageError(f"{what} cannot be used: {why}") from None
    application, key, user = given = [os.environ.get(name, "") for name in _KEY]
    if not any(given):
        raise click.UsageError(
            "no credentials: set REPORTDL_TOKEN (with --bearer for a personal API token), or use --token-file, or "
            f"set {_KEY[0]}, {_KEY[1]} and {_KEY[2]}"
        )
    if missing := [name for name, value in zip(_KEY, given, strict=True) if not value]:
        raise click.UsageError(f"an application key needs {' and '.join(missing)} as well")
    return ApplicationKey(application_id=application, application_key=key, user=user)


def _said_bearer() -> bool:
    kind = os.environ.get("REPORTDL_TOKEN_KIND") or "legacy"
    if kind not in ("legacy", "bearer"):
        raise click.UsageError(f"REPORTDL_TOKEN_KIND is legacy or bearer, not {kind!r:.40}")
    return kind == "bearer"
