"""Runs the engines from a shell: `python -m tests.proof simulated --seeds 0:20000`, `explored check`, `replay 17`.

Prints what it counted, and hands it to `figures`; ends with 1 where a rule is broken, after the transcript of the first
failure and the one command that shows it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.proof import campaign, fixpoints
from tests.proof.tested import tested

__all__: list[str] = []


def _seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    simulated = parts.add_parser("simulated", help="many sessions, judged")
    simulated.add_argument("--seeds", type=_seeds, default=range(20_000), metavar="FIRST:LAST")
    simulated.add_argument("--jobs", type=int, default=2)
    simulated.add_argument("--judge", type=int, default=1, metavar="N", help="the oracle judges every Nth session")
    simulated.add_argument("--row", default="simulated", help="what the row of figures is called")
    simulated.add_argument("--by", default="make check-simulated", help="what measures it")
    simulated.add_argument("--seconds", type=float, default=0.0, help="stop after so many seconds, between chunks")
    simulated.add_argument("--kind", choices=campaign.KINDS, default="awake", help="whether the machine may sleep")
    traced = parts.add_parser("traced", help="the digest of many sessions, to compare versions of Python by")
    traced.add_argument("--seeds", type=_seeds, default=range(2_000), metavar="FIRST:LAST")
    replay = parts.add_parser("replay", help="one session as a transcript")
    replay.add_argument("seed", type=int)
    replay.add_argument("--kind", choices=campaign.KINDS, default="awake")
    explored = parts.add_parser("explored", help="all reachable states")
    explored.add_argument("name", choices=fixpoints.NAMES)
    explored.add_argument("--by", default="make check-explored", help="what measures it")
    versions = parts.add_parser("versions", help="the same digest on every Python that is given")
    versions.add_argument("pythons", nargs="+")
    versions.add_argument("--seeds", default="0:2000")
    tests = parts.add_parser("tested", help="a part that pytest runs, with its row")
    tests.add_argument("row")
    tests.add_argument("--by", required=True, help="what measures it")
    tests.add_argument("arguments", nargs=argparse.REMAINDER, help="of pytest, after --")
    chosen = parser.parse_args(arguments)
    match chosen.part:
        case "simulated":
            return campaign.simulated(
                chosen.seeds,
                jobs=chosen.jobs,
                every=chosen.judge,
                row=chosen.row,
                by=chosen.by,
                seconds=chosen.seconds,
                kind=chosen.kind,
            )
        case "traced":
            return campaign.traced(chosen.seeds)
        case "replay":
            return campaign.replay(chosen.seed, chosen.kind)
        case "tested":
            return tested(chosen.row, [one for one in chosen.arguments if one != "--"], by=chosen.by)
        case "versions":
            return campaign.versions(chosen.pythons, seeds=chosen.seeds)
        case _:
            return fixpoints.explored(chosen.name, by=chosen.by)


if __name__ == "__main__":
    sys.exit(main())
