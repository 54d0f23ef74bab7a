"""Decides whether what is installed is what it should be: versions, extras, and whose `urllib3` lies on the disk.

Some packages install themselves over another one's files; the name then lies. Read from metadata and files: nothing
is imported for it. Must never look outside the running interpreter's own packages.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import re
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions, requires
from pathlib import Path
from typing import Final

from reportdl.doctor.results import Health, Place, Result
from reportdl.hidden import hidden

__all__ = ["installation"]

_PYTHON: Final = (3, 11)
_EXTRAS: Final[Mapping[str, str]] = {
    "cli": "rich",
    "aiohttp": "aiohttp",
    "httpx2": "httpx2",
    "server": "starlette",
    "batch": "fsspec",
    "seal": "cryptography",
    "celery": "celery",
}
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)\s*(.*?)\s*(?:;.*)?$")
_BOUND: Final = re.compile(r"(>=|<=|==|<|>|!=)\s*([0-9][0-9.]*)")
_JUDGED: Final = ("__init__.py", "connection.py", "connectionpool.py", "poolmanager.py", "response.py")


def installation() -> Iterator[Result]:
    """Python, the libraries that every download needs, the extras, and urllib3's files."""
    python = tuple(int(part) for part in platform.python_version_tuple()[:2])
    yield Result(
        name="python",
        place=Place.INSTALLATION,
        health=Health.GOOD if python >= _PYTHON else Health.BAD,
        said=f"{platform.python_version()}, {ssl.OPENSSL_VERSION}",
        advice="" if python >= _PYTHON else "reportdl needs Python 3.11 or later",
    )
    yield _libraries()
    yield _urllib3()
    there = {extra: _version(name) for extra, name in _EXTRAS.items()}
    present = [f"{extra} ({_EXTRAS[extra]} {version})" for extra, version in there.items() if version]
    absent = [extra for extra, version in there.items() if not version]
    said = f"{', '.join(present) or 'none'}" + (f"; not installed: {', '.join(absent)}" if absent else "")
    yield Result(name="extras", place=Place.INSTALLATION, health=Health.GOOD, said=said)


def _version(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _libraries() -> Result:
    own = _version("reportdl")
    needed = [found for line in requires("reportdl") or () if ";" not in line and (found := _REQUIREMENT.match(line))]
    seen, wrong = [f"reportdl {own}"], list[str]()
    for name, bounds in (match.groups() for match in needed):
        version = _version(name)
        seen.append(f"{name} {version or 'missing'}")
        if version is None or not _within(version, bounds):
            wrong.append(f"{name}{bounds}")
    advice = f"pip install {' '.join(repr(one) for one in wrong)}" if wrong else ""
    health = Health.BAD if wrong else Health.GOOD
    return Result(name="versions", place=Place.INSTALLATION, health=health, said=", ".join(seen), advice=advice)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _within(version: str, bounds: str) -> bool:
    have = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        want = _numbers(text)
        met = {">=": have >= want, "<=": have <= want, "<": have < want, ">": have > want, "==": have == want}
        if not met.get(sign, True):
            return False
    return True


def _urllib3() -> Result:
    """Whether `import urllib3` gives the package of that name, with the files that it came with."""
    said, advice = _impostor()
    health = Health.BAD if advice else Health.GOOD
    return Result(name="urllib3", place=Place.INSTALLATION, health=health, said=said, advice=advice)


def _impostor() -> tuple[str, str]:
    again = "pip install --force-reinstall --no-deps urllib3"
    try:
        dist = distribution("urllib3")
    except PackageNotFoundError:
        return "not installed", "pip install urllib3"
    others = sorted(set(packages_distributions().get("urllib3", ())) - {"urllib3"})
    if others:
        name = ", ".join(others)
        return f"{name} has installed itself over urllib3", f"pip uninstall {' '.join(others)}, then {again}"
    if (found := hidden("urllib3")) is not None:
        return (
            f"another urllib3 is imported: {found[0]}",
            f"rename that file, or start reportdl in another folder; the library is in {found[1].parent}",
        )
    if changed := _changed(dist):
        return f"{', '.join(changed)} of urllib3 {dist.version} are not as they were installed", again
    return f"{dist.version}, its own files", ""


def _changed(dist: Distribution) -> list[str]:
    """The judged files that differ from what the installer wrote down."""
    changed: list[str] = []
    for file in dist.files or ():
        if file.parent.name != "urllib3" or file.name not in _JUDGED or file.hash is None:
            continue
        digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            changed.append(file.name)
    return changed
