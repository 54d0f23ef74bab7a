"""The field's known cases for Content-Disposition: the well-formed ones right, the others harmless (R24, D24).

After the questions that the public test set for RFC 2231, 6266 and 8187 asks of browsers, with headers of our own. A
case says what it asks, the header, and the name: the one that the standards give where the header is well-formed, and
otherwise the one that loses least.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import pytest

from reportdl_core.disposition import parse_disposition
from reportdl_core.job import Job
from reportdl_core.names import file_name

pytestmark = pytest.mark.rules("R24", "D24")


class Case(NamedTuple):
    """One header, and what it means."""

    asks: str
    header: str
    type: str
    filename: str | None


A = "attachment"
E = "\u00e4"  # as ISO-8859-1 it is one octet, as UTF-8 two
EURO = "\u20ac"
UTF8 = f"sum-{E}-{EURO}.csv".encode().decode("latin-1")  # octets of UTF-8 in a header that is read as ISO-8859-1

WELL_FORMED = [
    # The type alone.
    Case("shown, not saved", "inline", "inline", None),
    Case("shown, with a name for saving", 'inline; filename="sum.csv"', "inline", "sum.csv"),
    Case("shown, with a name that lies", 'inline; filename="An attachment!"', "inline", "An attachment!"),
    Case("saved", "attachment", A, None),
    Case("saved, in capitals", "ATTACHMENT", A, None),
    Case("a type of the future", "foobar", "foobar", None),
    Case("a type of the future with a name", 'foobar; filename="sum.csv"', "foobar", "sum.csv"),
    # Plain names.
    Case("quoted", 'attachment; filename="sum.csv"', A, "sum.csv"),
    Case("a token", "attachment; filename=sum.csv", A, "sum.csv"),
    Case("the parameter in capitals", 'attachment; FILENAME="sum.csv"', A, "sum.csv"),
    Case("25 characters", 'attachment; filename="abcdefghijklmnopqrstu.csv"', A, "abcdefghijklmnopqrstu.csv"),
    Case("35 characters", f'attachment; filename="{"0123456789" * 3}x.csv"', A, f"{'0123456789' * 3}x.csv"),
    Case("a character escaped for no reason", r'attachment; filename="s\um.csv"', A, "sum.csv"),
    Case("escaped quotes", r'attachment; filename="\"quoted\" sum.csv"', A, '"quoted" sum.csv'),
    Case("a semicolon inside", 'attachment; filename="this; and that.csv"', A, "this; and that.csv"),
    Case("apostrophes in a token belong to it", "attachment; filename='sum.csv'", A, "'sum.csv'"),
    Case("a blank before the equals sign", 'attachment; filename ="sum.csv"', A, "sum.csv"),
    Case("a blank after it", 'attachment; filename= "sum.csv"', A, "sum.csv"),
    Case("ISO-8859-1 in quotes", f'attachment; filename="sum-{E}.csv"', A, f"sum-{E}.csv"),
    # Other parameters around it.
    Case("one before", 'attachment; size="7"; filename="sum.csv"', A, "sum.csv"),
    Case("one before, full of escapes", r'attachment; x="\"\\";filename="sum.csv"', A, "sum.csv"),
    Case("one after", 'attachment; filename="sum.csv"; x=y', A, "sum.csv"),
    Case("one that ends the same", 'attachment; xfilename="sum.csv"', A, None),
    Case("one that looks like it inside", 'attachment; x="filename=wrong.csv"', A, None),
    Case("dates, which name nothing", 'attachment; creation-date="Wed, 12 Feb 1997 16:29:51 -0500"', A, None),
    Case("a name for forms", 'attachment; name="wrong.csv"', A, None),
    # A percent sign is a percent sign.
    Case("what looks encoded", 'attachment; filename="sum-%41.csv"', A, "sum-%41.csv"),
    Case("one per cent alone", 'attachment; filename="50%.csv"', A, "50%.csv"),
    Case("looks encoded, and escaped", r'attachment; filename="sum-%\41.csv"', A, "sum-%41.csv"),
    Case("looks encoded, beside ISO-8859-1", f'attachment; filename="{E}-%41.csv"', A, f"{E}-%41.csv"),
    Case("looks like UTF-8", 'attachment; filename="sum-%c3%a4-%e2%82%ac.csv"', A, "sum-%c3%a4-%e2%82%ac.csv"),
    # Encoded names.
    Case("ISO-8859-1", "attachment; filename*=iso-8859-1''sum-%E4.csv", A, f"sum-{E}.csv"),
    Case("UTF-8", "attachment; filename*=UTF-8''sum-%c3%a4-%e2%82%ac.csv", A, f"sum-{E}-{EURO}.csv"),
    Case("a letter and its mark apart", "attachment; filename*=UTF-8''sum-a%cc%88.csv", A, "sum-a\u0308.csv"),
    Case("blanks after the star's equals sign", "attachment; filename*= UTF-8''sum-%c3%a4.csv", A, f"sum-{E}.csv"),
    Case("blanks before it", "attachment; filename* =UTF-8''sum-%c3%a4.csv", A, f"sum-{E}.csv"),
    Case("a language", "attachment; filename*=UTF-8'de'sum-%c3%a4.csv", A, f"sum-{E}.csv"),
    Case("encoded once and not twice", "attachment; filename*=UTF-8''A-%2541.csv", A, "A-%41.csv"),
    Case("a backslash in disguise", "attachment; filename*=UTF-8''%5csum.csv", A, r"\sum.csv"),
    # Both names.
    Case(
        "the plain one first",
        "attachment; filename=\"sum-ae.csv\"; filename*=UTF-8''sum-%c3%a4.csv",
        A,
        f"sum-{E}.csv",
    ),
    Case(
        "the plain one last", "attachment; filename*=UTF-8''sum-%c3%a4.csv; filename=\"sum-ae.csv\"", A, f"sum-{E}.csv"
    ),
    Case(
        "pieces beside the whole",
        "attachment; filename*0*=ISO-8859-15''sum-%A4; filename*=ISO-8859-1''sum-%E4.csv",
        A,
        f"sum-{E}.csv",
    ),
    Case("a parameter of the future beside it", "attachment; x=y; filename=\"sum.csv\"; z*=UTF-8''q", A, "sum.csv"),
    # Names in pieces (RFC 2231).
    Case("two pieces", 'attachment; filename*0="su"; filename*1="m.csv"', A, "sum.csv"),
    Case("an escape at the seam", r'attachment; filename*0="su"; filename*1="\m.csv"', A, "sum.csv"),
    Case(
        "one piece encoded, one not",
        "attachment; filename*0*=UTF-8''sum-%c3%a4; filename*1=\".csv\"",
        A,
        f"sum-{E}.csv",
    ),
    Case("a number with a nought before it is none", 'attachment; filename*0="sum"; filename*01=".csv"', A, "sum"),
    Case("a piece missing", 'attachment; filename*0="sum"; filename*2=".csv"', A, "sum"),
    Case("no first piece", 'attachment; filename*1="sum"; filename*2=".csv"', A, None),
    Case("the pieces in another order", 'attachment; filename*1=".csv"; filename*0="sum"', A, "sum.csv"),
    # Mail's encoding is not HTTP's.
    Case(
        "an encoded word in quotes",
        'attachment; filename="=?ISO-8859-1?Q?sum-=E4.csv?="',
        A,
        "=?ISO-8859-1?Q?sum-=E4.csv?=",
    ),
]

MALFORMED = [
    # The type.
    Case("shown, in quotes", '"inline"', "", None),
    Case("saved, in quotes", '"attachment"', "", None),
    Case("no type", "filename=sum.csv", "", "sum.csv"),
    Case("no type, two equals signs", "filename=x=y.csv", "", "x=y.csv"),
    Case("no type, and a trap in quotes", '"foo; filename=trap;baz"; filename=sum.csv', "", "trap"),
    Case(
        "no type, and two headers made one", "filename=sum.csv, filename=other.csv", "", "sum.csv, filename=other.csv"
    ),
    Case("an empty type", "; filename=sum.csv", "", "sum.csv"),
    Case("a colon too many", ": inline; attachment; filename=sum.csv", "", "sum.csv"),
    Case("two types, shown first", "inline; attachment; filename=sum.csv", "inline", "sum.csv"),
    Case("two types, saved first", "attachment; inline; filename=sum.csv", A, "sum.csv"),
    Case("the type last", "filename=sum.csv; attachment", "", "sum.csv"),
    Case("no semicolon after it", "attachment filename=sum.csv", A, "sum.csv"),
    Case(
        "two headers made one", "attachment; filename=sum.csv, attachment; filename=other.csv", A, "sum.csv, attachment"
    ),
    # Tokens that are none.
    Case("an empty parameter", "attachment; ;filename=sum.csv", A, "sum.csv"),
    Case("a semicolon and no more", "attachment; filename=sum.csv ;", A, "sum.csv"),
    Case("a comma", "attachment; filename=sum,total.csv", A, "sum,total.csv"),
    Case("a blank", "attachment; filename=the sum.csv", A, "the sum.csv"),
    Case("brackets", "attachment; filename=sum[1](2).csv", A, "sum[1](2).csv"),
    Case("ISO-8859-1", f"attachment; filename=sum-{E}.csv", A, f"sum-{E}.csv"),
    Case("UTF-8", f"attachment; filename={UTF8}", A, f"sum-{E}-{EURO}.csv"),
    Case("UTF-8 in quotes", f'attachment; filename="{UTF8}"', A, f"sum-{E}-{EURO}.csv"),
    Case("an encoded word", "attachment; filename==?ISO-8859-1?Q?sum-=E4.csv?=", A, "=?ISO-8859-1?Q?sum-=E4.csv?="),
    Case("two names", 'attachment; filename="sum.csv"; filename="other.csv"', A, "sum.csv"),
    # Quotes.
    Case("an extension behind the quotes", 'attachment; filename="sum.csv".exe', A, "sum.csv"),
    Case("quotes that nobody closed", 'attachment; filename="sum', A, "sum"),
    Case("quotes in the middle", 'attachment; filename=sum"a;b"c', A, 'sum"a'),
    # Delimiters.
    Case("a parameter glued on before", "attachment; x=y filename=sum.csv", A, None),
    Case("one glued on behind", "attachment; filename=sum.csv x=y", A, "sum.csv x=y"),
    # Encoded names.
    Case("no character set", "attachment; filename*=''sum-%c3%a4.csv", A, None),
    Case("octets of UTF-8 called ISO-8859-1", "attachment; filename*=iso-8859-1''sum-%c3%a4-%e2%82%ac.csv", A, None),
    Case("octets of ISO-8859-1 called UTF-8", "attachment; filename*=utf-8''sum-%E4.csv", A, None),
    Case("a blank before the star", "attachment; filename *=UTF-8''sum-%c3%a4.csv", A, None),
    Case("in quotes", "attachment; filename*=\"UTF-8''sum-%c3%a4.csv\"", A, f"sum-{E}.csv"),
    Case("in quotes, and no character set", 'attachment; filename*="sum%20total.csv"', A, None),
    Case("one apostrophe missing", "attachment; filename*=UTF-8'sum-%c3%a4.csv", A, None),
    Case("a percent sign at the end", "attachment; filename*=UTF-8''sum%", A, None),
    Case("a percent sign before a letter", "attachment; filename*=UTF-8''s%um.csv", A, None),
    Case("a damaged one beside a good one", "attachment; filename=\"sum.csv\"; filename*=UTF-8''s%um", A, "sum.csv"),
]

PDF = Job(element=1042, segment=7, format="csv")


def test_the_set_is_whole() -> None:
    assert (len(WELL_FORMED), len(MALFORMED)) == (51, 38)
    for cases in (WELL_FORMED, MALFORMED):
        assert len({case.header for case in cases}) == len({case.asks for case in cases}) == len(cases)


@pytest.mark.parametrize("case", WELL_FORMED, ids=[case.asks for case in WELL_FORMED])
def test_every_well_formed_header_is_read_as_the_standards_say(case: Case) -> None:
    found = parse_disposition(case.header)
    assert (found.type, found.filename) == (case.type, case.filename)


@pytest.mark.parametrize("case", MALFORMED, ids=[case.asks for case in MALFORMED])
def test_of_a_malformed_header_as_much_as_makes_sense_is_kept(case: Case) -> None:
    found = parse_disposition(case.header)
    assert (found.type, found.filename) == (case.type, case.filename)


@pytest.mark.rules("R25", "I10")
@pytest.mark.parametrize("case", [*WELL_FORMED, *MALFORMED], ids=lambda case: case.asks)
def test_whatever_a_header_says_the_file_has_a_harmless_name(case: Case) -> None:
    name = file_name(parse_disposition(case.header).filename, job=PDF)
    assert name.endswith(".csv")
    assert not set(name) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(one) in ("Cc", "Cf", "Cs") for one in name)
    assert not name.startswith((".", "-", "~", " "))


@pytest.mark.rules("R25", "I10", "D4")
@pytest.mark.parametrize(
    "path", ["../", "..\\", "/etc/", "C:\\", "C:", "\\\\host\\share\\", "a/../../", "%2e%2e/", "..%2f"]
)
@pytest.mark.parametrize(
    "shape",
    [
        'filename="{}sum.csv"',
        "filename={}sum.csv",
        "filename*=UTF-8''{}sum.csv",
        'filename*0="{}";filename*1="sum.csv"',
    ],
)
def test_no_way_to_write_a_path_leaves_the_folder(path: str, shape: str) -> None:
    offered = parse_disposition("attachment; " + shape.format(path)).filename
    assert offered is not None
    name = file_name(offered, job=PDF)
    assert name.endswith(".csv")
    assert not set(name) & set("/\\:")
    assert not name.startswith(".")
