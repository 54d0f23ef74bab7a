"""Edges of the core's small functions, to the byte and to the tick, and what misuse of them is told, to the letter."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from reportdl_core import Job, Policy, Secret
from reportdl_core.errors import InvalidJob, LocalProtocolError
from reportdl_core.exported import exported
from reportdl_core.formats import FORMATS
from reportdl_core.guard import Guard
from reportdl_core.names import LIMIT, clean, file_name, server_name
from reportdl_core.policy import instant, pause
from reportdl_core.switches import Switches

TICK = 2.0**-20


# ---- policy: jitter is part of what a snapshot promises, so the numbers themselves are held (I9)


@pytest.mark.rules("I9", "D19")
@pytest.mark.parametrize(
    ("seed", "number", "times", "seconds"),
    [
        (0, 0, 0, 0.3062610626220703),
        (0, 1, 0, 0.43232154846191406),
        (1, 0, 0, 0.4749622344970703),
        (1, 2, 3, 0.9067249298095703),
        (7, 1000, 9, 14.390216827392578),
        (2**64 - 1, 2**31, 2, 0.8321905136108398),
        (12345, 6, 4, 1.9363412857055664),
    ],
)
def test_a_job_taken_up_by_another_version_rests_as_long(seed: int, number: int, times: int, seconds: float) -> None:
    assert pause(Policy(), seed=seed, number=number, times=times) == seconds


@pytest.mark.rules("I13")
def test_growth_is_capped_at_a_thousandfold_and_sixty_four_times() -> None:
    steep = Policy(first_pause=1.0, longest_pause=2.0**30, growth=1e9)
    assert pause(steep, seed=1, number=1, times=2) == 958543.0737552643  # of 1e6
    gentle = Policy(first_pause=1.0, longest_pause=2.0**30, growth=1.1)
    assert pause(gentle, seed=1, number=1, times=100) == 427.3104200363159 == pause(gentle, seed=1, number=1, times=64)


@pytest.mark.rules("I13")
def test_the_shortest_pause_is_a_tick() -> None:
    assert pause(Policy(first_pause=1e-9, longest_pause=1e-9), seed=1, number=1, times=2) == TICK


@pytest.mark.parametrize("seconds", [2.0**32, -(2.0**32)])
def test_time_ends_where_the_grid_does(seconds: float) -> None:
    assert instant(seconds - TICK * (1 if seconds > 0 else -1)) == seconds - TICK * (1 if seconds > 0 else -1)
    with pytest.raises(LocalProtocolError, match=re.escape(f"not a time in seconds: {seconds!r}")):
        instant(seconds)


def test_a_policy_may_grow_by_nothing_and_look_at_once() -> None:
    quick = Policy(growth=1.0, first_pause=0.25, first_check=0.25, silence=0.0)
    assert (quick.growth, quick.first_pause, quick.first_check, quick.silence) == (1.0, 0.25, 0.25, 0.0)


@pytest.mark.rules("I8")
@pytest.mark.parametrize(
    ("name", "fits", "limit"), [("job_timeout", 2.0**31 - 1, 2.0**31), ("max_bytes", 2**70, float("inf"))]
)
def test_every_number_of_a_policy_has_an_end(name: str, fits: float, limit: float) -> None:
    assert getattr(Policy(**{name: fits}), name) == fits  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match=f"^{name} must be a number from 0 to below"):
        Policy(**{name: limit})  # type: ignore[arg-type]


@pytest.mark.rules("D36", "D28")
def test_a_server_may_be_as_small_as_one_session_and_as_quick_as_its_clock() -> None:
    least = {"ttl": 0.25, "max_age": 0.25, "live_per_user": 1, "live_in_all": 1, "remembered": 1}
    switches = Switches(**least)  # type: ignore[arg-type]
    assert {name: getattr(switches, name) for name in least} == least


@pytest.mark.rules("D36", "D28")
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ttl", float("inf"), "ttl must be a finite number of seconds above 0, not inf"),
        ("retry_after", float("nan"), "retry_after must be a finite number of seconds above 0, not nan"),
        ("live_per_user", 0, "live_per_user, live_in_all and remembered must be at least 1"),
        ("live_in_all", 0, "live_per_user, live_in_all and remembered must be at least 1"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(name: str, value: float, told: str) -> None:
    with pytest.raises(LocalProtocolError) as raised:
        Switches(**{name: value})  # type: ignore[arg-type]
    assert str(raised.value) == told


# ---- what misuse is told


def entered_twice() -> None:
    guard = Guard()
    with guard, guard:
        pass


RESTLESS = "first_pause and first_check must be above 0, growth at least 1 (I13)"
UNKEPT = "a secret is never pickled; seal it (D39)"


@pytest.mark.parametrize(
    ("misuse", "error", "told"),
    [
        (lambda: Policy(first_pause=0.0), LocalProtocolError, RESTLESS),
        (lambda: Policy(first_check=0.0), LocalProtocolError, RESTLESS),
        (lambda: Policy(growth=0.99), LocalProtocolError, RESTLESS),
        (
            lambda: Policy(silence=-1.0),
            LocalProtocolError,
            "silence must be a number from 0 to below 2.14748e+09, not -1.0",
        ),
        (lambda: Switches(ttl=0.0), LocalProtocolError, "ttl must be a finite number of seconds above 0, not 0.0"),
        (
            lambda: Switches(ttl=10.0, max_age=9.0),
            LocalProtocolError,
            "max_age must not be shorter than ttl: it bounds a session under every policy",
        ),
        (
            lambda: Switches(remembered=0),
            LocalProtocolError,
            "live_per_user, live_in_all and remembered must be at least 1",
        ),
        (lambda: Job(element=-1, format="pdf"), InvalidJob, "element must be an integer of 1 to 19 digits, not -1"),
        (
            lambda: Job(element=1, segment=-1, format="pdf"),
            InvalidJob,
            "segment must be an integer of 1 to 19 digits, not -1",
        ),
        (entered_twice, LocalProtocolError, "two callers in one session: it has one driver at a time"),
        (lambda: Secret("x").__getstate__(), TypeError, UNKEPT),
        (lambda: Secret("x").__reduce__(), TypeError, UNKEPT),
        (lambda: setattr(Secret("x"), "_text", "y"), AttributeError, "a secret does not change"),
    ],
)
def test_misuse_is_told_in_words(misuse: Callable[[], object], error: type[Exception], told: str) -> None:
    with pytest.raises(error) as raised:
        misuse()
    assert str(raised.value) == told


def test_a_key_may_be_one_letter() -> None:
    assert Job(element=1, format="x").format == "x"


def test_secrets_that_differ_seldom_share_a_hash() -> None:
    assert len({hash(Secret(str(number))) for number in range(100)}) > 90


# ---- exported


def test_a_class_of_the_package_shows_the_package_and_nothing_else_is_touched() -> None:
    ours = type("Ours", (), {"__module__": "one.two"})
    theirs = type("Theirs", (), {"__module__": "other"})
    alike = type("Alike", (), {"__module__": "onefold.two"})
    names = {"Ours": ours, "Theirs": theirs, "Alike": alike, "value": 1}
    exported("one", names, [*names, "absent"])
    assert (ours.__module__, theirs.__module__, alike.__module__) == ("one", "other", "onefold.two")


# ---- end marks (D22)

MARK = b"PK\x05\x06"


def record(comment: bytes = b"") -> bytes:
    return MARK + bytes(16) + len(comment).to_bytes(2, "little") + comment


@pytest.mark.rules("D22")
@pytest.mark.parametrize(
    ("key", "tail", "whole"),
    [
        ("xls", record(b"with " + MARK + b" in it"), True),
        ("xls", MARK + b"not this one" + record(b"with " + MARK + b" in it"), True),
        ("xls", MARK + bytes(40) + record(), True),
        ("xls", b"xx" + record(b"cut short")[:-1], False),
        ("pdf", b"%%EOF" + bytes(1019), True),
        ("pdf", b"%%EOF" + bytes(1020), False),
        ("xml", b"<!-- before --><a/><!-- one --> <!-- two -->\n", True),
        ("xml", b"<a/>X", False),
        ("xml", b"<a/>X<!-- one -->", False),
        ("xml", b"<a/>\x0b<!-- one -->", False),
        ("xml", b"<!-- one -->", False),
        ("mhtml", b"\n--b--", True),
        ("mhtml", b"\n--b--X", False),
    ],
)
def test_an_end_mark_is_the_end(key: str, tail: bytes, whole: bool) -> None:
    ends = FORMATS[key].ends
    assert ends is not None
    assert ends(tail) is whole


# ---- names (R25, D24)


@pytest.mark.rules("D24", "R25")
@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a\u200d\u0431.pdf", "a\u0431.pdf"),
        ("\u0431\u200da.pdf", "\u0431a.pdf"),
        ("\u0915\u200d\u0937.pdf", "\u0915\u200d\u0937.pdf"),
        ("a" * 300, "a" * LIMIT),
        ("X" * 300 + ".pdf", "X" * (LIMIT - 4) + ".pdf"),
        ("a" * 225 + ". " + "b" * 50 + ".pdf", "a" * 225 + ".pdf"),
        ("a" * 300 + ".c", "a" * (LIMIT - 2) + ".c"),
        ("a" * 300 + "." + "b" * 10, "a" * (LIMIT - 11) + "." + "b" * 10),
        ("a" * 300 + "." + "b" * 11, "a" * LIMIT),
        ("a" * (LIMIT - 4) + "\U0001f44d\U0001f3fb" + "b" * 50, "a" * (LIMIT - 4)),
        ("a" * (LIMIT - 4) + "\U0001f44d\U0001f3ff" + "b" * 50, "a" * (LIMIT - 4)),
    ],
)
def test_a_name_is_cleaned_and_cut_between_characters(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


@pytest.mark.rules("D24")
@pytest.mark.parametrize(
    ("offered", "key", "named"),
    [
        ("X.pdf", "pdf", "X.pdf"),
        ("aX.pdf", "pdf", "aX.pdf"),
        ("a..pdf", "pdf", "a.pdf"),
        ("a.b.pdf.pdf", "pdf", "a.b.pdf"),
        (None, "abcdefghijkl", "1_2.abcdefghij"),
    ],
)
def test_a_hint_keeps_what_is_its_own(offered: str | None, key: str, named: str) -> None:
    assert file_name(offered, job=Job(element=1, segment=2, format=key)) == named


def test_an_element_may_be_called_x() -> None:
    assert server_name("X", "pdf", element=1) == "X.pdf"
