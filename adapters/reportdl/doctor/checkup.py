"""Decides the order of the checks, and what becomes of the later ones where an earlier one is bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reportdl.conform.probe import Probe
from reportdl.credentials import Credentials
from reportdl.doctor.asking import asking
from reportdl.doctor.installation import installation
from reportdl.doctor.reaching import reaching
from reportdl.doctor.results import Health, Place, Result
from reportdl.hidden import hidden
from reportdl.network import Network
from reportdl.origin import InvalidUrl, Origin
from reportdl.transports import Transport
from reportdl_core.job import Job
from reportdl_core.policy import Policy

__all__ = ["checkup"]


def checkup(
    url: str | None,
    *,
    network: Network,
    credentials: Credentials | str,
    transport: Callable[[Origin], Transport],
    job: Job | None = None,
    allow_insecure: bool = False,
) -> Iterator[Result]:
    """All checks, one after the other, as they are done.

    `url` is the server's base URL, None where none was given. `credentials` is a text where there are none: what is
    missing. `transport` makes the one that a download would use, and is asked only once the way to the server is good.
    """
    yield from installation()
    if isinstance(credentials, str):
        none = "none that can be used"
        yield Result(name="credentials", place=Place.USAGE, health=Health.BAD, said=none, advice=credentials)
    if url is None:
        advice = "set REPORTDL_URL, or say --url https://mi.example.com"
        yield Result(name="url", place=Place.USAGE, health=Health.BAD, said="not given", advice=advice)
        return
    try:
        origin = Origin.parse(url, allow_insecure=allow_insecure)
    except InvalidUrl as error:
        advice = "it should look like https://mi.example.com"
        yield Result(name="url", place=Place.USAGE, health=Health.BAD, said=str(error), advice=advice)
        return
    yield Result(name="url", place=Place.USAGE, health=Health.GOOD, said=str(origin))
    way = list[Result]()
    for step in reaching(origin, network):
        way.append(step)
        yield step
    if any(step.health is Health.BAD for step in way):
        return
    if hidden("urllib3") is not None:
        said = "not asked: it would go through the wrong urllib3"
        yield Result(name="endpoint", place=Place.INSTALLATION, health=Health.SKIPPED, said=said)
        return
    yield from _asked(origin, transport, None if isinstance(credentials, str) else credentials, job)


def _asked(
    origin: Origin, transport: Callable[[Origin], Transport], credentials: Credentials | None, job: Job | None
) -> Iterator[Result]:
    from reportdl.credentials import Token

    carrying = transport(origin)
    try:
        # A probe that is asked as nobody shows no credential, whichever it holds.
        probe = Probe(origin, carrying, credentials or Token("none"), Policy())
        yield from asking(probe, credentials, job)
    finally:
        carrying.close()
