"""What can be asked for and what cannot."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core.errors import InvalidJob, ReportdlError
from reportdl_core.job import Job, identifier


@pytest.mark.rules("D32", "R4")
@pytest.mark.parametrize(
    ("value", "read"),
    [
        (0, 0),
        (1042, 1042),
        (10**19 - 1, 10**19 - 1),
        ("0", 0),
        ("1042", 1042),
        ("0001042", 1042),
        ("9" * 19, 10**19 - 1),
    ],
)
def test_an_identifier_is_an_integer_or_its_digits(value: object, read: int) -> None:
    assert identifier(value, "element") == read


NO_IDENTIFIERS = [
    -1,
    10**19,
    True,
    False,
    1.0,
    None,
    b"1",
    "",
    "1" * 20,
    "-1",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "1_0",
    "0x1",
    "1.0",
    "1e3",
    "../../admin",
    "1/../2",
    "%31",
    "\u0661",  # a digit, but not one of ours
    "\uff11",
    "\u00b2",
]


@pytest.mark.rules("D32")
@pytest.mark.parametrize("value", NO_IDENTIFIERS, ids=ascii)
def test_what_is_no_identifier(value: object) -> None:
    with pytest.raises(InvalidJob, match="segment must be an integer of 1 to 19 digits"):
        identifier(value, "segment")
    with pytest.raises(InvalidJob):
        Job(element=value, format="pdf")  # type: ignore[arg-type]
    with pytest.raises(InvalidJob):
        Job(element=1, segment=value, format="pdf")  # type: ignore[arg-type]


def _read(text: str) -> int | None:
    try:
        return identifier(text, "element")
    except InvalidJob:
        return None


@pytest.mark.rules("D32")
@given(st.text() | st.from_regex(r"[0-9]{1,21}", fullmatch=True))
def test_whatever_text_is_taken_is_a_path_segment_of_digits(text: str) -> None:
    digits = set(text) <= set("0123456789") and 1 <= len(text) <= 19
    assert _read(text) == (int(text) if digits else None)


@pytest.mark.rules("D36")
def test_what_is_refused_is_shown_shortened() -> None:
    with pytest.raises(InvalidJob) as refused:
        identifier("x" * 100_000, "element")
    assert len(str(refused.value)) < 200


@pytest.mark.rules("D32", "R4")
def test_a_job_holds_integers_and_its_key_as_it_is() -> None:
    job = Job(element="1042", segment="7", format="Custom_v2-x")  # type: ignore[arg-type]
    assert (job.element, job.segment, job.format) == (1042, 7, "Custom_v2-x")
    assert Job(element=1042, format="pdf").segment == 0
    assert Job(element=1, format="x" * 64).format == "x" * 64


NO_KEYS = ["", "x" * 65, "pdf ", "a&b", "a=b", "a%20", "../x", "a/b", "é", "\u212a", "a\n", None, 1, b"pdf"]


@pytest.mark.rules("D11", "D32")
@pytest.mark.parametrize("key", NO_KEYS, ids=ascii)
def test_what_is_no_format_key(key: object) -> None:
    with pytest.raises(InvalidJob, match="format must be a key"):
        Job(element=1, format=key)  # type: ignore[arg-type]


def test_a_wrong_job_is_both_ours_and_a_value_error() -> None:
    assert issubclass(InvalidJob, ReportdlError)
    assert issubclass(InvalidJob, ValueError)


def test_a_job_is_a_value() -> None:
    job = Job(element=1, format="pdf")
    assert job == Job(element=1, segment=0, format="pdf")
    assert hash(job) == hash(Job(element=1, format="pdf"))
    assert eval(repr(job), {"Job": Job}) == job
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.element = 2  # type: ignore[misc]
    with pytest.raises(InvalidJob):
        dataclasses.replace(job, element=-1)
