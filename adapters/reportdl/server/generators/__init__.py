"""Decides which generator makes which of the nine formats (R7).

A generator takes a table and a path and writes that one file. Its library is imported when it first runs, so that a
server starts without any of them. Must never decide which formats a report offers: its plugin does (R11).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from reportdl.server.generators.table import Table

__all__ = ["GENERATORS", "Generator", "generate"]

Generator = Callable[[Table, Path], None]


def _image(table: Table, path: Path) -> None:
    from reportdl.server.generators import pages

    pages.image(table, path)


def _pdf(table: Table, path: Path) -> None:
    from reportdl.server.generators import pages

    pages.pdf(table, path)


def _apdf(table: Table, path: Path) -> None:
    from reportdl.server.generators import pages

    pages.apdf(table, path)


def _ppt(table: Table, path: Path) -> None:
    from reportdl.server.generators import ppt

    ppt.generate(table, path)


def _xls(table: Table, path: Path) -> None:
    from reportdl.server.generators import xls

    xls.generate(table, path)


def _doc(table: Table, path: Path) -> None:
    from reportdl.server.generators import doc

    doc.generate(table, path)


def _csv(table: Table, path: Path) -> None:
    from reportdl.server.generators import csv

    csv.generate(table, path)


def _xml(table: Table, path: Path) -> None:
    from reportdl.server.generators import xml

    xml.generate(table, path)


def _mhtml(table: Table, path: Path) -> None:
    from reportdl.server.generators import mhtml

    mhtml.generate(table, path)


GENERATORS: Final[dict[str, Generator]] = {
    "image": _image,
    "pdf": _pdf,
    "apdf": _apdf,
    "ppt": _ppt,
    "xls": _xls,
    "doc": _doc,
    "csv": _csv,
    "xml": _xml,
    "mhtml": _mhtml,
}


def generate(key: str, table: Table, path: Path) -> None:
    """Write `table` to `path` in the format with this key (R7).

    Blocking; may be called from any thread. Raises NotRendered if the format cannot show the table, OSError if the
    file cannot be written, KeyError for a key that is not one of the nine. A file may be left behind by a failure.
    """
    GENERATORS[key](table, path)
