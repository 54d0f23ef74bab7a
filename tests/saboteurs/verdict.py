"""A pytest plugin: runs the tests that are marked with an invariant, and writes down which of them failed, and of what.

Loaded into a run of its own by `test_saboteurs.py`, before anything of the core is imported.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from traceback import extract_tb

import pytest

__all__: list[str] = []

_FAILED: dict[str, list[str]] = {}
_IDS: dict[str, list[str]] = {}
_BROKE: dict[str, list[str]] = {}

# A saboteur is a core that does the wrong thing. One that names what there is not does nothing at all.
_SLIPS = (AttributeError, NameError, TypeError)


def invariants(item: pytest.Item) -> list[str]:
    return sorted({str(rule) for mark in item.iter_markers("rules") for rule in mark.args if str(rule).startswith("I")})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if invariants(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    _IDS.update((item.nodeid, invariants(item)) for item in kept)
    items[:] = kept


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _FAILED[report.nodeid] = _IDS[report.nodeid]


def pytest_exception_interact(node: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.excinfo is not None and (slips := sorted(set(slipped(call.excinfo.value)))):
        _BROKE[node.nodeid] = slips


def slipped(raised: BaseException) -> list[str]:
    """What the core itself raised that says that it has no such name, or takes no such value."""
    if isinstance(raised, BaseExceptionGroup):
        return [each for one in raised.exceptions for each in slipped(one)]
    where = [frame.filename for frame in extract_tb(raised.__traceback__)][-1:]
    inside = where and Path(where[0]).parent.name == "reportdl_core"
    return [repr(raised)] if inside and isinstance(raised, _SLIPS) else []


def pytest_sessionfinish() -> None:
    written = {"ran": len(_IDS), "failed": _FAILED, "broke": _BROKE}
    Path(os.environ["REPORTDL_VERDICT"]).write_text(json.dumps(written))
