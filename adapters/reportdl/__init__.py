"""Brings External Reports home: `Client`, or `download` for one. Async: `reportdl.aio`.

    import reportdl
    got = reportdl.download("https://mi.example.com", 1042, format="pdf", to="out/", credentials=reportdl.Token("..."))

The protocol itself, without I/O, is the package `reportdl_core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportdl.checkpoints import Checkpoint, CheckpointFile, CheckpointUnusable
from reportdl.client import DEFAULT_POLICY, Client, download, formats
from reportdl.credentials import ApplicationKey, Bearer, Credentials, Token
from reportdl.errors import (
    AccessDenied,
    CredentialsRefused,
    DownloadError,
    EndpointMissing,
    FileNotKeptError,
    FormatNotOffered,
    GenerationFailed,
    InvalidJob,
    LocalProtocolError,
    NotDownloadable,
    ReportdlError,
    ReportNotFound,
    ServerError,
    ServerProtocolError,
    SessionExpired,
    TimedOut,
    TransferLost,
    Unreachable,
    UnverifiedFile,
)
from reportdl.files import Clash, TargetUnusable
from reportdl.network import Network
from reportdl.origin import InvalidUrl
from reportdl.progress import Progress
from reportdl_core.errors import Reason
from reportdl_core.exported import exported as _exported
from reportdl_core.job import Job
from reportdl_core.lifecycle import State
from reportdl_core.outcome import Evidence, Outcome, Receipt
from reportdl_core.policy import Expiry, Policy, Preflight
from reportdl_core.questions import ListedReport, Segment
from reportdl_core.sink import NotKept

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_POLICY",
    "AccessDenied",
    "ApplicationKey",
    "Bearer",
    "Checkpoint",
    "CheckpointFile",
    "CheckpointUnusable",
    "Clash",
    "Client",
    "Credentials",
    "CredentialsRefused",
    "DownloadError",
    "EndpointMissing",
    "Evidence",
    "Expiry",
    "FileNotKeptError",
    "FormatNotOffered",
    "GenerationFailed",
    "InvalidJob",
    "InvalidUrl",
    "Job",
    "ListedReport",
    "LocalProtocolError",
    "Network",
    "NotDownloadable",
    "NotKept",
    "Outcome",
    "Policy",
    "Preflight",
    "Progress",
    "Reason",
    "Receipt",
    "ReportNotFound",
    "ReportdlError",
    "Segment",
    "ServerError",
    "ServerProtocolError",
    "SessionExpired",
    "State",
    "TargetUnusable",
    "TimedOut",
    "Token",
    "TransferLost",
    "Unreachable",
    "UnverifiedFile",
    "aio",
    "download",
    "formats",
]

_exported(__name__, globals(), __all__)

if TYPE_CHECKING:
    # To a checker, a `__getattr__` would make every misspelt name an Any.
    from reportdl import aio
else:

    def __getattr__(name: str) -> object:
        # The async side is loaded when it is used: its transport's library is an extra.
        if name == "aio":
            from importlib import import_module

            return import_module("reportdl.aio")
        raise AttributeError(f"module 'reportdl' has no attribute {name!r}")
