"""What is published: one wheel with both packages, which works without the checkout and the tools of the tests."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURELIB = sysconfig.get_path("purelib")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Without isolation: the builder is pinned with the other tools, and nothing is asked of the network.
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def alone(unpacked: Path, script: str) -> str:
    """Run with the wheel's content and the installed libraries; -S keeps the editable checkout out."""
    begin = f"import sys; sys.path[:0] = [{str(unpacked)!r}, {PURELIB!r}]; "
    command = [sys.executable, "-I", "-S", "-c", begin + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_every_file_of_both_packages_and_no_other(unpacked: Path) -> None:
    expected = {
        path.relative_to(root)
        for root in (ROOT / "core", ROOT / "adapters")
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path("reportdl_core/py.typed"), Path("reportdl/py.typed")} <= expected
    found = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()}
    assert {path for path in found if ".dist-info" not in path.parts[0]} == expected


@pytest.mark.parametrize("package", ["reportdl_core", "reportdl", "reportdl.cli", "reportdl.server"])
def test_each_package_is_imported_from_the_wheel(unpacked: Path, package: str) -> None:
    where = Path(alone(unpacked, f"import {package} as it; print(it.__file__)"))
    assert where.is_relative_to(unpacked)


def test_the_command_and_the_source_plugin_are_offered(unpacked: Path) -> None:
    (folder,) = unpacked.glob("*.dist-info")
    said = (folder / "entry_points.txt").read_text()
    assert "reportdl = reportdl.cli:main" in said
    assert "[reportdl.sources]" in said


def test_the_version_is_said_once(unpacked: Path) -> None:
    (folder,) = unpacked.glob("*.dist-info")
    assert folder.name == f"reportdl-{alone(unpacked, 'import reportdl; print(reportdl.__version__)')}.dist-info"
