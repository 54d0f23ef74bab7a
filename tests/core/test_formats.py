"""The nine formats, and the marks by which a whole file is told from one cut short."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core.formats import FORMATS, TAIL, known, listed


@pytest.mark.rules("R7")
def test_the_documents_table() -> None:
    assert [(row.key, row.capability, f".{row.extension}") for row in FORMATS.values()] == [
        ("image", "IMAGE", ".png"),
        ("pdf", "PDF", ".pdf"),
        ("apdf", "APDF", ".pdf"),
        ("ppt", "PPT", ".pptx"),
        ("xls", "XLS", ".xlsx"),
        ("doc", "DOC", ".docx"),
        ("csv", "CSV", ".csv"),
        ("xml", "XML", ".xml"),
        ("mhtml", "MHTML", ".mhtml"),
    ]
    assert all(key == row.key for key, row in FORMATS.items())


@pytest.mark.rules("D25")
def test_media_types_are_lower_case_and_the_first_is_the_registered_one() -> None:
    registered = {key: row.media_types[0] for key, row in FORMATS.items()}
    office = "application/vnd.openxmlformats-officedocument."
    assert registered == {
        "image": "image/png",
        "pdf": "application/pdf",
        "apdf": "application/pdf",
        "ppt": office + "presentationml.presentation",
        "xls": office + "spreadsheetml.sheet",
        "doc": office + "wordprocessingml.document",
        "csv": "text/csv",
        "xml": "application/xml",
        "mhtml": "multipart/related",
    }
    for row in FORMATS.values():
        assert all(kind == kind.lower() and kind.count("/") == 1 for kind in row.media_types)
        assert len(set(row.media_types)) == len(row.media_types)


@pytest.mark.rules("D11", "R11")
def test_a_key_or_capability_is_known_in_any_case() -> None:
    for key, row in FORMATS.items():
        assert known(key) is known(row.capability) is known(key.title()) is row
    assert known("parquet") is None
    assert known("") is None


@pytest.mark.rules("D11", "R10")
@pytest.mark.parametrize(
    ("key", "formats", "found"),
    [
        ("pdf", ("image", "pdf"), "pdf"),
        ("pdf", ("IMAGE", "PDF"), "PDF"),
        ("PDF", ("Pdf",), "Pdf"),
        ("pdf", ("PDF", "pdf"), "pdf"),
        ("pdf", ("image",), None),
        ("pdf", (), None),
        ("k", ("\u212a",), None),
        ("parquet", ("Parquet",), "Parquet"),
    ],
)
def test_a_key_is_spelled_as_the_server_lists_it(key: str, formats: tuple[str, ...], found: str | None) -> None:
    assert listed(key, formats) == found


# ---- end marks (D22)


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def _zip(comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.comment = comment
    return file.getvalue()


WHOLE = [
    ("image", _png()),
    ("pdf", b"%PDF-1.7\nstartxref\n9\n%%EOF"),
    ("pdf", b"%PDF-1.7\nstartxref\n9\n%%EOF\r\n"),
    ("apdf", b"%PDF-1.7\n%%EOF\n" + b"\0" * 1000),
    ("xls", _zip()),
    ("ppt", _zip(b"a comment")),
    ("doc", _zip(b"x" * 65_535)),
    ("xml", b"<a/>"),
    ("xml", b"<?xml version='1.0'?><a><b/></a>\n"),
    ("xml", b"<a></a >\r\n\0"),
    ("xml", b"<a></a><!-- one --> <!-- <b> two -->\n"),
    ("mhtml", b"MIME-Version: 1.0\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
    ("mhtml", b"--b--"),
]

CUT = [
    ("image", _png()[:-1]),
    ("image", _png() + b"\n"),
    ("pdf", b"%PDF-1.7\nstartxref\n9\n%%EO"),
    ("pdf", b"%%EOF" + b"\0" * 1024),
    ("xls", _zip()[:-1]),
    ("xls", _zip()[:-22]),
    ("xls", _zip() + b"\0"),
    ("doc", _zip(b"a comment")[:-1]),
    ("doc", b"PK\x05\x06"),
    ("xml", b"<a><b></b>text"),
    ("xml", b"<a><b>"),
    ("xml", b"<a></a"),
    ("xml", b"a/>"),
    ("xml", b"<!-- nothing but this -->"),
    ("xml", b"the rest of a comment -->"),
    ("mhtml", b"--b\r\n\r\nx\r\n--b"),
    ("mhtml", b"x\r\n--b-- and more\r\n"),
    ("mhtml", b"x\r\n----\r\n"),
]


@pytest.mark.rules("D22")
@pytest.mark.parametrize(("key", "body"), WHOLE, ids=lambda value: ascii(value)[:30])
def test_a_whole_file_ends_with_its_mark(key: str, body: bytes) -> None:
    ends = FORMATS[key].ends
    assert ends is not None
    assert ends(body[-TAIL:])
    assert ends((b"earlier\n" + body)[-TAIL:])


@pytest.mark.rules("D22")
@pytest.mark.parametrize(("key", "body"), [*CUT, *((row.key, b"") for row in FORMATS.values() if row.ends)])
def test_a_file_cut_short_does_not(key: str, body: bytes) -> None:
    ends = FORMATS[key].ends
    assert ends is not None
    assert not ends(body[-TAIL:])


@pytest.mark.rules("D22")
def test_csv_has_no_mark() -> None:
    assert [key for key, row in FORMATS.items() if row.ends is None] == ["csv"]


@pytest.mark.rules("D22", "I11")
@given(st.binary() | st.builds(bytes.__add__, st.binary(), st.sampled_from([body for _, body in WHOLE + CUT])))
def test_no_body_makes_a_mark_raise(body: bytes) -> None:
    for row in FORMATS.values():
        if row.ends is not None:
            assert row.ends(body) in (True, False)


@pytest.mark.rules("D22")
@pytest.mark.parametrize("key", ["image", "pdf", "xls", "mhtml"])
def test_no_shorter_part_of_a_file_looks_whole(key: str) -> None:
    body = {"image": _png(), "pdf": WHOLE[1][1], "xls": _zip(b"comment"), "mhtml": WHOLE[-2][1]}[key]
    ends = FORMATS[key].ends
    assert ends is not None
    # Line breaks at the end belong to no mark.
    assert not any(ends(body[:length]) for length in range(len(body.rstrip(b"\r\n"))))
