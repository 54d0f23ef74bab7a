"""Office files and the web archive, opened by the programs that people open them with. Long: `make deep`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Made = Callable[..., Path]
SHOWN = ["Sales Dashboard", "Revenue (EUR)", "2025-10", "412,900", "5,229,500", "34.9%"]
BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = [pytest.mark.deep, pytest.mark.timeout(180)]


def said(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(pdf: Path) -> str:
    return said("pdftotext", "-layout", pdf, "-")


@pytest.mark.needs("soffice", "pdftotext", "pdfinfo", "pdfimages")
@pytest.mark.rules("R7")
@pytest.mark.parametrize(("key", "pages", "pictures"), [("ppt", 2, 1), ("xls", 1, 0), ("doc", 1, 1)])
def test_libreoffice_shows_title_table_totals_and_chart(
    made: Made, tmp_path: Path, key: str, pages: int, pictures: int
) -> None:
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    said("soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", tmp_path, made(1042, key))
    pdf = tmp_path / "report.pdf"
    shown = text_of(pdf)
    for text in SHOWN:
        assert text in shown
    assert "###" not in shown, "a column too narrow for its numbers"
    assert re.search(rf"^Pages:\s+{pages}$", said("pdfinfo", pdf), re.MULTILINE)
    # A sheet's chart is its own and has its series' names as text; on a slide and in a document it is a picture.
    assert len(said("pdfimages", "-list", pdf).splitlines()) - 2 >= pictures
    assert shown.count("Target (EUR)") >= (2 if key == "xls" else 1)


@pytest.mark.needs("chromium", "pdftotext", "pdfimages")
@pytest.mark.rules("R7")
def test_chromium_opens_the_web_archive_with_its_picture(made: Made, tmp_path: Path) -> None:
    pdf, archive = tmp_path / "page.pdf", tmp_path / "report.mhtml"
    archive.write_bytes(made(1042, "mhtml").read_bytes())
    where = [f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", archive.as_uri()]
    said("chromium", *BROWSER, *QUIET, *where)
    shown = text_of(pdf)
    for text in SHOWN:
        assert text in shown
    assert len(said("pdfimages", "-list", pdf).splitlines()) > 2, "the chart came with the page"
