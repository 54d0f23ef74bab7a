"""Decides how a deep part that pytest runs gets its row: what passed, and how many examples Hypothesis tried.

Must never judge: pytest's exit code is the verdict, and it is handed on.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

from tests.proof.figures import record

__all__ = ["measured", "tested"]


def tested(what: str, arguments: list[str], *, by: str) -> int:
    """Run pytest and write the row; pytest's exit code."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    wall = time.perf_counter() - began
    if done.returncode:
        print(done.stdout, flush=True)
    said = f"{measured(done.stdout)}, {wall:.0f} s"
    record(what, said, target="all pass, no counterexample", met=done.returncode == 0, by=by)
    return done.returncode


def measured(output: str) -> str:
    """What pytest's last line and Hypothesis' statistics say."""
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (passed|failed|skipped|error)", output)}
    examples = sum(int(number) for number in re.findall(r"(\d+) passing[ ,]", output))
    ran = ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "error", "skipped") if name in counts)
    return (ran or "nothing ran") + (f", {examples:,} examples" if examples else "")
