"""Decides how one report goes to a URL that fsspec knows: downloaded and verified here, then put in one step (I10).

What the store did not take is kept here and named: the server gives a file once (D44). Must never stream into a store.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import Any, NamedTuple

from reportdl.batch.destinations import Delivered, NotDelivered, Objects, refuse_password
from reportdl.batch.holding import held_from
from reportdl.client import Client
from reportdl.drivers import Observe
from reportdl.files import Clash
from reportdl.progress import OnProgress
from reportdl.spooling import TargetUnusable
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.sink import NotKept

__all__ = ["Stored", "download_to_url"]


class Stored(NamedTuple):
    """Where the file is, and its receipt; without one, a file of this name was there and was left (Clash.SKIP)."""

    url: str
    receipt: Receipt | None


def download_to_url(
    client: Client,
    job: Job,
    url: str,
    *,
    clash: Clash | None = None,
    options: dict[str, Any] | None = None,
    on_progress: OnProgress | None = None,
    observe: Observe | None = None,
) -> Stored:
    """Bring one report to a store. A `url` that ends in a slash is a folder, and takes the server's name for the file.

    Raises TargetUnusable before anything is asked for, NotKept where the store did not take the file, which is then
    kept in a temporary folder and named; else as `Client.download`.
    """
    refuse_password(url)
    folder, _, name = url.rpartition("/")
    if folder.endswith(":/"):  # fsspec would take it for a folder of this machine that is called `s3:`
        raise TargetUnusable(f"{url} names a store and no file in it: end it with / for the server's own name")
    place = Objects(folder, clash=clash or (Clash.OVERWRITE if name else Clash.SUFFIX), options=options)
    place.prepare()
    if name and (standing := _standing(place, name)) is not None:
        return Stored(standing, None)
    spool = tempfile.mkdtemp(prefix="reportdl-")
    try:
        receipt = client.download(
            job.element,
            segment=job.segment,
            format=job.format,
            to=spool + os.sep,
            on_progress=on_progress,
            observe=observe,
        )
        return Stored(_delivered(place, receipt, job, name).path, receipt)
    finally:
        with suppress(OSError):
            os.rmdir(spool)  # not empty where the file is kept


def _standing(place: Objects, name: str) -> str | None:
    try:
        return place.standing(name)
    except NotDelivered as error:
        raise NotKept(f"{error}; nothing was asked for") from error


def _delivered(place: Objects, receipt: Receipt, job: Job, name: str) -> Delivered:
    held = held_from(receipt, job)
    try:
        return place.deliver(held, name or receipt.filename, chosen=None, choose=lambda _: True)
    except NotDelivered as error:
        raise NotKept(f"{error}; its {held.size:,} bytes are kept as {held.path}", held.path) from error
