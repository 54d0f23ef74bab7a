"""Decides how servers are described apart from any job: `NAME=URL`, or a TOML file; and where their credentials are.

    [emea]
    url = "https://mi-emea.example.com"     # its credentials: REPORTDL_EMEA_TOKEN and its like, or files
    jobs = 4

Each server has credentials of its own, in the environment or in files: one that was meant for one server goes to no
other (D31). Must never take a credential from a command line or from the file itself.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, cast, final

from reportdl.batch.roster import ServersUnusable, check_name
from reportdl.batch.servers import Server
from reportdl.calls import DEFAULT_POLICY
from reportdl.credentials import ApplicationKey, Bearer, Credentials, Token
from reportdl.network import Network
from reportdl.origin import Origin
from reportdl.profile import load_profile
from reportdl_core.errors import ReportdlError
from reportdl_core.policy import Policy

__all__ = ["Described", "credentials_of", "described", "variables"]

_PARTS: Final = ("TOKEN", "TOKEN_KIND", "APPLICATION_ID", "APPLICATION_KEY", "USER")
_SECRETS: Final = frozenset({"token", "application_key", "key", "password", "secret", "bearer_token"})
_WANTED: Final = {"bool": "true or false", "int": "a number from 1 to 1000", "tuple[str,": "a list of texts"}
_FILES: Final = ("token_file", "application_key_file", "ca_bundle", "client_cert", "profile")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A server as it is described; its credentials are looked for when they are needed.

    `jobs` is how many it is given at a time. Files are named relative to the file that names them.
    """

    name: str
    url: str
    jobs: int | None = None
    bearer: bool = False
    token_file: str | None = None
    application_id: str | None = None
    application_key_file: str | None = None
    user: str | None = None
    ca_bundle: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    profile: str | None = None
    allow_insecure: bool = False
    affinity_cookies: tuple[str, ...] = ()

    def origin(self) -> Origin:
        """Where it is. Raises InvalidUrl."""
        return Origin.parse(self.url, allow_insecure=self.allow_insecure)

    def server(
        self,
        credentials: Credentials,
        *,
        policy: Policy = DEFAULT_POLICY,
        network: Network | None = None,
        affinity_cookies: Iterable[str] = (),
    ) -> Server:
        """The server; what the description does not say is as given here.

        Raises InvalidUrl, ProfileUnusable, UnusableCookieName, ServersUnusable.
        """
        given = Network() if network is None else network
        own = {"ca_bundle": self.ca_bundle, "client_certificate": self.client_cert, "proxy": self.proxy}
        said: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        reached = replace(given, **said)
        self._try(reached)
        return Server(
            self.url,
            credentials=credentials,
            policy=self._profiled(policy),
            network=reached,
            allow_insecure=self.allow_insecure,
            at_once=self.jobs,
            affinity_cookies=self.affinity_cookies or affinity_cookies,
        )

    def _try(self, network: Network) -> None:
        """Find out now, and for all of the batch, whether the certificates and the proxy can be used."""
        origin = self.origin()
        try:
            if origin.scheme == "https":
                network.tls()
        except OSError as error:  # ssl.SSLError is one
            why = error.strerror or error
            raise ServersUnusable(f"the certificates for {self._called} cannot be used: {why}") from None
        try:
            network.proxy_for(origin)
        except ReportdlError:
            raise
        except ValueError:  # its text is the proxy's URL, which may hold a password
            raise ServersUnusable(f"the URL of the proxy for {self._called} cannot be used") from None

    def _profiled(self, policy: Policy) -> Policy:
        if self.profile is None:
            return policy
        try:
            return load_profile(self.profile).applied(policy)
        except OSError as error:
            why = error.strerror or error
            raise ServersUnusable(f"the profile of {self._called} cannot be read: {self.profile}: {why}") from None

    @property
    def _called(self) -> str:
        return f"server {self.name} ({self.url})" if self.name else self.url


def described(words: Iterable[str] = (), file: str | os.PathLike[str] | None = None) -> tuple[Described, ...]:
    """Servers from `NAME=URL` and from a TOML file with a table for each. Raises ServersUnusable."""
    found = [*(() if file is None else _from_file(os.fspath(file))), *map(_from_word, words)]
    names: dict[str, str] = {}
    for one in found:
        prefix = _prefix(one.name)
        if (other := names.get(prefix)) is not None:
            raise ServersUnusable(f"the servers {other} and {one.name} would have the same credentials, {prefix}*")
        names[prefix] = one.name
    return tuple(found)


def _from_word(word: str) -> Described:
    name, equals, url = word.partition("=")
    if not equals or not url.strip():
        raise ServersUnusable(f"a server is given as NAME=URL, such as emea=https://mi.example.com, not {word!r:.80}")
    return Described(name=check_name(name.strip()), url=url.strip())


def _from_file(path: str) -> list[Described]:
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ServersUnusable(f"the servers in {path!r} cannot be read: {why}") from None
    return [_from_table(path, name, table) for name, table in tables.items()]


def _from_table(path: str, name: str, table: object) -> Described:
    where = f"{path}: server {check_name(name)}"
    if not isinstance(table, dict):
        raise ServersUnusable(f'{where} is no table: write [{name}], and below it url = "https://..."')
    known = {one.name: one.type for one in fields(Described)}
    values: dict[str, Any] = {}
    for key, value in cast("dict[str, object]", table).items():
        if key in _SECRETS:
            raise ServersUnusable(
                f"{where} has {key!r}: no credential stands in this file; set {_prefix(name)}TOKEN, or name a "
                "token_file or an application_key_file"
            )
        if key == "name" or key not in known:
            raise ServersUnusable(f"{where} has {key!r:.40}; there are {', '.join(n for n in known if n != 'name')}")
        values[key] = _value(where, key, str(known[key]), value)
    if "url" not in values:
        raise ServersUnusable(f"{where} has no url")
    for key in _FILES:
        if key in values:
            values[key] = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(values[key]))
    return Described(name=name, **values)


def _value(where: str, key: str, kind: str, value: object) -> object:
    match kind.removesuffix(" | None"), value:
        case ("bool", bool()) | ("str", str()):
            return value
        case "int", int() if not isinstance(value, bool) and 1 <= value <= 1000:
            return value
        case "tuple[str, ...]", list() if all(isinstance(one, str) for one in cast("list[object]", value)):
            return tuple(cast("list[str]", value))
        case _:
            wanted = _WANTED.get(kind.partition(" ")[0], "a text")
            raise ServersUnusable(f"{where}: {key} must be {wanted}, not {value!r:.40}")


def _prefix(name: str) -> str:
    return "REPORTDL_" if not name else f"REPORTDL_{re.sub('[^A-Z0-9]', '_', name.upper())}_"


def variables(name: str) -> tuple[str, ...]:
    """The environment variables that hold a server's credentials; those of '' are the plain ones."""
    return tuple(f"{_prefix(name)}{part}" for part in _PARTS)


def credentials_of(one: Described, *, default: Callable[[], Credentials] | None = None) -> Credentials:
    """A server's own credentials, from its variables or its files, else `default`'s. Raises ServersUnusable."""
    names = variables(one.name)
    token, kind, application, key, user = (os.environ.get(name, "") for name in names)
    if kind not in ("", "legacy", "bearer"):
        raise ServersUnusable(f"{names[1]} is legacy or bearer, not {kind!r:.40}")
    try:
        if token or one.token_file is not None:
            bearer = kind == "bearer" or (not kind and one.bearer)
            return (Bearer if bearer else Token)(token or _read(one.token_file or ""))
        application, user = application or one.application_id or "", user or one.user or ""
        if not key and one.application_key_file is not None:
            key = _read(one.application_key_file)
        if application and key and user:
            return ApplicationKey(application_id=application, application_key=key.strip(), user=user)
    except (OSError, ValueError) as error:
        what = names[0] if token else one.token_file or one.application_key_file
        why = "not a text" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or error
        raise ServersUnusable(f"{what} cannot be used: {why}") from None
    if default is not None:
        return default()
    whose = f"server {one.name} ({one.url})" if one.name else one.url
    missing = [name for name, value in zip(names[2:], (application, key, user), strict=True) if not value]
    if len(missing) < 3:
        raise ServersUnusable(f"the application key of {whose} needs {' and '.join(missing)} as well")
    raise ServersUnusable(f"no credentials for {whose}: set {names[0]}, or {', '.join(names[2:])}")


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read(64 * 1024)
