"""`reportdl get` and `reportdl formats`: what goes to stdout, what stays on disk, and how each end is told."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reportdl.cli.exits import CODES
from reportdl.server import LoopbackServer
from reportdl.server.accounts import Accounts
from reportdl_core.errors import Reason

Run = Callable[..., Any]
Start = Callable[..., subprocess.Popen[bytes]]
Serving = Callable[..., LoopbackServer]


@pytest.mark.rules("R24", "R25", "I10")
def test_get_prints_the_final_path_and_nothing_else(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    server = serving()
    ran = reportdl("get", "1042", "-f", "pdf", "-o", "out/", url=server.url)
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'out' / 'Sales Dashboard.pdf'}\n")
    assert (tmp_path / "out" / "Sales Dashboard.pdf").read_bytes().startswith(b"%PDF-")
    assert [call.state for call in server.calls] == ["formats", "init", "run", "get"]


@pytest.mark.needs("pdfinfo")
def test_the_file_opens_in_another_program(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    reportdl("get", "1042", "-f", "pdf", "-o", "report.pdf", url=serving().url)
    said = subprocess.run(["pdfinfo", tmp_path / "report.pdf"], capture_output=True, text=True, check=True).stdout
    assert "Sales Dashboard" in said


@pytest.mark.rules("D12")
def test_without_the_preflight_a_short_job_costs_three_requests(reportdl: Run, serving: Serving) -> None:
    server = serving()
    assert reportdl("get", "1042", "-f", "csv", "--no-preflight", url=server.url).code == 0
    assert [call.state for call in server.calls] == ["init", "run", "get"]


@pytest.mark.rules("D30")
@pytest.mark.parametrize(
    ("words", "environment", "asked"),
    [
        ((), {}, [False, False, False, False]),
        (("--affinity-cookie", "other"), {}, [False, False, False, False]),
        (("--affinity-cookie", "reportdl_session", "--affinity-cookie", "x"), {}, [False, False, True, True]),
        ((), {"REPORTDL_AFFINITY_COOKIE": "x reportdl_session"}, [False, False, True, True]),
    ],
)
def test_only_a_cookie_that_is_named_comes_back_from_init_on(
    reportdl: Run, serving: Serving, words: tuple[str, ...], environment: dict[str, str], asked: list[bool]
) -> None:
    server = serving(faults=["*.cookie_lock"])
    assert reportdl("get", "1042", "-f", "csv", *words, url=server.url, **environment).code == 0
    assert [call.state for call in server.calls] == ["formats", "init", "run", "get"]
    assert ["cookie" in dict(call.headers) for call in server.calls] == asked


@pytest.mark.rules("D30")
def test_a_batch_sends_named_cookies_too_and_what_is_no_name_is_a_usage_error(
    reportdl: Run, serving: Serving, tmp_path: Path
) -> None:
    server = serving(faults=["*.cookie_lock"])
    (tmp_path / "jobs.csv").write_text("element,format\n1042,csv\n1042,xml\n")
    words = ("batch", "jobs.csv", "-o", "out/", "--affinity-cookie", "reportdl_session")
    assert reportdl(*words, url=server.url).code == 0
    kept = {call.state for call in server.calls if "cookie" in dict(call.headers)}
    assert kept == {"run", "get"}
    before = len(server.calls)
    ran = reportdl("get", "1042", "-f", "csv", "--affinity-cookie", "a=b", url=server.url)
    assert (ran.code, ran.err) == (2, "reportdl: an affinity cookie cannot be called 'a=b'\n")
    assert len(server.calls) == before


def test_json_is_one_object_that_describes_the_file(reportdl: Run, serving: Serving) -> None:
    ran = reportdl("get", "1042", "-f", "csv", "--json", url=serving().url)
    said = json.loads(ran.out)
    assert ran.err == ""
    body = Path(said["path"]).read_bytes()
    assert said["sha256"] == hashlib.sha256(body).hexdigest()
    assert (said["size"], said["content_type"], said["length_verified"]) == (len(body), "text/csv", True)


def test_a_dash_writes_the_file_to_stdout_and_leaves_none(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    ran = reportdl("get", "1042", "-f", "xml", "-o", "-", url=serving().url)
    assert ran.out.startswith("<?xml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("D24")
def test_an_existing_file_is_kept_replaced_or_skipped_as_asked(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    server, name = serving(), "Sales Dashboard.csv"
    (tmp_path / name).write_text("mine")
    assert reportdl("get", "1042", "-f", "csv", url=server.url).out == f"{tmp_path / 'Sales Dashboard (2).csv'}\n"
    assert (tmp_path / name).read_text() == "mine"
    assert reportdl("get", "1042", "-f", "csv", "-o", name, "--skip-existing", url=server.url).code == 0
    assert (server.count("run"), (tmp_path / name).read_text()) == (1, "mine")
    assert reportdl("get", "1042", "-f", "csv", "--overwrite", url=server.url).code == 0
    assert (tmp_path / name).read_text() != "mine"


def test_formats_prints_one_key_a_line(reportdl: Run, serving: Serving) -> None:
    server = serving()
    assert reportdl("formats", "1043", url=server.url).out == "image\npdf\ncsv\n"
    assert json.loads(reportdl("formats", "1043", "--json", url=server.url).out) == ["image", "pdf", "csv"]


ENDS = [
    pytest.param(["9999", "-f", "pdf"], 5, "There is no element 9999", marks=pytest.mark.rules("R5")),
    pytest.param(["1044", "-f", "xls"], 5, "`reportdl list 1044` shows them, --segment N", id="no segment"),
    pytest.param(["1044", "-f", "xls", "--segment", "9"], 5, "There is no element 1044, segment 9 on", id="segment 9"),
    pytest.param(["1046", "-f", "pdf"], 4, "No access to element 1046", marks=pytest.mark.rules("R6")),
    pytest.param(["2001", "-f", "pdf"], 5, "not an External Report", marks=pytest.mark.rules("R3")),
    pytest.param(["1048", "-f", "pdf"], 5, "offers no downloads", marks=pytest.mark.rules("R9")),
    pytest.param(["1043", "-f", "xls"], 5, "does not offer xls; it offers image", marks=pytest.mark.rules("R10")),
    pytest.param(
        ["1043", "-f", "xls", "--no-preflight"], 5, "it offers image, pdf, csv", marks=pytest.mark.rules("D12")
    ),
    pytest.param(["1047", "-f", "pdf"], 3, "could not generate", marks=pytest.mark.rules("R22", "R23", "R30")),
    pytest.param(["../../admin", "-f", "pdf"], 2, "must be an integer", marks=pytest.mark.rules("D32")),
    pytest.param(["1042"], 2, "--format", id="no format"),
    pytest.param(["1042", "-f", "pdf", "-o", "no/such/file.pdf"], 2, "there is no folder", id="no folder"),
]


@pytest.mark.parametrize(("words", "code", "said"), ENDS)
def test_what_cannot_be_had_says_why_and_leaves_no_file(
    reportdl: Run, serving: Serving, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    ran = reportdl("get", *words, url=serving().url)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []


# Five minutes are one second in this process, and at the server, whose clock runs 300 times as fast.
HASTY = "import reportdl_core.deadlines as d; d.TOKEN_LIFE = 1.0; from reportdl.cli import main; main()"


@pytest.mark.rules("R15", "R16", "R17", "D1", "D41")
@pytest.mark.parametrize("expiry", ["confirm", "documented"])
def test_a_token_that_expires_during_generation(reportdl: Run, serving: Serving, tmp_path: Path, expiry: str) -> None:
    server = serving(generation_seconds=900.0, clock=lambda: time.monotonic() * 300)
    hasty = [sys.executable, "-c", HASTY]
    ran = reportdl("get", "1042", "-f", "pdf", "--expiry", expiry, "--json", url=server.url, command=hasty)
    said = json.loads(ran.err.splitlines()[-1])
    assert (ran.code, said["reason"], said["retryable"]) == (6, "expired", False)
    assert "5 minutes" in said["message"]
    assert (server.count("run"), list(tmp_path.iterdir())) == (1, [])


def test_a_job_that_takes_too_long_is_given_up(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    ran = reportdl("get", "1042", "-f", "pdf", "--timeout", "0.7", url=serving(generation_seconds=30).url)
    assert (ran.code, list(tmp_path.iterdir())) == (6, [])
    assert "time limit" in ran.err


# The 30 s of a first contact are one second in this process.
IMPATIENT = (
    "import dataclasses, reportdl.client as c; "
    "c.DEFAULT_POLICY = dataclasses.replace(c.DEFAULT_POLICY, first_contact=1.0); "
    "from reportdl.cli import main; main()"
)


@pytest.mark.rules("D19")
def test_a_server_that_is_not_there(reportdl: Run) -> None:
    ran = reportdl("get", "1042", "-f", "pdf", "--json", command=[sys.executable, "-c", IMPATIENT])
    said = json.loads(ran.err.splitlines()[-1])
    assert (ran.code, said["exit_code"], said["reason"], said["retryable"]) == (7, 7, "unreachable", True)


@pytest.mark.rules("D16")
def test_a_wrong_credential_and_a_right_one(reportdl: Run, serving: Serving) -> None:
    accounts = Accounts(applications={"app": "key"}, bearers={"right": "user"})
    server = serving(accounts=accounts)
    refused = reportdl("get", "1042", "-f", "pdf", url=server.url)
    assert (refused.code, "refused the credential" in refused.err) == (4, True)
    assert reportdl("formats", "1042", "--bearer", url=server.url, REPORTDL_TOKEN="right").code == 0
    key = {"REPORTDL_APPLICATION_ID": "app", "REPORTDL_APPLICATION_KEY": "key", "REPORTDL_USER": "user"}
    assert reportdl("get", "1042", "-f", "csv", url=server.url, REPORTDL_TOKEN="", **key).code == 0
    assert server.count("get_token") == 1


@pytest.mark.rules("D33")
@pytest.mark.parametrize("url", ["http://mi.example.com", "ftp://mi.example.com", "https://me:pw@mi.example.com"])
def test_a_url_that_would_leak_or_cannot_be_is_refused_before_anything_is_sent(reportdl: Run, url: str) -> None:
    ran = reportdl("formats", "1042", url=url)
    assert (ran.code, ran.out, "pw" in ran.err) == (2, "", False)


def test_no_credentials_is_a_usage_error_that_names_them(reportdl: Run) -> None:
    ran = reportdl("formats", "1042", REPORTDL_TOKEN="")
    assert ran.code == 2
    assert "REPORTDL_APPLICATION_KEY" in ran.err


@pytest.mark.rules("I3", "D6", "D7")
def test_a_run_that_is_cut_ends_in_the_right_file_with_one_run(reportdl: Run, serving: Serving) -> None:
    server = serving(generation_seconds=1.0, faults=["run.drop_after=0.2"])
    assert reportdl("get", "1042", "-f", "pdf", url=server.url).code == 0
    assert (server.count("run"), server.count("get")) == (1, 1)


@pytest.mark.rules("D38")
def test_ctrl_c_during_generation_leaves_nothing(start: Start, serving: Serving, tmp_path: Path) -> None:
    server = serving(generation_seconds=30)
    running = start("get", "1042", "-f", "pdf", url=server.url)
    server.wait_for("run")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, b"")
    assert b"nothing was kept" in err
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_verbose_logs_each_move_and_no_token(reportdl: Run, serving: Serving) -> None:
    server = serving()
    ran = reportdl("get", "1042", "-f", "csv", "-v", url=server.url)
    assert "state=RUNNING" in ran.err
    tokens = {call.target.partition("token=")[2].partition("&")[0] for call in server.calls} - {""}
    assert tokens
    assert not any(token in ran.err for token in tokens)


def test_every_reason_has_an_exit_code() -> None:
    assert CODES.keys() == set(Reason)


def test_help_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys\nfrom reportdl.cli.app import app\ntry: app.main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('rich', 'starlette', 'aiohttp') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"
