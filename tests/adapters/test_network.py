"""How a server is reached: which proxy counts, whom it trusts, and that no password is shown (D33, D39)."""

from __future__ import annotations

import ssl
import traceback
from pathlib import Path

import pytest
import trustme

import reportdl
from reportdl.network import Network
from reportdl.origin import InvalidUrl, Origin
from reportdl.testing.raw_server import Answer, RawServer, Seen, message
from reportdl.transports.urllib3_pools import PoolsInUse

PROXY = "http://proxy.example.com:3128"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An office's: every way out of it is the proxy."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    return monkeypatch


def proxy_for(url: str, network: Network | None = None) -> str | None:
    return (network or Network()).proxy_for(Origin.parse(url, allow_insecure=True))


def formats(seen: Seen) -> Answer:
    return Answer(data=message(200, {"Content-Type": "application/json"}, b'{"status":"OK","formats":["csv"]}'))


@pytest.mark.rules("D33")
@pytest.mark.parametrize("host", ["localhost", "mi.localhost", "127.0.0.1", "127.8.0.1", "[::1]"])
def test_this_machine_is_reached_without_the_environments_proxy(host: str) -> None:
    for url in (f"http://{host}:8080", f"https://{host}"):
        assert Origin.parse(url).loopback
        assert proxy_for(url) is None
        assert proxy_for(url, Network(proxy="http://other:1")) == "http://other:1"  # what was said counts


@pytest.mark.rules("D33")
def test_other_machines_are_reached_through_it() -> None:
    for url in ("http://mi.example.com", "https://10.0.0.1", "https://localhost.example.com", "https://[fd00::1]"):
        assert not Origin.parse(url, allow_insecure=True).loopback
        assert proxy_for(url) == PROXY
        assert proxy_for(url, Network(proxy="")) is None


@pytest.mark.rules("D33")
def test_a_credential_for_this_machine_stays_on_it(environment: pytest.MonkeyPatch) -> None:
    with RawServer(formats) as elsewhere, RawServer(formats) as server:
        environment.setenv("HTTP_PROXY", elsewhere.url)
        with reportdl.Client(server.url, credentials=reportdl.Bearer("my-credential")) as client:
            assert client.formats(1) == ("csv",)
        assert (len(server.seen), len(elsewhere.seen)) == (1, 0)


@pytest.mark.parametrize(
    ("spelled", "url"),
    [
        ("mi.example.com", "https://mi.example.com:8443"),
        ("mi.example.com:8443", "https://mi.example.com:8443"),
        (".example.com", "https://mi.example.com"),
        ("fd00::1", "https://[fd00::1]"),
        ("[fd00::1]", "https://[fd00::1]"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443"),
        ("other.example.com, mi.example.com:443", "https://mi.example.com"),
    ],
)
def test_no_proxy_as_people_spell_it(environment: pytest.MonkeyPatch, spelled: str, url: str) -> None:
    environment.setenv("NO_PROXY", spelled)
    assert proxy_for(url) is None
    assert proxy_for("https://elsewhere.example.org") == PROXY


def test_no_proxy_with_another_port_does_not_count(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NO_PROXY", "mi.example.com:8443")
    assert proxy_for("https://mi.example.com") == PROXY


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("proxy:3128", "http://proxy:3128"),
        (" http://proxy:3128\n", "http://proxy:3128"),
        ("HTTP://proxy:3128", "http://proxy:3128"),
        ("https://me:p%2Fss%20w%C3%A4rd@proxy", "https://me:p%2Fss%20w%C3%A4rd@proxy"),
        ("http://[fd00::1]:3128/", "http://[fd00::1]:3128/"),
    ],
)
def test_a_proxys_url_as_environments_hold_it(environment: pytest.MonkeyPatch, given: str, meant: str) -> None:
    environment.setenv("HTTPS_PROXY", given)
    assert proxy_for("https://mi.example.com") == meant
    PoolsInUse(Origin.parse("https://mi.example.com"), Network(), None).close()


@pytest.mark.rules("D39")
@pytest.mark.parametrize(
    "given",
    [
        "http://me:pa/s3cret@proxy:3128",
        "http://me:12/s3cret@proxy:3128",
        "http://me:pa#s3cret@proxy:3128",
        "http://me:pa?s3cret@proxy:3128",
        "http://me:s3c[ret@proxy:3128",
        "http://me:s3cret@proxy:31x28",
        "http://me:s3cret@proxy:0",
        "http://me:s3cret@pr\N{LATIN SMALL LETTER O WITH DIAERESIS}xy:3128",
        "http://me:s3cret@pro<xy:3128",
        "http://me:s3cr\N{EURO SIGN}t@proxy:3128",
        "http://me:s3cr%E2%82%ACt@proxy:3128",
        "http://me:s3cret@",
        "//me:s3cret@proxy:3128",
        "socks5://me:s3cret@proxy:1080",
    ],
)
def test_a_proxys_url_that_cannot_be_used_is_refused_without_showing_it(given: str) -> None:
    network = Network(proxy=given)
    assert "s3c" not in repr(network)
    with pytest.raises(InvalidUrl, match=r"^the proxy's ") as caught:
        reportdl.Client("https://mi.example.com", credentials=reportdl.Token("any"), network=network)
    assert "s3c" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.mark.parametrize("name", ["house.pem", "house.crt", "HOUSE.CER"])
def test_a_folder_of_authorities_needs_no_hashed_names(tmp_path: Path, authority: trustme.CA, name: str) -> None:
    authority.cert_pem.write_to_path(tmp_path / name)
    trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(tmp_path / "another.pem")
    authority.private_key_pem.write_to_path(tmp_path / "key.pem")  # is passed over, as OpenSSL does
    (tmp_path / "notes.txt").write_text("no certificate")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with RawServer(formats, tls=tls) as server:
        network = Network(ca_bundle=tmp_path)
        with reportdl.Client(server.url, credentials=reportdl.Token("any"), network=network) as client:
            assert client.formats(1) == ("csv",)
    assert len(network.tls().get_ca_certs()) == 2


def test_a_folder_that_trusts_nobody_is_told_at_once(tmp_path: Path, authority: trustme.CA) -> None:
    authority.private_key_pem.write_to_path(tmp_path / "key.pem")
    with pytest.raises(FileNotFoundError, match="no certificate in PEM is in this folder"):
        Network(ca_bundle=tmp_path).tls()
    (tmp_path / "12ab34cd.0").write_text("as c_rehash names one: OpenSSL reads it when it looks for it")
    assert Network(ca_bundle=tmp_path).tls().get_ca_certs() == []
