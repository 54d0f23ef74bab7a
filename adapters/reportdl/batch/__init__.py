"""Many reports in one go: a list of jobs, one ledger that survives every kill, any destination.

    import reportdl, reportdl.batch
    server = reportdl.batch.Server("https://mi.example.com", credentials=reportdl.Bearer("..."))
    summary = reportdl.batch.run("night.csv", server, ledger="night.ledger", to="out/", name="{element}-{format}.{ext}")
    print(summary.text())

The same call again, or `resume`, goes on where the last process was. The command is `reportdl batch`.
"""

from __future__ import annotations

from reportdl.extras import ExtraMissing

try:  # first, so that what is missing is told for the whole and not module by module
    import anyio
    import cryptography
except ModuleNotFoundError as _missing:
    raise ExtraMissing("reportdl.batch", _missing.name or "a library", "batch") from _missing
else:
    del anyio, cryptography

from reportdl.batch.calls import resume, run
from reportdl.batch.inputs import Wanted
from reportdl.batch.ledger import Ledger, LedgerUnusable
from reportdl.batch.ledger_file import LedgerUnwritable
from reportdl.batch.plan import Again, Budget, Lanes
from reportdl.batch.roster import ServersUnusable
from reportdl.batch.rows import NamesCollide
from reportdl.batch.servers import Server
from reportdl.batch.summary import Cause, Summary
from reportdl.batch.templates import TemplateUnusable
from reportdl.batch.texts import InputUnusable
from reportdl.batch.traces import Traces

__all__ = [
    "Again",
    "Budget",
    "Cause",
    "InputUnusable",
    "Lanes",
    "Ledger",
    "LedgerUnusable",
    "LedgerUnwritable",
    "NamesCollide",
    "Server",
    "ServersUnusable",
    "Summary",
    "TemplateUnusable",
    "Traces",
    "Wanted",
    "resume",
    "run",
]
