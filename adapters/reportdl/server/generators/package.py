"""Decides how an Office package is laid down: the same parts give the same bytes.

The libraries for documents and slides stamp every part with the clock. Must never change a part's content or order:
a reader expects the content types first.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

__all__ = ["settle"]

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first instant that a ZIP archive can name


def settle(package: io.BytesIO, path: Path) -> None:
    """Write the ZIP archive in `package` to `path` with every date set to 1980-01-01."""
    with zipfile.ZipFile(package) as made, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as settled:
        for part in made.infolist():
            entry = zipfile.ZipInfo(part.filename, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            settled.writestr(entry, made.read(part))
