"""Certificates for the contracts: whoever asks first, and from whatever thread, there is one authority."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reportdl.testing import staging


def test_threads_that_come_first_get_one_authority(tmp_path: Path) -> None:
    staging._made.cache_clear()
    staging.certified.cache_clear()
    together = threading.Barrier(5)

    def bundle(number: int) -> bytes:
        folder = tmp_path / str(number)
        folder.mkdir()
        together.wait(10.0)
        return staging.authorities(folder).read_bytes()

    with ThreadPoolExecutor(5) as threads:
        assert len(set(threads.map(bundle, range(5)))) == 1
