"""Decides what a job's file is called by a template such as `{element}-{segment}-{date}.{ext}`, folders included.

Plain fields alone, each cleaned, so that no cell of a table can point out of the destination, reach an attribute or
hide a file. The extension follows from the format whatever the template says (D24).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Final, final

from reportdl.batch.inputs import Wanted
from reportdl_core.errors import ReportdlError
from reportdl_core.formats import known
from reportdl_core.names import clean, file_name

__all__ = ["NameTemplate", "TemplateUnusable", "safe_path"]

_OURS: Final = ("server", "element", "segment", "format", "ext", "date", "time", "line")
_DATE: Final = "%Y-%m-%d"
_TIME: Final = "%H%M%S"


class TemplateUnusable(ReportdlError, ValueError):
    """A name template that cannot be used."""


@final
@dataclass(frozen=True, slots=True)
class NameTemplate:
    """`{field}` for each of server, element, segment, format, ext, date, time, line, and for every further column.

    `{date:%Y%m}` and `{time:%H}` take strftime's words; `{{` and `}}` are braces; `/` makes folders.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            parts = list(Formatter().parse(self.text))
        except ValueError as error:
            raise TemplateUnusable(f"the name template {self.text!r} cannot be read: {error}") from None
        for _, field, spec, conversion in parts:
            if field is None:
                continue
            if not field or conversion or any(one in field for one in ".[]"):
                raise TemplateUnusable(f"the name template has {{{field}}}; it takes plain fields, such as {{element}}")
            if spec and field not in ("date", "time"):
                raise TemplateUnusable(f"the name template gives {{{field}}} a format; only date and time take one")
        if not self.text.strip("/ "):
            raise TemplateUnusable("the name template is empty")

    def check(self, columns: Iterable[str]) -> None:
        """Find out whether a table with these further columns has every field. Raises TemplateUnusable."""
        there = (*_OURS, *columns)
        for _, field, _, _ in Formatter().parse(self.text):
            if field is not None and field not in there:
                raise _no_such(field, there)

    def render(self, wanted: Wanted, *, began: datetime, server: str = "") -> str:
        """The path relative to the destination, with `/`; `began` is when the batch began. Raises TemplateUnusable."""
        values = {**_values(wanted), "server": server}
        pieces: list[str] = []
        for literal, field, spec, _ in Formatter().parse(self.text):
            pieces.append(literal)
            if field is not None:
                pieces.append(_value(field, spec or "", values, began))
        return safe_path("".join(pieces), wanted)


def _values(wanted: Wanted) -> dict[str, str]:
    job, row = wanted.job, known(wanted.job.format)
    ours = {
        "element": str(job.element),
        "segment": str(job.segment),
        "format": job.format,
        "ext": job.format.lower() if row is None else row.extension,
        "line": str(wanted.line),
    }
    return {**wanted.fields, **ours}


def _value(field: str, spec: str, values: Mapping[str, str], began: datetime) -> str:
    if field in ("date", "time"):
        text = began.strftime(spec or (_DATE if field == "date" else _TIME))
    elif field in values:
        text = values[field]
    else:
        raise _no_such(field, (*_OURS, *values))
    # A separator in a value would make a folder that nobody asked for.
    return text.replace("/", "_").replace("\\", "_")


def _no_such(field: str, there: tuple[str, ...]) -> TemplateUnusable:
    shown = ", ".join(name for name in dict.fromkeys(there) if name)
    return TemplateUnusable(f"the name template has {{{field}}}, and there is no such column; there are {shown}")


def safe_path(text: str, wanted: Wanted) -> str:
    """A relative path each part of which is safe on every platform, its last with the format's extension (D24)."""
    *folders, last = [part for part in text.replace("\\", "/").split("/") if part.strip(" .")] or [""]
    return "/".join([*(clean(folder) for folder in folders), file_name(last, job=wanted.job)])
