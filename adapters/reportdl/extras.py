"""Decides how a library that is not installed is told: by the feature that wants it, and the extra that brings it.

Must never import what it names.
"""

from __future__ import annotations

from typing import final

from reportdl_core.errors import ReportdlError

__all__ = ["ExtraMissing"]


@final
class ExtraMissing(ReportdlError, ImportError):
    """A feature whose libraries are not installed; the message names the extras that bring them."""

    def __init__(self, feature: str, library: str, *extras: str) -> None:
        either = " or ".join(f"'reportdl[{extra}]'" for extra in extras)
        super().__init__(f"{feature} needs {library}: pip install {either}")
