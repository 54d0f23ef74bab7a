"""`help` and completion show what `reportdl.testing` hands out, as far as it can be loaded and read."""

from __future__ import annotations

import inspect
import subprocess
import sys
from io import BytesIO

import pytest

import reportdl
from reportdl import testing
from reportdl.testing import FaultServer, Journey, MemoryEndpoint, ReportEndpoint
from reportdl.testing.canned import PDF

WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
import reportdl.testing, pydoc
said = pydoc.render_doc(reportdl.testing, renderer=pydoc.plaintext)
print(*(name for name in reportdl.testing.__all__ if f"class {{name}}" in said or f"    {{name}} = " in said))
"""


def test_every_name_is_listed() -> None:
    assert set(testing.__all__) <= set(dir(testing))
    assert {name for name, _ in inspect.getmembers(testing, inspect.isclass)} >= {"DownloadMachine", "ReportEndpoint"}


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ((), set[str]()),
        (("hypothesis",), {"DownloadMachine"}),
        (("starlette",), {"ReportEndpoint"}),
        (
            ("pytest",),
            {"AsyncDriverContract", "DriverContract", "FaultContract", "HandedIn", "HandedInContract"}
            | {"MakeMemoryEndpoint", "MakeReportEndpoint", "TransportContract"},
        ),
    ],
    ids=["everything", "no hypothesis", "no server", "no pytest"],
)
def test_help_shows_what_can_be_loaded(missing: tuple[str, ...], gone: set[str]) -> None:
    code = WITHOUT.format(missing=missing)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(testing.__all__) - gone


@pytest.mark.parametrize("kind", [FaultServer, Journey, MemoryEndpoint, ReportEndpoint])
def test_a_signature_can_be_read(kind: type[object]) -> None:
    assert len(str(inspect.signature(kind))) < 1000


@pytest.mark.parametrize("given", [None, b"%PDF- mine %%EOF"])
def test_a_fault_server_delivers_what_it_is_given_or_a_pdf(given: bytes | None) -> None:
    kept, policy = BytesIO(), reportdl.Policy(first_pause=0.01)
    server = FaultServer("504", on="run", file=given)
    with server, reportdl.Client(server.url, credentials=reportdl.Token("any"), policy=policy) as client:
        client.download(1042, format="pdf", to=kept)
    assert kept.getvalue() == (PDF if given is None else given)
