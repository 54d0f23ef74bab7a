"""Brings External Reports home: `Client`, or `download` for one. Async: `reportdl.aio`.

    import reportdl
    got = reportdl.download("https://mi.example.com", 1042, format="pdf", to="out/", credentials=reportdl.Token("..."))

The protocol itself, without I/O, is the package `reportdl_core`.
"""

from __future__ import annotations

# Not `typing`'s own: that module takes longer than all that is loaded before a Ctrl-C is heard.
TYPE_CHECKING = False

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

if TYPE_CHECKING:
    # To a checker, a `__getattr__` would make every misspelt name an Any.
    from reportdl import aio
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
    from reportdl_core.job import Job
    from reportdl_core.lifecycle import State
    from reportdl_core.outcome import Evidence, Outcome, Receipt
    from reportdl_core.policy import Expiry, Policy, Preflight
    from reportdl_core.questions import ListedReport, Segment
    from reportdl_core.sink import NotKept
else:
    # Loaded when the first of them is used: the command hears Ctrl-C before anything is loaded that takes time (D38).
    _PLACES = {
        "reportdl.checkpoints": "Checkpoint CheckpointFile CheckpointUnusable",
        "reportdl.client": "DEFAULT_POLICY Client download formats",
        "reportdl.credentials": "ApplicationKey Bearer Credentials Token",
        "reportdl.errors": (
            "AccessDenied CredentialsRefused DownloadError EndpointMissing FileNotKeptError FormatNotOffered "
            "GenerationFailed InvalidJob LocalProtocolError NotDownloadable ReportdlError ReportNotFound "
            "ServerError ServerProtocolError SessionExpired TimedOut TransferLost Unreachable UnverifiedFile"
        ),
        "reportdl.files": "Clash TargetUnusable",
        "reportdl.network": "Network",
        "reportdl.origin": "InvalidUrl",
        "reportdl.progress": "Progress",
        "reportdl_core.errors": "Reason",
        "reportdl_core.job": "Job",
        "reportdl_core.lifecycle": "State",
        "reportdl_core.outcome": "Evidence Outcome Receipt",
        "reportdl_core.policy": "Expiry Policy Preflight",
        "reportdl_core.questions": "ListedReport Segment",
        "reportdl_core.sink": "NotKept",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        # The async side apart: its transport's library is an extra.
        if name == "aio":
            return import_module("reportdl.aio")
        if name not in __all__:
            raise AttributeError(f"module 'reportdl' has no attribute {name!r}")
        for place, names in _PLACES.items():
            module = import_module(place)
            globals().update({one: getattr(module, one) for one in names.split()})
        import_module("reportdl_core.exported").exported(__name__, globals(), __all__)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
