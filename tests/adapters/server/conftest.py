"""Decides what the server's tests share: programs that are not ours, and files made by the shipped catalog."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reportdl.server.sources import CatalogSource, ReportInfo, demo

__all__ = ["Made", "Program", "catalog", "made", "program"]

Program = Callable[..., str]
Made = Callable[..., Path]


def _found(name: str) -> str:
    beside = Path(sys.executable).parent  # a validator that was installed as a Python package
    path = shutil.which(name) or shutil.which(name, path=str(beside))
    if path is None:
        # A check that silently does not run is no check: only a developer's machine may lack the program.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs the program {name}")
    return path


@pytest.fixture
def program() -> Program:
    """Run a program that is not ours on some arguments; it must succeed; gives what it printed."""

    def run(name: str, *arguments: str | Path) -> str:
        command = [_found(name), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=50, check=False
        )
        assert done.returncode == 0, f"{name} says {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def catalog() -> CatalogSource:
    """The shipped catalog."""
    return demo()


def _report(catalog: CatalogSource, element: int, segment: int) -> ReportInfo:
    return next(one for one in catalog.reports() if (one.element, one.segment) == (element, segment))


@pytest.fixture(scope="session")
def made(catalog: CatalogSource, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A file of the shipped catalog by element, format and segment, made once in a session. Look, do not touch."""
    files: dict[tuple[int, int, str], Path] = {}

    def make(element: int, key: str, segment: int = 0) -> Path:
        place = (element, segment, key)
        if place not in files:
            directory = tmp_path_factory.mktemp(f"{element}-{segment}-{key}")
            files[place] = catalog.generate(_report(catalog, element, segment), key, directory)
        return files[place]

    return make
