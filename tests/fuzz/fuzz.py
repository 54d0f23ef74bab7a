"""Fuzzes the harnesses with atheris, each for so many seconds, from the inputs that were kept; keeps new ones if told.

    python tests/fuzz/fuzz.py --seconds 60                    all of them
    python tests/fuzz/fuzz.py --seconds 600 --keep session    one, and keep what reached new code

Says how often each was executed. Exit code 1 for a finding: the input is written beside, ready for the corpus.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from runpy import run_path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
record = run_path(str(HERE.parent / "proof" / "figures.py"))["record"]
NAMES = ("envelope", "headers", "disposition", "session", "endpoint_requests", "endpoint_events", "snapshots")
# The corpus is replayed by every `make test`: small inputs, and not many.
LONGEST, MOST = 400, 60
# Two bytes are an event, and a hundred events are longer than any job. Thousands, with the snapshots they ask for,
# made the fuzzer many times slower and reached nothing new. Bytes that are choices are compared with nothing that
# could guide it.
EVENTS = ("session", "endpoint_events")


def kept(name: str) -> list[bytes]:
    """The inputs that were kept, one a line in base64."""
    path = CORPUS / f"{name}.txt"
    return [base64.b64decode(line) for line in path.read_text().split()] if path.exists() else []


def keep(name: str, inputs: list[bytes]) -> None:
    small = sorted({one for one in inputs if 0 < len(one) <= LONGEST}, key=lambda one: (len(one), one))
    step = max(1, -(-len(small) // MOST))
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in small[::step])
    (CORPUS / f"{name}.txt").write_text(lines)


def unpacked(name: str, folder: Path) -> Path:
    folder.mkdir()
    for at, data in enumerate(kept(name)):
        (folder / str(at)).write_bytes(data)
    return folder


def fuzz(name: str, arguments: list[str]) -> None:
    """In a process of its own, since libFuzzer never returns."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["reportdl_core"]):
        harness = run_path(str(HERE / "harnesses.py"))["HARNESSES"][name]
    atheris.Setup([sys.argv[0], *arguments], harness)
    atheris.Fuzz()


def run(name: str, seconds: int, *, keeping: bool) -> int | None:
    """How many times it was executed; None where there is a finding."""
    with tempfile.TemporaryDirectory() as temporary:
        old, new = unpacked(name, Path(temporary, "old")), Path(temporary, "new")
        new.mkdir()
        limits = [
            f"-max_total_time={seconds}",
            f"-max_len={256 if name in EVENTS else 4096}",
            "-timeout=20",
            "-rss_limit_mb=4096",
            f"-use_value_profile={int(name not in EVENTS)}",
        ]
        where = [f"-artifact_prefix={HERE}/finding-{name}-"]
        command = [sys.executable, __file__, "--child", name, *limits, *where, str(new), str(old)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        found = re.search(r"Done (\d+) runs", done.stderr)
        if done.returncode != 0 or found is None:
            sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
            return None
        if keeping:
            keep(name, [path.read_bytes() for folder in (old, new) for path in folder.iterdir()])
        return int(found[1])


def main() -> int:
    """The command line."""
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="HARNESS", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="for each harness")
    parser.add_argument("--keep", action="store_true", help="write inputs that reached new code into the corpus")
    asked = parser.parse_args()
    findings = 0
    for name in asked.names:
        before = os.times().children_user
        count = run(name, asked.seconds, keeping=asked.keep)
        spent = max(os.times().children_user - before, 0.01)  # the machine may be shared: the clock says little
        findings += count is None
        told = "a finding, or the harness does not start" if count is None else f"{count:,} executions"
        record(
            f"fuzzed: {name}",
            f"{told} in {asked.seconds} s" + ("" if count is None else f", {count / spent:,.0f} a CPU second"),
            target="nothing but documented errors comes out (I11)",
            met=count is not None,
            by="make deep-fuzz",
        )
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
