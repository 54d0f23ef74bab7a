"""The protocol of External Report downloads, with no I/O: events in, commands out.

A `Download` is one job over one or more sessions, a `Session` one token. Feed what happened, execute what is
outstanding, wake at the alarm. The server's end is `reportdl_core.endpoint`, loaded only when imported.
"""

from reportdl_core.commands import (
    Check,
    Command,
    Finish,
    Get,
    Init,
    ListFormats,
    LookUp,
    RenewCredentials,
    Request,
    Run,
    Wait,
)
from reportdl_core.download import Download, Restart
from reportdl_core.errors import InvalidJob, LocalProtocolError, Reason, Refusal, ReportdlError
from reportdl_core.events import (
    Cancelled,
    CredentialsRenewed,
    Event,
    FileNotKept,
    FileReceived,
    FormatsListed,
    Kept,
    LookedUp,
    Lost,
    Refused,
    RunFinished,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.exported import exported as _exported
from reportdl_core.formats import FORMATS, Format
from reportdl_core.job import Job
from reportdl_core.lifecycle import FINAL, MOVES, Move, State
from reportdl_core.outcome import Evidence, Outcome, Receipt
from reportdl_core.policy import Expiry, Policy, Preflight
from reportdl_core.questions import ListedReport, Segment
from reportdl_core.secret import Secret
from reportdl_core.session import Session

__all__ = [
    "FINAL",
    "FORMATS",
    "MOVES",
    "Cancelled",
    "Check",
    "Command",
    "CredentialsRenewed",
    "Download",
    "Event",
    "Evidence",
    "Expiry",
    "FileNotKept",
    "FileReceived",
    "Finish",
    "Format",
    "FormatsListed",
    "Get",
    "Init",
    "InvalidJob",
    "Job",
    "Kept",
    "ListFormats",
    "ListedReport",
    "LocalProtocolError",
    "LookUp",
    "LookedUp",
    "Lost",
    "Move",
    "Outcome",
    "Policy",
    "Preflight",
    "Reason",
    "Receipt",
    "Refusal",
    "Refused",
    "RenewCredentials",
    "ReportdlError",
    "Request",
    "Restart",
    "Run",
    "RunFinished",
    "Secret",
    "Segment",
    "Sent",
    "Session",
    "State",
    "Status",
    "StatusReported",
    "TokenIssued",
    "Wait",
    "WaitElapsed",
]

_exported(__name__, globals(), __all__)
