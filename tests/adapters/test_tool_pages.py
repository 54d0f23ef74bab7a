"""docs/traces.md, conform.md, doctor.md and shell-completion.md: made by the tools, and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import reportdl
from reportdl.conform import STEPS
from reportdl.server import LoopbackServer
from reportdl.testing import FaultServer
from reportdl.trace import Trace, diagram, head, line, read_trace, recording, transcript
from reportdl_core.download import Download
from reportdl_core.errors import Refusal
from reportdl_core.events import (
    Event,
    FileReceived,
    FormatsListed,
    Lost,
    Refused,
    Sent,
    Status,
    StatusReported,
    TokenIssued,
    WaitElapsed,
)
from reportdl_core.job import Job
from reportdl_core.outcome import Receipt
from reportdl_core.policy import Policy
from reportdl_core.secret import Secret
from reportdl_core.switches import Switches

pytestmark = pytest.mark.docs

DOCS = Path(__file__).parents[2] / "docs"
STORY: list[tuple[float, Event]] = [
    (0.021, FormatsListed(number=1, formats=("image", "pdf", "csv"))),
    (0.038, TokenIssued(number=2, token=Secret("abcDEF123%3D"))),
    (5.038, WaitElapsed(number=4)),
    (5.061, Refused(number=5, refusal=Refusal.UNAVAILABLE, code=503)),
    (7.311, Lost(number=3, sent=Sent.UNKNOWN, message="remote disconnected")),
    (7.812, WaitElapsed(number=7)),
    (7.834, StatusReported(number=8, status=Status.READY)),
    (
        8.016,
        FileReceived(
            number=9,
            receipt=Receipt(
                path=None,
                filename="Sales Dashboard.csv",
                content_type="text/csv",
                size=471,
                sha256="0",
                length_verified=True,
            ),
        ),
    ),
]


def failing() -> Iterator[tuple[float, Event]]:
    """A gateway gives up waiting for `run`; the report fails later, and `check` brings the reason."""
    yield 0.021, FormatsListed(number=1, formats=("image", "pdf", "csv"))
    yield 0.038, TokenIssued(number=2, token=Secret("abcDEF123%3D"))
    yield 5.038, WaitElapsed(number=4)
    yield 5.061, StatusReported(number=5, status=Status.IN_PROGRESS)
    yield 10.041, Refused(number=3, refusal=Refusal.UNAVAILABLE, code=504)
    yield 10.581, WaitElapsed(number=7)
    yield 10.603, StatusReported(number=8, status=Status.IN_PROGRESS)
    yield 11.240, WaitElapsed(number=9)
    yield 11.262, StatusReported(number=10, status=Status.ERROR, message="Data source 'Warehouse' is offline")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(name: str, language: str) -> Iterator[tuple[str, str]]:
    """The examples of a page: the name in the first line, and the whole text."""
    for text in re.findall(rf"^```{language}\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL):
        yield text.partition("\n")[0].removeprefix("# "), text


def with_section(text: str, name: str, content: str) -> str:
    begin, rest = re.split(rf"(?<=<!-- {name}: written by `make docs` -->\n)", text)
    return begin + content + rest[rest.index("<!-- end -->") :]


def traced(path: Path, story: Iterable[tuple[float, Event]]) -> Trace:
    download = Download(Job(element=1042, format="csv"), policy=Policy(), seed=11, now=0.0)
    observer = recording(path)(download)
    observer.moved(None, download.outstanding, now=0.0)
    for at, event in story:
        observer.moved(event, download.receive(event, now=at), now=at)
    assert download.outcome is not None, "the story has an end"
    return read_trace(path)


def shown(trace: Trace) -> str:
    began = head(trace).replace(trace.began, "2026-11-27T08:00:00.000+00:00")
    return "\n".join(["```text", began, *(line(row) for row in transcript(trace)), "```", ""])


def trace_page(tmp_path: Path) -> str:
    good, bad = traced(tmp_path / "job.jsonl", STORY), traced(tmp_path / "failed.jsonl", failing())
    text = with_section(page("traces.md"), "transcript", shown(good))
    text = with_section(text, "diagram", f"```mermaid\n{diagram(good)}```\n")
    return with_section(text, "failed", shown(bad))


def conform_page() -> str:
    rows = [f"| `{step.name}` | {step.shows} | {step.cost} |" for step in STEPS]
    return with_section(
        page("conform.md"), "steps", "\n".join(["| step | shows | costs |", "|---|---|---|", *rows, ""])
    )


def test_the_transcript_the_diagram_and_the_steps_are_those_of_the_tools(tmp_path: Path) -> None:
    wanted = {"traces.md": trace_page(tmp_path), "conform.md": conform_page()}
    for name, text in wanted.items():
        if os.environ.get("REPORTDL_WRITE_DOCS") == "1":
            (DOCS / name).write_text(text)
        assert page(name) == text, "out of date: make docs"


@pytest.mark.parametrize(
    ("fault", "on", "last", "end"),
    [
        ("short of its length", "get", "lost, perhaps sent: incomplete read", "ERROR: transfer lost, 2 sessions"),
        ("a page with 200", "init", "200 no envelope: 200 with text/html", "ERROR: endpoint missing"),
    ],
)
def test_an_end_that_the_page_names_looks_like_that(fault: str, on: str, last: str, end: str, tmp_path: Path) -> None:
    path, policy = tmp_path / "job.jsonl", Policy(first_pause=0.01, longest_pause=0.5)
    if on == "init":  # what is asked again until a silence is too long
        policy = replace(policy, silence=0.5, first_contact=0.5)
    with (
        FaultServer(fault, on=on, times=None) as server,
        reportdl.Client(server.url, credentials=reportdl.Token("any"), policy=policy) as client,
        pytest.raises(reportdl.DownloadError),
    ):
        client.download(1042, format="pdf", to=tmp_path, observe=recording(path))
    lines = [line(row) for row in transcript(read_trace(path))]
    answers = [text for text in lines if ">>" in text and "elapsed" not in text]
    assert last in answers[-1]
    assert lines[-1].endswith(f"== {end}")
    for words in (*re.split(": ", last)[-1:], f"`{end}`"):
        assert words in page("traces.md")
    if on == "get":  # a number is missing where the second session begins
        numbers = {int(found[1]) for text in lines if (found := re.search(r"(?:<<|>>|x) +(\d+)", text))}
        assert set(range(1, max(numbers) + 1)) - numbers == {9}
        assert [text.split()[-1] for text in answers if "READY" in text] == ["READY", "READY"]


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(generation_seconds=0.7, switches=Switches(ttl=60.0)) as running:
        yield running


def run(text: str, folder: Path, url: str) -> int:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPORTDL_")}
    env = {**kept, "PATH": path, "REPORTDL_URL": url, "REPORTDL_TOKEN": "canary", "NO_PROXY": "*"}
    done = subprocess.run(["bash", "-ec", text], cwd=folder, env=env, capture_output=True, text=True, timeout=55)
    assert done.returncode in (0, 1), done.stderr
    assert "canary" not in done.stdout + done.stderr
    return done.returncode


DIFFERS = {"replay another policy"}


@pytest.mark.parametrize(("name", "count"), [("traces.md", 4), ("conform.md", 4), ("doctor.md", 1)])
def test_every_command_line_of_a_page_does_what_it_says(
    server: LoopbackServer, tmp_path: Path, name: str, count: int
) -> None:
    ran = 0
    for title, text in blocks(name, "sh"):
        with LoopbackServer(generation_seconds=0.4, switches=Switches(ttl=1.0)) as short:
            waits = "expiry" in text  # five minutes are for people
            asked = text.replace("--step expiry-ready", "--step expiry-ready --ttl 1") if waits else text
            assert run(asked, tmp_path, short.url if waits else server.url) == (1 if title in DIFFERS else 0), title
        ran += 1
    assert ran == count
    made = {"traces.md": {"job.jsonl", "out"}, "conform.md": {"conform.xml", "mi.json", "out"}, "doctor.md": set()}
    assert {path.name for path in tmp_path.iterdir()} == made[name]


def test_every_python_example_of_the_pages_runs(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "mi.json").write_text('{"profile":1,"server":"s","examined":"now","policy":{"expiry":"documented"}}')
    ran = []
    for name in ("traces.md", "conform.md", "doctor.md"):
        for title, text in blocks(name, "python"):
            here = text.replace("https://mi.example.com", server.url)
            exec(compile(here, f"{name}: {title}", "exec"), {})
            ran.append(title)
    assert ran == ["record.py", "replay.py", "profile.py", "examine.py", "doctor.py"]
    assert capsys.readouterr().out.startswith("(")


@pytest.mark.needs("bash")
def test_bash_completes_what_the_page_says(tmp_path: Path) -> None:
    ((_, text), *others) = blocks("shell-completion.md", "sh")
    assert len(others) == 2
    script = text + 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _reportdl_completion reportdl; echo "${COMPREPLY[@]}"'
    env = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}

    def completed(*words: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", script, "bash", "reportdl", *words], env=env, capture_output=True, text=True, timeout=50
        )
        return done.stdout.split()

    assert completed("co") == ["conform"]
    assert completed("get", "1042", "--for") == ["--format"]
    assert completed("get", "1042", "-f", "p") == ["pdf", "ppt"]
    assert set(completed("conform", "1", "--step", "exp")) == {"expiry", "expiry-ready"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_have_a_script_of_their_own(shell: str) -> None:
    env = {**os.environ, "_REPORTDL_COMPLETE": f"{shell}_source"}
    done = subprocess.run([sys.executable, "-m", "reportdl"], env=env, capture_output=True, text=True, timeout=50)
    assert f"_REPORTDL_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=done.stdout, capture_output=True, text=True, timeout=50)
        assert check.returncode == 0
