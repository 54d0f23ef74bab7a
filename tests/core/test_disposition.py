"""What a Content-Disposition says, from the letter of the standards to what servers send (R24, D4, D24, I11)."""

from __future__ import annotations

import time
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reportdl_core.disposition import Disposition, format_disposition, parse_disposition

pytestmark = pytest.mark.rules("R24", "D24")


@pytest.mark.rules("D4")
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("attachment", "attachment"),
        ("ATTACHMENT", "attachment"),
        ("  attachment\t; filename=a", "attachment"),
        ("inline", "inline"),
        ("inline; attachment; filename=a", "inline"),
        ("attachment; inline; filename=a", "attachment"),
        ("form-data; name=x; filename=a", "form-data"),
        ("attachment filename=a.pdf", "attachment"),
        ("attachment, filename=a.pdf", "attachment"),
        ("attachment (a comment); filename=a", "attachment"),
        ('"attachment"; filename=a', ""),
        ("attachment/pdf; filename=a", ""),
        ("filename=a.pdf", ""),
        ("filename = a.pdf", ""),
        ("; filename=a.pdf", ""),
        ("", ""),
        ("   ", ""),
        ("=", ""),
        (";;;", ""),
    ],
)
def test_the_type_is_a_token_in_any_case_or_nothing(value: str, kind: str) -> None:
    assert parse_disposition(value).type == kind


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        # Nothing, or nothing usable.
        ("attachment", None),
        ("attachment; filename", None),
        ("attachment; filename=", None),
        ('attachment; filename=""', None),
        ('attachment; filename="  "', None),
        ("attachment; filename*=UTF-8''", None),
        ("attachment; xfilename=a.pdf", None),
        ('attachment; name="a.pdf"', None),
        ("attachment; file name=a.pdf", None),
        # The document's own example, and plain values.
        ('attachment; filename="Sales Dashboard.pdf"', "Sales Dashboard.pdf"),
        ("attachment; filename=sales.pdf", "sales.pdf"),
        ("attachment; FILENAME=sales.pdf", "sales.pdf"),
        ("attachment;filename=sales.pdf", "sales.pdf"),
        ('attachment; filename = "sales.pdf"', "sales.pdf"),
        ('attachment; ; ;filename="sales.pdf";', "sales.pdf"),
        ("filename=sales.pdf", "sales.pdf"),
        ('filename="a; b.pdf"', "a; b.pdf"),
        ("attachment; filename='sales.pdf'", "'sales.pdf'"),
        # Not quoted although it should be.
        ("attachment; filename=Sales Dashboard.pdf", "Sales Dashboard.pdf"),
        ("attachment; filename=Sales Dashboard.pdf ; size=3", "Sales Dashboard.pdf"),
        ("attachment; filename=a,b.pdf", "a,b.pdf"),
        ("attachment; filename=a/b[1].pdf", "a/b[1].pdf"),
        ('attachment; filename=5" disk.pdf', '5" disk.pdf'),
        # Quotes and escapes.
        (r'attachment; filename="the \"best\" one.pdf"', 'the "best" one.pdf'),
        (r'attachment; filename="a\\b.pdf"', r"a\b.pdf"),
        (r'attachment; filename="re\port.pdf"', "report.pdf"),
        (r'attachment; x="\"\\";filename="a.pdf"', "a.pdf"),
        ('attachment; x="filename=wrong.pdf"; filename=right.pdf', "right.pdf"),
        ('attachment; filename="a.pdf".exe; size=1', "a.pdf"),
        ('attachment; filename="a;b=c.pdf"', "a;b=c.pdf"),
        (r'attachment; filename="C:\reports\sales.pdf"', r"C:\reports\sales.pdf"),
        (r'attachment; filename="C:\\reports\\sales.pdf"', r"C:\reports\sales.pdf"),
        # A quote that nobody closed.
        ('attachment; filename="a.pdf', "a.pdf"),
        ('attachment; filename="', None),
        ('attachment; filename="a.pdf\\', "a.pdf"),
        ("attachment; filename=\"a.pdf; filename*=UTF-8''b.pdf", "b.pdf"),
        # Percent signs mean something only behind the star.
        ('attachment; filename="100%25.pdf"', "100%25.pdf"),
        ("attachment; filename=a%20b.pdf", "a%20b.pdf"),
        ("attachment; filename=%c3%a4.pdf", "%c3%a4.pdf"),
        # The first of two counts, and an empty one is none.
        ("attachment; filename=a.pdf; filename=b.pdf", "a.pdf"),
        ("attachment; filename=; filename=b.pdf", "b.pdf"),
        # Encoded words belong to mail.
        ('attachment; filename="=?UTF-8?Q?a?="', "=?UTF-8?Q?a?="),
        # Hostile, and decoded as it stands: cleaning is the name's business.
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("attachment; filename*=UTF-8''a%00.pdf", "a\0.pdf"),
    ],
)
def test_plain_names(value: str, filename: str | None) -> None:
    assert parse_disposition(value).filename == filename


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.pdf", "\u20ac rates.pdf"),
        ("attachment; filename*=utf-8'en'caf%C3%A9.pdf", "caf\u00e9.pdf"),
        ("attachment; filename*=UTF8''caf%C3%A9.pdf", "caf\u00e9.pdf"),
        ("attachment; filename*=iso-8859-1''caf%E9.pdf", "caf\u00e9.pdf"),
        ("attachment; filename* = UTF-8''a.pdf", "a.pdf"),
        ("attachment; FileName*=UTF-8''a.pdf", "a.pdf"),
        # The star wins wherever it stands.
        ("attachment; filename=plain.pdf; filename*=UTF-8''star.pdf", "star.pdf"),
        ("attachment; filename*=UTF-8''star.pdf; filename=plain.pdf", "star.pdf"),
        ("attachment; filename*=UTF-8''first.pdf; filename*=UTF-8''second.pdf", "first.pdf"),
        # Forbidden there, and sent all the same.
        ("attachment; filename*=\"UTF-8''caf%C3%A9.pdf\"", "caf\u00e9.pdf"),
        ("attachment; filename*=UTF-8''two words.pdf", "two words.pdf"),
        ("attachment; filename*=UTF-8''caf\u00c3\u00a9.pdf", "caf\u00e9.pdf"),
        ("attachment; filename*=UTF-8''it%27s.pdf", "it's.pdf"),
        ("attachment; filename*=UTF-8''it's.pdf", "it's.pdf"),
        # Damaged: the plain name is the better one.
        ("attachment; filename*=''a.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=a.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8'a.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''a%.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''a%4; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''a%zz.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''a% 4.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''caf%E9.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''%ed%a0%80.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=iso-8859-1''%c3%a4-%e2%82%ac.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=windows-1252''%80.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-7''+AGE-.pdf; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=UTF-8''; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*=windows-1252''%80.pdf", None),
    ],
)
def test_extended_names(value: str, filename: str | None) -> None:
    assert parse_disposition(value).filename == filename


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        ('attachment; filename*0="sales."; filename*1="pdf"', "sales.pdf"),
        ('attachment; filename*1="pdf"; filename*0="sales."', "sales.pdf"),
        ("attachment; filename*0*=UTF-8''caf%C3; filename*1*=%A9; filename*2=.pdf", "caf\u00e9.pdf"),
        ("attachment; filename*0*=UTF-8''100%25; filename*1=%25.pdf", "100%%25.pdf"),
        ('attachment; filename*0="a"; filename*2="c"', "a"),
        ('attachment; filename*1="b"', None),
        ('attachment; filename*00="a"; filename=plain.pdf', "plain.pdf"),
        ("attachment; filename*0*=UTF-8''a%; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*0*=UTF-8''a; filename*1*=%zz; filename=plain.pdf", "plain.pdf"),
        ("attachment; filename*0*=UTF-8''part; filename*=UTF-8''whole.pdf", "whole.pdf"),
        ("attachment; filename*-1=a; filename=plain.pdf", "plain.pdf"),
    ],
)
def test_continued_names(value: str, filename: str | None) -> None:
    assert parse_disposition(value).filename == filename


@pytest.mark.parametrize(
    ("sent", "filename"),
    [
        ("caf\u00e9.pdf".encode(), "caf\u00e9.pdf"),
        ("\u58f2\u4e0a.pdf".encode(), "\u58f2\u4e0a.pdf"),
        ("caf\u00e9.pdf".encode("latin-1"), "caf\u00e9.pdf"),
    ],
)
@pytest.mark.parametrize("decoded_as", ["iso-8859-1", "utf-8"])
def test_raw_octets_are_recovered_however_the_transport_decoded_them(
    sent: bytes, filename: str, decoded_as: str
) -> None:
    value = (b'attachment; filename="' + sent + b'"').decode(decoded_as, "surrogateescape")
    assert parse_disposition(value).filename == filename


@pytest.mark.rules("I11")
@given(
    st.text()
    | st.text(alphabet="fFilename*01=;\"'\\% UTF-8\u00e9\ud800\udcc3,")
    | st.binary().map(lambda b: b.decode("latin-1"))
)
@example("\ud83d\ude00")
@example('attachment; filename="\ud800"')
def test_no_header_raises_and_no_name_is_blank_or_cannot_be_encoded(value: str) -> None:
    for header in (value, f"attachment; filename={value}", f'attachment; filename="{value}', f"a; filename*={value}"):
        found = parse_disposition(header)
        assert found.type == found.type.lower()
        assert found.filename is None or (found.filename.strip() and found.filename.encode())


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda name: bool(name.strip())))
@example("Sales Dashboard.pdf")
@example('a"b\\c%41;d\r\nSet-Cookie: x.pdf')
@example("\u2100.pdf")
def test_what_is_written_is_ascii_without_controls_and_reads_back_as_it_was(name: str) -> None:
    value = format_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    assert parse_disposition(value) == Disposition(type="attachment", filename=name)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda name: bool(name.strip())))
def test_the_ascii_name_needs_no_escape_and_brings_no_separator_back(name: str) -> None:
    plain = format_disposition(name).split('"')[1]
    assert plain
    assert not set(plain) & set('%\\/:*?"<>|')
    if name.isascii() and name.isprintable() and not set(name) & set('%\\/:*?"<>|'):
        assert plain == name


@pytest.mark.rules("R25")
def test_the_documents_example_is_written_as_the_document_shows_it() -> None:
    assert format_disposition("Sales Dashboard.pdf").startswith(
        'attachment; filename="Sales Dashboard.pdf"; filename*='
    )


def test_accents_are_dropped_from_the_ascii_name_rather_than_replaced() -> None:
    assert 'filename="Ubersicht.pdf"' in format_disposition("\u00dcbersicht.pdf")
    assert 'filename="Ubersicht.pdf"' in format_disposition(normalize("NFD", "\u00dcbersicht.pdf"))


def test_lone_surrogates_are_written_as_the_replacement_character() -> None:
    assert parse_disposition(format_disposition("a\ud800.pdf")).filename == "a\ufffd.pdf"


HOSTILE = {
    "escapes": 'attachment; filename="' + "\\a" * 32_000,
    "escapes, closed": 'attachment; filename="' + "\\a" * 32_000 + '"',
    "open quotes": 'a="' * 20_000,
    "quotes and semicolons": 'x=";' * 16_000,
    "blanks": "attachment" + " " * 64_000 + "x",
    "equals": "=" * 64_000,
    "percents": "attachment; filename*=UTF-8''" + "%41" * 20_000,
    "parts": ";".join(f"filename*{number}*=a" for number in range(4_000)),
}


@pytest.mark.rules("D36")
@pytest.mark.parametrize("value", HOSTILE.values(), ids=list(HOSTILE))
def test_time_grows_with_the_length_alone(value: str) -> None:
    # A header of 64 KiB takes some 10 ms; a scan per character would take minutes.
    started = time.perf_counter()
    parse_disposition(value)
    assert time.perf_counter() - started < 1.0
