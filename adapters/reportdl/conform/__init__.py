"""What a server does: which documented rules it keeps, and which reading it follows where they leave a choice.

Point `examine` at any server that speaks the document. It judges by what it sees, with the exchanges as evidence.
"""

from __future__ import annotations

from reportdl.conform.evidence import Answer
from reportdl.conform.findings import Examination, Finding, Verdict
from reportdl.conform.lab import Elements
from reportdl.conform.plan import STEPS, Step, examine
from reportdl.conform.rulebook import RULEBOOK, Entry

__all__ = ["RULEBOOK", "STEPS", "Answer", "Elements", "Entry", "Examination", "Finding", "Step", "Verdict", "examine"]
