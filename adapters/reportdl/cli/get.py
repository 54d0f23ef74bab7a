"""Decides how `reportdl get` answers: the final path on stdout and nothing else, or one JSON object, or the bytes."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from reportdl.cli.connection import Connection
from reportdl.cli.options import (
    Connecting,
    connecting,
    format_completed,
    segment_option,
    storage_option,
    stored_options,
)
from reportdl.cli.speech import READER_LEFT, Pipe, say, tell
from reportdl.cli.stops import Stopped
from reportdl.cli.terminal import Display, display
from reportdl_core.job import Job, identifier

if TYPE_CHECKING:
    from reportdl.client import Client
    from reportdl.files import Clash
    from reportdl.progress import Progress
    from reportdl.trace import Recording
    from reportdl_core.outcome import Receipt

__all__ = ["get"]

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_LEGIBLE: Final = frozenset({"csv", "xml", "mhtml"})


@click.command(cls=Connecting, short_help="Download one report, whole or not at all.")
@click.argument("element")
@segment_option
@click.option(
    "-f",
    "--format",
    "key",
    required=True,
    metavar="KEY",
    help="A key that `reportdl formats` lists: pdf, xls, csv...",
    shell_complete=format_completed,
)
@click.option(
    "-o",
    "--output",
    default=".",
    show_default=True,
    metavar="DIR|FILE|URL|-",
    help="A folder (one that exists, or a name that ends in /), a file, a URL such as s3://bucket/x.pdf, or -.",
)
@storage_option
@click.option("--overwrite", is_flag=True, help="In a folder: replace a file that has the name already.")
@click.option("--skip-existing", is_flag=True, help="Keep a file that has the name already, and print its path.")
@click.option("--allow-unverified", is_flag=True, help="Publish a file of which nothing proves that it is whole.")
@click.option("--trace", metavar="FILE", help="Record the job there, for `reportdl trace FILE`: it holds no token.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object (with -o - to stderr); errors as one JSON object on stderr.",
)
@connecting
def get(
    *,
    element: str,
    segment: str,
    key: str,
    output: str,
    storage: tuple[str, ...],
    overwrite: bool,
    skip_existing: bool,
    allow_unverified: bool,
    trace: str | None,
    as_json: bool,
    connection: Connection,
) -> None:
    """Download one External Report, whole or not at all, and print the path of its file.

    ELEMENT is the report's id: the number in its address on the server. The report is generated for you, which takes
    seconds to half an hour. A file that you name is replaced; in a folder the server's name for it is used, and a
    name that is taken gets a suffix.

    \b
    Examples
      reportdl get 1042 -f pdf -o out/
      reportdl get 1044 --segment 71 -f xls -o north.xlsx
      reportdl get 1042 -f csv -o - | head
      reportdl get 1042 -f pdf --json | jq -r .sha256
    """  # noqa: D301 - click's own mark for lines that stay as they are
    # Checked here, before credentials and folders: a slip of the pen is said first.
    job = Job(element=identifier(element, "element"), segment=identifier(segment, "segment"), format=key)
    clash = _clash(overwrite, skip_existing)
    pipe = _pipe(key) if output == "-" else None
    label = f"{job.element}{f'/{job.segment}' if job.segment else ''} {job.format}"
    recording = None if trace is None else _recording(trace)
    plain = connection.verbose or (pipe is not None and sys.stdout.isatty())
    with (
        display(label, plain=plain, as_json=as_json) as shown,
        connection.client(shown, allow_unverified=allow_unverified) as client,
    ):
        seen = _Seen(shown)
        try:
            if _URL.match(output):
                _to_url(client, job, output, clash, stored_options(storage), seen, recording, as_json=as_json)
                return
            got = client.download(
                job.element,
                segment=job.segment,
                format=job.format,
                to=output if pipe is None else pipe.binary,
                clash=clash,
                on_progress=seen,
                observe=recording,
            )
        except Stopped as stop:
            stop.note = seen.note(output)
            raise
        finally:
            _told_if_broken(recording)
    if pipe is not None and pipe.reader_left:
        raise click.exceptions.Exit(READER_LEFT)
    _told(got, as_json=as_json)


def _recording(path: str) -> Recording:
    from reportdl.trace import recording

    return recording(path)


def _told_if_broken(recording: Recording | None) -> None:
    if recording is not None and recording.broken is not None:
        why = recording.broken.strerror or recording.broken
        tell(f"reportdl: note: the trace could not be written to its end: {why}")


def _to_url(
    client: Client,
    job: Job,
    output: str,
    clash: Clash | None,
    options: dict[str, Any],
    seen: _Seen,
    recording: Recording | None,
    *,
    as_json: bool,
) -> None:
    from reportdl.batch.single import download_to_url

    stored = download_to_url(client, job, output, clash=clash, options=options, on_progress=seen, observe=recording)
    got = stored.receipt
    if not as_json:
        say(stored.url)
    elif got is None:
        say(
            json.dumps(
                {"path": stored.url, "warnings": ["a file of this name was already there and was left as it was"]}
            )
        )
    else:
        said = {"path": stored.url, "filename": got.filename, "content_type": got.content_type, "size": got.size}
        more = {"sha256": got.sha256, "length_verified": got.length_verified, "warnings": list(got.warnings)}
        say(json.dumps({**said, **more}))


def _clash(overwrite: bool, skip_existing: bool) -> Clash | None:
    from reportdl.files import Clash

    if overwrite and skip_existing:
        raise click.UsageError("--overwrite and --skip-existing exclude each other")
    return Clash.OVERWRITE if overwrite else Clash.SKIP if skip_existing else None


def _pipe(key: str) -> Pipe:
    pipe = Pipe()
    if sys.stdout.isatty() and key.lower() not in _LEGIBLE:
        raise click.UsageError(f"stdout is a terminal, which cannot show {key}: name a file, or pipe it somewhere")
    return pipe


class _Seen:
    """Passes progress on, and knows whether a signal may have come after the whole file."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        self._shown(progress)

    def note(self, output: str) -> str:
        """What was kept, as far as can be known from here."""
        last = self._last
        if last is None or not last.received or (last.total is not None and last.received < last.total):
            return "nothing was kept"
        if output == "-":
            return "the file had come, and stdout may hold the beginning of it"
        return f"the whole file had come at that moment: it may be at {output}"


def _told(got: Receipt, *, as_json: bool) -> None:
    path = None if got.path is None else os.fspath(got.path)
    try:
        if not as_json:
            for warning in got.warnings:
                tell(f"reportdl: note: {warning}")
            if path is not None:
                say(path)
            return
        said = {
            "path": path,
            "filename": got.filename,
            "content_type": got.content_type,
            "size": got.size,
            "sha256": got.sha256,
            "length_verified": got.length_verified,
            "warnings": list(got.warnings),
        }
        (tell if path is None else say)(json.dumps(said))
    except Stopped as stop:
        stop.note, stop.path = f"the file is {got.filename}", path
        if path is not None:
            stop.note = f"the file is kept as {path}"
        raise
