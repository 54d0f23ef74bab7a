"""Decides what of a command line has no meaning where a crew of workers does the jobs, and refuses it.

A message holds no credential, and how servers and stores are reached is each machine's own affair: what is typed here
reaches no worker. Must never let an option be typed for nothing.
"""

from __future__ import annotations

from typing import Final

import click
from click.core import ParameterSource

__all__ = ["refuse_for_a_crew"]

_JOBS: Final = (
    "a crew has as many jobs at a time as its workers are (`celery worker -c N`); a server's own limit stands in the "
    "servers file"
)
_REACHED: Final = (
    "workers do not hear of it; what they need to reach servers and stores stands in their own environment, or in "
    "their servers file"
)
_POLICY: Final = "workers do not hear of it, and have a policy of their own"
_WHY: Final = {
    "trace": "a crew's jobs are spread over machines",
    "at_a_time": _JOBS,
    "in_all": _JOBS,
    **dict.fromkeys(("storage", "token_file", "bearer", "ca_bundle", "client_cert", "proxy"), _REACHED),
    **dict.fromkeys(("allow_unverified_tls", "affinity_cookie"), _REACHED),
    **dict.fromkeys(("expiry", "timeout", "profile", "no_preflight"), _POLICY),
}


def refuse_for_a_crew() -> None:
    """Raise click.UsageError for the first that was typed; what the environment says may be meant for others."""
    context = click.get_current_context()
    for param in context.command.params:
        typed = context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if typed and param.name in _WHY:
            raise click.UsageError(f"{param.opts[0]} is for the local engine: {_WHY[param.name]}")
