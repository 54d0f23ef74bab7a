"""Decides what a file is called, on either end: a hint from the wire in, a name safe on every platform out (R25, D24).

The same hint gives the same name everywhere, so Windows' rules count on Linux too. Must never give a name that is
empty, points elsewhere, hides itself, or means something to a shell, a device or a file system.

Kept: letters, marks, digits, punctuation and symbols of every script, right-to-left letters and emoji included.
Zero-width joiners stay between characters that are not ASCII (Persian, Indic scripts and emoji families need them
there). Every other format character goes: a direction override lets `fdp.exe` read `exe.pdf`, and what is invisible
makes two names look alike.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category, normalize

from reportdl_core.formats import FORMATS, known
from reportdl_core.job import Job

__all__ = ["LIMIT", "clean", "file_name", "server_name"]

LIMIT: Final = 255 - 24
"""The longest name in UTF-8 bytes: what file systems allow, less room for ` (9999)` and `.unverified` behind it."""

_SHORTEST: Final = 32  # below it, an extension and a device's name leave nothing to cut
_RESERVED: Final = frozenset('<>:"/\\|?*')
_JOINERS: Final = frozenset("\u200c\u200d")
# Letters and symbols by their category, blank or nothing to the eye.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_EXTENDING: Final = frozenset({"Mn", "Me", "Mc"})
_DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789\u00b9\u00b2\u00b3"}
)
# What the nine formats were called by older programs, and what plugins wrongly call them.
_RELATED: Final = frozenset(row.extension for row in FORMATS.values()) | frozenset(
    {"doc", "htm", "html", "jpeg", "jpg", "mht", "ppt", "txt", "xls"}
)
# What a double click runs. Such an end is not taken from a server for a format that nobody knows.
_RUNNABLE: Final = frozenset(
    {"app", "bat", "cmd", "com", "command", "cpl", "desktop", "dll", "exe", "gadget", "hta", "inf", "jar", "js", "jse"}
    | {"lnk", "msc", "msi", "msp", "pif", "ps1", "reg", "scf", "scr", "sh", "sys", "url", "vb", "vbe", "vbs"}
    | {"workflow", "ws", "wsf", "wsh"}
)


def clean(name: str, *, limit: int = LIMIT) -> str:
    """A base name that is safe on every platform, in NFC and at most `limit` (32 or more) bytes of UTF-8. Idempotent.

    What precedes the last separator is dropped, as are controls and the invisible; reserved characters, unassigned
    and private ones become `_`; so does a leading `-` or `~`, which a shell would take for an option or a home.
    An extension outlasts the cut. A name of which nothing is left is `_`.
    """
    if limit < _SHORTEST:
        raise ValueError(f"limit must be at least {_SHORTEST} bytes, not {limit}")
    return _safe(_cut(_safe(_base(name)), limit)) or "_"


def file_name(offered: str | None, *, job: Job) -> str:
    """The name for a job's file: the server's hint cleaned, with the format's extension (R7, R25, D24).

    A hint's own extension is replaced where it is one that reports have, and otherwise stays before the right one.
    A format that the table does not know takes the hint's extension, unless a double click would run it, else the
    key. Without a usable hint the name is `<element>_<segment>.<extension>`.
    """
    hint = _base(offered or "")
    row = known(job.format)
    extension = _foreign_extension(hint, job.format) if row is None else row.extension
    stem = _stem(hint, extension)
    if not stem.strip("_-~. "):
        stem = f"{job.element}_{job.segment}"
    return clean(f"{stem}.{extension}")


def server_name(element_name: str, extension: str, *, element: int) -> str:
    """The name that the endpoint gives a file: `<element-name>.<extension>`, reserved characters stripped (R25, D24).

    Controls are stripped too; a name of which nothing is left is `element-<id>`.
    """
    kept = "".join(one for one in element_name if one not in _RESERVED and category(one) not in ("Cc", "Cs")).strip()
    return f"{kept if kept.strip('. ') else f'element-{element}'}.{extension}"


def _base(name: str) -> str:
    """What follows the last separator, character by character made harmless."""
    # Surrogates in pairs are one character, alone they are none.
    whole = name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    # Composed before and after: some characters compose into ones that are judged otherwise, and what is dropped
    # brings others together.
    harmless = "".join(map(_harmless, normalize("NFC", whole))).replace("\\", "/")
    last = harmless.rstrip("/. ").rpartition("/")[2]
    return normalize("NFC", _without_joiners("".join("_" if one in _RESERVED else one for one in last)))


def _harmless(character: str) -> str:
    if character in _INVISIBLE:
        return ""
    if character.isprintable() or character in _JOINERS:
        return character
    if character.isspace():
        return " "
    return "" if category(character) in ("Cc", "Cf") else "_"


def _without_joiners(text: str) -> str:
    """Joiners stay between two characters that are not ASCII: elsewhere they are only there to deceive."""
    kept: list[str] = []
    for character, after in zip(text, (text + " ")[1:], strict=True):
        beside = (kept[-1] if kept else " ") + after
        if character not in _JOINERS or not (beside[0].isascii() or beside[1].isascii() or _JOINERS & set(beside)):
            kept.append(character)
    return "".join(kept)


def _safe(base: str) -> str:
    """The ends and the whole of a name: no hidden file, no dot that Windows drops, no option, home or device."""
    name = base.strip(". ")
    if name.startswith(("-", "~")):
        name = f"_{name[1:]}"
    if name.partition(".")[0].rstrip().upper() in _DEVICES:
        name = f"_{name}"
    return name


def _cut(name: str, limit: int) -> str:
    """At most `limit` bytes, cut out of the stem between two characters as a reader sees them."""
    if len(name.encode()) <= limit:
        return name
    stem, dot, extension = name.rpartition(".")
    if not (stem and _sane(extension)):
        stem, dot, extension = name, "", ""
    room = limit - len(dot) - len(extension)
    end = len(stem.encode()[:room].decode("utf-8", "ignore"))
    whole = end
    while whole and (_extends(stem[whole]) or stem[whole - 1] in _JOINERS):
        whole -= 1
    return f"{stem[: whole or end].rstrip('. ' + ''.join(_JOINERS))}{dot}{extension}"


def _extends(character: str) -> bool:
    """Whether it belongs to the character before it: a mark, a variation selector, a joiner, a skin tone."""
    return category(character) in _EXTENDING or character in _JOINERS or "\U0001f3fb" <= character <= "\U0001f3ff"


def _sane(extension: str) -> bool:
    return 1 <= len(extension) <= 10 and extension.isascii() and extension.isalnum()


def _foreign_extension(hint: str, key: str) -> str:
    offered = hint.rpartition(".")[2].lower() if "." in hint else ""
    if _sane(offered) and not offered.isdigit() and offered not in _RUNNABLE:
        return offered
    wanted = "".join(one for one in key.lower() if one.isalnum())[:10]
    return wanted if wanted and wanted not in _RUNNABLE else "bin"


def _stem(hint: str, extension: str) -> str:
    """The hint without the extensions that the right one replaces, however many a server appended."""
    replaced, end = _RELATED | {extension}, len(hint)
    while (dot := hint.rfind(".", 0, end)) >= 0 and hint[dot + 1 : end].strip().lower() in replaced:
        end = dot
        while end and hint[end - 1] in ". ":
            end -= 1
    return hint[:end]
