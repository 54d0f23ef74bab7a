"""Decides what a worker takes from its environment: the servers, their credentials, broker, key, stores.

Nothing of it travels in a message: whoever reads the broker learns no credential (D39). Must never show one.
"""

from __future__ import annotations

import os
import socket
import tempfile
from dataclasses import replace

from reportdl.batch.described import Described, credentials_of, described
from reportdl.batch.servers import Server
from reportdl.seal import Seal
from reportdl_core.errors import ReportdlError

__all__ = ["EnvironmentUnusable", "broker", "holding", "seal", "server_at", "servers"]


class EnvironmentUnusable(ReportdlError, ValueError):
    """A variable that a worker needs is missing, or cannot be used."""


def broker() -> str:
    """The Redis that carries messages: REPORTDL_BROKER."""
    return os.environ.get("REPORTDL_BROKER") or "redis://127.0.0.1:6379/0"


def seal() -> Seal:
    """The key that all workers and the coordinator share: REPORTDL_KEY_FILE. Raises EnvironmentUnusable."""
    path = os.environ.get("REPORTDL_KEY_FILE")
    if not path:
        raise EnvironmentUnusable("REPORTDL_KEY_FILE must name the key file that all machines share")
    return Seal.from_key_file(path)


def holding() -> str:
    """Where files wait for an object store: REPORTDL_HOLDING, a folder that all workers see if it can be had."""
    return os.environ.get("REPORTDL_HOLDING") or tempfile.gettempdir()


def servers() -> dict[str, Described]:
    """The servers of this machine by name: REPORTDL_URL as '', REPORTDL_SERVER and REPORTDL_SERVERS.

    Raises EnvironmentUnusable, ServersUnusable.
    """
    named = described(os.environ.get("REPORTDL_SERVER", "").split(), os.environ.get("REPORTDL_SERVERS") or None)
    found = {one.name: one for one in named}
    if url := os.environ.get("REPORTDL_URL"):
        found[""] = Described(name="", url=url)
    if not found:
        raise EnvironmentUnusable("REPORTDL_URL, REPORTDL_SERVER or REPORTDL_SERVERS must name the server")
    insecure = os.environ.get("REPORTDL_ALLOW_INSECURE") == "1"
    cookies = tuple(os.environ.get("REPORTDL_AFFINITY_COOKIE", "").split())
    return {
        name: replace(
            one,
            allow_insecure=one.allow_insecure or insecure,
            affinity_cookies=one.affinity_cookies or cookies,
        )
        for name, one in found.items()
    }


def server_at(url: str) -> Server:
    """The server with this base URL, and its credentials. Raises EnvironmentUnusable, ServersUnusable."""
    for one in servers().values():
        if str(one.origin()) == url:
            return one.server(credentials_of(one))
    raise EnvironmentUnusable(f"this machine ({socket.gethostname()}) was not told of a server {url}")
