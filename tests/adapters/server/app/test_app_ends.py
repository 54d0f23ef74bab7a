"""A server ends when it is told to, whatever its plugins do; one that cannot start says why and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from reportdl.server import CannotServe, LoopbackServer, Switches, create_app, loopback, serve
from reportdl.server.serve import listen
from reportdl.testing import ReportEndpoint

serving_module = import_module("reportdl.server.serve")  # its function has its name

PROGRAM = textwrap.dedent(
    """
    import time
    from pathlib import Path
    from reportdl.server import serve, session_loop
    from reportdl.server.sources import ReportInfo

    session_loop._LAST_WORK = 0.2

    class Slow:
        name = "Slow"

        def reports(self):
            return (ReportInfo(element=1042, name="Slow"),)

        def capabilities(self, report):
            return ("pdf",)

        def generate(self, report, format, directory):
            print("working", flush=True)
            time.sleep(40)

    serve(port=0, ready=lambda url: print(url, flush=True), sources=[Slow()], grace=0.2)
    print("ended")
    """
)


def test_a_plugin_that_works_on_does_not_keep_the_process(caller: Any, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            caller.port = int(process.stdout.readline().strip().rpartition(":")[2])
            token = caller.token()
            with caller.begin(caller.path("run", token=token, format="pdf")) as run:
                assert process.stdout.readline() == "working\n"
                process.send_signal(signal.SIGTERM)
                out, errors = process.communicate(timeout=15)
                assert run.recv(1) == b""
        finally:
            process.kill()
    assert (process.returncode, out, errors) == (0, "ended\n", "")
    assert not list(tmp_path.iterdir())


def test_a_thread_that_works_on_keeps_its_place(serving: Any, source: Any, caller: Any, soon: Any) -> None:
    running = serving(sources=[source], generations_at_once=1, switches=Switches(run_timeout=0.3))
    caller.port = running.port
    assert caller.state("run", 7000, token=caller.token(7000), format="pdf").status == 400
    assert source.made == 1
    assert caller.state("run", token=caller.token(), format="pdf").status == 400  # its turn did not come
    assert source.made == 1
    source.gate.set()
    soon(lambda: not any(thread.name == "reportdl-generation" for thread in threading.enumerate()))
    assert caller.ready()
    assert source.made == 2


def test_a_generation_given_up_before_its_thread_frees_its_place(serving: Any, source: Any, caller: Any) -> None:
    running = serving(
        sources=[source], generations_at_once=1, generation_seconds=0.6, switches=Switches(run_timeout=1.0)
    )
    caller.port = running.port
    first, second = caller.token(), caller.token()
    with (
        caller.begin(caller.path("run", token=first, format="pdf")) as one,
        caller.begin(caller.path("run", token=second, format="pdf")) as other,
    ):
        assert sorted(caller.answer(run).status for run in (one, other)) == [200, 400]
    assert source.made == 1
    assert caller.ready()


@pytest.fixture(autouse=True)
def listeners(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """The sockets that were listened on in a test; each is closed when it ends."""
    opened: list[socket.socket] = []

    def recorded(host: str, port: int) -> socket.socket:
        opened.append(listen(host, port))
        return opened[-1]

    for module in (loopback, serving_module):
        monkeypatch.setattr(module, "listen", recorded)
    yield opened
    assert [one for one in opened if one.fileno() != -1] == []


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"fault": ["run.html"]}, TypeError, "fault"),
    ({"generations_at_once": 0}, ValueError, "generations_at_once must be 1 or more, not 0"),
    ({"generation_seconds": -1.0}, ValueError, "generation_seconds must be 0 or more, not -1"),
    ({"generation_seconds": float("nan")}, ValueError, "generation_seconds must be 0 or more, not nan"),
]


@pytest.mark.parametrize(("options", "error", "said"), WRONG)
@pytest.mark.parametrize("made", [LoopbackServer, ReportEndpoint, create_app, serve])
def test_an_option_that_is_wrong_is_said_and_leaves_nothing(
    made: Any,
    options: dict[str, Any],
    error: type[Exception],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(error, match=said):
        made(**options, **({"port": 0} if made is serve else {}))
    assert not list(tmp_path.iterdir())


def test_without_a_place_for_files_the_reason_is_told(
    listeners: list[socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    urls: list[str] = []
    with pytest.raises(CannotServe, match=r"did not start: .*nowhere"), LoopbackServer():
        pytest.fail("it serves")
    with pytest.raises(CannotServe, match=r"did not start: .*nowhere"):
        serve(port=0, ready=urls.append)
    assert urls == []
    assert len(listeners) == 2
