"""Decides which fixtures pytest finds once reportdl is installed, and how a test says what its endpoint is like.

    @pytest.mark.report_endpoint(faults=["run.drop_after=0.2:1"], generation_seconds=1.0)
    def test_mine(report_endpoint): ...

Loaded by every run of pytest in the environment, so it imports nothing but pytest until a fixture is used, defines no
hook that acts on tests that use none, and marks nothing. `-p no:reportdl` takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, Unpack

import pytest

if TYPE_CHECKING:
    from reportdl.server.app import Options
    from reportdl.testing.memory_endpoint import MemoryEndpoint, MemoryOptions
    from reportdl.testing.report_endpoint import ReportEndpoint

__all__ = [
    "MakeMemoryEndpoint",
    "MakeReportEndpoint",
    "make_memory_endpoint",
    "make_report_endpoint",
    "memory_endpoint",
    "pytest_configure",
    "report_endpoint",
]

_MARKERS = (
    "report_endpoint(**options): the options of reportdl.server.create_app for the fixture of the same name",
    "memory_endpoint(**options): the options of reportdl.testing.MemoryEndpoint for the fixture of the same name",
    "rules(*ids): the documented rules that a test of a contract holds",
    "deep: a test of a contract that takes some seconds more",
)


class MakeReportEndpoint(Protocol):
    """What the fixture `make_report_endpoint` is."""

    def __call__(self, **options: Unpack[Options]) -> ReportEndpoint:
        """Start one more endpoint; it ends with the test."""
        ...


class MakeMemoryEndpoint(Protocol):
    """What the fixture `make_memory_endpoint` is."""

    def __call__(self, **options: Unpack[MemoryOptions]) -> MemoryEndpoint:
        """One more endpoint in memory, its clock at 0."""
        ...


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, so that `--strict-markers` accepts them."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)


@pytest.fixture
def make_report_endpoint() -> Iterator[MakeReportEndpoint]:
    """Starts reference endpoints on loopback, each in a thread of its own; all of them end with the test."""
    try:
        from reportdl.testing.report_endpoint import ReportEndpoint
    except ModuleNotFoundError as error:
        pytest.fail(f"{error.name} is missing: pip install 'reportdl[server,testing]'", pytrace=False)
    with ExitStack() as stack:

        def make(**options: Unpack[Options]) -> ReportEndpoint:
            return stack.enter_context(ReportEndpoint(**options))

        yield make


@pytest.fixture
def report_endpoint(request: pytest.FixtureRequest, make_report_endpoint: MakeReportEndpoint) -> ReportEndpoint:
    """The reference endpoint on loopback, as the test's marks `report_endpoint` say."""
    return make_report_endpoint(**_asked(request, "report_endpoint"))


@pytest.fixture
def make_memory_endpoint() -> MakeMemoryEndpoint:
    """Makes endpoints in memory, each under a virtual clock of its own."""
    from reportdl.testing.memory_endpoint import MemoryEndpoint

    def make(**options: Unpack[MemoryOptions]) -> MemoryEndpoint:
        return MemoryEndpoint(**options)

    return make


@pytest.fixture
def memory_endpoint(request: pytest.FixtureRequest, make_memory_endpoint: MakeMemoryEndpoint) -> MemoryEndpoint:
    """The endpoint in memory, as the test's marks `memory_endpoint` say."""
    return make_memory_endpoint(**_asked(request, "memory_endpoint"))


def _asked(request: pytest.FixtureRequest, name: str) -> Any:
    """The options of all marks of this name; a function's win over its class's, and those over its module's."""
    options: dict[str, Any] = {}
    node: pytest.Item = request.node
    for mark in reversed(list(node.iter_markers(name))):
        if mark.args:
            raise pytest.UsageError(f"{node.nodeid}: mark {name} takes options by name, such as faults=[...]")
        options |= mark.kwargs
    return options
