"""Decides what a Content-Disposition header says, and how one is written (R24, D4, D24).

Reads what the standards allow (RFC 6266, 8187, continuations of 2231) and what servers send in spite of them. Must
never raise for what stands in a header, never take more than linear time, and never call a name safe: `names` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from unicodedata import combining, normalize
from urllib.parse import quote

__all__ = ["Disposition", "format_disposition", "parse_disposition"]

_SPACE: Final = " \t\r\n"
_GAP: Final = frozenset(_SPACE + ",")
_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# What RFC 8187 lets stand in an extended value beside letters, digits and `_.-~`; the rest is percent-encoded.
_ATTRIBUTE: Final = "!#$&+^`|"
# Both without a way back, so that no header takes more than linear time. The first begins behind the opening quote.
_QUOTED: Final = re.compile(r'((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_OCTETS: Final = "iso-8859-1"
_UNITS: Final = "utf-16-le"
# Some readers decode a percent sign and drop a backslash; a decomposed letter must not bring a separator back (R25).
_PLAIN: Final = frozenset(map(chr, range(32, 127))) - frozenset('%\\/:*?"<>|')


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What the header said.

    `type` is in lower case, empty where there is none that could be one. `filename` is decoded and not cleaned: it
    may hold separators and controls, but no lone surrogate, and is never blank; None where no usable name came.
    """

    type: str
    filename: str | None


def parse_disposition(value: str) -> Disposition:
    """Read a header's value, as ISO-8859-1 (or any other) text. Never raises; of duplicates the first counts."""
    kind, at = _type(value)
    found: dict[str, str] = {}
    for name, text in _parameters(value, at):
        if name.startswith("filename") and text.strip():
            found.setdefault(name, text)
    return Disposition(type=kind, filename=_filename(found))


def format_disposition(filename: str) -> str:
    """`attachment` with the name twice: in ASCII for old readers, and whole as `filename*` (D24). Pure ASCII itself."""
    whole = _scalar(filename)
    plain = "".join(map(_plain, normalize("NFKD", whole))) or "_"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(whole, safe=_ATTRIBUTE)}"


def _plain(character: str) -> str:
    if character in _PLAIN:
        return character
    return "" if combining(character) else "_"


def _type(value: str) -> tuple[str, int]:
    """The type, and where the parameters begin: at once where the type was forgotten."""
    start = len(value) - len(value.lstrip(_SPACE))
    end = _skip(value, start, _TOKEN)
    after = _skip(value, end, _GAP)
    if value.startswith("=", after):
        return "", start
    if after == len(value) or value[after] == ";" or after > end:
        return value[start:end].lower(), after
    return "", _or_end(value.find(";"), value)  # `"attachment"`, `attachment/x`: not a token, so not a type


def _skip(value: str, at: int, passed: frozenset[str]) -> int:
    while at < len(value) and value[at] in passed:
        at += 1
    return at


def _parameters(value: str, at: int) -> Iterator[tuple[str, str]]:
    """Names in lower case and texts, unquoted, from `at` to the end. Parts without `=` are passed over."""
    while at < len(value):
        end = _or_end(value.find(";", at), value)
        equals = value.find("=", at, end)
        if equals >= 0:
            name = value[at:equals].strip(_SPACE).lower()
            text, end = _text(value, _skip(value, equals + 1, _GAP), end)
            yield name, text
        at = end + 1


def _text(value: str, at: int, end: int) -> tuple[str, int]:
    """The parameter's text that begins at `at`, and where it ends: `end`, unless a quoted string goes further."""
    if not value.startswith('"', at):
        return value[at:end].strip(_SPACE), end  # what has spaces and commas should have been quoted, and is not
    quoted = _QUOTED.match(value, at + 1)
    if quoted is None:
        # Nobody closed the quote. What follows the semicolon may still be a good `filename*`.
        return _unquoted(value[at + 1 : end]), end
    return _unquoted(quoted[1]), _or_end(value.find(";", quoted.end()), value)


def _or_end(position: int, value: str) -> int:
    return len(value) if position < 0 else position


def _unquoted(text: str) -> str:
    if len(text) > 3 and text[0].isalpha() and text[1:3] == ":\\" and text[3] != "\\":
        return text  # a Windows path whose backslashes were never meant as escapes
    return _ESCAPE.sub(r"\1", text)


def _filename(found: dict[str, str]) -> str | None:
    if len(found) == 1 and found.get("filename", "\N{BULLET}").isascii():
        return found["filename"]  # what nearly every server sends: nothing to decode, and not blank
    names = (_extended(found.get("filename*", "")), _continued(found), _recovered(_raw(found.get("filename", ""))))
    return next((whole for name in names if name is not None and (whole := _scalar(name)).strip()), None)


def _extended(text: str) -> str | None:
    """`charset'language'percent-encoded`; None where it is anything else."""
    return _by_charset(_percent_decoded(_raw(text)))


def _continued(found: dict[str, str]) -> str | None:
    """The parts `filename*0`, `filename*1`, ... joined; those with a second star are percent-encoded (RFC 2231)."""
    octets: list[bytes] = []
    for number in range(len(found)):
        if (part := found.get(f"filename*{number}*")) is not None:
            decoded = _percent_decoded(_raw(part))
            if decoded is None:
                return None
            octets.append(decoded)
        elif (part := found.get(f"filename*{number}")) is not None:
            octets.append(_raw(part))
        else:
            break
    # A character may be split between two parts: joined first, decoded then.
    return _by_charset(b"".join(octets)) if "filename*0*" in found else _recovered(b"".join(octets))


def _percent_decoded(raw: bytes) -> bytes | None:
    """The octets; None where a percent sign stands before anything but two digits: the name was damaged."""
    first, *rest = raw.split(b"%")
    if not all(len(piece) >= 2 and _HEX.issuperset(piece[:2]) for piece in rest):
        return None
    return first + b"".join(bytes.fromhex(piece[:2].decode()) + piece[2:] for piece in rest)


def _by_charset(raw: bytes | None) -> str | None:
    """By the two character sets that count (D24). Where octets do not fit them, the plain name is the better one."""
    charset, _, rest = (raw or b"").partition(b"'")
    _, quoted, octets = rest.partition(b"'")
    named = charset.strip().lower()
    if quoted and named in (b"utf-8", b"utf8"):
        return _utf8(octets)
    if quoted and named in (b"iso-8859-1", b"latin1"):
        text = octets.decode(_OCTETS)
        return None if any("\x80" <= character <= "\x9f" for character in text) else text
    return None


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _recovered(raw: bytes) -> str:
    """A plain name: UTF-8 where its octets are, else ISO-8859-1."""
    text = _utf8(raw)
    return raw.decode(_OCTETS) if text is None else text


def _raw(text: str) -> bytes:
    """The octets that a transport decoded: as ISO-8859-1, or as UTF-8 with surrogates for what was none."""
    for charset, errors in _SENT_AS:
        try:
            return text.encode(charset, errors)
        except UnicodeEncodeError:
            continue
    return _scalar(text).encode()


_SENT_AS: Final = ((_OCTETS, "strict"), ("utf-8", "surrogateescape"))


def _scalar(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced, so that it can be encoded and shown."""
    return text.encode(_UNITS, "surrogatepass").decode(_UNITS, "replace")
