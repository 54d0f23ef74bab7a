"""`reportdl serve` in a process of its own: what it says, whom it lets in, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

COMMAND = [sys.executable, "-m", "reportdl", "serve", "--port", "0"]


class Served:
    """The command, and the URL that it printed."""

    def __init__(self, *words: str, **more: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*COMMAND, *words], env={**kept, **more}, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().removesuffix("\n")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit code, the rest of stdout, and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(*words: str, **more: str) -> Served:
        running.append(Served(*words, **more))
        return running[-1]

    yield start
    for served in running:
        served.process.kill()
        served.process.communicate()


def test_it_prints_its_url_and_serves_the_demo_until_it_is_ended(
    serve: Callable[..., Served], reportdl: Run, tmp_path: Path
) -> None:
    served = serve("--generation-seconds", "0")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", served.url)
    assert reportdl("get", "1042", "-f", "csv", url=served.url).out == f"{tmp_path / 'Sales Dashboard.csv'}\n"
    code, out, err = served.end(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "stopped"
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigterm_is_a_clean_end(serve: Callable[..., Served]) -> None:
    assert serve().end(signal.SIGTERM)[:2] == (0, "")


@pytest.mark.rules("D1")
def test_faults_and_switches_reach_the_endpoint(serve: Callable[..., Served], reportdl: Run) -> None:
    words = ["--fault", "init.status=418", "--switch", "ttl_policy=sliding", "--switch", "ttl=30"]
    served = serve(*words, "-v")
    assert reportdl("get", "1042", "-f", "csv", url=served.url).code == 1
    assert "GET init on connection" in served.end()[2]


@pytest.mark.rules("D16")
def test_guarded_it_asks_for_the_credentials_of_its_environment(serve: Callable[..., Served], reportdl: Run) -> None:
    key = {"REPORTDL_APPLICATION_ID": "app", "REPORTDL_APPLICATION_KEY": "the-key"}
    served = serve("--guarded", **key, REPORTDL_TOKEN="personal", REPORTDL_USER="me")
    assert reportdl("formats", "1042", url=served.url).code == 4
    assert reportdl("formats", "1042", "--bearer", url=served.url, REPORTDL_TOKEN="personal").code == 0
    assert reportdl("formats", "1042", url=served.url, REPORTDL_TOKEN="", REPORTDL_USER="me", **key).code == 0
    assert "the-key" not in "".join(map(str, served.end()))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--fault", "run.nonsense"], 2, "KIND one of drop_before"),
        (["--fault", "check.gateway_timeout=3"], 2, "check answers at once"),
        (["--fault", "get_token.filename=x"], 2, "get_token sends no file"),
        (["--switch", "ttl_policy=never"], 2, "ttl_policy takes absolute|start|sliding, not 'never'"),
        (["--switch", "ttl=-1"], 2, "ttl must be a finite number of seconds above 0"),
        (["--switch", "nonsense=1"], 2, "consume_on=end|start"),
        (["--guarded"], 2, "--guarded needs REPORTDL_APPLICATION_ID"),
        (["--host", "0.0.0.0"], 2, "configure credentials"),
        (["--host", "192.0.2.1", "--guarded"], 1, "cannot serve on 192.0.2.1"),
        (["--catalog", "broken.toml"], 2, "broken.toml"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    reportdl: Run, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "broken.toml").write_text("name = 'x'\nnonsense = 1\n")
    key = {"REPORTDL_APPLICATION_ID": "app", "REPORTDL_APPLICATION_KEY": "key"} if len(words) > 2 else {}
    ran = reportdl("serve", "--port", "0", *words, REPORTDL_TOKEN="", **key)
    assert (ran.code, ran.out) == (code, "")
    assert message in re.sub(r"\s+", " ", ran.err)
    assert "Traceback" not in ran.err


def test_a_port_that_is_taken_is_told(serve: Callable[..., Served], reportdl: Run) -> None:
    port = serve().url.rpartition(":")[2]
    ran = reportdl("serve", "--port", port)
    assert ran.code == 1
    assert f"cannot serve on 127.0.0.1 port {port}" in ran.err


def test_it_describes_itself(serve: Callable[..., Served]) -> None:
    with urllib.request.urlopen(f"{serve().url}/openapi.json", timeout=10) as answer:
        assert answer.status == 200
