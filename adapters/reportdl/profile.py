"""Decides what a saved profile of a server says to a client: the parts of a `Policy` that fit what was found there.

`reportdl conform --save-profile` writes one. Must never hold a credential, and never take over what it cannot read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast, get_type_hints

from reportdl.spool import write_anew
from reportdl_core.errors import LocalProtocolError, ReportdlError
from reportdl_core.policy import Policy

__all__ = ["Profile", "ProfileUnusable", "load_profile", "save_profile"]

_VERSION: Final = 1
_LARGEST: Final = 1024 * 1024


class ProfileUnusable(ReportdlError, ValueError):
    """A file that is no profile; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was found of one server. `policy` holds the members that differ by it, `readings` are for people."""

    server: str
    examined: str
    policy: Mapping[str, object] = field(default_factory=dict[str, object])
    readings: Mapping[str, str] = field(default_factory=dict[str, str])
    broken: tuple[str, ...] = ()

    def applied(self, policy: Policy) -> Policy:
        """`policy` with what the profile says. Raises ProfileUnusable for what is no member of a policy."""
        hints = get_type_hints(Policy)
        try:
            said: dict[str, Any] = {name: _member(hints[name], value) for name, value in self.policy.items()}
            return replace(policy, **said)
        except KeyError as error:
            raise ProfileUnusable(f"the profile says {error}, which is no member of a policy") from None
        except (LocalProtocolError, ValueError, TypeError, OverflowError) as error:
            raise ProfileUnusable(f"the profile's policy cannot be used: {error}") from None


def _member(kind: type[Any], value: object) -> object:
    if issubclass(kind, Enum):
        return kind(value)
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.40} is no {kind.__name__}")
    return kind(value)


def save_profile(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Write the profile, replacing a file of that name in one step: it hands its permissions on. Raises OSError."""
    said = {
        "profile": _VERSION,
        "server": profile.server,
        "examined": profile.examined,
        "policy": dict(profile.policy),
        "broken": list(profile.broken),
        "readings": dict(profile.readings),
    }
    write_anew(path, f"{json.dumps(said, indent=2, ensure_ascii=False)}\n".encode())


def load_profile(path: str | os.PathLike[str]) -> Profile:
    """The profile in this file, its policy checked. Raises ProfileUnusable, and OSError where it cannot be read."""
    said = _object(Path(path))
    server, examined, policy = said.get("server"), said.get("examined"), said.get("policy")
    if said.get("profile") != _VERSION or not isinstance(server, str) or not isinstance(examined, str):
        raise ProfileUnusable(f"{Path(path).name} is no profile that this version can read")
    if not isinstance(policy, dict):
        raise ProfileUnusable("the profile has no policy")
    profile = Profile(server=server, examined=examined, policy=cast("dict[str, object]", policy))
    profile.applied(Policy())
    return profile


def _object(path: Path) -> dict[str, object]:
    try:
        said: object = json.loads(path.read_bytes()[:_LARGEST].decode("utf-8"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ProfileUnusable(f"{path.name} is no profile: not a JSON object")
    return cast("dict[str, object]", said)
