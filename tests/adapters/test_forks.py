"""A client that was used before a fork serves both processes, and no answer goes to the wrong one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from reportdl.testing.canned import JSON
from reportdl.testing.raw_server import Answer, RawServer, message

# One after the other: at the same time, either might happen to see the other's answer, and to make a connection anew.
ASKING = """
import os, sys, reportdl, urllib3
url, handed_in = sys.argv[1:]
pools = urllib3.PoolManager() if handed_in else None
client = reportdl.Client(url, credentials=reportdl.Token("any"), pool=pools)
client.formats(1)
child = os.fork() == 0
element = 3000 if child else 2000
status = 0 if child else os.wait()[1]
assert status == 0
assert client.formats(element) == (f"of-{element}",)
client.close()
"""


def named(seen):
    return int(seen.target.split(b"/")[4])


def answer(seen):
    body = {"status": "OK", "formats": [f"of-{named(seen)}"]}
    return Answer(data=message(200, JSON, json.dumps(body).encode()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("handed_in", ["", "handed in"])
@pytest.mark.rules("D30")
def test_a_forked_process_has_connections_of_its_own(handed_in):
    with RawServer(answer) as server:
        command = [sys.executable, "-c", ASKING, server.url, handed_in]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        carried = [{seen.connection for seen in server.seen if named(seen) == element} for element in (2000, 3000)]
        assert sum(named(seen) != 1 for seen in server.seen) == 2
        assert not carried[0] & carried[1]
