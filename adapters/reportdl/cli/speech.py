"""Decides how words and bytes leave the process: results to stdout as they are, everything else to stderr.

Must never let a stderr that is full or closed end a job, nor hold Python's own lock on stdout while it blocks: the
interpreter could then not end.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast, final

import click

from reportdl.cli.paint import folded

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["READER_LEFT", "Pipe", "last_words", "say", "tell"]

READER_LEFT = 141
"""The exit code where whoever read stdout has gone away: what a shell shows for SIGPIPE."""


def tell(text: str) -> None:
    """One line to stderr, if anybody takes it; more than one where a terminal is too narrow for it."""
    with suppress(OSError, ValueError):
        click.echo(folded(text), err=True)


def say(text: str) -> None:
    """One line to stdout, a path's own bytes unchanged.

    Raises click.exceptions.Exit where its reader has gone, and ClickException where it cannot be written.
    """
    try:
        click.echo(text if os.name == "nt" else os.fsencode(text))
    except BrokenPipeError:
        _silence(sys.stdout)
        raise click.exceptions.Exit(READER_LEFT) from None
    except OSError as error:
        _silence(sys.stdout)
        raise click.ClickException(f"stdout did not take the result: {error.strerror or error}: {text}") from None


def last_words() -> None:
    """All is said. What stderr did not take till now is thrown away: it must not change the exit code."""
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            _silence(sys.stderr)


def _silence(stream: TextIO) -> None:
    # What is still buffered would fail once more when the interpreter ends, with a traceback or a code of its own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@final
class Pipe(io.RawIOBase):
    """stdout for a file's bytes. Once its reader has gone, `reader_left` is set and the rest is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        if sys.stdout is None:
            raise click.UsageError("stdout is closed, so that -o - has nowhere to write to")
        self._descriptor = sys.stdout.fileno()
        self.reader_left: bool = False

    @property
    def binary(self) -> BinaryIO:
        """This, under the name that type checkers know binary streams by."""
        return cast("BinaryIO", self)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write as much as it takes now; its length. Raises OSError."""
        try:
            return os.write(self._descriptor, data)
        except BrokenPipeError:
            # Nobody wants them: keeping the bytes aside would litter the disk after each `| head`.
            self.reader_left = True
            return memoryview(data).nbytes
