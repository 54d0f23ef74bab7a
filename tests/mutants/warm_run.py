"""Tries mutants in forks of one pytest process that has collected the tests already; run by `mutmut_core.py`.

mutmut itself starts pytest anew for each mutant, and collecting a thousand tests takes a hundred times as long as the
one that fails. Mutants, the switch between them and the knowledge of which tests come across which function are
mutmut's own; here is only the loop. Runs in the workshop, and writes what came of each mutant as JSON.

    python warm_run.py CHILDREN RESULTS.json EVERY SECONDS TESTS WANTED...

A mutant meets the quickest tests of its function, of so many SECONDS together. TESTS are files or folders with commas
between. WANTED are mutants by mutmut's names, or all whose names begin so: `reportdl_core.wire.`.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import resource
import sys
import time
from bisect import bisect_right
from itertools import accumulate
from math import ceil
from pathlib import Path

import pytest
from _pytest.outcomes import Skipped
from _pytest.runner import runtestprotocol
from mutmut.__main__ import create_mutants
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths, walk_mutatable_files
from mutmut.utils.format_utils import mangled_name_from_mutant_name

# Seconds of processor time, beyond twice what its tests take, after which a mutant counts as one that never ends.
LONGEST = 4


def passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def child_slot(child: int) -> slice:
    """Where a child leaves word, in memory shared with its parent. Two children at once have neighbouring ids."""
    at = child % (mmap.PAGESIZE // 2) * 2
    return slice(at, at + 2)


class Loop:
    """Stands in for pytest's own loop over the tests."""

    def __init__(self, mutants: list[str], children: int, seconds: float) -> None:
        self.mutants, self.children, self.seconds = mutants, children, seconds
        self.outcomes: dict[str, str] = {}
        self.killers = mmap.mmap(-1, mmap.PAGESIZE)
        self.tests: dict[str, list[tuple[float, int, pytest.Item]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        # pytest's own report of a failure shows the code around it, which takes longer than the test did.
        raised = None if call.excinfo is None else call.excinfo.value
        outcome = "skipped" if isinstance(raised, Skipped) else "passed" if raised is None else "failed"
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, raised, call.when)  # type: ignore[arg-type]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.learn(session.items)
        running: dict[int, str] = {}
        for name in self.mutants:
            if not self.tests.get(mangled_name_from_mutant_name(name)):
                self.outcomes[name] = "no tests"
                continue
            if len(running) >= self.children:
                self.reap(running)
            running[self.begin(name)] = name
        while running:
            self.reap(running)
        return True

    def learn(self, items: list[pytest.Item]) -> None:
        """Run each test once on the core as it is; note how long it takes and which functions it comes across."""
        set_mutant_under_test("stats")
        for at, item in enumerate(items):
            state()._stats.clear()
            began = time.process_time()
            failed = [report for report in runtestprotocol(item, log=False, nextitem=None) if report.failed]
            assert not failed, f"fails without a mutant: {item.nodeid}: {failed[0].longrepr!r}"
            for function in state()._stats:
                self.tests.setdefault(function, []).append((time.process_time() - began, at, item))
        for function, tests in self.tests.items():
            tests.sort(key=lambda one: one[0])
            spent = list(accumulate(seconds for seconds, _, _ in tests))
            self.tests[function] = tests[: bisect_right(spent, self.seconds) + 1]
        gc.freeze()  # what forks share stays shared
        set_mutant_under_test("")

    def begin(self, name: str) -> int:
        child = os.fork()
        if child:
            return child
        tests = self.tests[mangled_name_from_mutant_name(name)]
        longest = LONGEST + ceil(2 * sum(seconds for seconds, _, _ in tests))
        resource.setrlimit(resource.RLIMIT_CPU, (longest, longest + 1))
        set_mutant_under_test(name)
        for _, at, item in tests:
            try:
                alive = passes(item)
            except BaseException:
                alive = False
            if not alive:
                self.killers[child_slot(os.getpid())] = at.to_bytes(2, "little")
                os._exit(1)
        os._exit(0)

    def reap(self, running: dict[int, str]) -> None:
        child, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        name = running.pop(child)
        self.outcomes[name] = {0: "survived", 1: "killed"}.get(code, "timeout")
        if code == 1:
            # What killed one mutant of a function often kills the next: it is asked first.
            tests = self.tests[mangled_name_from_mutant_name(name)]
            killer = int.from_bytes(self.killers[child_slot(child)], "little")
            tests.sort(key=lambda one: one[1] != killer)
        if len(self.outcomes) % 50 == 0:
            print(f"{len(self.outcomes)} of {len(self.mutants)}", file=sys.stderr, flush=True)


def mutants() -> list[str]:
    found = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        found += list(data.exit_code_by_key)
    return found


def main(children: int, results: Path, every: int, seconds: float, tests: list[str], wanted: tuple[str, ...]) -> int:
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(children)
    begun = tuple(one for one in wanted if one.endswith("."))
    found = [name for name in mutants() if name in wanted or name.startswith(begun)]
    loop = Loop(found[::every], children, seconds)
    home = Path.cwd()
    os.chdir("mutants")
    # Mutants stand behind a switch that takes time of its own: what measures time measures the switch.
    options = ["-q", "-s", "--rootdir=.", "--tb=native", "--assert=plain", "-k", "not time_grows"]
    code = pytest.main([*options, *tests], plugins=[loop])
    os.chdir(home)
    if code not in (0, 5) or not loop.outcomes:
        return 1
    told = {
        name: {"outcome": outcome, "diff": "" if outcome in ("killed", "timeout") else get_diff_for_mutant(name)}
        for name, outcome in loop.outcomes.items()
    }
    results.write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    _, children, results, every, seconds, tests, *wanted = sys.argv
    file = Path(results).absolute()
    raise SystemExit(main(int(children), file, int(every), float(seconds), tests.split(","), tuple(wanted)))
