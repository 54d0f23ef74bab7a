"""Decides which names of the sources are public: the plugin interface, and the source that reads a catalog file."""

from __future__ import annotations

from reportdl.server.sources.plugin import (
    GROUP,
    Access,
    ElementType,
    Everyone,
    GenerationError,
    OnlyUsers,
    ReportInfo,
    ReportSource,
    SourceError,
    load,
    names,
)
from reportdl.server.sources.problems import InvalidCatalog
from reportdl.server.sources.tables import CatalogSource, demo, open_catalog

__all__ = [
    "GROUP",
    "Access",
    "CatalogSource",
    "ElementType",
    "Everyone",
    "GenerationError",
    "InvalidCatalog",
    "OnlyUsers",
    "ReportInfo",
    "ReportSource",
    "SourceError",
    "demo",
    "load",
    "names",
    "open_catalog",
]
