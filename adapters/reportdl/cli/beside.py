"""Decides what becomes of a file that was asked for beside the result, such as a page or a profile.

Its place is tried before anything is asked of a server; where it cannot be written all the same, whoever asked is told
once everything else is said. Must never lose what was found because a file beside it could not be written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

__all__ = ["placed", "tried"]


def tried(option: str, path: Path | None) -> None:
    """Find out that the file can be written, by trying its folder. Raises click.UsageError."""
    if path is None or (os.path.exists(path) and not os.path.isfile(path)):
        return  # a device or a pipe, which only writing tries
    from reportdl.spooling import reason_of
    from reportdl.spooling import tried as folder_tried

    try:
        if os.path.isfile(path):
            path.open("ab").close()
        else:
            folder_tried(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise click.UsageError(f"{option} {path} cannot be written: {reason_of(error)}") from None


def placed(path: Path | None, write: Callable[[Path], object]) -> tuple[str, ...]:
    """Write the file, if it was asked for; why that was not possible, if it was not."""
    if path is None:
        return ()
    from reportdl.spooling import reason_of

    try:
        write(path)
    except OSError as error:
        return (f"{path} cannot be written: {reason_of(error)}",)
    return ()
