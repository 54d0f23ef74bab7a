"""How the command ends when something else goes wrong: the exit codes of servers, networks, bytes and words."""

from __future__ import annotations

import json
import re
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from reportdl.server import LoopbackServer
from reportdl.testing import FaultServer

Run = Callable[..., Any]
Serving = Callable[..., LoopbackServer]

# A server that has never given a valid answer is given up after a second instead of thirty.
QUICK = [
    sys.executable,
    "-c",
    "import reportdl.client as c, dataclasses as d; c.DEFAULT_POLICY = d.replace(c.DEFAULT_POLICY, first_contact=1.0);"
    "from reportdl.cli import main; main()",
]


def said(ran: Any, *, logged: bool = False) -> dict[str, Any]:
    """The error's object: all that stderr holds, unless -v logs there, too."""
    ended: dict[str, Any] = json.loads(ran.err.splitlines()[-1] if logged else ran.err)
    assert set(ended) == {"error", "reason", "message", "retryable", "kept", "alternatives", "exit_code"}
    assert ended["exit_code"] == ran.code
    return ended


FAULTS = [
    pytest.param("formats.status=500", 7, "server error", True, id="5xx", marks=pytest.mark.rules("D19")),
    pytest.param("formats.html", 5, "endpoint missing", False, id="HTML", marks=pytest.mark.rules("D29")),
    pytest.param("formats.status=404", 5, "endpoint missing", False, id="404", marks=pytest.mark.rules("D29")),
    pytest.param("formats.redirect=302", 1, "redirected", False, id="redirect", marks=pytest.mark.rules("D31")),
    pytest.param("init.status=418", 1, "refused", False, id="refused"),
    pytest.param("init.unauthorized", 4, "credentials", False, id="401", marks=pytest.mark.rules("D16")),
]


@pytest.mark.parametrize(("fault", "code", "reason", "retryable"), FAULTS)
def test_the_exit_code_says_what_kind_of_trouble_it_was(
    reportdl: Run, serving: Serving, tmp_path: Path, fault: str, code: int, reason: str, retryable: bool
) -> None:
    ran = reportdl("get", "1042", "-f", "pdf", "--json", url=serving(faults=[fault]).url, command=QUICK)
    ended = said(ran)
    assert (ran.code, ended["reason"], ended["retryable"], ran.out) == (code, reason, retryable, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("D21", "I10")
def test_a_file_that_breaks_off_each_time_is_a_lost_transfer(reportdl: Run, serving: Serving, tmp_path: Path) -> None:
    server = serving(faults=["get.cut_at=100"])
    ran = reportdl("get", "1042", "-f", "csv", "--json", url=server.url)
    ended = said(ran)
    assert (ran.code, ended["reason"], ended["retryable"]) == (7, "transfer lost", True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("D22")
def test_a_file_of_which_nothing_proves_the_end_is_kept_aside_or_published_as_asked(
    reportdl: Run, serving: Serving, tmp_path: Path
) -> None:
    url = serving(faults=["get.no_length"]).url
    ended = said(reportdl("get", "1042", "-f", "csv", "--json", url=url))
    assert (ended["exit_code"], ended["reason"]) == (1, "unverified")
    assert [Path(ended["kept"])] == list(tmp_path.iterdir())
    ran = reportdl("get", "1042", "-f", "csv", "--json", "--allow-unverified", url=url)
    assert (ran.code, json.loads(ran.out)["length_verified"]) == (0, False)


@pytest.mark.rules("R10")
def test_a_refused_format_carries_the_alternatives(reportdl: Run, serving: Serving) -> None:
    ended = said(reportdl("get", "1043", "-f", "xls", "--json", url=serving().url))
    assert (ended["error"], ended["alternatives"]) == ("FormatNotOffered", ["image", "pdf", "csv"])


USAGE = [
    pytest.param(["get", "../../admin", "-f", "pdf"], "element must be an integer", id="element"),
    pytest.param(["get", "1042", "--segment", "-1", "-f", "pdf"], "segment must be an integer", id="segment"),
    pytest.param(["formats", "1042/../7"], "element must be an integer", id="formats"),
    pytest.param(["get", "1042", "-f", "../x"], "format must be a key", id="format"),
    pytest.param(["get", "1042", "-f", "pdf", "--overwrite", "--skip-existing"], "exclude each other", id="clash"),
    pytest.param(["get", "1042", "-f", "pdf", "--proxy", "socks9://me:pass@x"], "proxy", id="proxy"),
    pytest.param(["get", "1042", "-f", "pdf", "--timeout", "0"], "--timeout", id="timeout"),
    pytest.param(["get", "1042", "-f", "pdf", "--timeout", "nan"], "'nan' is no number of seconds", id="nan"),
    pytest.param(["conform", "1042", "--ttl", "NaN"], "'NaN' is no number of seconds", id="nan for conform"),
    pytest.param(["get", "1042", "-f", "pdf", "--token", "x"], "--token", id="token"),
]


@pytest.mark.rules("D32")
@pytest.mark.parametrize(("words", "message"), USAGE)
def test_a_slip_of_the_pen_is_a_usage_error_and_nothing_is_sent(
    reportdl: Run, serving: Serving, words: list[str], message: str
) -> None:
    server = serving()
    ended = said(reportdl(*words, "--json", url=server.url))
    assert (ended["exit_code"], ended["reason"]) == (2, "usage")
    assert message in ended["message"]
    assert "pass" not in ended["message"]
    assert server.calls == ()


@pytest.mark.rules("D39")
def test_a_proxy_that_is_not_there_is_told_without_its_password(reportdl: Run) -> None:
    words = ["--proxy", "http://me:pass@127.0.0.1:9", "-v", "--json"]
    ran = reportdl("formats", "1042", *words, url="https://mi.example.com", command=QUICK)
    assert (ran.code, said(ran, logged=True)["reason"], "pass" in ran.err) == (7, "unreachable", False)


def test_certificates_that_are_none_are_a_usage_error(reportdl: Run, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    ended = said(reportdl("formats", "1042", "--json", "--ca-bundle", "ca.pem", url="https://mi.example.com"))
    assert ended["exit_code"] == 2
    assert "certificates cannot be used" in ended["message"]


@pytest.mark.parametrize(
    ("more", "words", "message"),
    [
        ({"REPORTDL_TOKEN": "two\nlines"}, [], "REPORTDL_TOKEN cannot be used"),
        ({"REPORTDL_TOKEN_KIND": "basic"}, [], "REPORTDL_TOKEN_KIND is legacy or bearer"),
        ({"REPORTDL_TOKEN": "", "REPORTDL_USER": "u"}, [], "REPORTDL_APPLICATION_ID and REPORTDL_APPLICATION_KEY"),
        ({}, ["--token-file", "binary"], "--token-file cannot be used: not a text"),
    ],
)
def test_credentials_that_cannot_be_used_are_a_usage_error_that_does_not_show_them(
    reportdl: Run, tmp_path: Path, more: dict[str, str], words: list[str], message: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfesecret")
    ran = reportdl("formats", "1042", *words, **more)
    assert ran.code == 2
    assert message in re.sub(r"\s+", " ", ran.err)
    assert not any(secret in ran.err for secret in ("two", "secret"))


def test_a_token_comes_from_a_file_and_its_kind_from_the_environment(
    reportdl: Run, serving: Serving, tmp_path: Path
) -> None:
    server = serving()
    (tmp_path / "token").write_text("from-a-file\n")
    assert reportdl("formats", "1042", "--token-file", "token", url=server.url).code == 0
    kind = {"REPORTDL_TOKEN_KIND": "bearer"}
    assert reportdl("formats", "1042", "--token-file", "token", url=server.url, **kind).code == 0
    sent = [{name for name, _ in call.headers} & {"token", "authorization"} for call in server.calls]
    assert sent == [{"token"}, {"authorization"}]


@pytest.mark.rules("D39")
def test_a_bug_is_told_in_one_line_and_in_full_where_asked_for(reportdl: Run, serving: Serving) -> None:
    broken = (
        "import reportdl.client as c\n"
        "def fall(self, *a, **k): token = self._calls.credentials._secret.reveal(); raise TypeError('oops')\n"
        "c.Client.download = fall\nfrom reportdl.cli import main; main()"
    )
    command, url = [sys.executable, "-c", broken], serving().url
    ran = reportdl("get", "1042", "-f", "pdf", url=url, command=command)
    assert (ran.code, ran.out, ran.err.splitlines()[-1].startswith("reportdl: TypeError: oops")) == (1, "", True)
    assert "Traceback" not in ran.err
    assert "Traceback" in reportdl("get", "1042", "-f", "pdf", "-v", url=url, command=command).err


@pytest.mark.rules("D33", "D22")
def test_advice_is_in_the_words_of_the_command_line(reportdl: Run, serving: Serving) -> None:
    assert "or say --allow-insecure (D33)" in reportdl("get", "1042", "-f", "pdf", url="http://mi.example.com").err
    ran = reportdl("get", "1042", "-f", "csv", url=serving(faults=["get.no_length"]).url)
    assert "--allow-unverified would have published it" in ran.err


def test_certificates_that_are_not_checked_are_one_line_of_warning(reportdl: Run) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultServer("short of its length", on="get", tls=context) as server:
        refused = reportdl("get", "1042", "-f", "csv", "--timeout", "3", url=server.url)
        ran = reportdl("get", "1042", "-f", "csv", "--allow-unverified-tls", url=server.url)
    assert refused.code != 0
    assert ran.code == 0
    warned = [line for line in ran.err.splitlines() if "warning" in line.lower()]
    assert warned == ["reportdl: warning: certificates are not checked: whoever is in between can read the credential"]


URLS = [
    (
        "mi.example.com",
        "the server's URL 'mi.example.com' must begin with https:// (http:// for a server on this machine)",
    ),
    ("localhost:8080", "the server's URL 'localhost:8080' must begin with"),
    ("https://[x", "the server's URL 'https://[x' cannot be read"),
    (f"ftp://{'x' * 99}", f"the server's URL 'ftp://{'x' * 54}...' must begin with"),
    ("ftp://ann:canary-password@mi.example.com", "the server's URL must begin with"),
    ("mi.example.com?token=canary-password", "the server's URL must begin with"),
]


@pytest.mark.parametrize(("url", "message"), URLS)
def test_a_url_that_cannot_be_used_is_shown_but_for_what_may_be_secret(reportdl: Run, url: str, message: str) -> None:
    ran = reportdl("formats", "1042", url=url)
    assert ran.code == 2
    assert message in ran.err
    assert "canary" not in ran.err
