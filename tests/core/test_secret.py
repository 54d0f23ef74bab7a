"""A secret does not slip out, by whatever door one tries."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback

import pytest

from reportdl_core.secret import Secret

TEXT = "hush-hush-4711"


@pytest.mark.rules("D39")
@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(TEXT)),
        str(Secret(TEXT)),
        f"{Secret(TEXT)}",
        f"{Secret(TEXT)!r:>40}",
        f"{Secret(TEXT):>40}",
        f"{[Secret(TEXT)]} { ({'token': Secret(TEXT)}) }",
        "%s %r" % (Secret(TEXT), Secret(TEXT)),  # noqa: UP031
        " ".join(dir(Secret(TEXT))),
    ],
)
def test_it_is_never_shown(shown: str) -> None:
    assert TEXT not in shown
    assert "hush" not in shown


@pytest.mark.rules("D39")
def test_its_repr_is_python_and_its_text_is_stars() -> None:
    assert repr(Secret(TEXT)) == "'***'"
    assert str(Secret(TEXT)) == "***"
    assert f"{Secret(TEXT):>5}" == "  ***"


@pytest.mark.rules("D39")
def test_it_is_read_by_one_name_alone() -> None:
    assert Secret(TEXT).reveal() == TEXT
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


@pytest.mark.rules("D39")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_never_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Secret(TEXT), protocol)


@pytest.mark.rules("D39")
def test_it_is_no_json() -> None:
    with pytest.raises(TypeError) as refused:
        json.dumps({"token": Secret(TEXT)})
    assert TEXT not in "".join(traceback.format_exception(refused.value))


@pytest.mark.rules("D39")
def test_a_copy_is_the_secret_itself() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@dataclasses.dataclass(frozen=True)
class _Holder:
    token: Secret


@pytest.mark.rules("D39")
def test_it_stays_hidden_inside_others() -> None:
    holder = _Holder(Secret(TEXT))
    assert TEXT not in repr(holder)
    assert TEXT not in repr(dataclasses.asdict(holder))
    assert dataclasses.asdict(holder)["token"].reveal() == TEXT


@pytest.mark.rules("D39")
def test_it_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("token %s %r", Secret(TEXT), Secret(TEXT))
    assert TEXT not in caplog.text
    assert "***" in caplog.text


def test_equal_by_content_and_hashable() -> None:
    assert Secret(TEXT) == Secret("hush-hush-" + str(4711))
    assert hash(Secret(TEXT)) == hash(Secret("hush-hush-" + str(4711)))
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert {Secret(TEXT): 1}[Secret(TEXT)] == 1


def test_it_does_not_change() -> None:
    secret = Secret(TEXT)
    with pytest.raises(AttributeError, match="does not change"):
        secret._text = "other"
    with pytest.raises(AttributeError):
        secret.note = "other"
    assert secret.reveal() == TEXT


@pytest.mark.rules("D39")
def test_its_state_is_not_handed_out_by_name_either() -> None:
    with pytest.raises(TypeError, match="never pickled"):
        Secret("canary").__getstate__()
