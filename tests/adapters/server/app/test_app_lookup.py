"""The catalog is asked on every call and still does not look through all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reportdl.server.lookup import Catalog
from reportdl.server.sources import Everyone, OnlyUsers, ReportInfo

NOBODY = OnlyUsers(users=frozenset())


class Listed:
    """A source that says what it is told to say, and counts how often it is asked."""

    name = "Listed"

    def __init__(self, infos: Any) -> None:
        self.infos = infos
        self.asked = 0

    def reports(self) -> Any:
        self.asked += 1
        return self.infos

    def capabilities(self, report: ReportInfo) -> tuple[str, ...]:
        return ("csv",)

    def generate(self, report: ReportInfo, format: str, directory: Path) -> Path:
        raise NotImplementedError


class Walked(tuple[ReportInfo, ...]):
    """A tuple that counts how often it is gone through."""

    walks = 0

    def __iter__(self) -> Iterator[ReportInfo]:
        self.walks += 1
        return super().__iter__()


def infos(count: int) -> list[ReportInfo]:
    return [ReportInfo(element=number, segment=segment, name="A") for number in range(count) for segment in (0, 7)]


@pytest.mark.parametrize("kind", [tuple, list, iter])
def test_every_element_and_segment_is_found_and_no_other(kind: Any) -> None:
    known = infos(5)
    for info in known:
        entry = Catalog([Listed(kind(known))]).entry(info.element, info.segment)
        assert entry is not None
        assert entry.info is info
    for element, segment in ((5, 0), (0, 1), (None, 0), (0, None), (None, None)):
        assert Catalog([Listed(kind(known))]).entry(element, segment) is None


def test_the_same_tuple_is_gone_through_once_though_it_is_asked_for_each_time() -> None:
    walked = Walked(infos(100))
    source = Listed(walked)
    catalog = Catalog([source])
    for _ in range(50):
        assert catalog.find(user="ann", element=99, segment=7) is not None
        assert catalog.find(user="ann", element=100, segment=7) is None
    assert (source.asked, walked.walks) == (100, 1)


@pytest.mark.rules("D27", "R5", "R6")
@pytest.mark.parametrize("kind", [tuple, list])
def test_a_source_that_says_something_else_is_heard_at_once(kind: Any) -> None:
    source = Listed(kind(infos(3)))
    catalog = Catalog([source])

    def allowed() -> bool | None:
        found = catalog.find(user="ann", element=1, segment=0)
        return None if found is None else found.allowed

    for access in (Everyone(), NOBODY, Everyone()):
        source.infos = kind(dataclasses.replace(info, access=access) for info in infos(3))
        assert allowed() is isinstance(access, Everyone)
    source.infos = kind(infos(1))
    assert allowed() is None


@pytest.mark.rules("D27")
def test_a_list_that_changes_in_place_is_heard_at_once() -> None:
    known = infos(3)
    catalog = Catalog([Listed(known)])
    assert catalog.entry(2, 0) is not None
    known.pop(4)
    assert catalog.entry(2, 0) is None


@pytest.mark.parametrize("kinds", [(tuple, list), (list, tuple), (tuple, tuple)])
def test_the_first_source_and_its_first_entry_win(kinds: Sequence[Any]) -> None:
    named = [ReportInfo(element=1, name=name) for name in "abc"]
    sources = [Listed(kinds[0](named[:2])), Listed(kinds[1]([*named[2:], ReportInfo(element=2, name="d")]))]
    catalog = Catalog(sources)
    first, other = catalog.entry(1, 0), catalog.entry(2, 0)
    assert first is not None
    assert other is not None
    assert (first.info.name, first.source) == ("a", sources[0])
    assert (other.info.name, other.source) == ("d", sources[1])
