"""Each thing that can be wrong, made wrong: what the doctor says of it, and what to do."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import trustme

import reportdl
from reportdl.credentials import Credentials
from reportdl.doctor import Health, Place, Result, checkup
from reportdl.doctor.installation import _within, installation
from reportdl.origin import Origin
from reportdl.server import Accounts, LoopbackServer
from reportdl.transports.urllib3 import Urllib3Transport
from reportdl_core.job import Job

NOT_FOUND = b'{"status":"ERROR","message":"Element not found"}'


def examined(
    url: str | None,
    *,
    credentials: Credentials | str | None = None,
    network: reportdl.Network | None = None,
    job: Job | None = None,
) -> dict[str, Result]:
    """The checks by name."""
    used = network or reportdl.Network(proxy="")
    results = checkup(
        url,
        network=used,
        credentials=reportdl.Token("canary-credential") if credentials is None else credentials,
        transport=lambda origin: Urllib3Transport(origin, network=used),
        job=job,
    )
    named = {result.name: result for result in results}
    shown = repr(named)
    assert "canary" not in shown
    return named


def bad(results: dict[str, Result]) -> list[str]:
    return [name for name, result in results.items() if result.health is Health.BAD]


class Wire:
    """A server that answers every request with the same bytes, in clear or under TLS."""

    def __init__(self, answer: bytes, context: ssl.SSLContext | None = None) -> None:
        self._answer, self._context = answer, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with connection:
                    connection.settimeout(5)
                    wrapped = self._context.wrap_socket(connection, server_side=True) if self._context else connection
                    with wrapped:
                        if wrapped.recv(65536):
                            wrapped.sendall(self._answer)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def answering(code: str, body: bytes = NOT_FOUND, kind: str = "application/json", *more: str) -> bytes:
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    lines = [f"HTTP/1.1 {code}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *more]
    if not any(line.startswith("Date") for line in more):
        lines.append(f"Date: {date}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    running: list[Wire] = []

    def start(*args: Any) -> Wire:
        running.append(Wire(*args))
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_all_is_well(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        results = examined(server.url, job=Job(element=1043, format="any"))
        assert {call.state for call in server.calls} == {"formats"}, "no session was begun"
    assert bad(results) == []
    assert list(results) == [
        "python", "versions", "urllib3", "extras", "url", "proxy", "name", "connection", "tls", "clock", "credentials",
        "endpoint", "element 1043",
    ]  # fmt: skip
    assert results["element 1043"].said == "offers image, pdf, csv"
    assert results["tls"].said == "the URL is http://"


def test_no_url_and_no_credentials_are_told_together() -> None:
    results = examined(None, credentials="set REPORTDL_TOKEN")
    assert bad(results) == ["credentials", "url"]
    assert results["credentials"].advice == "set REPORTDL_TOKEN"


@pytest.mark.rules("D33")
def test_a_url_that_cannot_be_used_is_told_and_nothing_is_looked_up() -> None:
    results = examined("http://mi.example.com")
    assert bad(results) == ["url"]
    assert "in clear" in results["url"].said


def test_a_name_that_nobody_knows_ends_the_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    results = examined("https://mi.example.com")
    assert bad(results) == ["name"]
    assert "VPN" in results["name"].advice
    assert [results[name].health for name in ("connection", "tls")] == [Health.SKIPPED] * 2


def test_a_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    results = examined(f"https://127.0.0.1:{port}")
    assert bad(results) == ["connection"]
    assert results["connection"].said == f"port {port}: Connection refused"


@pytest.mark.rules("D39")
def test_a_proxy_is_what_is_connected_to_and_its_password_is_not_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    network = reportdl.Network(proxy=f"http://me:canary-password@127.0.0.1:{port}")
    results = examined("https://mi.example.com", network=network)
    assert bad(results) == ["connection"]
    assert results["proxy"].said == f"http://127.0.0.1:{port}"
    network = reportdl.Network(proxy="socks5://me:canary-password@x")
    assert bad(examined("https://mi.example.com", network=network)) == ["proxy"]


def test_tls_through_a_proxy_that_does_not_let_one_through(wire: Callable[..., Wire]) -> None:
    proxy = wire(answering("403 Forbidden", b"", "text/plain"))
    results = examined("https://mi.example.com", network=reportdl.Network(proxy=f"http://127.0.0.1:{proxy.port}"))
    assert bad(results) == ["tls"]
    assert "403" in results["tls"].said
    assert "proxy" in results["tls"].advice


class Relay:
    """A proxy that grants every CONNECT to one port on this machine, and keeps what it was asked."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                if head := client.recv(65536):
                    self.asked.append(head)
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    self._joined(client)

    def _joined(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            pairs = {client: server, server: client}
            while ready := select.select([*pairs], [], [], 5)[0]:
                for end in ready:
                    try:
                        if not (data := end.recv(65536)):
                            return
                        pairs[end].sendall(data)
                    except OSError:
                        return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.mark.rules("D39")
def test_through_a_proxy_the_server_s_own_certificate_is_looked_at(wire: Callable[..., Wire], tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = wire(answering("404 Not Found"), _context(authority, "mi.example.com"))
    relay = Relay(server.port)
    try:
        proxy = f"http://me:canary%20word@127.0.0.1:{relay.port}"
        network = reportdl.Network(proxy=proxy, ca_bundle=str(tmp_path / "ca.pem"))
        results = examined("https://mi.example.com", network=network)
    finally:
        relay.close()
    assert bad(results) == []
    assert results["tls"].said.startswith("TLSv1.3, by trustme")
    assert results["endpoint"].health is Health.GOOD
    login = b"Basic " + b64encode(b"me:canary word")
    assert all(login in asked and asked.startswith(b"CONNECT mi.example.com:443") for asked in relay.asked)
    assert len(relay.asked) == 2, "the check itself, and the one question"


def _context(authority: trustme.CA, host: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **options).configure_cert(context)
    return context


CERTIFICATES = [
    pytest.param("127.0.0.1", {}, False, "tls", "--ca-bundle", id="an authority that nobody knows"),
    pytest.param("other.example.com", {}, True, "tls", "another host's", id="another name"),
    pytest.param("127.0.0.1", {"not_after": timedelta(days=-1)}, True, "tls", "expired", id="expired"),
    pytest.param("127.0.0.1", {"not_before": timedelta(days=2)}, True, "tls", "not valid yet", id="not yet"),
]


@pytest.mark.parametrize(("host", "ages", "trusted", "name", "advice"), CERTIFICATES)
def test_a_certificate_that_is_refused_says_what_to_do(
    wire: Callable[..., Wire],
    tmp_path: Path,
    host: str,
    ages: dict[str, timedelta],
    trusted: bool,
    name: str,
    advice: str,
) -> None:
    authority = trustme.CA()
    options = {key: datetime.now(UTC) + age for key, age in ages.items()}
    if "not_after" in options:
        options["not_before"] = datetime.now(UTC) - timedelta(days=9)
    server = wire(answering("404 Not Found"), _context(authority, host, **options))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    network = reportdl.Network(proxy="", ca_bundle=str(tmp_path / "ca.pem") if trusted else None)
    results = examined(f"https://127.0.0.1:{server.port}", network=network)
    assert bad(results) == [name]
    assert advice in results[name].advice
    assert "endpoint" not in results, "no credential goes where the certificate is refused"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_certificate_that_is_good_soon_over_or_not_looked_at(wire: Callable[..., Wire], tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    network = reportdl.Network(proxy="", ca_bundle=str(tmp_path / "ca.pem"))
    good = wire(answering("404 Not Found"), _context(authority, "127.0.0.1"))
    results = examined(f"https://127.0.0.1:{good.port}", network=network)
    assert (bad(results), results["tls"].health, results["endpoint"].health) == ([], Health.GOOD, Health.GOOD)
    soon = datetime.now(UTC) + timedelta(days=3)
    ending = wire(answering("404 Not Found"), _context(authority, "127.0.0.1", not_after=soon))
    results = examined(f"https://127.0.0.1:{ending.port}", network=network)
    assert (results["tls"].health, "(2 days)" in results["tls"].said) == (Health.DOUBTFUL, True)
    careless = reportdl.Network(proxy="", allow_unverified_tls=True)
    assert examined(f"https://127.0.0.1:{good.port}", network=careless)["tls"].health is Health.DOUBTFUL
    missing = reportdl.Network(proxy="", ca_bundle=str(tmp_path / "no.pem"))
    assert "--ca-bundle" in examined(f"https://127.0.0.1:{good.port}", network=missing)["tls"].advice


ANSWERS = [
    pytest.param(answering("404 Not Found", b"<h1>no</h1>", "text/html"), "older than 7.2.1", id="too old",
                 marks=pytest.mark.rules("D29")),
    pytest.param(answering("405 No", b"", "text/html"), "older than 7.2.1", id="405"),
    pytest.param(answering("200 OK", b"<h1>log in</h1>", "text/html"), "base URL is wrong", id="a login page"),
    pytest.param(answering("301 Moved", b"", "text/html", "Location: https://new.example.com/x?token=canary"),
                 "use that address", id="moved", marks=pytest.mark.rules("D31")),
    pytest.param(answering("502 Bad", b"", "text/html"), "try again later", id="in trouble"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "advice"), ANSWERS)
def test_a_server_without_the_endpoint(wire: Callable[..., Wire], answer: bytes, advice: str) -> None:
    results = examined(f"http://127.0.0.1:{wire(answer).port}")
    assert bad(results) == ["endpoint"]
    assert advice in results["endpoint"].advice
    assert results["endpoint"].place is Place.SERVER


def test_an_endpoint_that_says_it_in_other_words_is_doubtful(wire: Callable[..., Wire]) -> None:
    answer = answering("400 Bad Request", b'{"status":"ERROR","message":"who?"}')
    results = examined(f"http://127.0.0.1:{wire(answer).port}")
    assert results["endpoint"].health is Health.DOUBTFUL


@pytest.mark.parametrize(("age", "said"), [(3600, "3600 s ahead of"), (-7200, "7200 s behind")])
def test_a_clock_that_is_wrong_is_told_by_how_much(wire: Callable[..., Wire], age: int, said: str) -> None:
    date = (datetime.now(UTC) - timedelta(seconds=age)).strftime("Date: %a, %d %b %Y %H:%M:%S GMT")
    answer = answering("404 Not Found", NOT_FOUND, "application/json", date)
    clock = examined(f"http://127.0.0.1:{wire(answer).port}")["clock"]
    seconds, _, rest = clock.said.partition(" s ")
    assert clock.health is Health.DOUBTFUL
    assert abs(int(seconds) - abs(age)) <= 2
    assert said.partition(" s ")[2] in rest


@pytest.mark.parametrize(
    ("date", "health"),
    [
        ("{now:%a, %d %b %Y %H:%M:%S} -0000", Health.GOOD),  # UTC, of a machine whose zone is not told (RFC 5322)
        ("{now:%a, %d %b %Y %H:%M:%S}", Health.GOOD),
        ("Mon, 01 Jan 0001 00:00:00 +2359", Health.DOUBTFUL),
        ("Fri, 31 Dec 9999 23:59:59 -2359", Health.DOUBTFUL),
        ("Fri, 27 Nov 2026 08:00:00 +99999999999999", Health.SKIPPED),
        ("Fri, 99 Nov 2026 08:00:00 GMT", Health.SKIPPED),
        ("tomorrow", Health.SKIPPED),
        ("", Health.SKIPPED),
    ],
)
def test_a_clock_is_read_however_it_is_written(wire: Callable[..., Wire], date: str, health: Health) -> None:
    line = f"Date: {date.format(now=datetime.now(UTC))}"
    answer = answering("404 Not Found", NOT_FOUND, "application/json", line)
    assert examined(f"http://127.0.0.1:{wire(answer).port}")["clock"].health is health


def test_a_server_that_hangs_up_is_told(wire: Callable[..., Wire]) -> None:
    assert bad(examined(f"http://127.0.0.1:{wire(b'').port}")) == ["answer"]


@pytest.mark.rules("D16")
@pytest.mark.parametrize(
    ("credentials", "advice"),
    [
        (reportdl.Token("canary"), "it lives minutes only"),
        (reportdl.Bearer("canary"), "leave out --bearer"),
        (
            reportdl.ApplicationKey(application_id="a", application_key="canary", user="u"),
            "check REPORTDL_APPLICATION_ID",
        ),
    ],
)
def test_a_credential_that_is_refused_says_which_and_what_to_do(credentials: Credentials, advice: str) -> None:
    with LoopbackServer(accounts=Accounts(bearers={"good": "ann"})) as server:
        results = examined(server.url, credentials=credentials, job=Job(element=1042, format="any"))
    assert bad(results) == ["credentials"]
    assert advice in results["credentials"].advice
    assert results["endpoint"].health is Health.SKIPPED


@pytest.mark.rules("R3", "R5", "R6", "R9")
@pytest.mark.parametrize(
    ("element", "advice"),
    [
        (9999, "check the number"),
        (1046, "view access"),
        (2001, "only External Reports"),
        (1048, "source plugin"),
    ],
)
def test_a_report_that_cannot_be_had(element: int, advice: str) -> None:
    with LoopbackServer() as server:
        results = examined(server.url, job=Job(element=element, format="any"))
    assert bad(results) == [f"element {element}"]
    assert advice in results[f"element {element}"].advice


# -- what lies on the disk ----------------------------------------------------------------------------------------


def installed(tmp_path: Path) -> dict[str, Any]:
    """The checks of the installation in a process that imports from `tmp_path` first."""
    script = (
        "import json; from reportdl.doctor.installation import installation\n"
        "print(json.dumps({one.name: [one.health.value, one.said, one.advice] for one in installation()}))"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, timeout=50, check=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Result]:
    """The checks of the installation in this process, where `tmp_path` holds more packages."""
    monkeypatch.syspath_prepend(tmp_path)
    return {result.name: result for result in installation()}


def test_a_package_that_installs_itself_over_urllib3_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "urllib3_future-2.19.900.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: urllib3-future\nVersion: 2.19.900\n")
    (info / "RECORD").write_text("urllib3/__init__.py,,\n")
    result = seen(tmp_path, monkeypatch)["urllib3"]
    assert (result.health, result.said) == (Health.BAD, "urllib3-future has installed itself over urllib3")
    assert result.advice == "pip uninstall urllib3-future, then pip install --force-reinstall --no-deps urllib3"


def test_a_folder_that_hides_urllib3_is_named(tmp_path: Path) -> None:
    home = Path(str(distribution("urllib3").locate_file("urllib3")))
    shutil.copytree(home, tmp_path / "urllib3", ignore=shutil.ignore_patterns("__pycache__"))
    health, said, _ = installed(tmp_path)["urllib3"]
    assert (health, said) == ("bad", f"another urllib3 is imported: {tmp_path / 'urllib3' / '__init__.py'}")


def test_files_of_urllib3_that_were_changed_are_named(tmp_path: Path) -> None:
    theirs = distribution("urllib3")
    home = Path(str(theirs.locate_file("urllib3")))
    shutil.copytree(home, tmp_path / "urllib3", ignore=shutil.ignore_patterns("__pycache__"))
    info = next(home.parent.glob("urllib3-*.dist-info"))
    shutil.copytree(info, tmp_path / info.name)
    with (tmp_path / "urllib3" / "response.py").open("a") as file:
        file.write("\n# mended by hand\n")
    health, said, _ = installed(tmp_path)["urllib3"]
    assert (health, said) == ("bad", f"response.py of urllib3 {theirs.version} are not as they were installed")


def test_a_library_that_is_too_old_is_named_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "structlog-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: structlog\nVersion: 1.0\n")
    result = seen(tmp_path, monkeypatch)["versions"]
    assert (result.health, "structlog 1.0" in result.said) == (Health.BAD, True)
    assert result.advice == "pip install 'structlog>=24.1'"


@pytest.mark.parametrize(
    ("version", "bounds", "within"),
    [("2.3.0", ">=2.3,<3", True), ("2.10", ">=2.3,<3", True), ("3.0", "<3,>=2.3", False), ("2.2.9", ">=2.3", False),
     ("1.0rc1", "==1.0", False), ("1.0", "!=1.0", True)],
)  # fmt: skip
def test_bounds_are_read_as_numbers(version: str, bounds: str, within: bool) -> None:
    assert _within(version, bounds) is within


def test_an_origin_is_asked_at_its_own_base_path() -> None:
    seen: list[Origin] = []

    def transport(origin: Origin) -> Urllib3Transport:
        seen.append(origin)
        return Urllib3Transport(origin, network=reportdl.Network(proxy=""))

    with LoopbackServer() as server:
        network = reportdl.Network(proxy="")
        for _ in checkup(f"{server.url}/api/", network=network, credentials=reportdl.Token("x"), transport=transport):
            pass
    assert [origin.path for origin in seen] == [""]
