"""Decides what a test is given to talk HTTP to: the reference endpoint on loopback, and what it saw as a list.

Must never add a behaviour: whatever it does, `reportdl serve` does.
"""

from __future__ import annotations

from typing import final

from reportdl.server import LoopbackServer

__all__ = ["ReportEndpoint"]


@final
class ReportEndpoint(LoopbackServer):
    """A LoopbackServer for one test; use it in a `with`, or by the fixture `report_endpoint`.

    Takes the options of `reportdl.server.create_app`, and `grace`. `url` is its base URL; `fault` puts one more fault
    in force; `calls` are the requests in full, `saw` is the short of it.
    """

    @property
    def saw(self) -> list[str]:
        """What was asked so far, in order: the endpoint's states, and the names of its neighbours."""
        return [call.state for call in self.calls]
