"""Finding the ids to download: by the clients, sync and async, against the reference endpoint over real sockets."""

from __future__ import annotations

import anyio
import pytest

import reportdl
from reportdl.aio import AsyncClient
from reportdl.server import Accounts, LoopbackServer
from reportdl_core.questions import ListedReport, Segment

REGIONS = (Segment(id=71, name="North"), Segment(id=72, name="South"), Segment(id=73, name="West"))


@pytest.fixture(scope="module")
def server():
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def client(server):
    with reportdl.Client(server.url, credentials=reportdl.Token("any")) as made:
        yield made


@pytest.mark.rules("R3", "R4", "R6")
def test_reports_are_external_reports_by_segment(client) -> None:
    reports = client.reports()
    assert {one.element for one in reports}.isdisjoint({2001, 2002, 2003, 2004}), "no External Reports"
    assert [one.segment for one in reports if one.element == 1044] == [71, 72, 73]
    assert reports[0] == ListedReport(
        element=1042, segment=0, name="Sales Dashboard", source="Demo BI", accessible=True
    )
    assert [one.element for one in reports if not one.accessible] == [1046]


@pytest.mark.rules("R4", "R5")
def test_segments_have_the_ids_that_a_download_takes(client, tmp_path) -> None:
    assert client.segments(1044) == REGIONS
    assert client.segments("1042") == ()
    got = client.download(1044, segment=client.segments(1044)[0].id, format="csv", to=tmp_path)
    assert got.size
    with pytest.raises(reportdl.ReportNotFound, match="no element 9 on the server"):
        client.segments(9)
    with pytest.raises(reportdl.InvalidJob):
        client.segments("../x")


@pytest.mark.rules("D16")
def test_a_look_up_obtains_and_renews_its_credential() -> None:
    key = reportdl.ApplicationKey(application_id="app", application_key="k3y", user="ann")
    accounts = Accounts(applications={"app": "k3y"})
    with (
        LoopbackServer(accounts=accounts) as guarded,
        reportdl.Client(guarded.url, credentials=key) as client,
    ):
        assert client.reports()
        guarded.fault("element.session_expired=1")
        assert client.segments(1044) == REGIONS
        assert [call.state for call in guarded.calls] == ["get_token", "element", "element", "get_token", "element"]


@pytest.mark.rules("D19")
def test_a_page_of_html_is_survived(client, server) -> None:
    with (
        LoopbackServer(faults=["element.html=1"]) as other,
        reportdl.Client(other.url, credentials=reportdl.Token("x")) as caller,
    ):
        assert caller.reports() == client.reports()
        assert other.count("element") == 2


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_the_async_client_has_the_same_words(client, server, library) -> None:
    async def main():
        async with AsyncClient(server.url, credentials=reportdl.Token("any")) as asked:
            return await asked.reports(), await asked.segments(1044)

    assert anyio.run(main, backend=library) == (client.reports(), client.segments(1044))
