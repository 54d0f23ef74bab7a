"""The endpoint as a process of `reportdl serve`: the document's error table, its clocks, its load, its end."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

ANN = {"Token": "token-of-ann", "Authorization": "Bearer token-of-ann"}


def failed(message: str) -> dict[str, str]:
    return {"status": "ERROR", "message": message}


@pytest.fixture(scope="module")
def guarded(processes: Any) -> Any:
    """Files at once, for ann alone."""
    return processes("--guarded", REPORTDL_TOKEN="token-of-ann", REPORTDL_USER="ann")


@pytest.fixture(scope="module")
def slow(processes: Any) -> Any:
    """Generations that nobody waits for; one that is left alone is given up."""
    return processes("--generation-seconds", "600", "--switch", "abort_on_disconnect=on")


@pytest.fixture(scope="module")
def short(processes: Any) -> Any:
    """Tokens that live half a second."""
    return processes("--generation-seconds", "600", "--switch", "ttl=0.5")


@pytest.fixture
def ann(caller: Any, guarded: Any) -> Any:
    caller.port = guarded.port
    caller.headers["Authorization"] = "Bearer token-of-ann"
    return caller


# The document's section 6, row by row: code, message, cause; and the calls that show it.
TABLE = [
    (400, "Invalid state", "state is not one of the five known values", [("walk", 1042, 0, {}), ("Init", 1042, 0, {})]),
    (
        400,
        "Invalid token",
        "token is missing or malformed",
        [(state, 1042, 0, query) for state in ("run", "check", "get") for query in ({}, {"token": "%zz"})],
    ),
    (
        400,
        "No downloads available",
        "the report has no download capabilities",
        [("formats", 1048, 0, {}), ("init", 1048, 0, {})],
    ),
    (
        400,
        "Invalid format",
        "the format is not in the report's capability list",
        [("run", 1043, 0, {"token": "{1043}", "format": "xls"}), ("get", 1043, 0, {"token": "{1043}", "format": "x"})],
    ),
    (
        400,
        "Not implemented for this Element Type",
        "the element is not an External Report",
        [(state, element, 0, {}) for element in (2001, 2002, 2003, 2004) for state in ("formats", "init", "run")],
    ),
    (
        403,
        "Element not allowed",
        "the user does not have view access",
        [(state, 1046, 0, {}) for state in ("formats", "init", "run", "check", "get")],
    ),
    (
        404,
        "Element not found",
        "no element with that elementId and dimensionId",
        [("formats", 9999, 0, {}), ("formats", 1042, 71, {}), ("formats", 1044, 0, {}), ("init", 9999, 0, {})],
    ),
]


@pytest.mark.rules("R2", "R3", "R5", "R6", "R9", "R10", "R14", "R31", "R32", "D26")
@pytest.mark.parametrize(("status", "message", "calls"), [(a, b, d) for a, b, _, d in TABLE], ids=[r[2] for r in TABLE])
def test_the_error_table(ann: Any, status: int, message: str, calls: list[Any]) -> None:
    for state, element, segment, query in calls:
        filled = {name: ann.token(1043) if value == "{1043}" else value for name, value in query.items()}
        answer = ann.state(state, element, segment, **filled)
        assert (answer.status, answer.json) == (status, failed(message))
        assert answer.headers["content-type"] == "application/json"


def expired(caller: Any, process: Any, soon: Callable[..., None]) -> Any:
    token = caller.token()
    soon(lambda: caller.state("check", token=token).json != {"status": "IN PROGRESS"})
    return caller.state("run", token=token, format="pdf")


def expired_while_generating(caller: Any, process: Any, soon: Callable[..., None]) -> Any:
    token = caller.token()
    run = caller.state("run", token=token, format="pdf")
    assert (run.status, run.json) == (400, failed("Download failed"))
    return caller.state("check", token=token)


def aborted(caller: Any, process: Any, soon: Callable[..., None]) -> Any:
    token = caller.token()
    with caller.begin(caller.path("run", token=token, format="pdf")):
        soon(lambda: caller.state("run", token=token, format="csv").json == failed("Invalid format"))  # it has begun
        assert caller.state("check", token=token).json == {"status": "IN PROGRESS"}
    soon(lambda: caller.state("check", token=token).json != {"status": "IN PROGRESS"})
    return caller.state("get", token=token, format="pdf")


def without_a_file(caller: Any, process: Any, soon: Callable[..., None]) -> Any:
    before = set(process.spool.rglob("report.csv"))
    token = caller.ready(format="csv")
    (made,) = set(process.spool.rglob("report.csv")) - before
    made.unlink()
    return caller.state("get", token=token, format="csv")


def failing(caller: Any, process: Any, soon: Callable[..., None]) -> Any:
    token = caller.token(1047)
    run = caller.state("run", 1047, token=token, format="pdf")
    said = {"status": "ERROR", "message": "the forecast model did not converge"}
    for standing in (caller.state("check", 1047, token=token), caller.state("get", 1047, token=token, format="pdf")):
        assert (standing.status, standing.json) == (200, said)
    return run


def consumed(caller: Any, process: Any, soon: Callable[..., None]) -> Any:
    token = caller.ready(format="csv")
    assert caller.state("get", token=token, format="csv").headers["content-type"] == "text/csv"
    return caller.state("get", token=token, format="csv")


@pytest.mark.rules("R15", "R16", "R17", "R22", "R28", "R30", "D5", "D7")
@pytest.mark.parametrize(
    ("fixture", "way"),
    [
        ("short", expired),
        ("short", expired_while_generating),
        ("slow", aborted),
        ("guarded", without_a_file),
        ("guarded", failing),
        ("guarded", consumed),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__.replace("_", " "),
)
def test_download_failed(request: pytest.FixtureRequest, caller: Any, soon: Any, fixture: str, way: Any) -> None:
    process = request.getfixturevalue(fixture)
    caller.port = process.port
    caller.headers["Authorization"] = "Bearer token-of-ann"
    answer = way(caller, process, soon)
    assert (answer.status, answer.json) == (400, failed("Download failed"))
    assert answer.headers["content-type"] == "application/json"


def unanswered(calls: list[socket.socket]) -> int:
    return len(calls) - len(select.select(calls, [], [], 0)[0])


@pytest.mark.rules("R19", "R20")
def test_sixty_runs_delay_neither_check_nor_get(processes: Any, caller: Any, soon: Any) -> None:
    # Four at a time: that no run has been answered when the checks have shows that none of them waited for one.
    process = processes("--generation-seconds", "3")
    caller.port = process.port
    ready = caller.ready(format="csv")
    tokens = [caller.token() for _ in range(60)]
    runs = [caller.begin(caller.path("run", token=token, format="csv")) for token in tokens]
    try:
        for token in (*tokens, *tokens[:40]):
            assert caller.state("check", token=token).json == {"status": "IN PROGRESS"}
        assert caller.state("get", token=ready, format="csv").headers["content-type"] == "text/csv"
        assert unanswered(runs) == 60
        soon(lambda: unanswered(runs) <= 56)
        assert unanswered(runs) == 56
    finally:
        for run in runs:
            run.close()


@pytest.mark.rules("R15", "R16", "D36")
def test_after_their_time_nothing_is_left_on_disk(processes: Any, caller: Any, soon: Any) -> None:
    process = processes("--switch", "ttl=1.5", "--switch", "remember=0.5")
    caller.port = process.port
    tokens = [caller.ready(format=key) for key in ("csv", "xml", "pdf")]
    assert len(list(process.spool.rglob("report.*"))) == 3
    soon(lambda: not list(process.spool.glob("reportdl-*/*")), within=10)
    # Forgotten, not only ended.
    soon(lambda: all(caller.state("check", token=token).json == failed("Invalid token") for token in tokens))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_cleanly(processes: Any, caller: Any, number: signal.Signals, code: int) -> None:
    process = processes("--generation-seconds", "600", "--switch", "run_says_ok=at once")
    caller.port = process.port
    tokens = [caller.token() for _ in range(3)]
    assert all(caller.state("run", token=token, format="pdf").json == {"status": "OK"} for token in tokens)
    with caller.begin(caller.path("formats")) as idle:
        assert caller.answer(idle).status == 200
        assert list(process.spool.iterdir())
        assert process.end(number) == code
        assert idle.recv(1) == b""
    assert not list(process.spool.iterdir())
    assert "Traceback" not in process.errors.read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", process.port), timeout=2)


@pytest.mark.rules("D40")
def test_a_public_address_is_refused_without_credentials(processes: Any) -> None:
    with pytest.raises(AssertionError, match=r"0\.0\.0\.0 can be reached by others"):
        processes("--host", "0.0.0.0")
