"""Decides how a command reaches its server: a client of what was said in options and in the environment.

Credentials come from the environment or a file, never from the command line, where every user of the machine could
read them. Must never import an HTTP library before a command runs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from reportdl.cli.speech import tell
from reportdl_core.errors import Reason, ReportdlError

if TYPE_CHECKING:
    from reportdl.batch.described import Described
    from reportdl.batch.servers import Server
    from reportdl.cli.watched import Watcher
    from reportdl.client import Client
    from reportdl.credentials import Credentials
    from reportdl.network import Network
    from reportdl.origin import Origin
    from reportdl.transports import Transport
    from reportdl_core.job import Job
    from reportdl_core.policy import Policy

__all__ = ["Connection", "Reached"]

_KEY: Final = ("REPORTDL_APPLICATION_ID", "REPORTDL_APPLICATION_KEY", "REPORTDL_USER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What was said about the server. `timeout` in seconds, for the whole job."""

    url: str | None
    token_file: Path | None
    bearer: bool
    ca_bundle: str | None
    client_cert: str | None
    proxy: str | None
    allow_insecure: bool
    allow_unverified_tls: bool
    expiry: str | None
    timeout: float
    profile: Path | None
    no_preflight: bool
    affinity_cookie: tuple[str, ...]
    verbose: bool

    @contextmanager
    def client(self, watcher: Watcher, *, allow_unverified: bool = False) -> Generator[Client]:
        """A client for this server, whose requests `watcher` is told of.

        Raises InvalidUrl, and click.UsageError where credentials are missing or certificates cannot be used: nothing
        was sent then.
        """
        from reportdl.cli.watched import Watched
        from reportdl.client import Client

        origin = self._origin()
        credentials = _credentials(self.token_file, bearer=self.bearer)
        transport = self.transport(origin)
        try:
            yield Client(
                str(origin),
                credentials=credentials,
                policy=self._policy(allow_unverified),
                transport=Watched(transport, watcher),
                allow_insecure=True,  # it has been allowed, or refused, already
                affinity_cookies=self.affinity_cookie,
            )
        finally:
            transport.close()

    def servers(self, described: tuple[Described, ...]) -> dict[str, Server]:
        """The servers of a batch by name; '' is the one of --url. Raises as `client` does, and ServersUnusable."""
        from reportdl.batch.described import credentials_of

        self._warn()
        asked = tuple(str(one.origin()) for one in described)
        policy, network = self._policy(allow_unverified=False, asked=asked), self.network
        named = {one.origin() for one in described if one.name}
        servers: dict[str, Server] = {}
        for one in described:
            if one.name:
                credentials = credentials_of(one, default=self._own(one))
            elif one.origin() in named:
                continue  # that one is the server of --url
            else:
                credentials = self._of_url(len(described) > 1)
            servers[one.name] = one.server(
                credentials, policy=policy, network=network, affinity_cookies=self.affinity_cookie
            )
        return servers

    def _of_url(self, one_of_several: bool) -> Credentials:
        try:
            return _credentials(self.token_file, bearer=self.bearer)
        except click.UsageError as error:
            if not one_of_several:
                raise
            raise click.UsageError(
                f"the server of --url or REPORTDL_URL ({self.url}): {error.format_message()}"
            ) from None

    def _own(self, one: Described) -> Callable[[], Credentials] | None:
        """What vouches for the server of --url vouches for it under its name too; for no other (D31)."""
        if self.url is None or one.origin() != self._origin():
            return None
        return partial(_credentials, self.token_file, bearer=self.bearer)

    def _warn(self) -> None:
        """One line for what the library would say at each request, with a line of its source."""
        if self.allow_unverified_tls:
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
            tell("reportdl: warning: certificates are not checked: whoever is in between can read the credential")

    def _policy(self, allow_unverified: bool, asked: tuple[str, ...] = ()) -> Policy:
        from dataclasses import replace

        from reportdl.client import DEFAULT_POLICY
        from reportdl_core.policy import Expiry, Preflight

        policy = self._profiled(DEFAULT_POLICY, asked or (str(self._origin()),))
        # What is typed counts more than what was saved.
        return replace(
            policy,
            expiry=policy.expiry if self.expiry is None else Expiry(self.expiry),
            job_timeout=self.timeout,
            preflight=Preflight.OFF if self.no_preflight else policy.preflight,
            allow_unverified=allow_unverified,
        )

    def _profiled(self, policy: Policy, asked: tuple[str, ...]) -> Policy:
        if self.profile is None:
            return policy
        from reportdl.profile import load_profile

        profile = load_profile(self.profile)
        if others := ", ".join(dict.fromkeys(one for one in asked if one != profile.server)):
            tell(f"reportdl: note: the profile is of {profile.server}, not of {others}")
        return profile.applied(policy)

    @contextmanager
    def reached(self) -> Generator[Reached]:
        """The pieces of a client, for what speaks to the server in another way. Raises as `client` does."""
        origin = self._origin()
        credentials = _credentials(self.token_file, bearer=self.bearer)
        transport = self.transport(origin)
        try:
            yield Reached(origin=origin, credentials=credentials, transport=transport, policy=self._policy(False))
        finally:
            transport.close()

    def credentials_in(self, token_file: Path | None) -> Credentials | None:
        """Another credential, of the same kind; None for no file."""
        return None if token_file is None else _credentials(token_file, bearer=self.bearer)

    def _origin(self) -> Origin:
        from reportdl.origin import Origin

        assert self.url is not None, "click asks for it"
        return Origin.parse(self.url, allow_insecure=self.allow_insecure)

    @property
    def network(self) -> Network:
        """How the server is reached."""
        from reportdl.network import Network

        return Network(
            ca_bundle=self.ca_bundle,
            client_certificate=self.client_cert,
            proxy=self.proxy,
            allow_unverified_tls=self.allow_unverified_tls,
        )

    def credentials_or_why_not(self) -> Credentials | str:
        """The credentials, or what is wrong with those that were given."""
        try:
            return _credentials(self.token_file, bearer=self.bearer)
        except click.UsageError as error:
            return error.format_message().removeprefix("no credentials: ")

    def transport(self, origin: Origin) -> Transport:
        """What carries the requests. Raises click.UsageError where certificates or the proxy cannot be used."""
        from reportdl.transports.urllib3 import Urllib3Transport

        self._warn()
        try:
            return Urllib3Transport(origin, network=self.network)
        except ReportdlError:
            raise
        except OSError as error:  # ssl.SSLError is one
            raise click.UsageError(f"the certificates cannot be used: {error.strerror or error}") from None
        except ValueError:
            # Its text is the proxy's URL, which may hold a password.
            raise click.UsageError("the proxy's URL cannot be used") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How a server is reached, in pieces."""

    origin: Origin
    credentials: Credentials
    transport: Transport
    policy: Policy

    def sound_out(self, job: Job) -> None:
        """Ask for the formats of a report. Raises the DownloadError for which asking anything else is no use."""
        from reportdl.client import Client
        from reportdl.errors import DownloadError

        client = Client(
            str(self.origin),
            credentials=self.credentials,
            policy=self.policy,
            transport=self.transport,
            allow_insecure=True,  # it has been allowed, or refused, already
        )
        try:
            client.formats(job.element, segment=job.segment)
        except DownloadError as error:
            if error.outcome.reason not in _TELLING:
                raise


# Ends of `formats` that say something of the server, rather than that it cannot be asked.
_TELLING: Final = frozenset({Reason.PROTOCOL, Reason.REFUSED, Reason.NO_DOWNLOADS, Reason.ENDPOINT_MISSING})


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
