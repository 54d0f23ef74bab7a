"""Decides what a worker takes from its environment: the server, its credentials, the broker, the key, stores' options.

Nothing of it travels in a message: whoever reads the broker learns no credential (D39). Must never show one.
"""

from __future__ import annotations

import os
import tempfile
from typing import Final

from reportdl.batch.servers import Server
from reportdl.credentials import ApplicationKey, Bearer, Credentials, Token
from reportdl.seal import Seal
from reportdl_core.errors import ReportdlError

__all__ = ["EnvironmentUnusable", "broker", "holding", "seal", "server"]

_KEY: Final = ("REPORTDL_APPLICATION_ID", "REPORTDL_APPLICATION_KEY", "REPORTDL_USER")


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


def server() -> Server:
    """The server, from REPORTDL_URL, the variables that hold credentials, and REPORTDL_AFFINITY_COOKIE.

    Raises EnvironmentUnusable, UnusableCookieName.
    """
    url = os.environ.get("REPORTDL_URL")
    if not url:
        raise EnvironmentUnusable("REPORTDL_URL must name the server")
    insecure = os.environ.get("REPORTDL_ALLOW_INSECURE") == "1"
    affinity = os.environ.get("REPORTDL_AFFINITY_COOKIE", "").split()
    return Server(url, credentials=_credentials(), allow_insecure=insecure, affinity_cookies=affinity)


def _credentials() -> Credentials:
    kind = Bearer if os.environ.get("REPORTDL_TOKEN_KIND") == "bearer" else Token
    if token := os.environ.get("REPORTDL_TOKEN"):
        return kind(token)
    application, key, user = (os.environ.get(name, "") for name in _KEY)
    if application and key and user:
        return ApplicationKey(application_id=application, application_key=key, user=user)
    raise EnvironmentUnusable(f"no credentials: set REPORTDL_TOKEN, or {', '.join(_KEY)}")
