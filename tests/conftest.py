"""Decides how every test runs: how Hypothesis draws, and what happens where an outside program is missing.

Must import nothing of reportdl: the tests that measure imports run under it too.
"""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from hypothesis import settings

__all__: list[str] = []

# The same examples on every run, so that a red CI is red at home; `make deep` draws new ones, and more.
settings.register_profile("default", derandomize=True, deadline=None, database=None)
settings.register_profile("deep", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure() -> None:
    """Hear Ctrl-C and SIGHUP: a shell's background and `nohup` are deaf to one each, and so would be what we start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hold a test marked `needs(...)` back where one of its programs is missing; in CI nothing may be missing."""
    programs = [program for marker in item.iter_markers("needs") for program in marker.args]
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    message = f"needs {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}, and CI=true lets no test be skipped: add it to .ci/run", pytrace=False)
    pytest.skip(message)
