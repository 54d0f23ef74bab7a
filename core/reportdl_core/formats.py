"""Decides what is known of the nine formats: key, capability, extension, media types, end mark (R7).

Must never decide what a report offers: that is per report and declared by its plugin (R11). Keys that are not
here are carried through, not rejected (D11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["FORMATS", "TAIL", "Format", "known", "listed"]

TAIL: Final = 65_557  # a ZIP end record (22 bytes) and its longest comment: the most that an end mark needs


def _pdf(tail: bytes) -> bool:
    return b"%%EOF" in tail[-1024:]


def _png(tail: bytes) -> bool:
    return tail.endswith(b"\x00\x00\x00\x00IEND\xaeB`\x82")


def _zip(tail: bytes) -> bool:
    # The record's comment may hold the mark itself, so each candidate is tried: its comment must reach the very end.
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if len(tail) - at - 22 == int.from_bytes(tail[at + 20 : at + 22], "little"):
            return True
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return False


def _xml(tail: bytes) -> bool:
    # The document's element may be followed by comments only, so a closing tag or an empty root must end it.
    text = tail.rstrip(b" \t\r\n\x00")
    while text.endswith(b"-->"):
        start = text.rfind(b"<!--")
        if start < 0:
            return False
        text = text[:start].rstrip(b" \t\r\n")
    start = text.rfind(b"<")
    return text.endswith(b">") and start >= 0 and (text.startswith(b"</", start) or text.endswith(b"/>"))


def _mhtml(tail: bytes) -> bool:
    # The last line of a multipart is its boundary with two dashes on either side.
    line = tail.rstrip(b" \t\r\n").rpartition(b"\n")[2].strip()
    return line.startswith(b"--") and line.endswith(b"--") and len(line) > 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row of the document's table, and what is needed to judge a file of it.

    `media_types` holds lower-case types; the first is the registered one, the rest are accepted too (D25).
    `ends(tail)` says whether the last `TAIL` bytes of a file carry the format's end mark; None where the
    format has none (csv), so that a body without a length cannot be verified (D22).
    """

    key: str
    capability: str
    extension: str
    media_types: tuple[str, ...]
    ends: Callable[[bytes], bool] | None


_OOXML: Final = "application/vnd.openxmlformats-officedocument."

FORMATS: Final[dict[str, Format]] = {
    row.key: row
    for row in (
        Format(key="image", capability="IMAGE", extension="png", media_types=("image/png",), ends=_png),
        Format(key="pdf", capability="PDF", extension="pdf", media_types=("application/pdf",), ends=_pdf),
        Format(key="apdf", capability="APDF", extension="pdf", media_types=("application/pdf",), ends=_pdf),
        Format(
            key="ppt",
            capability="PPT",
            extension="pptx",
            media_types=(f"{_OOXML}presentationml.presentation", "application/vnd.ms-powerpoint"),
            ends=_zip,
        ),
        Format(
            key="xls",
            capability="XLS",
            extension="xlsx",
            media_types=(f"{_OOXML}spreadsheetml.sheet", "application/vnd.ms-excel"),
            ends=_zip,
        ),
        Format(
            key="doc",
            capability="DOC",
            extension="docx",
            media_types=(f"{_OOXML}wordprocessingml.document", "application/msword"),
            ends=_zip,
        ),
        Format(
            key="csv",
            capability="CSV",
            extension="csv",
            media_types=("text/csv", "application/csv", "text/plain"),
            ends=None,
        ),
        Format(key="xml", capability="XML", extension="xml", media_types=("application/xml", "text/xml"), ends=_xml),
        Format(
            key="mhtml",
            capability="MHTML",
            extension="mhtml",
            media_types=("multipart/related", "message/rfc822", "application/x-mimearchive"),
            ends=_mhtml,
        ),
    )
}
"""The nine formats of the document by key, in its order (R7)."""


def known(key: str) -> Format | None:
    """The format with this key or capability, in any case (D11); None for a key that is not in the table."""
    return FORMATS.get(key.lower())


def listed(key: str, formats: tuple[str, ...]) -> str | None:
    """`key` spelled as the server lists it (D11); None where the report does not offer it (R10)."""
    if key in formats:
        return key
    # ASCII alone: Unicode folds other letters onto ours, and a key of the server's becomes part of a job.
    return next((one for one in formats if one.isascii() and one.lower() == key.lower()), None)
