"""Decides whether a file or a folder of another name's owner hides a library: `urllib3.py` where Python looks first.

Must never import what it asks about: it may be anything.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["LIBRARIES", "hidden", "words"]

LIBRARIES: Final = ("transitions", "urllib3", "structlog", "click", "rich")


def hidden(library: str) -> tuple[Path, Path] | None:
    """The file that is imported under this name, and the library's own; None where they are one, or none is there."""
    try:
        home = Path(str(distribution(library).locate_file(f"{library}/__init__.py")))
        spec = find_spec(library)
    except (PackageNotFoundError, ValueError):
        return None
    origin = None if spec is None or spec.origin is None else Path(spec.origin)
    return None if origin is None or origin.resolve() == home.resolve() else (origin, home)


def words() -> str | None:
    """What to tell whoever cannot start for it; None where nothing is hidden."""
    for library in LIBRARIES:
        if (found := hidden(library)) is not None:
            return f"{found[0]} hides the library {library}: rename it, or start reportdl in another folder"
    return None
