"""Decides whether what is typed is the batch that a ledger holds: its settings, and its servers by their URLs.

A slip of the first start can be mended as long as it has cost no generation. Must never begin a second batch in one
ledger, nor send what a ledger holds to another server than the one that it came from (I2).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, final

from reportdl.batch.ledger import Ledger, LedgerUnusable
from reportdl.batch.roster import Roster, ServersUnusable
from reportdl.files import Clash

__all__ = ["Begun", "Settings", "begun"]

_ID: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a batch is begun with, and a resumed one goes on with.

    `to` is a folder or an fsspec URL; `name` a template for the files' names, None for the server's own; `clash` says
    what happens to a file that is there; `format` is for lines that name none; `source` the file of jobs, if it is one.
    `engine` is `local` or `celery`: jobs that are with workers are not taken up by another process.
    """

    to: str = "."
    name: str | None = None
    clash: Clash = Clash.SUFFIX
    format: str | None = None
    source: str | None = None
    engine: str = "local"

    def stored(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "clash": self.clash.value}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Settings:
        """From what `stored` gave."""
        values: dict[str, Any] = {name: stored[name] for name in cls.__dataclass_fields__}
        values["clash"] = Clash(stored["clash"])
        return cls(**values)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A ledger's batch, as this process goes on with it. `moved` are servers that have another URL now: old, new."""

    id: str
    began: datetime
    settings: Settings
    roster: Roster
    moved: tuple[tuple[str, str], ...] = ()


def begun(ledger: Ledger, settings: Settings | None, roster: Roster, *, path: str) -> Begun:
    """The batch that a ledger holds; where it holds none, a new one. Raises LedgerUnusable.

    `settings` are what was typed, None to go on with what stands there; `path` is what people know the ledger by.
    """
    stored: dict[str, Any] = ledger.settings
    if stored and settings is not None and settings != (there := Settings.read(stored)):
        if not _can_be_mended(ledger, settings, there):
            raise LedgerUnusable(_differs(path, settings, there))
        ledger.begin_anew()
        stored = {}
    if not stored:
        if settings is None:
            raise LedgerUnusable(f"{path!r} holds no batch: begin one with `reportdl batch`")
        stored = {"id": secrets.token_hex(_ID), "began": time.time(), "servers": {}, **settings.stored()}
    known, moved = _known(ledger, roster, stored, path)
    return Begun(
        id=stored["id"],
        began=datetime.fromtimestamp(stored["began"]).astimezone(),
        settings=Settings.read(stored),
        roster=known,
        moved=moved,
    )


def _can_be_mended(ledger: Ledger, wanted: Settings, there: Settings) -> bool:
    """Whether nothing is lost by beginning it anew: there is no job in it, or the same list brings them all again."""
    same_list = wanted.source is not None and wanted.source == there.source
    return not ledger.counts() or (same_list and ledger.cost_nothing())


def _differs(path: str, wanted: Settings, there: Settings) -> str:
    new, old = wanted.stored(), there.stored()
    name = next(name for name in new if new[name] != old[name])
    return (
        f"{path!r} holds a batch with another {name} ({old[name]!r}, not {new[name]!r}): "
        "go on with it by `reportdl resume`, or begin another with --ledger"
    )


def _known(
    ledger: Ledger, roster: Roster, stored: dict[str, Any], path: str
) -> tuple[Roster, tuple[tuple[str, str], ...]]:
    """The servers by the ledger's names, each with its URL from now on; none may be missing (I2)."""
    there: dict[str, str] = stored["servers"]
    moved = {
        name: str(origin)
        for name, origin in roster.origins.items()
        if name in there and str(origin) not in there.values() and ledger.cost_nothing(name)
    }
    now = {**there, **moved}
    try:
        known = roster.known_as(now)
    except ServersUnusable as error:
        raise LedgerUnusable(f"{path!r} {error}") from None
    for name in now.keys() - known.origins.keys():
        if open_ := ledger.open(name):
            raise LedgerUnusable(
                f"{path!r} has {open_:,} unfinished jobs of {there[name]}, which was not given: "
                f"say {f'--server {name}={there[name]}' if name else f'--url {there[name]}'} too"
            )
    now |= {name: str(origin) for name, origin in known.origins.items()}
    for name in moved:
        ledger.begin_at_another(name)
    if now != there:
        stored["servers"] = now
        ledger.keep_settings(stored)
    return known, tuple((there[name], url) for name, url in moved.items())
