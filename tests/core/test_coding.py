"""Coded bodies: whole to the last byte, in slices, damaged in every way, and held while nothing sound has come out."""

from __future__ import annotations

import gzip
import zlib

import pytest

from reportdl_core.coding import BadCoding, Decoder, plain

MIB = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def decoded(coding: str, data: bytes) -> bytes:
    decoder = Decoder(coding)
    out = b"".join(decoder.feed(data))
    decoder.end()
    return out


@pytest.mark.rules("D34")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"x", mtime=0) + b"more", "bytes after the end of the coded body"),
        (gzip.compress(b"x", mtime=0)[:-8] + bytes(8), "the coded body is damaged"),
        (gzip.compress(b"x", mtime=0)[:-1], "the coded body stops before its end"),
    ],
)
def test_a_damaged_body_says_how(data: bytes, words: str) -> None:
    with pytest.raises(BadCoding) as raised:
        decoded("gzip", data)
    assert str(raised.value) == words


@pytest.mark.rules("D34")
def test_a_body_is_held_until_something_has_come_out_of_it() -> None:
    plain_body = Decoder("")
    assert (list(plain_body.feed(b"as it is")), plain_body.undecoded) == ([b"as it is"], None)
    coded = gzip.compress(b"x" * 1000)
    decoder = Decoder("gzip")
    assert decoder.undecoded == b""
    assert (list(decoder.feed(coded[:5])), decoder.undecoded) == ([], coded[:5])
    assert b"".join(decoder.feed(coded[5:])) == b"x" * 1000
    held: bytes | None = decoder.undecoded
    assert held is None


@pytest.mark.rules("D34", "D36")
def test_a_header_without_end_is_held_for_256_kib() -> None:
    decoder = Decoder("gzip")
    begun = b"\x1f\x8b\x08\x08" + bytes(6)  # a name follows, up to a zero that never comes
    assert list(decoder.feed(begun + b"n" * (256 * 1024 - len(begun)))) == []
    with pytest.raises(BadCoding) as raised:
        list(decoder.feed(b"n"))
    assert str(raised.value) == "nothing comes out of the coded body"


@pytest.mark.rules("D34", "D36")
def test_a_small_body_may_be_of_many_slices() -> None:
    body = b"12345678" * (3 * MIB // 8)
    assert plain(zlib.compress(body), "deflate", cap=3 * MIB) == body
    assert plain(zlib.compress(body), "deflate", cap=3 * MIB - 1) == b""


@pytest.mark.rules("D34", "D36")
def test_deflate_without_its_wrapper_is_held_in_memory_for_a_while_alone() -> None:
    raw = zlib.compressobj(level=0, wbits=-15)
    coded = raw.compress(bytes(300_000)) + raw.flush()
    decoder = Decoder("deflate")
    assert sum(map(len, decoder.feed(coded[:200_000]))) > 190_000
    assert decoder.undecoded == coded[:200_000]
    assert sum(map(len, decoder.feed(coded[200_000:]))) > 90_000
    assert decoder.undecoded is None
    decoder.end()


@pytest.mark.rules("D34")
def test_a_decoder_fed_nothing_gives_nothing() -> None:
    for coding in ("gzip", "deflate"):
        decoder = Decoder(coding)
        assert list(decoder.feed(b"")) == []
        with pytest.raises(BadCoding):
            decoder.end()


class TestFullSlices:
    @pytest.mark.rules("D34", "I10")
    @pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, MIB + 37, MIB + 258, 3 * MIB])
    @pytest.mark.parametrize("step", [3, 1000, MIB])
    @pytest.mark.parametrize(
        ("coding", "code"),
        [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
        ids=["gzip", "zlib", "raw"],
    )
    def test_what_fills_a_slice_to_the_brim_is_not_lost(self, coding: str, code: object, size: int, step: int) -> None:
        data = bytes(size)
        coded: bytes = code(data)  # type: ignore[operator]
        decoder, found = Decoder(coding), 0
        for at in range(0, len(coded), step):
            for piece in decoder.feed(coded[at : at + step]):
                assert len(piece) <= MIB
                assert not any(piece)
                found += len(piece)
        decoder.end()
        assert found == size

    @pytest.mark.rules("D34")
    def test_bytes_after_the_end_are_damage_even_behind_a_full_slice(self) -> None:
        decoder = Decoder("gzip")
        with pytest.raises(BadCoding, match="after the end"):
            list(decoder.feed(gzip.compress(bytes(MIB)) + b"more"))

    @pytest.mark.rules("D36")
    def test_a_small_body_is_whole_or_nothing(self) -> None:
        body = b"x" * 100
        assert plain(body, "", cap=100) == body
        assert plain(body, "", cap=99) == b""
        assert plain(gzip.compress(body), "gzip", cap=100) == body
        assert plain(gzip.compress(body), "gzip", cap=99) == b""
        assert plain(gzip.compress(body)[:-1], "gzip", cap=100) == b""
        assert plain(body, "br", cap=100) == b""
