"""Ready to publish: wheel and sdist are built, checked, installed into empty environments, and used there as people do.

Nothing of the tests' own environment is in them: what a feature needs, its extra must bring. The endpoint that they
download from runs in the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from reportdl.server import LoopbackServer

ROOT: Final = Path(__file__).parent.parent
EXTRAS: Final = ("cli", "aiohttp", "httpx2", "server", "seal", "batch", "celery", "testing")
BASE: Final = {"structlog", "transitions", "six", "urllib3", "reportdl", "pip"}
# What makes an environment more than empty: caches stay, so that each package is fetched once.
LEFT_OUT: Final = ("PYTHON", "PIP_CONSTRAINT", "VIRTUAL_ENV", "REPORTDL", "http_proxy", "https_proxy", "HTTP_PROXY")

pytestmark = [pytest.mark.deep, pytest.mark.timeout(600)]

DOWNLOAD: Final = """
import os, reportdl
with reportdl.Client(os.environ["REPORTDL_URL"], credentials=reportdl.Token("any")) as client:
    assert "csv" in client.formats(1042)
    got = client.download(1042, format="csv", to="out/")
assert got.path.stat().st_size == got.size and got.length_verified
print(got.filename)
"""
ASYNC: Final = """
import os
from reportdl.aio import AsyncClient
import reportdl
async def main():
    async with AsyncClient(os.environ["REPORTDL_URL"], credentials=reportdl.Token("any")%s) as client:
        got = await client.download(1042, format="csv", to="out/")
    print(got.filename)
%s
"""
SEAL: Final = """
import os, reportdl
from reportdl.seal import Seal
saved = reportdl.CheckpointFile("sales.job", seal=Seal.from_key_file("reportdl.key"))
with reportdl.Client(os.environ["REPORTDL_URL"], credentials=reportdl.Token("any")) as client:
    print(client.download(1042, format="csv", to="out/", on_checkpoint=saved).filename)
assert saved.read() is None
"""
SERVER: Final = """
import reportdl
from reportdl.server import LoopbackServer
with LoopbackServer() as server, reportdl.Client(server.url, credentials=reportdl.Token("any")) as client:
    for key in client.formats(1042):
        print(client.download(1042, format=key, to="out/").size > 100, end=" ")
"""
BATCH: Final = """
import os, reportdl, reportdl.batch
server = reportdl.batch.Server(os.environ["REPORTDL_URL"], credentials=reportdl.Token("any"))
jobs = [reportdl.Job(element=1042, format=key) for key in ("csv", "xml", "pdf")]
summary = reportdl.batch.run(jobs, server, ledger="night.ledger", to="out/")
print(summary.ok, len(os.listdir("out")))
"""
CELERY: Final = """
import reportdl.batch.celery as crew
assert crew.app.conf.task_acks_late and "reportdl" in str(crew.app.tasks)
"""
TESTED: Final = """
import pytest, reportdl
from hypothesis import given, settings
from reportdl.testing import FaultServer
from reportdl.testing.strategies import jobs

def test_time_that_does_not_pass(memory_endpoint):
    assert memory_endpoint.download(1042, format="pdf").reason.name == "DELIVERED"

def test_a_server_that_is_wrong(tmp_path):
    with FaultServer("short of its length", on="get") as server:
        with reportdl.Client(server.url, credentials=reportdl.Token("any")) as client:
            client.download(1042, format="pdf", to=tmp_path)
    assert server.runs == (1,)

@given(job=jobs())
@settings(max_examples=5)
def test_what_can_be_drawn(job):
    assert job.element >= 0
"""


class Environment:
    """A virtual environment of its own, empty but for pip."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.url, self.home = folder / "env", url, folder
        venv.create(self.folder, with_pip=True, symlinks=True)
        self.bin = self.folder / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command: str, code: int = 0) -> str:
        """What a command of this environment prints, started in an empty folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
        kept |= {"PATH": f"{self.bin}{os.pathsep}{os.defpath}", "REPORTDL_URL": self.url, "REPORTDL_TOKEN": "any"}
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.home,
            env=kept,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return (done.stdout if code == 0 else done.stderr).strip()

    def python(self, script: str) -> str:
        """What a script prints; every warning is an error."""
        return self.run("python", "-I", "-W", "error", "-c", script)

    def install(self, *what: str) -> None:
        """By pip, at the pinned versions."""
        self.run("pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), *what)

    def installed(self) -> set[str]:
        """The names of what is there."""
        return {line.partition("==")[0].lower() for line in self.run("pip", "list", "--format=freeze").splitlines()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both distributions, built as a release is: the sdist from the tree, the wheel from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.suffix for path in out.iterdir()) == [".gz", ".whl"]
    return out


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with LoopbackServer(generation_seconds=0.1) as server:
        yield server.url


def wheel(dist: Path, extra: str = "") -> str:
    (made,) = dist.glob("*.whl")
    return f"{made}[{extra}]" if extra else str(made)


def test_what_is_built_can_be_uploaded(dist: Path, tmp_path: Path) -> None:
    checker = Environment(tmp_path)
    checker.install("twine")
    said = checker.run("twine", "check", "--strict", *map(str, sorted(dist.iterdir())))
    assert said.count("PASSED") == 2


@pytest.mark.needs("git")
def test_the_sdist_holds_what_is_kept_in_git_and_nothing_else(dist: Path) -> None:
    (made,) = dist.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        found = {name.partition("/")[2] for name in archive.getnames() if not archive.getmember(name).isdir()}
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    expected = {name for name in kept.stdout.splitlines() if not name.startswith(".ci/")}
    assert found - {"PKG-INFO"} - expected == set()
    assert expected - found - {".gitignore"} == set()


def test_the_sdist_gives_the_wheel_that_the_tree_gives(dist: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, capture_output=True, timeout=300, check=True)

    def contents(path: str) -> dict[str, int]:
        with zipfile.ZipFile(path) as archive:
            return {one.filename: one.CRC for one in archive.infolist()}

    assert contents(wheel(dist)) == contents(wheel(tmp_path))


def test_every_extra_is_tried_here() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) == {*EXTRAS, "all"}
    assert extras["all"] == [f"reportdl[{','.join(EXTRAS)}]"]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_base_downloads_and_brings_nothing_more_than_it_says(
    dist: Path, url: str, tmp_path: Path, kind: str
) -> None:
    here = Environment(tmp_path, url)
    (sdist,) = dist.glob("*.tar.gz")
    here.install(wheel(dist) if kind == "wheel" else str(sdist))
    assert here.python(DOWNLOAD) == "Sales Dashboard.csv"
    assert here.installed() - {"setuptools"} == BASE
    assert "pip install 'reportdl[cli]'" in here.run("reportdl", "--help", code=1)
    assert "pip install 'reportdl[cli]'" in here.run("python", "-m", "reportdl", "--help", code=1)
    here.run("pip", "check")


def used(here: Environment, extra: str) -> None:
    """One extra, as its users would use it."""
    match extra:
        case "cli":
            assert here.run("reportdl", "get", "1042", "-f", "csv", "-o", "out/").endswith("Sales Dashboard.csv")
            assert "1042" in here.run("reportdl", "list", "sales")
        case "aiohttp":
            assert here.python(ASYNC % ("", "import asyncio; asyncio.run(main())")) == "Sales Dashboard.csv"
        case "httpx2":
            begin = "import httpx2\n" + ASYNC % (", client=httpx2.AsyncClient()", "import asyncio; asyncio.run(main())")
            assert here.python(begin) == "Sales Dashboard.csv"
        case "server":
            assert here.python(SERVER) == " ".join(["True"] * 9)
        case "seal":
            assert here.python(SEAL) == "Sales Dashboard.csv"
        case "batch":
            assert here.python(BATCH) == "True 3"
        case "celery":
            here.python(CELERY)
        case "testing":
            (here.home / "test_it.py").write_text(TESTED)
            assert "3 passed" in here.run("pytest", "-q", "test_it.py")
        case _:
            raise AssertionError(extra)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_alone_brings_what_its_feature_needs(dist: Path, url: str, tmp_path: Path, extra: str) -> None:
    here = Environment(tmp_path, url)
    here.install(wheel(dist, extra))
    used(here, extra)
    assert here.python(DOWNLOAD).startswith("Sales Dashboard")
    here.run("pip", "check")


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_all_of_them_together(dist: Path, url: str, tmp_path: Path, kind: str) -> None:
    here = Environment(tmp_path, url)
    (sdist,) = dist.glob("*.tar.gz")
    here.install(wheel(dist, "all") if kind == "wheel" else f"{sdist}[all]")
    for extra in EXTRAS:
        used(here, extra)
        for left in (here.home / "out").glob("*"):
            left.unlink()
    (here.home / "night.csv").write_text("element,format\n1042,csv\n1042,pdf\n")
    here.run("reportdl", "batch", "night.csv", "-o", "out/", "--ledger", "other.ledger")
    assert len(list((here.home / "out").iterdir())) == 2
    assert "0 broken" in here.run("reportdl", "conform", "1042")
    here.run("pip", "check")
