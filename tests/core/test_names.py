"""File names: a hint from the wire becomes a name that is safe on every platform (R25, D24)."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reportdl_core.formats import FORMATS
from reportdl_core.job import Job
from reportdl_core.names import LIMIT, clean, file_name, server_name

pytestmark = pytest.mark.rules("R25", "D24")

PDF = Job(element=1042, segment=7, format="pdf")
UNKNOWN = Job(element=1042, segment=7, format="Parquet-2")

DEVICES = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM1", "COM9", "COM\u00b2", "LPT0", "LPT\u00b9"]
MANY = 64_000
RESERVED = '<>:"/\\|?*'
# Everything that has fooled a cleaner before, so that Hypothesis puts it together.
NASTY = (
    './\\:*?"<>|~- \t\r\n\0\x1f\x7f\x85\u00a0\u00ad\u034f\u0301\u0338\u200b\u200c\u200d\u200e\u202e\u2028\u2066\u2800'
    "\u3000\u3164\u1160\ufe0f\ufeff\uffff\ufffd\ue000\U000e0041\u0378\u212a\u226e\u2126\u0958\ud800\udfff\ud83d\ude00"
    "aCONUL1$p.df\u00e9\u0131\u00b9\u0645\u05d0\u65e5\U0001f468\U0001f3fd"
)
TEXT = st.text() | st.text(alphabet=NASTY) | st.text(alphabet="\u0301e\u200d\u65e5.", min_size=80, max_size=300)


def is_safe(name: str) -> bool:
    """The rules again, said another way than the code says them."""
    visible = [unicodedata.category(character) for character in name]
    joiners = [character for character in name if unicodedata.category(character) == "Cf"]
    return (
        bool(name)
        and not set(name) & set(RESERVED)
        and name[0] not in ".-~ "
        and name[-1] not in ". "
        and not {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} & set(visible)
        and set(joiners) <= {"\u200c", "\u200d"}
        and name.split(".")[0].strip().upper() not in {*DEVICES, *(f"COM{n}" for n in range(10)), "CLOCK$"}
        and unicodedata.is_normalized("NFC", name)
        and len(name.encode()) <= 255 - len(" (9999)") - len(".unverified")
    )


@given(TEXT)
@example("a\u202efdp.exe")
@example("e\u200b\u0301.pdf")
@example("\u212aON")
@example("CON" + "\u0301" * 300)
@example("CON" + " " * 300 + "x.pdf")
@example("NUL." + "a" * 300)
@example("\u65e5\u200d\u200d\u65e5")
def test_a_cleaned_name_is_safe_and_stays_as_it_is(name: str) -> None:
    cleaned = clean(name)
    assert is_safe(cleaned), ascii(cleaned)
    assert clean(cleaned) == cleaned


@given(TEXT, st.integers(min_value=32, max_value=LIMIT))
@example("\U0001f468" * 40 + ".xlsx", 33)
def test_a_shorter_limit_is_kept_without_splitting_a_character(name: str, limit: int) -> None:
    cut = clean(name, limit=limit)
    assert len(cut.encode()) <= limit
    assert clean(cut, limit=limit) == cut
    assert is_safe(cut), ascii(cut)


@given(TEXT | st.none(), st.sampled_from([*FORMATS, "PDF", "parquet", "exe", "---", "a" * 64]))
def test_every_hint_gives_a_safe_name_with_the_formats_extension(offered: str | None, key: str) -> None:
    job = Job(element=1, format=key)
    name = file_name(offered, job=job)
    stem, _, extension = name.rpartition(".")
    assert is_safe(name), ascii(name)
    assert stem
    if key.lower() in FORMATS:
        assert extension == FORMATS[key.lower()].extension
    else:
        assert extension.isascii()
        assert extension.isalnum()
        assert extension not in {"exe", "bat", "lnk", "sh", "js"}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", ["{}", "{}.pdf", "{}.tar.gz", "{} .pdf", "{}  ", "{}.", "x/{}.pdf", ".{}"])
def test_no_name_is_a_device_whatever_follows_it(device: str, shape: str) -> None:
    for spelled in (device, device.lower(), device.title()):
        name = clean(shape.format(spelled))
        assert name.split(".")[0].strip().upper() == f"_{device}"


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        ("Sales Dashboard.pdf", "Sales Dashboard.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/", "etc"),
        ("C:\\Windows\\report.pdf", "report.pdf"),
        ("\\\\server\\share\\report.pdf", "report.pdf"),
        ("C:report.pdf", "C_report.pdf"),
        ("report.pdf::$DATA", "report.pdf__$DATA"),
        ("report.pdf:hidden", "report.pdf_hidden"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        (" . . ", "_"),
        ("\u202e\u200b", "_"),
        ("/", "_"),
        (".htaccess", "htaccess"),
        ("report.pdf. . .", "report.pdf"),
        ("-rf.pdf", "_rf.pdf"),
        ("~root", "_root"),
        ("a\0b\x1b[31m.pdf", "ab[31m.pdf"),
        ("a\tb\nc.pdf", "a b c.pdf"),
        ("a\u2028b\u00a0c.pdf", "a b c.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("in\u200dvoi\u200bce.pdf", "invoice.pdf"),
        ("a\ud800b.pdf", "ab.pdf"),
        ("\ud83d\ude00.pdf", "\U0001f600.pdf"),
        ("a\ue000b.pdf", "a_b.pdf"),
        ("e\u0301.pdf", "\u00e9.pdf"),
        ("\u3164\u2800.pdf", "pdf"),
        ('Q3: "best" <1>?*|.pdf', "Q3_ _best_ _1____.pdf"),
    ],
)
def test_what_becomes_of_a_hostile_name(hint: str, name: str) -> None:
    assert clean(hint) == name


@pytest.mark.parametrize(
    "name",
    [
        "\u58f2\u4e0a\u30ec\u30dd\u30fc\u30c8.pdf",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf",
        "\u05d3\u05d5\u05d7 \u05e8\u05d1\u05e2\u05d5\u05e0\u05d9.pdf",
        "\u0915\u094d\u200d\u0937.pdf",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 2024.pdf",
        "\u2764\ufe0f.pdf",
        "\uc6d4\ubcc4 \ubcf4\uace0\uc11c.pdf",
        "100% \u2013 (final) [v2] #1 & more, it's $5; a=b.pdf",
        "\uff1c\uff0f\uff1e.pdf",
    ],
)
def test_legitimate_names_of_every_script_stay_as_they_are(name: str) -> None:
    assert clean(name) == name


def test_a_long_name_keeps_its_extension_and_its_last_whole_character() -> None:
    assert clean("a" * 300 + ".xlsx") == "a" * (LIMIT - 5) + ".xlsx"
    assert clean("\u65e5" * 300 + ".pdf") == "\u65e5" * ((LIMIT - 4) // 3) + ".pdf"
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # 18 bytes, one character to a reader
    assert clean(family * 30 + ".pdf") == family * ((LIMIT - 4) // 18) + ".pdf"
    accented = "x\u0331"  # never composed
    assert clean(accented * 200 + ".csv") == accented * ((LIMIT - 4) // 3) + ".csv"


def test_a_limit_too_short_for_any_name_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        clean("a", limit=31)


@pytest.mark.rules("R7")
@pytest.mark.parametrize(
    ("hint", "name"),
    [
        ("Sales Dashboard.pdf", "Sales Dashboard.pdf"),
        ("Sales Dashboard.PDF", "Sales Dashboard.pdf"),
        ("Sales Dashboard", "Sales Dashboard.pdf"),
        ("Sales Dashboard.xlsx", "Sales Dashboard.pdf"),
        ("Sales Dashboard.pdf.pdf", "Sales Dashboard.pdf"),
        ("login.html", "login.pdf"),
        ("Sales 2024.12", "Sales 2024.12.pdf"),
        ("Dr. Who", "Dr. Who.pdf"),
        ("setup.exe", "setup.exe.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("con .pdf", "_con.pdf"),
        (None, "1042_7.pdf"),
        ("", "1042_7.pdf"),
        (".pdf", "1042_7.pdf"),
        ("..", "1042_7.pdf"),
        ("???.pdf", "1042_7.pdf"),
        ("\u200b\u202e.pdf", "1042_7.pdf"),
        ("x" * 300, "x" * (LIMIT - 4) + ".pdf"),
    ],
)
def test_the_extension_is_the_formats_and_the_stem_the_hints(hint: str | None, name: str) -> None:
    assert file_name(hint, job=PDF) == name


@pytest.mark.rules("D11")
@pytest.mark.parametrize(
    ("hint", "name"),
    [
        ("Sales.parquet", "Sales.parquet"),
        ("Sales.tar.GZ", "Sales.tar.gz"),
        ("Sales", "Sales.parquet2"),
        ("Sales 2024.12", "Sales 2024.12.parquet2"),
        ("Sales.exe", "Sales.exe.parquet2"),
        ("Sales.much-too-long", "Sales.much-too-long.parquet2"),
        (None, "1042_7.parquet2"),
    ],
)
def test_an_unknown_format_takes_a_sane_extension_from_the_hint_else_its_key(hint: str | None, name: str) -> None:
    assert file_name(hint, job=UNKNOWN) == name


@pytest.mark.parametrize("key", ["exe", "BAT", "---"])
def test_a_key_that_is_no_extension_becomes_bin(key: str) -> None:
    assert file_name("Sales", job=Job(element=1, format=key)) == "Sales.bin"


@given(st.text(max_size=40), st.sampled_from(sorted(FORMATS)))
def test_the_same_hint_twice_is_the_same_name(offered: str, key: str) -> None:
    job = Job(element=1, format=key)
    assert file_name(file_name(offered, job=job), job=job) == file_name(offered, job=job)


HOSTILE = {
    "one long word": "x" * MANY,
    "extensions": "x" + ".pdf" * (MANY // 4),
    "dots": "x" + "." * MANY,
    "blanks": "x" + " " * MANY + ".pdf",
    "separators": "/" * MANY + "x",
    "marks": "x" + "\u0331" * MANY,
    "joiners": "\u65e5\u200d" * (MANY // 2),
    "skin tones": "\U0001f468" + "\U0001f3fd" * MANY,
    "directions": "\u202e" * MANY + "x",
    "devices": "CON." * (MANY // 4),
    "dashes": "-" * MANY,
}


@pytest.mark.rules("D36")
@pytest.mark.parametrize("hint", HOSTILE.values(), ids=list(HOSTILE))
def test_time_grows_with_the_length_of_the_hint_alone(hint: str) -> None:
    # As long as a header may be: some 0.1 s; with a look at all characters for each of them it would be minutes.
    started = time.process_time()
    assert is_safe(file_name(hint, job=PDF))
    assert is_safe(clean(hint))
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("element_name", "name"),
    [
        ("Sales Dashboard", "Sales Dashboard.pdf"),
        (r'A\B/C:D*E?F"G<H>I|J', "ABCDEFGHIJ.pdf"),
        ("a\r\nb\0c\x7fd\x85e", "abcde.pdf"),
        ("  Sales  ", "Sales.pdf"),
        ("\u00dcbersicht", "\u00dcbersicht.pdf"),
        ("v1.2", "v1.2.pdf"),
        ("", "element-1042.pdf"),
        ("???", "element-1042.pdf"),
        ("..", "element-1042.pdf"),
        (" . ", "element-1042.pdf"),
    ],
)
def test_the_endpoint_strips_reserved_characters(element_name: str, name: str) -> None:
    assert server_name(element_name, "pdf", element=1042) == name


@given(TEXT)
def test_what_the_endpoint_names_has_nothing_reserved_and_the_client_takes_it(element_name: str) -> None:
    name = server_name(element_name, "pdf", element=1042)
    assert not set(name) & set(RESERVED)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    assert name.endswith(".pdf")
    assert is_safe(file_name(name, job=PDF))
