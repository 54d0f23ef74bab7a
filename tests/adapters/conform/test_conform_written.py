"""An examination on paper: JSON, JUnit and a profile, none of which shows a secret."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

import reportdl
from reportdl.conform import Elements, Examination, Verdict
from reportdl.conform.written import junit, object_of, profile_of
from reportdl.profile import Profile, ProfileUnusable, load_profile, save_profile
from reportdl.server import Accounts, LoopbackServer
from reportdl.testing.raw_server import Answer, RawServer, message
from reportdl_core.policy import Expiry, Policy, Preflight
from reportdl_core.switches import Switches, TtlPolicy
from tests.adapters.conform.conftest import document_mock

Reference = Callable[..., Examination]


@pytest.mark.rules("D39", "R12", "D13")
def test_no_token_and_no_credential_reaches_a_report(conform: Callable[..., Examination]) -> None:
    accounts = Accounts(bearers={"canary-of-ann": "ann", "canary-of-bob": "bob"})
    with LoopbackServer(accounts=accounts, generation_seconds=0.2) as server:
        found = conform(
            server.url,
            credentials=reportdl.Bearer("canary-of-ann"),
            other_credentials=reportdl.Bearer("canary-of-bob"),
            steps=("generation",),
        )
        tokens = {call.target.partition("token=")[2].partition("&")[0] for call in server.calls}
    assert found.readings("D13") == (
        "one that was never issued is 400 Invalid token",
        "another user's check is 400 Invalid token",
    )
    assert found.of("R12").why.endswith("another user's check is 400 Invalid token")
    assert found.readings("D16") == ("no credential is 401 Unauthorized",)
    paper = json.dumps(object_of(found)) + junit(found)
    issued = {token for token in tokens if len(token) > 20}
    assert issued
    for secret in ("canary", *issued):
        assert secret not in paper


def test_an_answer_that_is_nested_too_deeply_is_an_odd_answer_and_no_bug(conform: Callable[..., Examination]) -> None:
    deep = message(200, {}, b"[" * 50_000)
    with RawServer(lambda _: Answer(data=deep)) as server:
        found = conform(server.url)
    assert found.of("R31").verdict is Verdict.BROKEN


class NotAState(document_mock.Handler):
    """The mock, with another code for a state that there is not."""

    def send_json(self, value: dict[str, Any], code: int = 200) -> None:
        super().send_json(value, 404 if value.get("message") == "Invalid state" else code)


def test_json_and_junit_say_the_same(conform: Callable[..., Examination], mock: Callable[..., str]) -> None:
    found = conform(mock(NotAState), credentials=reportdl.Bearer("reader-key"))
    assert [one.entry.rule for one in found.broken] == ["R2"]
    said = object_of(found)
    assert said["broken"] == [one.entry.rule for one in found.broken]
    numbers = [one["number"] for one in said["exchanges"]]
    assert numbers == list(range(1, len(found.answers) + 1))
    assert all(set(one["evidence"]) <= set(numbers) for one in said["findings"])
    suite = Xml.fromstring(junit(found).encode())[0]
    cases = {str(case.get("name")).partition(" ")[0]: case for case in suite}
    assert list(cases) == [f"R{number}" for number in range(1, 33)] + [f"D{number}" for number in range(1, 45)]
    failed = [rule for rule, case in cases.items() if case.find("failure") is not None]
    assert failed == said["broken"]
    skipped = [rule for rule, case in cases.items() if case.find("skipped") is not None]
    assert skipped == [one.entry.rule for one in found.findings if one.verdict is Verdict.UNSEEN]
    assert (suite.get("failures"), suite.get("skipped")) == (str(len(failed)), str(len(skipped)))
    first = cases["R2"].find("failure")
    assert first is not None
    assert "state/nonsense -> 404 application/json" in (first.text or "")


@pytest.mark.rules("D1")
@pytest.mark.parametrize(
    ("policy", "expiry"),
    [(TtlPolicy.ABSOLUTE, Expiry.DOCUMENTED), (TtlPolicy.START, Expiry.CONFIRM), (TtlPolicy.SLIDING, Expiry.CONFIRM)],
)
def test_a_profile_sets_what_five_minutes_mean(
    reference: Reference, tmp_path: Path, policy: TtlPolicy, expiry: Expiry
) -> None:
    found = reference("expiry-ready", server={"switches": Switches(ttl=0.5, ttl_policy=policy)}, ttl=0.5)
    save_profile(profile_of(found), tmp_path / "p.json")
    profile = load_profile(tmp_path / "p.json")
    other = Expiry.CONFIRM if expiry is Expiry.DOCUMENTED else Expiry.DOCUMENTED
    assert profile.applied(Policy(expiry=other, job_timeout=7.0)) == Policy(expiry=expiry, job_timeout=7.0)


@pytest.mark.rules("D12")
def test_a_server_without_a_usable_formats_is_not_asked_for_it(reference: Reference) -> None:
    found = reference(server={"faults": ["formats.html"]}, elements=Elements())
    assert found.of("R8").verdict is Verdict.BROKEN
    assert profile_of(found).applied(Policy()).preflight is Preflight.OFF


def test_what_was_not_seen_decides_nothing(reference: Reference) -> None:
    assert profile_of(reference()).policy == {}


BAD: list[tuple[Any, str]] = [
    ("words", "not a JSON object"),
    ([], "not a JSON object"),
    ({"profile": 2, "server": "s", "examined": "e", "policy": {}}, "no profile that this version can read"),
    ({"profile": 1, "server": "s", "examined": "e"}, "has no policy"),
    ({"profile": 1, "server": "s", "examined": "e", "policy": {"mood": 1}}, "'mood', which is no member"),
    ({"profile": 1, "server": "s", "examined": "e", "policy": {"expiry": "never"}}, "cannot be used"),
    ({"profile": 1, "server": "s", "examined": "e", "policy": {"silence": "long"}}, "cannot be used"),
    ({"profile": 1, "server": "s", "examined": "e", "policy": {"silence": True}}, "cannot be used"),
    ({"profile": 1, "server": "s", "examined": "e", "policy": {"first_check": -1}}, "cannot be used"),
    ({"profile": 1, "server": "s", "examined": "e", "policy": {"silence": 10**400}}, "cannot be used"),
]


@pytest.mark.parametrize(("said", "message"), BAD)
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, said: Any, message: str) -> None:
    (tmp_path / "p.json").write_text(said if said == "words" else json.dumps(said))
    with pytest.raises(ProfileUnusable, match=message):
        load_profile(tmp_path / "p.json")


def test_a_profile_comes_back_as_it_was(tmp_path: Path) -> None:
    profile = Profile(server="https://mi.example.com", examined="now", policy={"strict": True, "restarts_lost": 2})
    save_profile(profile, tmp_path / "p.json")
    assert load_profile(tmp_path / "p.json").applied(Policy()) == Policy(strict=True, restarts_lost=2)


def test_a_profile_is_replaced_in_one_step(tmp_path: Path) -> None:
    """What cannot be written leaves the old one, which a job may be reading; a link and its permissions stay."""
    old = Profile(server="https://mi.example.com", examined="before", policy={"strict": True})
    save_profile(old, tmp_path / "p.json")
    (tmp_path / "p.json").chmod(0o640)
    (tmp_path / "link.json").symlink_to("p.json")
    code = (
        "import resource, signal\n"
        "from reportdl.profile import Profile, save_profile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60, resource.RLIM_INFINITY))\n"
        "save_profile(Profile(server='https://mi.example.com', examined='after'), 'link.json')\n"
    )
    paths = os.pathsep.join(path or "." for path in sys.path)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "OSError: [Errno 27]" in ended.stderr
    assert load_profile(tmp_path / "p.json") == old
    save_profile(replace(old, examined="after"), tmp_path / "link.json")
    assert load_profile(tmp_path / "p.json").examined == "after"
    assert (tmp_path / "link.json").is_symlink()
    assert stat.S_IMODE((tmp_path / "p.json").stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.json", "p.json"]


def test_a_profile_can_go_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        save_profile(Profile(server="s", examined="now"), tmp_path / "pipe")
        assert json.loads(os.read(reader, 10_000))["examined"] == "now"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
