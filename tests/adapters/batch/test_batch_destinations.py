"""Where files go: a folder, or a store behind a URL; whole, under its name, and found again after a kill."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reportdl.batch.destinations import Folder, NotDelivered, Objects, destination_of, is_url
from reportdl.batch.holding import Held
from reportdl.files import Clash
from reportdl.spooling import TargetUnusable

BODY = b"item,count\r\n1,2\r\n"


@pytest.fixture
def held(tmp_path):
    """Makes a held file."""

    def make(body: bytes = BODY, name: str = "00000001-sales.csv") -> Held:
        path = tmp_path / "held" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        return Held(path=str(path), filename="sales.csv", size=len(body), sha256=digest)

    return make


def free(path: str) -> bool:
    return True


class Names:
    """Chooses as a ledger does, for one file after the other: each name once."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, path: str) -> bool:
        if path in self.told:
            return False
        self.told.append(path)
        return True


# -- a folder ----------------------------------------------------------------------


@pytest.mark.rules("D24", "I10")
def test_a_name_that_is_taken_gets_a_suffix_and_each_is_told_before(tmp_path, held):
    names = Names()
    folder = Folder(str(tmp_path / "out"))
    folder.prepare()
    for number in range(3):
        folder.deliver(held(b"%d" % number), "north/sales.csv", chosen=None, choose=names)
    found = {path.name: path.read_bytes() for path in (tmp_path / "out" / "north").iterdir()}
    assert found == {"sales.csv": b"0", "sales (2).csv": b"1", "sales (3).csv": b"2"}
    assert [os.path.basename(path) for path in names.told] == ["sales.csv", "sales (2).csv", "sales (3).csv"]
    assert list((tmp_path / "held").iterdir()) == []


@pytest.mark.rules("D24")
def test_overwriting_and_skipping(tmp_path, held):
    target = tmp_path / "out" / "sales.csv"
    target.parent.mkdir()
    target.write_bytes(b"old")
    skipping = Folder(str(tmp_path / "out"), clash=Clash.SKIP)
    assert skipping.standing("sales.csv") == str(target)
    assert skipping.deliver(held(), "sales.csv", chosen=None, choose=free).standing
    assert target.read_bytes() == b"old"
    over = Folder(str(tmp_path / "out"), clash=Clash.OVERWRITE)
    assert over.standing("sales.csv") is None
    over.deliver(held(), "sales.csv", chosen=None, choose=free)
    assert target.read_bytes() == BODY


@pytest.mark.rules("D24", "I10")
@pytest.mark.parametrize("clash", Clash)
@pytest.mark.parametrize("there", [False, True])
def test_what_one_batch_has_brought_it_does_not_replace(tmp_path, held, clash, there):
    """Of two files of one name the second goes beside the first, whatever becomes of a file from another night."""
    out, names = tmp_path / "out", Names()
    out.mkdir()
    if there:
        (out / "sales.csv").write_bytes(b"old")
        (out / "sales (2).csv").write_bytes(b"old too")
    folder = Folder(str(out), clash=clash)
    found = [folder.deliver(held(b"%d" % number), "sales.csv", chosen=None, choose=names) for number in range(2)]
    old = clash is Clash.SKIP and there
    assert [one.standing for one in found] == [old, old]
    assert len({one.path for one in found}) == 2
    kept = [Path(one.path).read_bytes() for one in found]
    assert kept == ([b"old", b"old too"] if old else [b"0", b"1"])
    assert len(list(out.iterdir())) == (4 if there and clash is Clash.SUFFIX else 2)


@pytest.mark.parametrize("far", [False, True], ids=["folder", "store"])
def test_a_hundred_files_of_one_name_do_not_ask_five_thousand_times(tmp_path, held, local, far):
    asked: list[str] = []
    names = Names()

    def choose(path: str) -> bool:
        asked.append(path)
        return names(path)

    place = destination_of(local if far else str(tmp_path / "out"), clash=Clash.OVERWRITE)
    place.prepare()
    for number in range(100):
        place.deliver(held(b"%d" % number), "sales.csv", chosen=None, choose=choose)
    assert len(list((tmp_path / "out").iterdir())) == 100
    assert len(asked) == 199  # the last one's, and its own


@pytest.mark.rules("D44")
def test_where_no_name_is_free_it_stays_held(tmp_path, held):
    one = held()
    with pytest.raises(NotDelivered, match="that name is taken, and each that has a number"):
        Folder(str(tmp_path / "out")).deliver(one, "sales.csv", chosen=None, choose=lambda _: False)
    assert Path(one.path).read_bytes() == BODY


@pytest.mark.rules("D43")
def test_what_was_delivered_before_a_kill_is_not_delivered_twice(tmp_path, held):
    names = Names()
    folder = Folder(str(tmp_path))
    first = folder.deliver(held(), "sales.csv", chosen=None, choose=names)
    again = folder.deliver(held(), "sales.csv", chosen=names.told[0], choose=names)
    assert again == first
    assert len(names.told) == 1
    assert not (tmp_path / "sales (2).csv").exists()


def test_without_hard_links_it_is_copied_and_still_never_half(tmp_path, held, monkeypatch):
    def no_links(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    folder = Folder(str(tmp_path / "out"))
    folder.prepare()
    one = held()
    monkeypatch.setattr(os, "link", no_links)
    folder.deliver(one, "sales.csv", chosen=None, choose=free)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sales.csv"]
    assert (tmp_path / "out" / "sales.csv").read_bytes() == BODY


@pytest.mark.rules("D44")
def test_what_the_folder_does_not_take_stays_held(tmp_path, held):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "north").write_text("a file where a folder should be")
    one = held()
    with pytest.raises(NotDelivered, match="cannot write"):
        Folder(str(tmp_path / "out")).deliver(one, "north/sales.csv", chosen=None, choose=free)
    assert Path(one.path).read_bytes() == BODY
    with pytest.raises(TargetUnusable):
        Folder(str(tmp_path / "out" / "north" / "x")).prepare()


@pytest.mark.parametrize("place", ["out-\udcff", "memory://out-\udcff"])
def test_a_place_that_is_no_text_is_refused_before_anything_is_generated(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetUnusable, match=r"out-\\udcff': its name is not UTF-8"):
        destination_of(place).prepare()
    assert list(tmp_path.iterdir()) == []


# -- any store ----------------------------------------------------------------------


def test_what_is_a_url():
    assert is_url("s3://bucket/night")
    assert is_url("memory://x")
    assert not is_url("C:/reports")
    assert not is_url("out/")
    assert isinstance(destination_of("file:///tmp/x"), Folder)
    assert repr(destination_of("s3://b/x", options={"secret": "canary"})) == "Objects('s3://b/x')"


def test_a_store_that_nobody_knows_is_said_before_anything():
    with pytest.raises(TargetUnusable, match="nosuch"):
        Objects("nosuch://x").prepare()


def store(url: str, **options: Any) -> Objects:
    made = Objects(url, **options)
    made.prepare()
    return made


@pytest.fixture
def local(tmp_path) -> str:
    """A store that is not atomic by itself, as sftp is none: fsspec's own local one by another name."""
    from fsspec import register_implementation
    from fsspec.implementations.local import LocalFileSystem

    class Plain(LocalFileSystem):
        protocol = "plain"

    register_implementation("plain", Plain, clobber=True)
    return f"plain://{tmp_path}/out"


@pytest.mark.rules("I10")
def test_a_store_that_shows_what_is_half_there_gets_a_hidden_name_first(tmp_path, held, local):
    import fsspec

    seen: list[list[str]] = []
    filesystem = fsspec.filesystem("plain")
    real = filesystem.put_file

    def put_file(source: str, target: str, **more: Any) -> None:
        real(source, target, **more)
        seen.append(sorted(path.name for path in (tmp_path / "out").iterdir()))

    filesystem.put_file = put_file
    try:
        delivered = store(local).deliver(held(), "sales.csv", chosen=None, choose=free)
    finally:
        del filesystem.put_file
    assert seen == [[".sales.csv.reportdl-part"]]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sales.csv"]
    assert delivered.path.startswith("plain://")


@pytest.mark.rules("I10")
def test_a_store_that_took_less_than_was_sent_has_not_taken_it(held, local, tmp_path):
    import fsspec

    filesystem = fsspec.filesystem("plain")
    real = filesystem.put_file

    def put_file(source: str, target: str, **more: Any) -> None:
        real(source, target, **more)
        os.truncate(target, 3)

    filesystem.put_file = put_file
    one = held()
    try:
        with pytest.raises(NotDelivered, match="says 3 bytes, and 17 were sent"):
            store(local).deliver(one, "sales.csv", chosen=None, choose=free)
    finally:
        del filesystem.put_file
    assert not (tmp_path / "out" / "sales.csv").exists()
    assert Path(one.path).read_bytes() == BODY


@pytest.mark.rules("D24", "I10")
@pytest.mark.parametrize("clash", Clash)
def test_nor_does_a_store(held, local, clash):
    names, place = Names(), store(local, clash=clash)
    found = [place.deliver(held(b"%d" % number), "sales.csv", chosen=None, choose=names) for number in range(3)]
    assert [one.path.rpartition("/")[2] for one in found] == ["sales.csv", "sales (2).csv", "sales (3).csv"]
    assert [Path(one.path.removeprefix("plain://")).read_bytes() for one in found] == [b"0", b"1", b"2"]
    night = store(local, clash=clash).deliver(held(b"new"), "sales.csv", chosen=None, choose=Names())  # the next one
    assert (night.standing, night.path == found[0].path) == (clash is Clash.SKIP, clash is not Clash.SUFFIX)


# -- S3, as far as moto is S3 ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """moto's server on loopback: it speaks S3, and is not S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 client with an empty bucket `reports`."""
    import boto3
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "*")
    client = boto3.client("s3", endpoint_url=moto)
    client.create_bucket(Bucket="reports")
    yield client
    for one in client.list_objects_v2(Bucket="reports").get("Contents", []):
        client.delete_object(Bucket="reports", Key=one["Key"])
    client.delete_bucket(Bucket="reports")
    client.close()
    s3fs.S3FileSystem.clear_instance_cache()


def keys(bucket: Any) -> dict[str, int]:
    return {one["Key"]: one["Size"] for one in bucket.list_objects_v2(Bucket="reports").get("Contents", [])}


def s3(moto: str, **options: Any) -> Objects:
    return store("s3://reports/night", options={"endpoint_url": moto}, **options)


def test_objects(moto, bucket, held):
    names = Names()
    one = s3(moto)
    first = one.deliver(held(), "north/sales.csv", chosen=None, choose=names)
    second = one.deliver(held(b"other"), "north/sales.csv", chosen=None, choose=names)
    assert (first.path, second.path) == tuple(names.told)
    assert names.told == ["s3://reports/night/north/sales.csv", "s3://reports/night/north/sales (2).csv"]
    assert keys(bucket) == {"night/north/sales.csv": 17, "night/north/sales (2).csv": 5}
    assert bucket.get_object(Bucket="reports", Key="night/north/sales.csv")["Body"].read() == BODY
    assert one.deliver(held(), "north/sales.csv", chosen=names.told[0], choose=names) == first
    assert one.has(names.told[0], size=17, sha256=hashlib.sha256(BODY).hexdigest())
    assert not one.has(names.told[1], size=5, sha256=hashlib.sha256(BODY).hexdigest())
    assert len(keys(bucket)) == 2
    skipping = s3(moto, clash=Clash.SKIP)
    assert skipping.standing("north/sales.csv") == names.told[0]
    assert skipping.standing("north/none.csv") is None
    s3(moto, clash=Clash.OVERWRITE).deliver(held(b"new"), "north/sales.csv", chosen=None, choose=free)
    assert keys(bucket)["night/north/sales.csv"] == 3


@pytest.mark.deep
def test_a_large_object_is_there_whole(moto, bucket, held):
    body = os.urandom(1024 * 1024) * 60  # more than one part
    s3(moto).deliver(held(body), "large.bin", chosen=None, choose=free)
    assert keys(bucket) == {"night/large.bin": len(body)}


@pytest.mark.deep
def test_a_bucket_that_is_not_there(moto, bucket, held):
    one = held()
    with pytest.raises(NotDelivered, match=r"s3://nobody/x did not take 'sales.csv'"):
        store("s3://nobody/x", options={"endpoint_url": moto}).deliver(one, "sales.csv", chosen=None, choose=free)
    assert Path(one.path).exists()


@pytest.mark.deep
@pytest.mark.rules("D44")
def test_a_batch_to_a_bucket_that_comes_later_generates_once(moto, bucket, desk, serving):
    server = serving()
    desk.jobs("1042,csv,r0", "1042,pdf,r1")
    words = ("batch", "night.csv", "-o", "s3://later/night", "--storage-option", f"endpoint_url={moto}")
    failed = desk.run(*words, url=server.url)
    assert failed.code == 8
    assert "2 came, and the destination did not take them" in failed.err
    assert desk.rows("state, runs") == [("held", 1)] * 2
    bucket.create_bucket(Bucket="later")
    again = desk.run("resume", "night.ledger", "--storage-option", f"endpoint_url={moto}", url=server.url)
    assert again.code == 0, again.err
    assert sorted(again.out.splitlines()) == ["s3://later/night/r0.csv", "s3://later/night/r1.pdf"]
    assert (server.count("run"), server.count("get")) == (2, 2)
    assert not (desk.folder / "night.ledger.held").exists()
    for one in bucket.list_objects_v2(Bucket="later")["Contents"]:
        bucket.delete_object(Bucket="later", Key=one["Key"])
    bucket.delete_bucket(Bucket="later")


@pytest.mark.deep
def test_skipping_objects_asks_the_server_nothing(moto, bucket, desk, serving):
    server = serving()
    desk.jobs("1042,csv,r0")
    bucket.put_object(Bucket="reports", Key="night/r0.csv", Body=b"old")
    words = ("batch", "night.csv", "-o", "s3://reports/night", "--skip-existing")
    done = desk.run(*words, "--storage-option", f"endpoint_url={moto}", url=server.url)
    assert (done.code, done.out) == (0, "s3://reports/night/r0.csv\n"), done.err
    assert server.calls == ()
    assert keys(bucket) == {"night/r0.csv": 3}


@pytest.mark.deep
def test_one_report_to_a_url(moto, bucket, desk, serving):
    server = serving()
    option = ("--storage-option", f"endpoint_url={moto}")
    named = desk.run("get", "1042", "-f", "csv", "-o", "s3://reports/x/sales.csv", *option, url=server.url)
    assert (named.code, named.out) == (0, "s3://reports/x/sales.csv\n"), named.err
    (folder,) = desk.run("get", "1042", "-f", "csv", "-o", "s3://reports/x/", "--json", *option, url=server.url).json
    assert folder["path"] == f"s3://reports/x/{folder['filename']}"
    assert folder["size"] == keys(bucket)[f"x/{folder['filename']}"] == keys(bucket)["x/sales.csv"]
    before = server.count("run")
    skip = ("get", "1042", "-f", "csv", "-o", "s3://reports/x/sales.csv", "--skip-existing", *option)
    assert desk.run(*skip, url=server.url).out == "s3://reports/x/sales.csv\n"
    assert server.count("run") == before
    lost = desk.run("get", "1042", "-f", "csv", "-o", "s3://nobody/x.csv", "--json", *option, url=server.url)
    assert lost.code == 1
    kept = Path(json.loads(lost.err.splitlines()[-1])["kept"])
    assert kept.stat().st_size == folder["size"]
    kept.unlink()
    kept.parent.rmdir()
