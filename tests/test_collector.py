"""Python's cycle collector comes when it does no harm, and never to what it is to pass over."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hostlink import collector


class Knot:
    """Refers to itself, and so goes by the collector alone."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def knots() -> int:
    return sum(type(one) is Knot for one in gc.get_objects())


def make_many() -> list[list[int]]:
    return [[number] for number in range(100)]


def fail_within() -> None:
    with collector.paused():
        raise LookupError


def test_it_does_not_come_while_anybody_has_it_paused() -> None:
    gc.collect()
    gc.set_threshold(10)
    with collector.paused():
        with collector.paused():
            Knot()
        assert make_many()
        assert knots() == 1, "the other one has not ended"
    assert make_many()
    assert knots() == 0


def test_it_comes_again_after_a_failure() -> None:
    with pytest.raises(LookupError):
        fail_within()
    assert gc.isenabled()


def test_what_is_passed_over_is_not_gone_through_and_goes_with_its_last_user() -> None:
    table = {number: Knot() for number in range(10)}
    ids = {*map(id, table.values()), id(table)}
    with collector.paused():
        collector.pass_over()
    assert ids.isdisjoint(map(id, gc.get_objects()))
    for one in table.values():
        one.itself = None  # type: ignore[assignment]  # untied
    before = gc.get_freeze_count()
    del table, one
    assert gc.get_freeze_count() <= before - 11


def test_what_refers_back_to_itself_is_swept_up_before() -> None:
    Knot()
    collector.sweep()
    assert knots() == 0
