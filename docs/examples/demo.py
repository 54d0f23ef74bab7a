"""`make demo`: real reports, through the five states, over real HTTP, from the reference endpoint on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import reportdl
from reportdl.server import LoopbackServer

ELEMENT = 1042
FORMATS = ("pdf", "image", "csv", "xml")


def shown(path: Path) -> Path:
    """As short as it can be said from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")
    with (
        LoopbackServer(generation_seconds=0.5, faults=["run.drop_after=0.2:1"]) as server,
        reportdl.Client(server.url, credentials=reportdl.Token("any")) as client,
    ):
        print(f"A reference endpoint listens on {server.url}.\n")
        print(f"Element {ELEMENT} offers: {', '.join(client.formats(ELEMENT))}\n")
        print("The connection of the first `run` is cut after 0.2 s: the report comes all the same, generated once.\n")
        # A second demo replaces its files; whatever else is in the folder stays.
        files: dict[str, Path] = {}
        for key in FORMATS:
            got = client.download(ELEMENT, format=key, to=f"{folder}/", clash=reportdl.Clash.OVERWRITE)
            assert got.path is not None
            files[key] = got.path
            print(f"{key:6} {shown(got.path)}")
            print(f"       {got.size:,} bytes, {got.content_type}")
            print(f"       sha256 {got.sha256}")
        print("\nThe first lines of the CSV:")
        table = files["csv"].read_text(encoding="utf-8-sig")
        print("\n".join(f"       {line}" for line in table.splitlines()[:4]))
        try:
            client.download(ELEMENT + 1, format="xls", to=f"{folder}/")
        except reportdl.FormatNotOffered as error:
            print(f"\nAnd what cannot be had says why: {error}")
        states = ("formats", "init", "run", "check", "get")
        counts = ", ".join(f"{state} {server.count(state)}" for state in states)
        print(f"\nThe server counted: {counts}. One `run` for each file.")


if __name__ == "__main__":
    main()
