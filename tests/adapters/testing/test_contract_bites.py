"""The contract of transports is there to fail: a transport that is right in all but one thing must not pass."""

from __future__ import annotations

import runpy
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reportdl.errands import Errand
from reportdl.testing.staging import staged
from reportdl.testing.transport_contract import TransportContract
from reportdl_core.commands import Check, Get, Run

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "transport_http_client.py"


class Spoiled:
    """The documentation's example, around which something is wrong with every flight."""

    def __init__(self, transport: Any, spoil: Callable[[Any, Errand], Any]) -> None:
        self.transport, self.spoil = transport, spoil

    def flight(self, errand: Errand) -> Any:
        return self.spoil(self.transport, errand)

    def close(self) -> None:
        self.transport.close()


@pytest.fixture(scope="module")
def example() -> Any:
    return runpy.run_path(str(EXAMPLE))["HttpClientTransport"]


@pytest.fixture
def stage_of(example: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A stage for the example, spoiled like this."""
    stages = []

    def make(spoil: Callable[[Any, Errand], Any], scheme: str = "http") -> Any:
        stages.append(
            staged(lambda origin, network: Spoiled(example(origin, network=network), spoil), None, scheme, tmp_path)
        )
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


def nothing(transport: Any, errand: Errand) -> Any:
    return transport.flight(errand)


def with_headers(change: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[Any, Errand], Any]:
    return lambda transport, errand: transport.flight(replace(errand, headers=change(errand.headers)))


HEADERS = {
    "one too many": lambda said: {**said, "DNT": "1"},
    "one changed": lambda said: {**said, "Accept": "text/html"},
    "one said twice": lambda said: {**said, "accept": said["Accept"]},
    "one left out": lambda said: {name: value for name, value in said.items() if name != "Cache-Control"},
    "one that asks for a part": lambda said: {**said, "Range": "bytes=0-"},
}


@pytest.mark.rules("D34")
@pytest.mark.parametrize("kind", [Check, Get])
@pytest.mark.parametrize("wrong", HEADERS)
def test_it_sees_a_header_that_is_not_the_errands(stage_of: Any, wrong: str, kind: type[Any]) -> None:
    with pytest.raises(AssertionError):
        TransportContract().test_no_header_is_left_out_added_or_changed(stage_of(with_headers(HEADERS[wrong])), kind)


def unchecked(transport: Any, errand: Errand) -> Any:
    transport._tls.check_hostname = False
    return transport.flight(errand)


@pytest.mark.rules("I3")
def test_it_sees_that_nobody_looks_at_the_name_in_a_certificate(stage_of: Any) -> None:
    stage = stage_of(unchecked, "https")
    with pytest.raises(AssertionError):
        TransportContract().test_a_certificate_for_another_host_is_refused(stage, Run, "localhost")


class Forgetful:
    """A flight that does not remember a cancellation which came before it began."""

    def __init__(self, flight: Any) -> None:
        self.flight, self.begun = flight, False

    def perform(self) -> Any:
        self.begun = True
        return self.flight.perform()

    def cancel(self) -> None:
        if self.begun:
            self.flight.cancel()


def forgetful(transport: Any, errand: Errand) -> Any:
    return Forgetful(transport.flight(errand))


@pytest.mark.rules("D38")
def test_it_sees_a_cancellation_that_was_forgotten(stage_of: Any) -> None:
    with pytest.raises(AssertionError):
        TransportContract().test_what_is_cancelled_before_it_began_does_not_leave(stage_of(forgetful), Run)


class Unpacking:
    """An exchange in front of which somebody decodes, and takes away what told of it."""

    def __init__(self, exchange: Any) -> None:
        self.exchange, self.unpack = exchange, zlib.decompressobj(zlib.MAX_WBITS | 32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)

    def head(self, status: int, headers: Any) -> bool:
        kept = [pair for pair in headers if pair[0].lower() not in ("content-encoding", "content-length")]
        return self.exchange.head(status, kept)

    def feed(self, data: bytes) -> bool:
        return self.exchange.feed(self.unpack.decompress(data))


def unpacking(transport: Any, errand: Errand) -> Any:
    return transport.flight(replace(errand, exchange=Unpacking(errand.exchange)))


@pytest.mark.rules("D34")
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_it_sees_a_body_that_was_decoded_on_the_way(stage_of: Any, coding: str) -> None:
    with pytest.raises(AssertionError):
        TransportContract().test_nothing_is_decoded_on_the_way(stage_of(unpacking), coding)
    with pytest.raises(AssertionError):
        TransportContract().test_coded_bytes_are_handed_on_as_they_came(stage_of(unpacking))


def test_it_sees_nothing_wrong_where_nothing_is(stage_of: Any) -> None:
    TransportContract().test_no_header_is_left_out_added_or_changed(stage_of(nothing), Check)
    TransportContract().test_a_certificate_for_another_host_is_refused(stage_of(nothing, "https"), Run, "localhost")
    TransportContract().test_what_is_cancelled_before_it_began_does_not_leave(stage_of(nothing), Run)
    TransportContract().test_nothing_is_decoded_on_the_way(stage_of(nothing), "gzip")
    TransportContract().test_coded_bytes_are_handed_on_as_they_came(stage_of(nothing))
