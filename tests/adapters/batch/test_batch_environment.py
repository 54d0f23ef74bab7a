"""What a worker takes from its environment."""

from __future__ import annotations

import pytest

from reportdl.batch import environment
from reportdl.errands import Errand
from reportdl_core.affinity import UnusableCookieName
from reportdl_core.commands import Check, Init
from reportdl_core.job import Job
from reportdl_core.secret import Secret

JOB = Job(element=1, format="pdf")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTDL_URL", "https://mi.example.com")
    monkeypatch.setenv("REPORTDL_TOKEN", "t")


@pytest.mark.rules("D30")
def test_named_cookies_are_those_of_the_checkpoint_that_a_step_goes_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTDL_AFFINITY_COOKIE", "AWSALB  zone")
    errands = environment.server_at("https://mi.example.com").errands(
        cookies={"zone": Secret("7"), "other": Secret("x")}
    )
    check = errands.begin(Check(number=3, job=JOB, token=Secret("t"), deadline=9.0))
    assert isinstance(check, Errand)
    assert check.headers["Cookie"] == "zone=7"
    check.exchange.head(200, [("Set-Cookie", "AWSALB=one")])
    assert dict(errands.cookies) == {"AWSALB": Secret("one"), "zone": Secret("7")}
    errands.begin(Init(number=4, job=JOB, deadline=9.0))
    assert dict(errands.cookies) == {}


@pytest.mark.rules("D30")
def test_without_a_name_none_is_sent_and_what_is_no_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    errands = environment.server_at("https://mi.example.com").errands(cookies={"zone": Secret("7")})
    check = errands.begin(Check(number=3, job=JOB, token=Secret("t"), deadline=9.0))
    assert isinstance(check, Errand)
    assert "Cookie" not in check.headers
    monkeypatch.setenv("REPORTDL_AFFINITY_COOKIE", "a=b")
    with pytest.raises(UnusableCookieName):
        environment.server_at("https://mi.example.com")
