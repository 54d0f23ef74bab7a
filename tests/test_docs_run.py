"""Code on the pages runs as it stands there: Python and shell, a page at a time, against a real endpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reportdl.server import LoopbackServer

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    DOCS / "tutorial.md",
    DOCS / "batch.md",
    DOCS / "resuming.md",
    *sorted((DOCS / "how-to").glob("*.md")),
    *sorted((DOCS / "explanation").glob("*.md")),
]
# What stands on the pages, and which of two endpoints it is here.
SERVERS = {
    "https://mi.example.com": 0,
    "http://127.0.0.1:8080": 0,
    "https://mi-emea.example.com": 0,
    "https://mi-us.example.com": 1,
}

_FENCE = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.docs


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(language, body) for language, body in _FENCE.findall(page.read_text())]


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    # Without accounts: the pages' credentials are placeholders.
    with LoopbackServer() as one, LoopbackServer() as other:
        yield one.url, other.url


def here(code: str, urls: tuple[str, str]) -> str:
    for server, number in SERVERS.items():
        code = code.replace(server, urls[number])
    return code


@pytest.mark.needs("bash")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_a_pages_code_runs(page: Path, urls: tuple[str, str], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "REPORTDL_URL": urls[0],
        "REPORTDL_TOKEN": "any",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    python = ""
    for language, body in blocks(page):
        if language == "python":
            python += body + "\n"
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", here(body, urls)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, f"{body}\n{done.stderr}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", here(python, urls)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
