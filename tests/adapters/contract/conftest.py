"""Decides what is known of the contracts at the end of a run: which test each transport has to pass, and which it did.

`test_contract_page.py` makes a page of it. Must never count a test that did not run as passed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reportdl.testing.handed_in_contract import HandedInContract
from reportdl.testing.staging import Staged

HERE = Path(__file__).parent
NAMES = {
    "Memory": "memory",
    "Urllib3": "urllib3",
    "Aiohttp": "aiohttp",
    "Httpx2Asyncio": "httpx2, asyncio",
    "Httpx2Trio": "httpx2, trio",
    "HttpClientExample": "http.client",
    "RequestsExample": "requests",
    "TrioH11Example": "trio and h11",
}

Row = tuple[str, str, str]
"""Part of the contract, test, transport."""


@dataclass
class Kept:
    """How many cases each row has, and how many of them passed in this run."""

    planned: Counter[Row] = field(default_factory=Counter)
    passed: Counter[Row] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)


_KEPT: pytest.StashKey[Kept] = pytest.StashKey()


def row_of(item: pytest.Item) -> Row | None:
    cls, function = getattr(item, "cls", None), getattr(item, "function", None)
    if (
        cls is None
        or HERE not in item.path.parents  # the matrix of faults has a page of its own
        or function is None
        or not issubclass(cls, Staged | HandedInContract)
        or item.get_closest_marker("deep")
    ):
        return None
    part = next(base for base in cls.__mro__ if function.__name__ in vars(base))
    transport = re.sub("^Test|Driver|HandedIn", "", cls.__name__)
    return part.__name__, function.__name__, NAMES.get(transport, transport)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEPT] = Kept()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """See all items before any is deselected, and let the page come after everything that it tells of."""
    kept = config.stash[_KEPT]
    for item in items:
        if (row := row_of(item)) is not None:
            kept.planned[row] += 1
            kept.files.add(item.path.name)
    items.sort(key=lambda item: item.path == HERE / "test_contract_page.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    row = row_of(item)
    if row is not None and report.when == "call" and report.passed:
        item.config.stash[_KEPT].passed[row] += 1
    return report


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Kept:
    return request.config.stash[_KEPT]
