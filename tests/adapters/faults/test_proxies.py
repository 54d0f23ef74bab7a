"""Real proxies between client and server: they lose a silent `run` while generation goes on, and repeat what they lost.

Counts are taken behind the proxy, at the endpoint, where a second generation would cost somebody half an hour.
"""

from __future__ import annotations

import socket
import threading

import anyio
import pytest

import reportdl
from reportdl.testing.raw_server import Answer, RawServer, Then
from reportdl.transports.aiohttp import AiohttpTransport
from reportdl.transports.httpx2 import Httpx2Transport
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.policy import Policy

POLICY = Policy(first_pause=0.1, longest_pause=0.3, first_check=30.0, silence=20.0, first_contact=20.0)
ANY = reportdl.Token("any")


def urllib3(url, folder):
    with reportdl.Client(url, credentials=ANY, policy=POLICY) as client:
        assert isinstance(client._transport, Urllib3Transport)
        return client.download(1042, format="csv", to=folder)


def async_with(kind, library):
    def download(url, folder):
        async def job():
            transport = kind(reportdl.origin.Origin.parse(url))
            client = reportdl.aio.AsyncClient(url, credentials=ANY, policy=POLICY, transport=transport)
            try:
                async with client:
                    return await client.download(1042, format="csv", to=folder)
            finally:
                await transport.aclose()

        return anyio.run(job, backend=library)

    return download


WAYS = {
    "urllib3": urllib3,
    "aiohttp": async_with(AiohttpTransport, "asyncio"),
    "httpx2-asyncio": async_with(Httpx2Transport, "asyncio"),
    "httpx2-trio": async_with(Httpx2Transport, "trio"),
}
every_way = pytest.mark.parametrize(
    "download",
    [pytest.param(way, id=name, marks=() if name == "urllib3" else pytest.mark.deep) for name, way in WAYS.items()],
)


@pytest.mark.needs("nginx")
@pytest.mark.rules("D6", "D7", "I3")
@every_way
def test_nginx_gives_run_up_after_a_second(proxies, endpoint, download, tmp_path):
    server = endpoint(generation_seconds=2.0)
    url = proxies.nginx(server.port, options="proxy_read_timeout 1s;")
    got = download(url, tmp_path)
    assert got.size == got.path.stat().st_size
    assert server.count("run") == server.count("init") == server.count("get") == 1
    assert server.count("check") >= 2
    assert [session.generations for session in server.sessions()] == [1]
    assert proxies.asked().count("run") == 1


@pytest.mark.needs("nginx")
@pytest.mark.rules("D8", "I3")
def test_nginx_passes_a_lost_run_on_to_its_second_upstream(proxies, endpoint, tmp_path):
    """Two upstreams are two web nodes with the same sessions: nginx repeats a `run` that timed out, by default.

    The client sent one; the endpoint joins the second to the first.
    """
    server = endpoint(generation_seconds=3.0)
    url = proxies.nginx(server.port, server.port, options="proxy_read_timeout 1s;", each="max_fails=0")
    got = urllib3(url, tmp_path)
    assert got.size == got.path.stat().st_size
    assert proxies.asked().count("run") == 1
    assert server.count("run") == 2
    assert server.count("get") == 1
    assert [session.generations for session in server.sessions()] == [1]


@pytest.mark.needs("nginx")
@pytest.mark.rules("I3", "R27")
def test_nginx_with_a_dead_upstream_costs_nothing(proxies, endpoint, tmp_path):
    server = endpoint()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]
    urllib3(proxies.nginx(dead, server.port), tmp_path)
    assert [server.count(state) for state in ("init", "run", "get")] == [1, 1, 1]


@pytest.mark.needs("nginx")
@pytest.mark.rules("I3", "D30")
def test_two_nodes_that_share_no_sessions_end_in_a_plain_word(proxies, endpoint, tmp_path):
    """Each node knows its own tokens only: the other refuses them, and nothing is asked twice."""
    nodes = [endpoint(), endpoint()]
    url = proxies.nginx(*(node.port for node in nodes))
    with pytest.raises(reportdl.ServerProtocolError, match="Invalid token"):
        urllib3(url, tmp_path / "out")
    assert sum(node.count("run") for node in nodes) == 1
    assert not (tmp_path / "out").exists()


NAMED = """
    add_header Set-Cookie "node=$upstream_addr; Path=/" always;
    if ($cookie_node) { proxy_pass http://$cookie_node; }
"""


@pytest.mark.parametrize(
    ("proxy", "name"),
    [
        pytest.param("nginx", "node", marks=pytest.mark.needs("nginx")),
        pytest.param("haproxy", "SERVERID", marks=pytest.mark.needs("haproxy")),
    ],
)
@pytest.mark.rules("D30", "D43", "I3")
def test_with_its_affinity_cookie_a_session_stays_on_its_node(proxies, endpoint, tmp_path, proxy, name):
    """Two nodes that share no sessions, a proxy that knows them by a cookie: also for a job that is taken up again."""
    nodes = [endpoint(), endpoint()]
    ports = [node.port for node in nodes]
    if proxy == "nginx":
        url = proxies.nginx(*ports, options=NAMED)
    else:
        url = proxies.haproxy(*ports, backend=f"  cookie {name} insert indirect nocache", each="cookie %")
    with reportdl.Client(url, credentials=ANY, policy=POLICY, affinity_cookies=[name]) as client:
        for number in range(4):
            client.download(1042, format="csv", to=tmp_path / f"{number}.csv")
            client.formats(1042)  # one request more: the next session begins on the other node
    assert sum(node.count("run") for node in nodes) == sum(node.count("get") for node in nodes) == 4
    assert all(node.count("run") for node in nodes)  # a session begins without the last one's cookie
    saved = []

    def stop(checkpoint):
        saved.append(checkpoint)
        if any(node.count("run") for node in nodes if node.count("run") > runs[node]):
            raise KeyboardInterrupt

    runs = {node: node.count("run") for node in nodes}
    with (
        reportdl.Client(url, credentials=ANY, policy=POLICY, affinity_cookies=[name]) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.download(1042, format="csv", to=tmp_path / "5.csv", on_checkpoint=stop)
    with reportdl.Client(url, credentials=ANY, policy=POLICY, affinity_cookies=[name]) as client:
        client.resume(saved[-2], to=tmp_path / "5.csv")
    assert sum(node.count("run") for node in nodes) == sum(node.count("get") for node in nodes) == 5


@pytest.mark.needs("nginx")
@pytest.mark.rules("D21", "I10")
def test_nginx_cuts_a_transfer(proxies, endpoint, tmp_path):
    """The server dies in the middle of the file: nginx ends the connection short of the length it announced."""
    server = endpoint(faults=["get.cut_at=300:1"])
    got = urllib3(proxies.nginx(server.port, options="proxy_buffering off;"), tmp_path)
    assert got.length_verified
    assert proxies.asked().count("get") == 2
    assert server.count("run") == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [got.filename]


@pytest.mark.needs("haproxy")
@pytest.mark.rules("D6", "D7", "I3")
@every_way
def test_haproxy_gives_run_up_after_a_second(proxies, endpoint, download, tmp_path):
    server = endpoint(generation_seconds=2.0)
    got = download(proxies.haproxy(server.port, defaults="  timeout server 1s"), tmp_path)
    assert got.size == got.path.stat().st_size
    assert server.count("run") == server.count("get") == 1
    assert [session.generations for session in server.sessions()] == [1]


@pytest.mark.needs("haproxy")
@pytest.mark.rules("I3", "D23")
def test_haproxy_may_retry_what_it_likes_and_run_is_generated_once(proxies, endpoint, tmp_path):
    server = endpoint(faults=["run.drop_after=0.2:1"], generation_seconds=0.6)
    defaults = "  retries 2\n  retry-on all-retryable-errors"
    urllib3(proxies.haproxy(server.port, defaults=defaults), tmp_path)
    assert [session.generations for session in server.sessions()] == [1]
    assert server.count("get") == 1


@pytest.mark.needs("haproxy")
@pytest.mark.rules("R20", "D19", "I4")
def test_haproxy_that_lets_one_request_through_makes_check_wait_not_fail(proxies, endpoint, tmp_path):
    """`run` holds the one place for two seconds; a `check` meanwhile is queued, then told 503."""
    server = endpoint(generation_seconds=2.0)
    url = proxies.haproxy(server.port, defaults="  timeout queue 300ms", each="maxconn 1")
    policy = Policy(first_pause=0.1, longest_pause=0.3, first_check=0.1, longest_insurance=0.2)
    with reportdl.Client(url, credentials=ANY, policy=policy) as client:
        client.download(1042, format="csv", to=tmp_path)
    assert [server.count(state) for state in ("init", "run", "get")] == [1, 1, 1]


@pytest.mark.needs("haproxy")
@pytest.mark.rules("D26", "D29", "I13")
def test_haproxy_without_a_server_is_a_server_error(proxies, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]
    url = proxies.haproxy(dead, defaults="  retries 0")
    policy = Policy(first_pause=0.05, growth=8.0, longest_pause=60.0, first_contact=4.0)
    with reportdl.Client(url, credentials=ANY, policy=policy) as client, pytest.raises(reportdl.ServerError) as caught:
        client.download(1042, format="csv", to=tmp_path / "out")
    assert caught.value.retryable


@pytest.mark.needs("nginx")
@pytest.mark.rules("D31", "D39")
def test_what_nginx_logs_of_us_is_the_token_and_nothing_of_the_credential(proxies, endpoint, tmp_path):
    """The vendor's design puts the token into the query, so proxies log it; the credential stands in a header."""
    server = endpoint()
    url = proxies.nginx(server.port)
    with reportdl.Client(url, credentials=reportdl.Token("cr3dential"), policy=POLICY) as client:
        client.download(1042, format="csv", to=tmp_path / "out.csv")
    log = "".join(path.read_text() for path in (tmp_path / "proxy").glob("*.log"))
    assert "state/get?token=" in log
    assert "cr3dential" not in log


@pytest.mark.needs("nginx")
@pytest.mark.rules("I3", "D6")
def test_an_upstream_that_dies_under_run_gets_it_once_from_us(proxies, tmp_path):
    """A node that takes `run` and dies: nginx hands it to the other one; the client's own count stays one."""
    from reportdl.testing.canned import ISSUED, LISTED, OK, WHOLE

    runs = threading.Semaphore(0)

    def node(seen):
        match seen.state:
            case "run" if not runs.acquire(blocking=False):
                runs.release()
                return Answer(then=Then.CUT)
            case state:
                return {"formats": LISTED, "init": ISSUED, "run": OK, "get": WHOLE}[state]

    with RawServer(node) as one, RawServer(node) as two:
        url = proxies.nginx(one.port, two.port)
        with reportdl.Client(url, credentials=ANY, policy=POLICY) as client:
            client.download(1042, format="pdf", to=tmp_path / "out.pdf")
        assert proxies.asked().count("run") == 1
        assert len([state for state in one.states + two.states if state == "run"]) == 2
