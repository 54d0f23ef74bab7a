"""Two threads on one session: whatever the moment, one is refused, nothing moves twice, no command is doubled (D37)."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import reportdl_core

SCRIPT = Path(__file__).parents[1] / "race_session.py"
PYTHONS = {(3, 11): "python3.11", (3, 12): "python3.12", (3, 13): "python3.13"}


@functools.cache
def interpreter(version: tuple[int, int]) -> str | None:
    """This interpreter, another one on the path, or one that pyenv keeps; None where there is none that runs."""
    if version == sys.version_info[:2]:
        return sys.executable
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = f"{version[0]}.{version[1]}.*/bin/python"
    for found in (shutil.which(PYTHONS[version]), *map(str, kept.glob(named))):
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


def raced(python: str, folder: Path, rounds: int, *words: str) -> dict[str, dict[str, int]]:
    # What the core needs and nothing else: another version could not load the rest of this environment.
    for name in ("transitions", "six"):
        spec = find_spec(name)
        assert spec is not None
        source = Path(str(spec.origin))
        source = source.parent if source.name == "__init__.py" else source
        if not (folder / source.name).exists():
            (folder / source.name).symlink_to(source)
    roots = [str(folder), str(Path(str(reportdl_core.__file__)).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, str(SCRIPT), str(rounds), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert len(said["races"]) == 7
    return said["races"]


def held(races: dict[str, dict[str, int]], rounds: int) -> None:
    for name, seen in races.items():
        # They did meet inside, nearly always; or this would say nothing.
        assert seen.pop("refused") > rounds / 2, name
        assert seen == {"doubled": 0, "torn": 0}, name


@pytest.mark.rules("D37", "I3", "I4", "I5", "I9")
def test_one_of_two_threads_is_refused_and_nothing_moves_twice(tmp_path: Path) -> None:
    held(raced(sys.executable, tmp_path, 120), 120)


def test_without_the_guard_commands_would_be_doubled(tmp_path: Path) -> None:
    races = raced(sys.executable, tmp_path, 120, "unguarded")
    assert sum(seen["doubled"] for seen in races.values()) > 10
    assert sum(seen["torn"] for seen in races.values()) > 10


@pytest.mark.deep
@pytest.mark.rules("D37", "I3", "I4", "I5")
@pytest.mark.parametrize("version", PYTHONS, ids=PYTHONS.values())
def test_ten_thousand_races_at_each_moment_on_each_python(tmp_path: Path, version: tuple[int, int]) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"needs {PYTHONS[version]}")
    held(raced(python, tmp_path, 10_000), 10_000)
