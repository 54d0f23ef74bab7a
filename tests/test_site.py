"""The pages as a site: it is built without a warning, and a browser that opens it asks nobody else for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
LOADING: Final = {"src", "srcset", "poster", "data", "background", "action"}
# A link that is followed by itself; all others wait for somebody who clicks.
LINKS: Final = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch", "manifest"}
ELSEWHERE: Final = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_IN_STYLE: Final = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")
_IN_SCRIPT: Final = re.compile(
    r"""(?:import\s*\(?|from|fetch\(|importScripts\(|\.src\s*=)\s*["'`]((?:https?:)?//[^"'`]+)"""
)
_TEXTS: Final = {"style", "script"}

pytestmark = [pytest.mark.docs, pytest.mark.timeout(180)]


class Page(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.pictures = 0
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self._in = tag
        self.pictures += said.get("src", "").startswith("data:image/svg+xml")
        self.loads += [part.split()[0] for name in LOADING & said.keys() for part in said[name].split(", ") if part]
        if tag == "link" and LINKS & set(said.get("rel", "").lower().split()):
            self.loads.append(said.get("href", ""))
        self.loads += _IN_STYLE.findall(said.get("style", ""))

    def handle_data(self, data: str) -> None:
        self.loads += (_IN_STYLE if self._in == "style" else _IN_SCRIPT).findall(data) if self._in in _TEXTS else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def loaded(site: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(site.rglob("*")):
        name = str(path.relative_to(site))
        match path.suffix:
            case ".html":
                yield from ((name, one) for one in Page(path.read_text()).loads)
            case ".css":
                yield from ((name, one) for one in _IN_STYLE.findall(path.read_text()))
            case ".js":
                yield from ((name, one) for one in _IN_SCRIPT.findall(path.read_text()))
            case _:
                pass


def test_it_loads_nothing_from_elsewhere(site: Path) -> None:
    everything = list(loaded(site))
    assert len(everything) > 500
    assert [(name, one) for name, one in everything if ELSEWHERE.match(one)] == []


def test_a_diagram_is_a_picture_by_day_and_by_night(site: Path) -> None:
    fences = {path: path.read_text().count("\n```mermaid") for path in sorted((ROOT / "docs").rglob("*.md"))}
    drawn = {path: count for path, count in fences.items() if count}
    assert sum(drawn.values()) >= 4
    for path, count in drawn.items():
        page = (site / path.relative_to(ROOT / "docs")).with_suffix(".html")
        assert Page(page.read_text()).pictures == 2 * count, path


LOADS = [
    '<script src="https://cdn.example.com/x.js"></script>',
    '<script type="module">import x from "https://cdn.example.com/x.mjs"</script>',
    '<link rel="stylesheet" href="//fonts.example.com/css">',
    "<style>@import 'https://cdn.example.com/x.css';</style>",
    '<img srcset="a.png 1x, https://cdn.example.com/b.png 2x">',
    '<div style="background: url(http://cdn.example.com/x.png)">',
]


@pytest.mark.parametrize("text", LOADS)
def test_what_would_be_loaded_from_elsewhere_is_seen(text: str) -> None:
    assert any(ELSEWHERE.match(one) for one in Page(text).loads)


def test_a_link_is_no_load() -> None:
    assert Page('<a href="https://example.com">x</a><link rel="canonical" href="https://example.com">').loads == []
