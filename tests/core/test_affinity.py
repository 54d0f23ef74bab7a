"""Cookies that come back: those that were named, as they were set, within one session (D30)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportdl_core import Check, Init, Job, Policy, ReportdlError, Secret, StatusReported
from reportdl_core.affinity import Cookies, UnusableCookieName, cookie_names
from reportdl_core.exchange import Exchange

JOB = Job(element=1042, format="pdf")


def test_names_are_checked_before_anything_is_sent() -> None:
    assert cookie_names(()) == ()
    assert cookie_names(["AWSALB", "SERVERID", "AWSALB"]) == ("AWSALB", "SERVERID")
    assert cookie_names("AWSALB") == ("AWSALB",)
    for names in (
        [""],
        ["a b"],
        ["a=b"],
        ["a;b"],
        ["a\r\nb"],
        ["\u00e4"],
        ["a,b"],
        [f"n{number}" for number in range(17)],
    ):
        with pytest.raises(UnusableCookieName) as caught:
            cookie_names(names)
        assert isinstance(caught.value, ReportdlError)
        assert isinstance(caught.value, ValueError)
    assert len(cookie_names(f"n{number}" for number in range(16))) == 16


def test_a_name_that_cannot_be_is_told_in_words() -> None:
    for names, told in (
        (["a", "b c"], "an affinity cookie cannot be called 'b c'"),
        ([" " * 99], "an affinity cookie cannot be called '" + " " * 59),
        (map(str, range(17)), "17 affinity cookies: 16 at most"),
    ):
        with pytest.raises(UnusableCookieName) as caught:
            cookie_names(names)
        assert str(caught.value) == told


@pytest.mark.rules("D30", "D36")
@pytest.mark.parametrize("value", ["!", "~", "x" * 4096, "x=y"])
def test_a_value_of_up_to_4096_visible_characters_comes_back(value: str) -> None:
    cookies = Cookies(("a",))
    cookies.take([f"a={value}; Path=/; Max-Age=10", "b=1"])
    assert cookies.header == f"a={value}"


@pytest.mark.rules("D30")
@pytest.mark.parametrize("attribute", ["Max-Age=10", "Max-Age=01", "Max-Age=x", "Expires=-1", "Version=0", "=0", "0"])
def test_only_an_age_of_nothing_takes_a_cookie_back(attribute: str) -> None:
    cookies = Cookies(("a",))
    cookies.take([f"a=1; {attribute}; Secure"])
    assert cookies.header == "a=1"


@pytest.mark.rules("D30")
def test_what_is_named_is_sent_as_it_was_set_and_nothing_else() -> None:
    cookies = Cookies(("b", "a"))
    assert cookies.header is None
    cookies.take(["a=1; Path=/; HttpOnly", " b = x%3D/+=| ;Secure", "PHPSESSID=2", "A=3", "bare", "=4", ""])
    assert cookies.header == "b=x%3D/+=|; a=1"
    cookies.take(["a=2; Max-Age=3600"])
    assert cookies.header == "b=x%3D/+=|; a=2"
    assert repr(cookies) == "Cookies(('b', 'a'))"


@pytest.mark.rules("D30")
@pytest.mark.parametrize(
    "line", ["a=", "a", "a=x; Max-Age=0", "a=x; max-age = -1", "a=x; Max-Age=00", "a=x; Max-Age=", "a=x; Max-Age"]
)
def test_a_cookie_that_is_taken_back_is_forgotten(line: str) -> None:
    cookies = Cookies(("a", "b"), {"a": Secret("1"), "b": Secret("2"), "c": Secret("3")})
    cookies.take([line])
    assert cookies.header == "b=2"


@pytest.mark.rules("D30", "D36")
@pytest.mark.parametrize("value", ["x\ty", "x y", "x\x00", "x\u00e4", "y" * 4097, "x\x7f", "x\r\nToken: t"])
def test_a_value_that_cannot_go_into_a_header_is_left_alone(value: str) -> None:
    cookies = Cookies(("a",), {"a": Secret("1")})
    cookies.take([f"a={value}"])
    assert cookies.header == "a=1"
    cookies.take(["a=" + "y" * 4096])
    assert len(cookies.header or "") == 4098


@pytest.mark.rules("D30", "I11")
@given(st.lists(st.text()))
def test_whatever_is_set_makes_one_line_of_ascii(lines: list[str]) -> None:
    cookies = Cookies(("a", "b"))
    cookies.take([*lines, *(f"a={line}" for line in lines)])
    header = cookies.header
    assert header is None or (header.isascii() and header.isprintable() and header.startswith("a="))


@pytest.mark.rules("D30", "D39")
def test_an_exchange_sends_takes_and_hides_them() -> None:
    cookies = Cookies(("node",))
    first = Exchange(Init(number=1, job=JOB, deadline=9.0), policy=Policy(), cookies=cookies)
    assert "Cookie" not in dict(first.outgoing.headers)
    first.head(200, [("Set-Cookie", "x=1"), ("set-cookie", "node=one-of-two; Path=/"), ("Set-Cookie", "y=2")])
    check = Check(number=2, job=JOB, token=Secret("t0k3n"), deadline=9.0)
    second = Exchange(check, policy=Policy(), cookies=cookies)
    assert dict(second.outgoing.headers)["Cookie"] == "node=one-of-two"
    assert "one-of-two" not in repr(second.outgoing)
    second.head(200, [("Content-Type", "application/json")])
    second.feed(b'{"status": "ERROR", "message": "at one-of-two"}')
    event = second.finish()
    assert isinstance(event, StatusReported)
    assert event.message == "at ***"


@pytest.mark.rules("D30")
def test_without_names_no_cookie_is_taken() -> None:
    exchange = Exchange(Init(number=1, job=JOB, deadline=9.0), policy=Policy())
    assert exchange.head(200, [("Set-Cookie", "node=1")])
    assert "Cookie" not in dict(exchange.outgoing.headers)


@pytest.mark.rules("D30")
def test_a_head_that_contradicts_itself_sets_nothing() -> None:
    cookies = Cookies(("node",))
    exchange = Exchange(Init(number=1, job=JOB, deadline=9.0), policy=Policy(), cookies=cookies)
    exchange.head(200, [("Set-Cookie", "node=1"), ("Content-Length", "1"), ("Content-Length", "2")])
    assert cookies.header is None
