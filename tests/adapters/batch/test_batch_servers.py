"""One batch over several servers: whose each line is, whose credentials go where, and what is said of which."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import pytest

import reportdl
import reportdl.batch
from reportdl.batch import Budget, LedgerUnusable, ServersUnusable
from reportdl.batch.described import Described, credentials_of, described
from reportdl.batch.inputs import BadLine, read_jobs
from reportdl.batch.plan import State
from reportdl.batch.roster import Roster, UnknownServer
from reportdl.origin import Origin
from reportdl.server import Accounts

POLICY = reportdl.Policy(first_contact=5.0, silence=5.0)


def roster(**urls: str) -> Roster:
    return Roster.of({name if name != "default" else "": Origin.parse(url) for name, url in urls.items()})


TWO = {"emea": "https://mi-emea.example.com", "us": "https://us.example.com:8443/mi"}


# -- whose a line is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("emea", "emea"),
        (" EMEA ", "emea"),
        ("https://mi-emea.example.com", "emea"),
        ("https://MI-EMEA.example.com:443/api/", "emea"),
        ("https://mi-emea.example.com/editor/element/1042?tab=2#x", "emea"),
        ("mi-emea.example.com", "emea"),
        ("https://us.example.com:8443/mi/element/7", "us"),
    ],
)
def test_a_line_names_a_server_by_name_or_by_url(said, key):
    assert roster(**TWO).key(said) == key


@pytest.mark.rules("D31")
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("emae", "there is no server 'emae' in this batch: did you mean emea?"),
        ("https://evil.example.com", "https://evil.example.com' in this batch, which has emea (https://mi-emea"),
        ("http://mi-emea.example.com", "no server"),
        ("http://mi-emea.example.com:443", "no server"),
        ("https://mi-emea.example.com.evil.example", "no server"),
        ("https://us.example.com:8443/mine", "no server"),
        ("https://bob:hunter2@us.example.com", r"no server 'https://***@us"),
        ("", "names no server, and there are several: emea (https://mi-emea"),
    ],
)
def test_a_server_that_was_not_given_is_never_asked(said, problem):
    with pytest.raises(UnknownServer) as found:
        roster(**TWO).key(said)
    assert problem in str(found.value)
    assert "hunter2" not in str(found.value)


def test_lines_that_name_no_server_go_to_the_one_of_the_url():
    assert roster(default="https://mi.example.com").key("") == ""
    assert roster(emea=TWO["emea"]).key("") == "emea"
    three = roster(default="https://mi.example.com", **TWO)
    assert three.key("") == three.key("https://mi.example.com") == "mi.example.com"
    assert roster(default=TWO["us"], **TWO).key("") == "us"  # the URL of one that has a name


def test_names_that_cannot_be_kept_apart():
    with pytest.raises(ServersUnusable, match="one server has one name"):
        roster(a="https://x.example", b="https://x.example/")
    with pytest.raises(ServersUnusable, match="one name"):
        roster(a="https://x.example", A="https://y.example")
    with pytest.raises(ServersUnusable, match="such as emea"):
        Roster.of({"../x": Origin.parse("https://x.example")})


@pytest.mark.rules("I2")
def test_a_ledger_knows_a_server_by_its_url():
    ledger = {"": "https://mi-emea.example.com"}
    known = roster(**TWO).known_as(ledger)
    assert (known.key("emea"), known.key("us"), set(known.origins)) == ("", "us", {"", "us"})
    with pytest.raises(ServersUnusable, match=r"is a batch of https://else.example, which it knows as us"):
        roster(**TWO).known_as({"us": "https://else.example"})


def test_the_column_of_a_spreadsheet(tmp_path):
    path = tmp_path / "night.csv"
    path.write_text("Server;Element ID;Format\nemea;1;pdf\nHTTPS://us.example.com:8443/mi;2;pdf\nmars;3;pdf\n;4;pdf\n")
    found = list(read_jobs(path, roster=roster(**TWO)))
    assert [getattr(one, "server", None) for one in found] == ["emea", "us", None, None]
    assert [one.line for one in found if isinstance(one, BadLine)] == [4, 5]
    assert isinstance(found[2], BadLine)
    assert found[2].text == "mars;3;pdf"
    path.write_text('{"element": 1, "format": "pdf", "url": "https://mi-emea.example.com"}\n')
    (one,) = read_jobs(path, roster=roster(**TWO))
    assert isinstance(one, reportdl.batch.Wanted)
    assert one.server == "emea"
    path.write_text("server,url,element,format\nus,https://wiki.example.com/1,1,pdf\n")
    (one,) = read_jobs(path, roster=roster(**TWO))
    assert isinstance(one, reportdl.batch.Wanted)
    assert (one.server, dict(one.fields)) == ("us", {"url": "https://wiki.example.com/1"})


# -- descriptions and credentials ----------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch):
    for name in os.environ:
        if name.startswith("REPORTDL_"):
            monkeypatch.delenv(name)
    return monkeypatch


FILE = """
[emea]
url = "https://mi-emea.example.com"
jobs = 2
token_file = "emea.token"
bearer = true

[us]
url = "https://us.example.com:8443/mi"
application_id = "reports"
application_key_file = "us.key"
user = "robot"
"""


@pytest.mark.rules("D39")
def test_a_file_of_servers_names_its_credentials_and_holds_none(tmp_path, bare):
    (tmp_path / "servers.toml").write_text(FILE)
    emea, us = described((), tmp_path / "servers.toml")
    (tmp_path / "emea.token").write_text("canary-1\n")
    (tmp_path / "us.key").write_text("canary-2\n")
    assert (emea.name, emea.jobs, emea.token_file) == ("emea", 2, str(tmp_path / "emea.token"))
    assert credentials_of(emea).headers() == (("Authorization", "Bearer canary-1"),)
    key = credentials_of(us)
    assert isinstance(key, reportdl.ApplicationKey)
    assert (key.application_id, key.user) == ("reports", "robot")
    bare.setenv("REPORTDL_EMEA_TOKEN", "canary-3")  # what is set now counts more than what was written once
    bare.setenv("REPORTDL_EMEA_TOKEN_KIND", "legacy")
    assert credentials_of(emea).headers() == (("Token", "canary-3"),)
    assert "canary" not in repr((emea, us, key))


@pytest.mark.rules("D31")
def test_a_credential_goes_to_no_other_server(bare):
    (east,) = described(["east-1=https://east.example.com"])
    bare.setenv("REPORTDL_TOKEN", "of another")
    with pytest.raises(ServersUnusable, match=r"no credentials for server east-1 .*set REPORTDL_EAST_1_TOKEN"):
        credentials_of(east)
    bare.setenv("REPORTDL_EAST_1_USER", "robot")
    with pytest.raises(ServersUnusable, match=r"needs REPORTDL_EAST_1_APPLICATION_ID and \w+_KEY as well"):
        credentials_of(east)
    assert credentials_of(Described(name="", url="https://x.example")).headers() == (("Token", "of another"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[emea]\njobs = 1", "has no url"),
        (
            '[emea]\nurl = "https://x.example"\ntoken = "canary"',
            "no credential stands in this file; set REPORTDL_EMEA_TOKEN",
        ),
        ('[emea]\nurl = "https://x.example"\njob = 1', "has 'job'; there are url, jobs"),
        ('[emea]\nurl = "https://x.example"\njobs = 0', "jobs must be a number from 1 to 1000"),
        ('[emea]\nurl = "https://x.example"\nbearer = 1', "bearer must be true or false"),
        ("[emea]\nurl = 7", "url must be a text"),
        ('emea = "https://x.example"', r"write \[emea\]"),
        ("[emea", "cannot be read"),
        ('["a b"]\nurl = "https://x.example"', "such as emea"),
        ('[a-b]\nurl = "https://x.example"\n[a_b]\nurl = "https://y.example"', "same credentials, REPORTDL_A_B_"),
    ],
)
def test_a_file_of_servers_that_cannot_be_used(tmp_path, text, said):
    (tmp_path / "servers.toml").write_text(text)
    with pytest.raises(ServersUnusable, match=said) as found:
        described((), tmp_path / "servers.toml")
    assert "canary" not in str(found.value)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('ca_bundle = "none.pem"', "certificates for server emea .* cannot be used: No such file"),
        ('client_cert = "servers.toml"', "certificates for server emea .* cannot be used: .*PEM"),
        ('profile = "none.json"', "profile of server emea .* cannot be read: .*none.json: No such file"),
        ('token_file = "none.token"', "none.token cannot be used: No such file"),
    ],
)
def test_files_of_a_server_are_looked_at_before_anything(tmp_path, bare, said, problem):
    bare.setenv("REPORTDL_EMEA_TOKEN", "" if said.startswith("token") else "any")
    (tmp_path / "servers.toml").write_text(f'[emea]\nurl = "https://x.example"\n{said}\n')
    (emea,) = described((), tmp_path / "servers.toml")
    with pytest.raises(ServersUnusable, match=problem):
        emea.server(credentials_of(emea))


def test_a_word_that_is_no_server():
    for word in ("emea", "emea=", "=https://x.example"):
        with pytest.raises(ServersUnusable, match="such as emea"):
            described([word])


# -- two real endpoints, by a program ------------------------------------------------------------


@pytest.fixture
def pair(serving):
    """Two endpoints, each with one account: neither takes the other's credential."""

    def start(**options: Any) -> dict[str, Any]:
        return {
            name: serving(accounts=Accounts(bearers={f"canary-{name}": name}), **options) for name in ("emea", "us")
        }

    return start


def far(servers: dict[str, Any], **more: Any) -> dict[str, reportdl.batch.Server]:
    return {
        name: reportdl.batch.Server(one.url, credentials=reportdl.Bearer(f"canary-{name}"), policy=POLICY, **more)
        for name, one in servers.items()
    }


def batch(jobs: Any, servers: Any, tmp_path, **more: Any) -> reportdl.batch.Summary:
    options = {"ledger": tmp_path / "ledger", "to": str(tmp_path / "out"), "budget": Budget(attempts=2, pause=0.01)}
    return reportdl.batch.run(jobs, servers, **{**options, "name": "{server}/{element}-{format}.{ext}", **more})


def rows(tmp_path, columns: str) -> list[Any]:
    ledger = sqlite3.connect(tmp_path / "ledger")
    try:
        return ledger.execute(f"SELECT {columns} FROM jobs ORDER BY id").fetchall()
    finally:
        ledger.close()


def files(tmp_path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())


ASKED = [{"server": name, "element": 1042, "format": key} for key in ("csv", "pdf") for name in ("emea", "us")]


def asked(server: str, number: int) -> dict[str, Any]:
    return {"server": server, "element": 1042, "format": "csv", "name": f"{server}{number}"}


@pytest.mark.rules("D12", "D31")
def test_the_same_reports_of_two_servers(pair, tmp_path):
    servers = pair()
    summary = batch(ASKED, far(servers), tmp_path)
    assert summary.ok
    assert files(tmp_path) == ["emea/1042-csv.csv", "emea/1042-pdf.pdf", "us/1042-csv.csv", "us/1042-pdf.pdf"]
    for server in servers.values():
        assert [server.count(state) for state in ("formats", "init", "run", "get")] == [1, 2, 2, 2]
    assert {row[0] for row in rows(tmp_path, "server")} == {"emea", "us"}
    assert "canary" not in "".join(path.read_text("latin-1") for path in tmp_path.iterdir() if path.is_file())


def test_a_wrong_name_costs_its_own_line_alone(pair, tmp_path):
    jobs = [*ASKED, {"server": "mars", "element": 1042, "format": "csv"}, reportdl.Job(element=1042, format="csv")]
    summary = batch(jobs, far(pair()), tmp_path)
    assert (summary.done, summary.failed, summary.refused) == (4, 0, 2)
    assert [bad.line for bad in summary.bad_lines] == [5, 6]
    assert "there is no server 'mars' in this batch" in summary.text(width=200)
    assert "names no server, and there are several: emea (http://" in summary.text(width=200)


@pytest.mark.rules("I13")
def test_one_server_that_refuses_does_not_stop_the_other(pair, tmp_path):
    servers = pair(generation_seconds=0.1)
    wrong = far(servers)
    wrong["emea"] = reportdl.batch.Server(servers["emea"].url, credentials=reportdl.Token("old"), policy=POLICY)
    jobs = [
        {"server": name, "element": 1042, "format": "csv", "name": f"{name}{n}"} for n in range(4) for name in wrong
    ]
    summary = batch(jobs, wrong, tmp_path, at_once=1)
    assert summary.stopped == {"emea": reportdl.Reason.CREDENTIALS}
    assert {name: one[State.DONE] for name, one in summary.servers.items()} == {"emea": 0, "us": 4}
    assert (summary.done, summary.failed, summary.unfinished) == (4, 1, 3)
    assert "emea: 0 of 4 are here, 1 failed, 3 not finished" in summary.text()
    assert "No other of emea could have succeeded either" in summary.text()
    assert reportdl.batch.resume(tmp_path / "ledger", far(servers)).ok
    assert servers["us"].count("run") == servers["emea"].count("run") == 4


@pytest.mark.rules("D37")
def test_each_server_has_its_own_number_at_a_time(pair, tmp_path):
    servers = pair(generation_seconds=0.3, generations_at_once=16)
    given = {**far({"us": servers["us"]}, at_once=1), **far({"emea": servers["emea"]})}
    jobs = [
        {"server": name, "element": 1042, "format": "csv", "name": f"{name}{n}"} for n in range(4) for name in given
    ]
    assert batch(jobs, given, tmp_path, at_once=3).ok
    assert most_at_once(rows(tmp_path, "began, ended, server"), "us") == 1
    assert most_at_once(rows(tmp_path, "began, ended, server"), "emea") == 3


@pytest.mark.rules("D37")
def test_servers_take_turns_where_all_of_them_have_too_few_lanes(pair, tmp_path):
    servers = pair(generation_seconds=0.2, generations_at_once=16)
    jobs = [
        {"server": name, "element": 1042, "format": "csv", "name": f"{name}{n}"} for name in servers for n in range(4)
    ]
    assert batch(jobs, far(servers), tmp_path, at_once=4, in_all=2).ok
    begun = rows(tmp_path, "began, ended, server")
    assert most_at_once(begun) == 2
    order = [server for *_, server in sorted(begun)]
    assert set(order[:2]) == {"emea", "us"}
    assert set(order[-2:]) == {"emea", "us"}  # neither waited until the other was through


def most_at_once(begun: list[Any], server: str | None = None) -> int:
    mine = [(began, ended) for began, ended, name in begun if server in (None, name)]
    moments = sorted([(began, 1) for began, _ in mine] + [(ended, -1) for _, ended in mine])
    now = most = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


@pytest.mark.rules("I2")
def test_what_is_left_to_do_needs_its_server(pair, serving, tmp_path):
    servers = pair()
    servers["us"].fault("*.unauthorized")
    assert batch(ASKED, far(servers), tmp_path, at_once=1).unfinished == 1
    servers["us"].no_faults()
    with pytest.raises(LedgerUnusable, match=r"unfinished jobs of http://\S+, which was not given: say --server us="):
        reportdl.batch.resume(tmp_path / "ledger", far({"emea": servers["emea"]}))
    with pytest.raises(LedgerUnusable, match=r"is a batch of http://\S+, which it knows as emea, not of"):
        reportdl.batch.resume(tmp_path / "ledger", far({"us": servers["us"], "emea": serving()}))
    renamed = {"west": far(servers)["us"], "emea": far(servers)["emea"]}
    assert reportdl.batch.resume(tmp_path / "ledger", renamed).ok  # it is the same server
    assert files(tmp_path) == ["emea/1042-csv.csv", "emea/1042-pdf.pdf", "us/1042-csv.csv", "us/1042-pdf.pdf"]


def test_lines_of_a_server_that_is_not_given_any_more(pair, tmp_path):
    servers, path = pair(), tmp_path / "night.csv"
    path.write_text("server,element,format\nemea,1042,csv\nus,9999,csv\nus,1042,csv\n")
    assert batch(path, far(servers), tmp_path).failed == 1
    summary = batch(path, far({"emea": servers["emea"]}), tmp_path)
    assert (summary.done, summary.failed, summary.refused, summary.forgotten) == (2, 0, 2, 1)
    assert "line 3: there is no server 'us' in this batch" in summary.text()
    assert (summary.servers["us"][State.DONE], servers["us"].count("run")) == (1, 1)  # what came stays


def test_a_batch_of_one_server_goes_on_with_two(pair, tmp_path):
    servers = pair()
    one = far(servers)
    jobs = [{"element": 1042, "format": "csv"}]
    assert batch(jobs, one["emea"], tmp_path, name="{element}").ok
    more = [{**jobs[0], "server": "emea"}, {"server": "us", "element": 1042, "format": "csv", "name": "more"}]
    summary = batch(more, far(servers), tmp_path, name="{element}")
    assert (summary.ok, summary.done, summary.here) == (True, 2, 1)
    assert [server.count("run") for server in servers.values()] == [1, 1]


# -- and by the command ---------------------------------------------------------------------------

LIST = """\
server;element;format
emea;1042;csv
{us};1042;csv
emea;9999;csv
mars;1042;csv
"""


def said(servers: dict[str, Any]) -> tuple[str, ...]:
    return tuple(word for name, one in servers.items() for word in ("--server", f"{name}={one.url}"))


WORDS = ("batch", "night.csv", "-o", "out", "--name", "{server}-{element}-{format}")


def test_the_command_over_two_servers_killed_and_resumed(desk, pair):
    servers = pair(generation_seconds=2.0, generations_at_once=4)
    (desk.folder / "night.csv").write_text(LIST.format(us=servers["us"].url))
    tokens = {f"REPORTDL_{name.upper()}_TOKEN": f"canary-{name}" for name in servers}
    tokens |= {f"REPORTDL_{name.upper()}_TOKEN_KIND": "bearer" for name in servers}
    process = desk.start(*WORDS, *said(servers), url=None, **tokens)
    for one in servers.values():
        one.wait_for("run")
    desk.kill(process)
    assert desk.rows("server, state")[:2] == [("emea", "running"), ("us", "running")]
    ran = desk.run("resume", "night.ledger", *said(servers), "--report", "night.html", url=None, **tokens)
    assert ran.code == 8
    assert desk.files == ["emea-1042-csv.csv", "us-1042-csv.csv"]
    assert [(one.count("formats"), one.count("run"), one.count("get")) for one in servers.values()] == [
        (2, 1, 1),
        (1, 1, 1),
    ]
    assert "emea: 1 of 2 are here, 1 failed\n  us: 1 of 1 are here\n" in ran.err
    assert "1 failed on emea: not found\n  line 4: 9999 csv: There is no element 9999 on the server" in ran.err
    assert "line 5: there is no server 'mars' in this batch" in ran.err
    page = (desk.folder / "night.html").read_text()
    assert servers["us"].url in page
    assert "us: 1042 csv" in page
    (desk.folder / "night.csv").write_text(LIST.format(us="us").replace("9999", "1043").replace("mars", "us"))
    mended = desk.run(*WORDS, *said(servers), "--json", url=None, **tokens)
    (first, summary) = mended.json
    assert (mended.code, first["server"], first["element"]) == (0, "emea", 1043)
    assert (summary["done"], summary["forgotten"], summary["repeated_lines"]) == (3, 1, 1)


@pytest.mark.rules("D31")
@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--server", "emea=https://mi.example.com"), "no credentials for server emea"),
        pytest.param((), "no server: say --url, --server or --servers", marks=pytest.mark.deep),
        pytest.param(
            ("--server", "emea=http://x.example"), "would send the credential in clear", marks=pytest.mark.deep
        ),
    ],
)
def test_servers_that_cannot_be_used_are_named_before_anything(desk, more, problem):
    desk.jobs("1042,csv,r0")
    ran = desk.run("batch", "night.csv", *more, url=None, REPORTDL_TOKEN="of another")
    assert ran.code == 2
    assert problem in ran.err
    assert [path.name for path in desk.folder.iterdir()] == ["night.csv"]


@pytest.mark.parametrize(("own", "pace"), [((2, 2), "2 at a time"), ((2, None), "2 to 4 at a time")])
def test_a_dry_run_says_the_pace_that_each_server_has_for_itself(desk, own, pace):
    lines = [
        f'[{name}]\nurl = "https://mi-{name}.example.com"\n' + (f"jobs = {jobs}\n" if jobs else "")
        for name, jobs in zip(("emea", "us"), own, strict=True)
    ]
    (desk.folder / "servers.toml").write_text("\n".join(lines))
    (desk.folder / "night.csv").write_text("server,element,format\nemea,1042,csv\nus,1042,csv\n")
    ran = desk.run("batch", "night.csv", "--dry-run", "--servers", "servers.toml", url=None)
    assert ran.code == 0
    assert f"2 reports would be downloaded to {desk.folder}, {pace} on each server.\n" in ran.err
