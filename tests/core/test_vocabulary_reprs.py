"""Every word of the vocabularies shows itself as Python, and no message shows a token."""

from __future__ import annotations

import dataclasses
from enum import Enum

import pytest

from reportdl_core import commands, endpoint_messages, errors, events, lifecycle
from reportdl_core.errors import Reason, Refusal
from reportdl_core.events import Kept, Sent, Status
from reportdl_core.job import Job
from reportdl_core.secret import Secret


@pytest.mark.rules("R31")
def test_the_four_statuses() -> None:
    assert {status.value for status in Status} == {"OK", "READY", "IN PROGRESS", "ERROR"}


@pytest.mark.parametrize("kind", [Refusal, Reason, Status, Sent, Kept], ids=lambda kind: kind.__name__)
def test_words_are_shown_as_python(kind: type[Enum]) -> None:
    names = vars(errors) | vars(events) | vars(lifecycle)
    for one in kind:
        assert eval(repr(one), names) is one


@pytest.mark.rules("D26")
def test_refusals_hold_the_documents_texts() -> None:
    assert {
        "Invalid state",
        "Invalid token",
        "No downloads available",
        "Invalid format",
        "Not implemented for this Element Type",
        "Download failed",
        "Element not allowed",
        "Element not found",
    } <= {refusal.value for refusal in Refusal}


@pytest.mark.rules("D39")
@pytest.mark.parametrize(
    "message",
    [
        commands.Check(number=1, job=Job(element=1, format="pdf"), token=Secret("hush"), deadline=1.0),
        events.TokenIssued(number=1, token=Secret("hush")),
        endpoint_messages.Token(token=Secret("hush")),
    ],
)
def test_a_message_with_a_token_is_shown_as_python_without_it(message: object) -> None:
    assert "hush" not in repr(message)
    assert "token='***'" in repr(message)
    names = vars(commands) | vars(events) | vars(endpoint_messages)
    assert type(eval(repr(message), names)) is type(message)


def test_messages_are_values() -> None:
    members = [getattr(module, name) for module in (commands, events, endpoint_messages) for name in module.__all__]
    for kind in members:
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
            assert "__slots__" in vars(kind), kind
            assert all(field.kw_only for field in dataclasses.fields(kind)), kind
