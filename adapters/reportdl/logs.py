"""Decides where log events go: to the application's structlog if it configured one, else to the logger `reportdl`.

Silent by default: that logger has a NullHandler, and structlog is never configured here. Unconfigured structlog would
print, and with rich installed dump local variables. Must never be handed a token, and never log one.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Protocol

__all__ = ["Log", "bound"]

_LOGGER = logging.getLogger("reportdl")
_LOGGER.addHandler(logging.NullHandler())


class Log(Protocol):
    """What is needed of a bound logger."""

    def info(self, event: str, **values: Any) -> Any:
        """One event with its values."""


class _Standard:
    """Values bound to the standard library's logger: the event's name, then key=value."""

    __slots__ = ("_values",)

    def __init__(self, **values: Any) -> None:
        self._values = values

    def info(self, event: str, **values: Any) -> None:
        if _LOGGER.isEnabledFor(logging.INFO):
            said = {**self._values, **values}
            shown = " ".join(f"{key}={value}" for key, value in said.items())
            _LOGGER.info("%s %s", event, shown, extra={"reportdl": said})


def bound(**values: Any) -> Log:
    """A logger with these values on each of its events."""
    # Only an application that has loaded structlog can have configured it: nobody pays for it otherwise.
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        log: Log = structlog.get_logger("reportdl").bind(**values)
        return log
    return _Standard(**values)
