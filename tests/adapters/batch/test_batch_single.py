"""A destination behind a URL, as it was typed: refused where it names no file, where nobody answers, where it tells a
password; before anything is asked for."""

from __future__ import annotations

import socket

import pytest

from reportdl.batch.destinations import Objects, refuse_password
from reportdl.spooling import TargetUnusable

PASSWORD = "s3cretpw"


@pytest.fixture
def deaf() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize("url", ["s3://bucket", "file://x.csv", "s3://"])
def test_a_store_without_a_file_is_no_folder_of_this_machine(desk, serving, url):
    server = serving()
    ran = desk.run("get", "1042", "-f", "csv", "-o", url, url=server.url)
    assert (ran.code, ran.out) == (2, "")
    assert f"{url} names a store and no file in it: end it with /" in ran.err
    assert [one.name for one in desk.folder.iterdir()] == []
    assert server.calls == ()


def test_a_store_that_nobody_answers_for_is_no_bug(desk, serving, deaf):
    desk.jobs("1042,csv,r0")
    server = serving()
    with pytest.raises(TargetUnusable, match=r"cannot write to ftp://.*refused"):
        Objects(f"ftp://{deaf}/x").prepare()
    for words in (
        ("get", "1042", "-f", "csv", "-o", f"ftp://{deaf}/x.csv"),
        ("batch", "night.csv", "-o", f"ftp://{deaf}/"),
    ):
        ran = desk.run(*words, url=server.url)
        assert ran.code == 2, ran.err
        assert "refused" in ran.err
        assert "bug" not in ran.err
    assert server.calls == ()


@pytest.mark.rules("D39")
@pytest.mark.parametrize(
    "words",
    [("get", "1042", "-f", "csv"), ("batch", "night.csv"), ("batch", "night.csv", "--dry-run")],
    ids=["get", "batch", "dry-run"],
)
def test_a_password_in_a_destination_is_refused_and_stands_nowhere(desk, serving, deaf, words):
    desk.jobs("1042,csv,r0")
    server = serving()
    ran = desk.run(*words, "-o", f"ftp://bob:{PASSWORD}@{deaf}/x", url=server.url)
    assert ran.code == 2
    assert f"ftp://bob:***@{deaf}/x holds a password" in ran.err
    assert "FSSPEC_FTP_PASSWORD" in ran.err
    assert PASSWORD not in ran.out + ran.err
    assert [one.name for one in desk.folder.iterdir()] == ["night.csv"]
    assert server.calls == ()


@pytest.mark.rules("D39")
@pytest.mark.parametrize(
    "url", [f"ftp://bob:{PASSWORD}@host", f"sftp://:{PASSWORD}@host:22/x", f"smb://w;bob:{PASSWORD}@x@host/share/x"]
)
def test_what_is_a_password(url):
    with pytest.raises(TargetUnusable, match=r":\*\*\*@") as raised:
        refuse_password(url)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://bob@host/x",
        "hdfs://host:8020/x@y",
        "s3://bucket/a:b@c",
        "abfs://box@account.dfs.core.windows.net/x",
        "out/a:b@c",
    ],
)
def test_what_is_no_password(url):
    refuse_password(url)


def test_the_variable_that_is_named_is_the_one_that_fsspec_reads(monkeypatch):
    from fsspec.config import apply_config, conf, set_conf_env
    from fsspec.implementations.ftp import FTPFileSystem

    monkeypatch.setitem(conf, "ftp", {})
    set_conf_env(conf, {"FSSPEC_FTP_PASSWORD": PASSWORD})
    assert apply_config(FTPFileSystem, {"username": "bob"}) == {"username": "bob", "password": PASSWORD}
