"""A pytest plugin: runs the tests that are marked with an invariant, and writes down which of them failed.

Loaded into a run of its own by `test_saboteurs.py`, before anything of the core is imported.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

__all__: list[str] = []

_FAILED: dict[str, list[str]] = {}
_IDS: dict[str, list[str]] = {}


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


def pytest_sessionfinish() -> None:
    written = {"ran": len(_IDS), "failed": _FAILED}
    Path(os.environ["REPORTDL_VERDICT"]).write_text(json.dumps(written))
