"""Runs mutmut over the core, a group of modules at a time, and holds every survivor against the list of known ones.

mutmut wants one source root of which it strips the name `src`, and runs every test in one process. The house has two
roots, so the core and what its tests import are copied into a workshop laid out as mutmut expects; no file of the
house is touched. A property, which mutmut passes over, is a plain method there; the tables at module level are broken
by test_table_mutants.py. The walks, machines and races take seconds each and are left out, so the score is that of the
tests which name what they hold.

    python tests/mutants/mutmut_core.py values            a group; exit code 1 for an unexplained survivor
    python tests/mutants/mutmut_core.py --keep DIR session    keep the workshop, so that a second run goes on
    ... --keep DIR --again session    try those alone that lived last time: what one does while writing their tests
    ... --keep DIR --again --tests tests/core/test_wire_words.py wire    and on these tests alone, in seconds
    ... --keep DIR --only record session    one module of a group
    ... --stubs FILE session    write the unexplained survivors as survivors.toml has them, the reason left blank
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from runpy import run_path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CORE = ROOT / "core" / "reportdl_core"
KNOWN = HERE / "survivors.toml"

# Declarations alone: mutmut changes functions, and these modules have none but reprs of enums.
WITHOUT = {"commands", "errors", "events", "__init__"}
# Each group takes well under half an hour on two cores.
GROUPS: dict[str, tuple[str, ...]] = {
    name: tuple(module for module in group.modules if module not in WITHOUT)
    for name, group in run_path(str(ROOT / "tests" / "core" / "covered.py"))["groups"]().items()
}
# A function such as `instant` is in every test's way: the quickest of its tests, of so many seconds together, are asked
# first, and all of them of what has survived those and is not listed.
SOON = 1.0
_OPENED = "property_of_"
# Seconds each, or processes of their own.
SLOW = ("test_*_machine.py", "test_session_races.py")

_CONFIG = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = [{modules}]
pytest_add_cli_args_test_selection = ["tests/core"]
use_git_change_detection = false

[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-p", "no:reportdl", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not deep"]
filterwarnings = ["error"]
markers = ["rules(*ids): rules", "needs(*programs): programs", "deep: long", "docs: pages"]
"""

# A test runs many times in one process, which Hypothesis calls unhealthy; and a mutant need not be shrunk.
_CONFTEST = """\
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutants")
"""


class Mutant(NamedTuple):
    """One change, told apart by what it changes and not by mutmut's number, which moves with every edit."""

    module: str
    function: str
    before: str
    after: str


class Result(NamedTuple):
    """What became of the mutants of one module."""

    killed: int
    survived: tuple[Mutant, ...]


def prepare(workshop: Path, modules: tuple[str, ...]) -> None:
    """Lay the workshop out; a workshop that is there already keeps its mutants."""
    shutil.rmtree(workshop / "mutants" / "tests", ignore_errors=True)
    _mirror(CORE, workshop / "src" / "reportdl_core", opened=True)
    _mirror(ROOT / "adapters" / "reportdl", workshop / "src" / "reportdl")
    _mirror(ROOT / "tests" / "core", workshop / "tests" / "core", without=SLOW)
    _write(workshop / "tests" / "conftest.py", _CONFTEST)
    listed = ", ".join(f'"src/reportdl_core/{module}.py"' for module in modules)
    _write(workshop / "pyproject.toml", _CONFIG.format(modules=listed))


def _mirror(source: Path, target: Path, *, without: tuple[str, ...] = (), opened: bool = False) -> None:
    # Files that did not change keep their time: mutmut goes by it.
    wanted = {one.relative_to(source) for one in source.rglob("*.py") if not any(map(one.match, without))}
    for path in sorted(wanted):
        text = (source / path).read_text()
        _write(target / path, open_properties(text) if opened else text)
    for path in sorted(target.rglob("*.py")):
        if path.relative_to(target) not in wanted:
            path.unlink()


def open_properties(text: str) -> str:
    """A module with each property made of a plain method: mutmut passes over what is decorated."""
    lines = text.splitlines(keepends=True)
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    methods = [method for one in classes for method in one.body if isinstance(method, ast.FunctionDef)]
    for method in sorted(methods, key=lambda one: one.lineno, reverse=True):
        match method.decorator_list:
            case [ast.Name(id="property" | "cached_property" as kind) as decorator]:
                indent, plain = " " * method.col_offset, f"{_OPENED}{method.name}"
                lines.insert(method.end_lineno or 0, f"{indent}{method.name} = {kind}({plain})\n")
                first = method.lineno - 1
                lines[first] = lines[first].replace(f"def {method.name}(", f"def {plain}(")
                del lines[decorator.lineno - 1]
            case _:
                pass
    return "".join(lines)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def tried(workshop: Path, modules: tuple[str, ...], options: argparse.Namespace) -> dict[str, Result]:
    """What became of each module's mutants; under `--again`, of all as far as it is known."""
    results = workshop / "results.json"
    told: dict[str, dict[str, str]] = {}
    if options.again:
        told = json.loads(results.read_text())
    else:
        everything = [f"reportdl_core.{module}." for module in modules]
        told |= _run(workshop, everything, options, every=options.every, seconds=SOON)
    reasons = known()
    if left := [name for name, one in told.items() if one["diff"] and _told(name, one["diff"]) not in reasons]:
        told |= _run(workshop, left, options, every=1, seconds=math.inf)
    results.write_text(json.dumps(told))
    return _by_module(told, modules)


def _run(
    workshop: Path, wanted: list[str], options: argparse.Namespace, *, every: int, seconds: float
) -> dict[str, dict[str, str]]:
    outcomes = workshop / "outcomes.json"
    command: list[str | Path] = [sys.executable, HERE / "warm_run.py", str(options.children), outcomes]
    command += [str(every), str(seconds), ",".join(options.tests), *wanted]
    done = subprocess.run(command, cwd=workshop, text=True, check=False, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-3000:])
        raise SystemExit("the tests do not pass in the workshop, or mutmut has changed")
    told: dict[str, dict[str, str]] = json.loads(outcomes.read_text())
    return told


def _by_module(told: dict[str, dict[str, str]], modules: tuple[str, ...]) -> dict[str, Result]:
    by_module: dict[str, list[str]] = {module: [] for module in modules}
    for name in told:
        by_module.setdefault(name.removeprefix("reportdl_core.").partition(".")[0], []).append(name)
    return {
        module: Result(
            killed=sum(not told[name]["diff"] for name in names),
            survived=tuple(_told(name, told[name]["diff"]) for name in names if told[name]["diff"]),
        )
        for module, names in by_module.items()
    }


def _told(name: str, diff: str) -> Mutant:
    module, _, function = name.removeprefix("reportdl_core.").rpartition(".")
    function = function.partition("__mutmut_")[0].removeprefix("x_").removeprefix("x\N{LATIN LETTER LATERAL CLICK}")
    function = function.replace(_OPENED, "")
    lines = [line for line in diff.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return Mutant(module, function.replace("\N{LATIN LETTER LATERAL CLICK}", "."), before, after)


def known() -> dict[Mutant, str]:
    """The survivors that are listed, each with its reason; one without a reason is none."""
    listed = tomllib.loads(KNOWN.read_text())["survivor"]
    reasons = {Mutant(one["module"], one["function"], one["before"], one["after"]): one["reason"] for one in listed}
    return {mutant: reason for mutant, reason in reasons.items() if reason}


def unexplained(results: dict[str, Result]) -> list[Mutant]:
    """The survivors that are not listed."""
    reasons = known()
    return [mutant for result in results.values() for mutant in result.survived if mutant not in reasons]


def outdated(results: dict[str, Result]) -> list[Mutant]:
    """What is listed as a survivor and is none: killed since, or changed with its line."""
    survived = {mutant for result in results.values() for mutant in result.survived}
    return [mutant for mutant in known() if mutant.module in results and mutant not in survived]


def stubs(survivors: list[Mutant]) -> str:
    """Survivors as survivors.toml lists them, for the reason to be written in."""
    fields = ("module", "function", "before", "after")
    told = ([f"{name} = {_toml(text)}" for name, text in zip(fields, one, strict=True)] for one in survivors)
    return "\n".join("\n".join(["[[survivor]]", *lines, 'reason = ""', ""]) for lines in told)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if "'" in text or not text.isprintable() else f"'{text}'"


def report(results: dict[str, Result]) -> None:
    """Print the score, module by module, and what the list of survivors does not say, or says wrongly."""
    for module, result in sorted(results.items()):
        total = result.killed + len(result.survived)
        score = f"{100 * result.killed / total:5.1f} %" if total else "nothing to change"
        print(f"{module:20} {result.killed:5} of {total:5} killed  {score}")
    killed = sum(result.killed for result in results.values())
    total = killed + sum(len(result.survived) for result in results.values())
    print(f"{'together':20} {killed:5} of {total:5} killed  {100 * killed / max(total, 1):5.1f} %")
    wrong = [("survived, unexplained", one) for one in unexplained(results)]
    wrong += [("listed, not a survivor", one) for one in outdated(results)]
    for fault, mutant in wrong:
        print(f"\n{fault}: {mutant.module}.{mutant.function}\n  - {mutant.before}\n  + {mutant.after}")


def told(group: str, results: dict[str, Result]) -> None:
    """The score of a group as a row of docs/proof.md."""
    record = run_path(str(ROOT / "tests" / "proof" / "figures.py"))["record"]
    killed = sum(results[module].killed for module in GROUPS[group])
    survived = [mutant for module in GROUPS[group] for mutant in results[module].survived]
    total, listed = killed + len(survived), sum(mutant in known() for mutant in survived)
    score = 100 * killed / total
    measured = f"{killed} of {total} killed, {score:.1f} %; {listed} of {len(survived)} survivors with their reason"
    record(
        f"mutants of the core: {group}",
        measured,
        target="95 %, each survivor with its reason",
        met=score >= 95 and listed == len(survived),
        by=f"make deep-mutants-{group}",
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+", choices=sorted(GROUPS), metavar="GROUP")
    parser.add_argument("--keep", type=Path, help="work here and leave it")
    parser.add_argument("--every", type=int, default=1, help="try one mutant of so many, for an estimate")
    parser.add_argument("--children", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[], metavar="MODULE", help="these modules of the groups alone")
    parser.add_argument("--again", action="store_true", help="with --keep: try those alone that lived the last time")
    parser.add_argument("--tests", nargs="+", default=["tests/core"], metavar="PATH", help="try them on these alone")
    parser.add_argument("--stubs", type=Path, help="write the unexplained survivors here, as survivors.toml has them")
    asked = parser.parse_args()
    modules = tuple(module for group in asked.groups for module in GROUPS[group])
    workshop = asked.keep or Path(tempfile.mkdtemp(prefix="reportdl-mutants-"))
    try:
        prepare(workshop, modules)
        results = tried(workshop, asked.only or modules, asked)
    finally:
        if asked.keep is None:
            shutil.rmtree(workshop, ignore_errors=True)
    whole = asked.every == 1 and not asked.only and not asked.again and asked.tests == ["tests/core"]
    if whole:
        for group in asked.groups:
            told(group, results)
    report(results)
    if asked.stubs:
        asked.stubs.write_text(stubs(unexplained(results)))
    return 1 if unexplained(results) or (whole and outdated(results)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
