"""The document's own example, section 7, by what knows nothing of it: curl, wget, a browser, ten lines of Python."""

from __future__ import annotations

import ast
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reportdl.testing import ReportEndpoint

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "server.md"
TEN_LINES = ROOT / "docs" / "examples" / "ten_lines.py"
STATES = ["formats", "init", "run", "check", "get"]

pytestmark = pytest.mark.rules("R1", "R8", "R12", "R13", "R18", "R21", "R24", "R25", "R27")


@pytest.fixture
def endpoint() -> Iterator[ReportEndpoint]:
    with ReportEndpoint() as running:
        yield running


def quiet() -> dict[str, str]:
    """This environment without what a person's own set-up would add."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "LC_ALL": "C"}


def fetched(endpoint: ReportEndpoint, folder: Path) -> None:
    """One whole PDF under the report's name, by five requests, and a session that is spent."""
    assert [path.name for path in folder.iterdir()] == ["Sales Dashboard.pdf"]
    data = (folder / "Sales Dashboard.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert endpoint.saw == STATES
    assert {call.method for call in endpoint.calls} == {"GET"}
    assert [session.state.name for session in endpoint.sessions()] == ["CONSUMED"]


@pytest.mark.needs("bash", "sed")
@pytest.mark.parametrize(
    "program",
    [pytest.param("curl", marks=pytest.mark.needs("curl")), pytest.param("wget", marks=pytest.mark.needs("wget"))],
)
def test_the_pages_own_lines(endpoint: ReportEndpoint, tmp_path: Path, program: str) -> None:
    found = re.search(rf"^```sh\n# {program}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[1]],
        cwd=tmp_path,
        env={**quiet(), "URL": endpoint.url, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(one) for one in re.findall(r"\{.*?\}", done.stdout)]
    assert [one["status"] for one in said] == ["OK", "OK", "READY"]  # the token went into a variable
    fetched(endpoint, tmp_path)


def test_ten_lines_of_python(endpoint: ReportEndpoint, tmp_path: Path) -> None:
    state = f"{endpoint.url}/api/element/id/1042/segment/0/download/state"
    command = [sys.executable, "-W", "error", str(TEN_LINES), state, "pdf"]
    done = subprocess.run(command, cwd=tmp_path, env=quiet(), capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    fetched(endpoint, tmp_path)


def test_they_are_ten() -> None:
    tree = ast.parse(TEN_LINES.read_text())
    code = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
    assert sum((node.end_lineno or 0) - node.lineno + 1 for node in code) <= 10
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)


@pytest.mark.deep
@pytest.mark.timeout(300)
@pytest.mark.needs("chromium")
def test_a_browser(endpoint: ReportEndpoint, tmp_path: Path) -> None:
    profile, downloads = tmp_path / "profile", tmp_path / "downloads"
    (profile / "Default").mkdir(parents=True)
    downloads.mkdir()
    wishes: dict[str, Any] = {"download": {"default_directory": str(downloads), "prompt_for_download": False}}
    (profile / "Default" / "Preferences").write_text(json.dumps(wishes))
    program = shutil.which("chromium") or "chromium"
    # Without a sandbox of its own: the tests may run as root, and it opens one page of ours.
    browser = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
    browser += ["--disable-background-networking", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
    state = f"{endpoint.url}/api/element/id/1042/segment/0/download/state"

    def shown(address: str) -> Any:
        done = subprocess.run(
            [*browser, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True
        )
        text = re.search(r"<pre[^>]*>(.*?)</pre>", done.stdout, re.DOTALL)
        assert text is not None, done.stdout
        return json.loads(html.unescape(text[1]))

    assert "pdf" in shown(f"{state}/formats")["formats"]
    token = shown(f"{state}/init")["token"]
    assert shown(f"{state}/run?token={token}&format=pdf") == {"status": "OK"}
    assert shown(f"{state}/check?token={token}") == {"status": "READY"}
    with subprocess.Popen(
        [*browser, f"{state}/get?token={token}&format=pdf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + 60
        while not list(downloads.glob("*.pdf")) and time.monotonic() < end:
            time.sleep(0.1)
        process.terminate()
    fetched(endpoint, downloads)
