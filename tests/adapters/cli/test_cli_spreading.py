"""What can be typed for a batch reaches the workers of a crew, or is refused: nothing is typed for nothing."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from reportdl.cli.batch import batch
from reportdl.cli.connection import Connection
from reportdl.cli.resume import resume
from reportdl.cli.spreading import _WHY, refuse_for_a_crew

# What the leader needs itself, or hands on.
_USED = {"url", "allow_insecure", "verbose", "named", "file", "attempts", "again", "page", "as_json", "trace_failed"}
_OF_BATCH = {"jobs", "output", "name", "key", "ledger", "overwrite", "skip_existing", "engine", "dry_run"}
_WORDS: dict[str, tuple[str, ...]] = {
    "--bearer": (),
    "--no-preflight": (),
    "--allow-unverified-tls": (),
    "--token-file": (__file__,),
    "--ca-bundle": (__file__,),
    "--client-cert": (__file__,),
    "--profile": (__file__,),
    "--expiry": ("confirm",),
    "--timeout": ("3600",),
    "--storage-option": ("a=b",),
    "--affinity-cookie": ("x",),
    "--proxy": ("",),
    "--jobs": ("4",),
    "--jobs-in-all": ("4",),
    "--trace": ("t",),
}


@pytest.mark.parametrize("command", [batch, resume], ids=["batch", "resume"])
def test_every_option_is_used_or_refused(command: click.Command) -> None:
    there = {param.name for param in command.params}
    assert there - _OF_BATCH == _USED | _WHY.keys()
    assert Connection.__dataclass_fields__.keys() <= _USED | _WHY.keys()


def _asked(*words: str, **environment: str) -> Any:
    seen = click.Command("seen", params=batch.params, callback=lambda **_: refuse_for_a_crew())
    return CliRunner().invoke(seen, ["night.csv", *words], env={"REPORTDL_URL": None, **environment})


def test_each_of_them_is_refused_where_it_was_typed() -> None:
    options = {param.opts[0] for param in batch.params if param.name in _WHY}
    assert options == _WORDS.keys()
    for option, values in _WORDS.items():
        ran = _asked(option, *values)
        assert ran.exit_code == 2, (option, ran.output)
        assert f"{option} is for the local engine: " in ran.output.replace("\n", " ")


def test_what_the_environment_says_is_refused_to_nobody() -> None:
    ran = _asked("--attempts", "3", "--url", "https://mi.example.com", REPORTDL_AFFINITY_COOKIE="route")
    assert ran.exit_code == 0, ran.output
